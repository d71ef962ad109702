//! The services as HTTP/JSON: the same messages, by POST with a body or by GET with the fields as a query. Errors are
//! `{"reason": "...", "message": "..."}` with the status that goes with them.

use std::future::Future;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
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
        Error::invalid(where_it_is(&rejection.body_text()))
    }
}

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Error {
        Error::invalid(where_it_is(&rejection.body_text()))
    }
}

/// What is wrong and where, without the value that stands there: it may be a secret.
fn where_it_is(text: &str) -> String {
    text.splitn(3, ": ").take(2).collect::<Vec<_>>().join(": ")
}

/// Answers by a method of the market, from a body or from a query.
macro_rules! call {
    (post $method:ident) => {
        post(|State(market): State<Market>, Body(body): Body<_>| async move { answer(market.$method(body)).await })
    };
    (get $method:ident) => {
        get(|State(market): State<Market>, Fields(fields): Fields<_>| async move { answer(market.$method(fields)).await })
    };
}

pub(crate) fn router(market: &Market) -> Router {
    let api = Router::new()
        .route("/vendors", call!(post create_vendor))
        .route("/vendor", call!(get get_vendor))
        .route("/categories", call!(get list_categories))
        .route("/products", call!(post put_product).merge(call!(get browse)))
        .route("/product", call!(get get_product))
        .route("/stock", call!(post adjust_stock))
        .route("/reviews", call!(post add_review))
        .route("/cart", call!(get get_cart))
        .route("/cart/add", call!(post add_to_cart))
        .route("/cart/change", call!(post change_cart))
        .route("/cart/checkout", post(checkout))
        .route("/orders", post(place_order).merge(call!(get list_orders)))
        .route("/order", call!(get get_order))
        .route("/order/ship", post(|market, body| change(market, body, Change::Ship)))
        .route("/order/deliver", post(|market, body| change(market, body, Change::Deliver)))
        .route("/order/cancel", post(|market, body| change(market, body, Change::Cancel)))
        .route("/order/refund", post(|market, body| change(market, body, Change::Refund)))
        .route("/events", call!(post publish).merge(get(subscribe)))
        .fallback(|| async { Error::not_found("there is no such call") })
        .method_not_allowed_fallback(|| async {
            (StatusCode::METHOD_NOT_ALLOWED, said(Reason::InvalidArgument, "this call has another method"))
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

async fn place_order(State(market): State<Market>, Body(body): Body<v1::PlaceOrderRequest>) -> Result<Response> {
    Ok(placed(market.place_order(body).await?))
}

async fn checkout(State(market): State<Market>, Body(body): Body<v1::CheckoutRequest>) -> Result<Response> {
    Ok(placed(market.checkout(body).await?))
}

/// An order that is refused is given with 409.
fn placed(response: v1::PlaceOrderResponse) -> Response {
    let is_refused = response.order.as_ref().is_some_and(|order| order.state == "refused");
    let status = if is_refused { StatusCode::CONFLICT } else { StatusCode::OK };
    (status, Json(response)).into_response()
}

/// A subscription as the query of an address; `patterns` have commas between.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    patterns: String,
    vendor_id: String,
    customer: String,
    cursor: String,
}

/// Server-sent events: `data` is an event, `id` a cursor, which a browser sends along when it comes back. An event of the kind `error` is the last.
async fn subscribe(
    State(market): State<Market>,
    headers: HeaderMap,
    Fields(wanted): Fields<Wanted>,
) -> Result<Sse<impl Stream<Item = std::result::Result<sse::Event, axum::Error>>>> {
    let Wanted { patterns, vendor_id, customer, cursor } = wanted;
    let patterns = patterns.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    // Where it was when the connection broke.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let cursor = last.unwrap_or(cursor);
    let subscription = market.subscribe(v1::SubscribeRequest { patterns, vendor_id, customer, cursor }).await?;
    let events = subscription.map(|response| match response {
        Ok(v1::SubscribeResponse { event: Some(event), .. }) => {
            sse::Event::default().event(&event.kind).json_data(&event)
        }
        Ok(v1::SubscribeResponse { event: None, cursor }) => {
            Ok(sse::Event::default().event("cursor").id(cursor).data(""))
        }
        Err(error) => sse::Event::default().event("error").json_data(said(error.reason, &error.message).0),
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
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
            Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, said(self.reason, &self.message)).into_response()
    }
}

/// An error as it is said.
fn said(reason: Reason, message: &str) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "reason": reason.as_str(), "message": message }))
}
