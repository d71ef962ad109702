//! The services as HTTP/JSON, with a page that tells of them.
//!
//! - [`calls`]: the list of calls, of which the routes and the document are made: there is no route that the document does not have.
//! - [`message`]: messages in and out; errors as `{"reason": "...", "message": "..."}` with the status that goes with them.
//! - [`stream`]: events as server-sent events.
//! - [`contract`]: what the contract says of calls and fields. [`limits`]: what it does not: what values may be.
//! - [`openapi`]: all of that as an OpenAPI document. [`page`]: the document for people.

mod calls;
mod contract;
mod limits;
mod message;
mod openapi;
mod page;
mod stream;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use souk_proto::Reason;

use crate::error::Error;
use crate::http::message::said;
use crate::market::Market;

/// Where the calls are.
const ROOT: &str = "/api/v1";

pub(crate) fn router(market: &Market) -> Router {
    let calls = calls::all();
    let document = openapi::document(&calls);
    let (page, document) = (page::page(&document), document.to_string());
    let page = get(async move || Html(page)).fallback(other_method);
    let document = get(async move || ([(header::CONTENT_TYPE, "application/json")], document));
    let api = calls.into_iter().fold(Router::new(), |api, call| api.route(call.path, call.route));
    let api = api
        .route(openapi::DOCUMENT, document)
        .fallback(async || Error::not_found("there is no such call"))
        .method_not_allowed_fallback(other_method)
        .with_state(market.clone());
    // The root of what is nested has no slash behind it.
    let root = format!("{ROOT}{}", openapi::PAGE);
    Router::new().route(ROOT, page.clone()).route(&root, page).nest(ROOT, api)
}

async fn other_method() -> Response {
    let said = said(Reason::InvalidArgument, "this call has another method");
    (StatusCode::METHOD_NOT_ALLOWED, said).into_response()
}
