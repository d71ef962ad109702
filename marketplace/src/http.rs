//! The services as HTTP/JSON: the same messages, by POST with a body or by GET with the fields as a query. Errors are
//! `{"reason": "...", "message": "..."}` with the status that goes with them.

use std::future::Future;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use souk_proto::{Reason, v1};
use tonic::Code;

use crate::error::{Error, Result};
use crate::market::Market;
use crate::order::Change;

/// A message as the body of a request.
#[derive(FromRequest)]
#[from_request(via(Json), rejection(Error))]
struct Body<T>(T);

/// A message as the query of an address.
#[derive(FromRequestParts)]
#[from_request(via(Query), rejection(Error))]
struct Fields<T>(T);

impl From<JsonRejection> for Error {
    fn from(rejection: JsonRejection) -> Error {
        Error::invalid(rejection.body_text())
    }
}

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Error {
        Error::invalid(rejection.body_text())
    }
}

pub(crate) fn router(market: &Market) -> Router {
    let api =
        Router::new()
            .route(
                "/vendors",
                post(|State(market): State<Market>, Body(body): Body<_>| async move {
                    answer(market.create_vendor(body)).await
                }),
            )
            .route(
                "/products",
                post(|State(market): State<Market>, Body(body): Body<_>| async move {
                    answer(market.put_product(body)).await
                }),
            )
            .route(
                "/products",
                get(|State(market): State<Market>, Fields(fields): Fields<_>| async move {
                    answer(market.browse(fields)).await
                }),
            )
            .route(
                "/product",
                get(|State(market): State<Market>, Fields(fields): Fields<_>| async move {
                    answer(market.get_product(fields)).await
                }),
            )
            .route(
                "/stock",
                post(|State(market): State<Market>, Body(body): Body<_>| async move {
                    answer(market.adjust_stock(body)).await
                }),
            )
            .route(
                "/reviews",
                post(|State(market): State<Market>, Body(body): Body<_>| async move {
                    answer(market.add_review(body)).await
                }),
            )
            .route("/orders", post(place_order))
            .route(
                "/orders",
                get(|State(market): State<Market>, Fields(fields): Fields<_>| async move {
                    answer(market.list_orders(fields)).await
                }),
            )
            .route(
                "/order",
                get(|State(market): State<Market>, Fields(fields): Fields<_>| async move {
                    answer(market.get_order(fields)).await
                }),
            )
            .route("/order/ship", post(|market, body| change(market, body, Change::Ship)))
            .route("/order/deliver", post(|market, body| change(market, body, Change::Deliver)))
            .route("/order/cancel", post(|market, body| change(market, body, Change::Cancel)))
            .route("/order/refund", post(|market, body| change(market, body, Change::Refund)))
            .fallback(|| async { Error::not_found("there is no such call") })
            .method_not_allowed_fallback(|| async {
                Error::new(Reason::UnsupportedSql, "this call has another method")
            })
            .with_state(market.clone());
    Router::new().nest("/api/v1", api)
}

async fn answer<T: Serialize>(call: impl Future<Output = Result<T>>) -> Result<Json<T>> {
    call.await.map(Json)
}

async fn change(
    State(market): State<Market>,
    Body(body): Body<v1::ChangeOrderRequest>,
    change: Change,
) -> Result<Json<v1::Order>> {
    answer(market.change_order(body, change)).await
}

/// An order that is refused is given with 409.
async fn place_order(State(market): State<Market>, Body(body): Body<v1::PlaceOrderRequest>) -> Result<Response> {
    let response = market.place_order(body).await?;
    let is_refused = response.order.as_ref().is_some_and(|order| order.state == "refused");
    let status = if is_refused { StatusCode::CONFLICT } else { StatusCode::OK };
    Ok((status, Json(response)).into_response())
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = match self.reason.code() {
            Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => StatusCode::CONFLICT,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Code::Unimplemented => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let body = serde_json::json!({ "reason": self.reason.as_str(), "message": self.message });
        (status, Json(body)).into_response()
    }
}
