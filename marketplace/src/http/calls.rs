//! The calls: one list, of which the routes and the document are made.

use std::future::Future;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use prost::Name;
use serde::Serialize;
use serde::de::DeserializeOwned;
use souk_proto::{Reason, v1};

use super::message::{Body, Fields};
use super::stream;
use crate::error::Result;
use crate::market::Market;
use crate::order::Change;

/// What a call may say because of what it is asked, or of how things stand, or because the cluster cannot do it now.
const ANY: [Reason; 11] = [
    Reason::InvalidArgument,
    Reason::WrongState,
    Reason::Overloaded,
    Reason::ShardUnavailable,
    Reason::ShardDamaged,
    Reason::StaleTopology,
    Reason::SchemaMismatch,
    Reason::NodeMismatch,
    Reason::Deadline,
    Reason::Cancelled,
    Reason::Internal,
];

/// How a call takes its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// POST, as a body.
    Body,
    /// GET, as a query.
    Query,
}

/// What a call answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    Message,
    /// A message; with 409 when the order was refused.
    Order,
    /// Server-sent events.
    Events,
}

/// A call: where it is, and what it is in the contract.
pub(super) struct Call {
    pub(super) path: &'static str,
    pub(super) takes: Takes,
    /// Its name in the contract.
    pub(super) rpc: &'static str,
    pub(super) request: &'static str,
    pub(super) answer: &'static str,
    pub(super) answers: Answers,
    /// Why it may fail.
    pub(super) reasons: Vec<Reason>,
    pub(super) route: MethodRouter<Market>,
}

impl Call {
    fn may(mut self, more: &[Reason]) -> Call {
        self.reasons.extend(more);
        self
    }

    fn only(mut self, reasons: &[Reason]) -> Call {
        self.reasons = reasons.to_vec();
        self
    }
}

/// A method of the market as a function.
macro_rules! by {
    ($method:ident $(, $more:expr)?) => {
        |market: Market, request| async move { market.$method(request $(, $more)?).await }
    };
}

pub(super) fn all() -> Vec<Call> {
    use Reason::{AlreadyExists, InvalidArgument, NotFound, OutOfRange, TooLarge, WrongState};
    vec![
        post("/vendors", "CreateVendor", by!(create_vendor)).may(&[AlreadyExists]),
        get("/vendor", "GetVendor", by!(get_vendor)).may(&[NotFound]),
        get("/categories", "ListCategories", by!(list_categories)),
        post("/products", "PutProduct", by!(put_product)).may(&[NotFound]),
        get("/products", "Browse", by!(browse)),
        get("/product", "GetProduct", by!(get_product)).may(&[NotFound]),
        post("/stock", "AdjustStock", by!(adjust_stock)).may(&[NotFound]),
        post("/reviews", "AddReview", by!(add_review)).may(&[NotFound, AlreadyExists]),
        // In memory: no shard is asked.
        get("/cart", "GetCart", by!(get_cart)).only(&[
            InvalidArgument,
            WrongState,
            Reason::Overloaded,
            Reason::Internal,
        ]),
        post("/cart/add", "AddToCart", by!(add_to_cart)).may(&[NotFound]),
        post("/cart/change", "ChangeCart", by!(change_cart)).may(&[NotFound]),
        order("/cart/checkout", "Checkout", by!(checkout)).may(&[NotFound, AlreadyExists]),
        order("/orders", "PlaceOrder", by!(place_order)).may(&[NotFound, AlreadyExists]),
        get("/orders", "ListOrders", by!(list_orders)).may(&[TooLarge]),
        get("/order", "GetOrder", by!(get_order)).may(&[NotFound]),
        post("/order/ship", "ShipOrder", by!(change_order, Change::Ship)).may(&[NotFound]),
        post("/order/deliver", "DeliverOrder", by!(change_order, Change::Deliver)).may(&[NotFound]),
        post("/order/cancel", "CancelOrder", by!(change_order, Change::Cancel)).may(&[NotFound]),
        post("/order/refund", "RefundOrder", by!(change_order, Change::Refund)).may(&[NotFound]),
        post("/events", "Publish", by!(publish)).may(&[NotFound, AlreadyExists]),
        subscribe("/events", "Subscribe").may(&[OutOfRange]),
    ]
}

fn post<Q, A, F>(
    path: &'static str,
    rpc: &'static str,
    call: impl Fn(Market, Q) -> F + Clone + Send + Sync + 'static,
) -> Call
where
    Q: Name + DeserializeOwned + Send + 'static,
    A: Name + Serialize + 'static,
    F: Future<Output = Result<A>> + Send + 'static,
{
    let route = routing::post(async move |State(market): State<Market>, Body(body): Body<Q>| {
        call(market, body).await.map(Json)
    });
    of::<Q, A>(path, Takes::Body, rpc, Answers::Message, route)
}

fn get<Q, A, F>(
    path: &'static str,
    rpc: &'static str,
    call: impl Fn(Market, Q) -> F + Clone + Send + Sync + 'static,
) -> Call
where
    Q: Name + DeserializeOwned + Send + 'static,
    A: Name + Serialize + 'static,
    F: Future<Output = Result<A>> + Send + 'static,
{
    let route = routing::get(async move |State(market): State<Market>, Fields(fields): Fields<Q>| {
        call(market, fields).await.map(Json)
    });
    of::<Q, A>(path, Takes::Query, rpc, Answers::Message, route)
}

/// A call that places an order.
fn order<Q, F>(
    path: &'static str,
    rpc: &'static str,
    call: impl Fn(Market, Q) -> F + Clone + Send + Sync + 'static,
) -> Call
where
    Q: Name + DeserializeOwned + Send + 'static,
    F: Future<Output = Result<v1::PlaceOrderResponse>> + Send + 'static,
{
    let route = routing::post(async move |State(market): State<Market>, Body(body): Body<Q>| {
        call(market, body).await.map(placed)
    });
    of::<Q, v1::PlaceOrderResponse>(path, Takes::Body, rpc, Answers::Order, route)
}

/// An order that is refused is given with 409.
fn placed(response: v1::PlaceOrderResponse) -> Response {
    let is_refused = response.order.as_ref().is_some_and(|order| order.state == "refused");
    let status = if is_refused { StatusCode::CONFLICT } else { StatusCode::OK };
    (status, Json(response)).into_response()
}

fn subscribe(path: &'static str, rpc: &'static str) -> Call {
    let route = routing::get(stream::subscribe);
    of::<v1::SubscribeRequest, v1::SubscribeResponse>(path, Takes::Query, rpc, Answers::Events, route)
}

fn of<Q: Name, A: Name>(
    path: &'static str,
    takes: Takes,
    rpc: &'static str,
    answers: Answers,
    route: MethodRouter<Market>,
) -> Call {
    let mut reasons = ANY.to_vec();
    if takes == Takes::Body {
        reasons.push(Reason::TooLarge);
    }
    Call { path, takes, rpc, request: Q::NAME, answer: A::NAME, answers, reasons, route }
}
