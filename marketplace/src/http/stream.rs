//! A subscription as server-sent events.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use futures::stream::{Stream, StreamExt as _};
use serde::Deserialize;
use souk_proto::v1;

use super::message::{Fields, said};
use crate::error::Result;
use crate::market::Market;

/// Where a browser says how far it was when the connection broke.
pub(super) const LAST_EVENT_ID: &str = "Last-Event-ID";

/// The event that has a cursor: with data, for browsers give none without to a page.
pub(super) const CURSOR: &str = "cursor";
pub(super) const CURSOR_DATA: &str = "{}";

/// The event that is the last.
pub(super) const ERROR: &str = "error";

/// A subscription as the query of an address; `patterns` have commas between.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    patterns: String,
    vendor_id: String,
    customer: String,
    cursor: String,
}

/// Server-sent events: `data` is an event, `id` a cursor, which a browser sends along when it comes back. An event of the kind `error` is the last.
pub(super) async fn subscribe(
    State(market): State<Market>,
    headers: HeaderMap,
    Fields(wanted): Fields<Wanted>,
) -> Result<Sse<impl Stream<Item = std::result::Result<sse::Event, axum::Error>>>> {
    let Wanted { patterns, vendor_id, customer, cursor } = wanted;
    let patterns = patterns.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let last = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let cursor = last.filter(|last| !last.is_empty()).unwrap_or(cursor);
    let subscription = market.subscribe(v1::SubscribeRequest { patterns, vendor_id, customer, cursor }).await?;
    let events = subscription.map(|response| match response {
        Ok(v1::SubscribeResponse { event: Some(event), .. }) => {
            sse::Event::default().event(&event.kind).json_data(&event)
        }
        Ok(v1::SubscribeResponse { event: None, cursor }) => {
            Ok(sse::Event::default().event(CURSOR).id(cursor).data(CURSOR_DATA))
        }
        Err(error) => sse::Event::default().event(ERROR).json_data(said(error.reason, &error.message).0),
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
