//! The services over gRPC.

use std::pin::Pin;

use futures::stream::{Stream, StreamExt as _};
use souk_proto::v1;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::market::Market;
use crate::order::Change;

pub(crate) fn routes(market: &Market) -> Routes {
    Routes::default()
        .add_service(v1::catalog_service_server::CatalogServiceServer::new(market.clone()))
        .add_service(v1::cart_service_server::CartServiceServer::new(market.clone()))
        .add_service(v1::order_service_server::OrderServiceServer::new(market.clone()))
        .add_service(v1::event_service_server::EventServiceServer::new(market.clone()))
}

#[tonic::async_trait]
impl v1::catalog_service_server::CatalogService for Market {
    async fn create_vendor(&self, request: Request<v1::CreateVendorRequest>) -> Result<Response<v1::Vendor>, Status> {
        Ok(Response::new(Market::create_vendor(self, request.into_inner()).await?))
    }

    async fn get_vendor(&self, request: Request<v1::GetVendorRequest>) -> Result<Response<v1::Vendor>, Status> {
        Ok(Response::new(Market::get_vendor(self, request.into_inner()).await?))
    }

    async fn put_product(&self, request: Request<v1::PutProductRequest>) -> Result<Response<v1::Product>, Status> {
        Ok(Response::new(Market::put_product(self, request.into_inner()).await?))
    }

    async fn adjust_stock(&self, request: Request<v1::AdjustStockRequest>) -> Result<Response<v1::Product>, Status> {
        Ok(Response::new(Market::adjust_stock(self, request.into_inner()).await?))
    }

    async fn browse(&self, request: Request<v1::BrowseRequest>) -> Result<Response<v1::BrowseResponse>, Status> {
        Ok(Response::new(Market::browse(self, request.into_inner()).await?))
    }

    async fn list_categories(
        &self,
        request: Request<v1::ListCategoriesRequest>,
    ) -> Result<Response<v1::ListCategoriesResponse>, Status> {
        Ok(Response::new(Market::list_categories(self, request.into_inner()).await?))
    }

    async fn get_product(
        &self,
        request: Request<v1::GetProductRequest>,
    ) -> Result<Response<v1::GetProductResponse>, Status> {
        Ok(Response::new(Market::get_product(self, request.into_inner()).await?))
    }

    async fn add_review(&self, request: Request<v1::AddReviewRequest>) -> Result<Response<v1::Review>, Status> {
        Ok(Response::new(Market::add_review(self, request.into_inner()).await?))
    }
}

#[tonic::async_trait]
impl v1::cart_service_server::CartService for Market {
    async fn add_to_cart(&self, request: Request<v1::AddToCartRequest>) -> Result<Response<v1::Cart>, Status> {
        Ok(Response::new(Market::add_to_cart(self, request.into_inner()).await?))
    }

    async fn change_cart(&self, request: Request<v1::ChangeCartRequest>) -> Result<Response<v1::Cart>, Status> {
        Ok(Response::new(Market::change_cart(self, request.into_inner()).await?))
    }

    async fn get_cart(&self, request: Request<v1::GetCartRequest>) -> Result<Response<v1::Cart>, Status> {
        Ok(Response::new(Market::get_cart(self, request.into_inner()).await?))
    }

    async fn checkout(
        &self,
        request: Request<v1::CheckoutRequest>,
    ) -> Result<Response<v1::PlaceOrderResponse>, Status> {
        Ok(Response::new(Market::checkout(self, request.into_inner()).await?))
    }
}

/// A stream of responses.
type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl v1::event_service_server::EventService for Market {
    type SubscribeStream = Responses<v1::SubscribeResponse>;
    type WatchStream = Responses<v1::WatchResponse>;

    async fn publish(&self, request: Request<v1::PublishRequest>) -> Result<Response<v1::Event>, Status> {
        Ok(Response::new(Market::publish(self, request.into_inner()).await?))
    }

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let subscription = Market::subscribe(self, request.into_inner()).await?;
        Ok(Response::new(Box::pin(subscription.map(|response| response.map_err(Status::from)))))
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let watched = Market::watch(self, request.into_inner()).await?;
        Ok(Response::new(Box::pin(watched.map(|response| response.map_err(Status::from)))))
    }
}

#[tonic::async_trait]
impl v1::order_service_server::OrderService for Market {
    async fn place_order(
        &self,
        request: Request<v1::PlaceOrderRequest>,
    ) -> Result<Response<v1::PlaceOrderResponse>, Status> {
        Ok(Response::new(Market::place_order(self, request.into_inner()).await?))
    }

    async fn get_order(&self, request: Request<v1::GetOrderRequest>) -> Result<Response<v1::Order>, Status> {
        Ok(Response::new(Market::get_order(self, request.into_inner()).await?))
    }

    async fn list_orders(
        &self,
        request: Request<v1::ListOrdersRequest>,
    ) -> Result<Response<v1::ListOrdersResponse>, Status> {
        Ok(Response::new(Market::list_orders(self, request.into_inner()).await?))
    }

    async fn ship_order(&self, request: Request<v1::ChangeOrderRequest>) -> Result<Response<v1::Order>, Status> {
        Ok(Response::new(self.change_order(request.into_inner(), Change::Ship).await?))
    }

    async fn deliver_order(&self, request: Request<v1::ChangeOrderRequest>) -> Result<Response<v1::Order>, Status> {
        Ok(Response::new(self.change_order(request.into_inner(), Change::Deliver).await?))
    }

    async fn cancel_order(&self, request: Request<v1::ChangeOrderRequest>) -> Result<Response<v1::Order>, Status> {
        Ok(Response::new(self.change_order(request.into_inner(), Change::Cancel).await?))
    }

    async fn refund_order(&self, request: Request<v1::ChangeOrderRequest>) -> Result<Response<v1::Order>, Status> {
        Ok(Response::new(self.change_order(request.into_inner(), Change::Refund).await?))
    }
}
