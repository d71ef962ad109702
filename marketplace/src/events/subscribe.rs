//! A subscription: what was missed since its cursor, then what comes.

use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt as _};
use souk_proto::{Reason, v1};

use super::cursor::{self, Heads};
use super::hub::{Consumed, Given, PAGE_ROWS, Scope};
use super::pattern::Patterns;
use super::told::{between, event};
use crate::error::{Error, Result};
use crate::market::Market;

/// Events and cursors, for as long as they are read.
pub(crate) type Subscription = Pin<Box<dyn Stream<Item = Result<v1::SubscribeResponse>> + Send>>;

/// A vendor's events that were missed: those behind a number, up to another.
struct Missed {
    vendor: Arc<str>,
    behind: i64,
    to: i64,
}

impl Market {
    pub(crate) async fn subscribe(&self, request: v1::SubscribeRequest) -> Result<Subscription> {
        let v1::SubscribeRequest { patterns, vendor_id, customer, cursor } = request;
        let patterns = Patterns::read(&patterns)?;
        let scope = Scope {
            vendor: Some(vendor_id).filter(|vendor| !vendor.is_empty()),
            customer: Some(customer).filter(|customer| !customer.is_empty()),
        };
        let known = if cursor.is_empty() { None } else { Some(cursor::read(&cursor)?) };
        let (consumed, heads) = self.hub.join(scope.clone(), patterns.clone()).await?;
        let at_heads = cursor::write(heads.iter());
        let first = stream::once(async move { Ok(v1::SubscribeResponse { event: None, cursor: at_heads }) });
        let known = known.map(|known| scope.cut(&known));
        let missed = match &known {
            Some(known) => missed(known, &heads)?,
            None => Vec::new(),
        };
        let catching_up = CatchingUp { market: self.clone(), missed, at: known.unwrap_or_default(), since_cursor: 0 };
        let read = read_missed(catching_up, scope, patterns);
        Ok(Box::pin(read.chain(first).chain(live(consumed))))
    }
}

fn out_of_range(vendor: &str) -> Error {
    let message = format!(
        "the cursor and the events of vendor `{vendor}` do not meet any more: read what is there now, and subscribe without a cursor"
    );
    Error::new(Reason::OutOfRange, message)
}

/// What is between a cursor and where the hub is.
fn missed(known: &Heads, heads: &Heads) -> Result<Vec<Missed>> {
    // What a cursor has seen cannot be unseen: the vendor's database was set back.
    let is_ahead = |(vendor, seq): &(&Arc<str>, &i64)| heads.get(*vendor).copied().unwrap_or(0) < **seq;
    if let Some((vendor, _)) = known.iter().find(is_ahead) {
        return Err(out_of_range(vendor));
    }
    let missed = heads.iter().filter_map(|(vendor, to)| {
        let behind = known.get(vendor).copied().unwrap_or(0);
        (behind < *to).then(|| Missed { vendor: Arc::clone(vendor), behind, to: *to })
    });
    Ok(missed.collect())
}

/// A consumer on its way to where the hub is.
struct CatchingUp {
    market: Market,
    missed: Vec<Missed>,
    /// How far it has come.
    at: Heads,
    /// Events that were read since it was told.
    since_cursor: usize,
}

impl CatchingUp {
    /// The next events of some vendor, and a cursor behind them when there were many: who is cut off need not begin anew. None at the end.
    async fn next(&mut self) -> Result<Option<(Vec<v1::Event>, Option<String>)>> {
        let Some(last) = self.missed.last_mut() else { return Ok(None) };
        let events = page(&self.market, last).await?;
        self.at.insert(Arc::clone(&last.vendor), last.behind);
        if last.behind >= last.to {
            self.missed.pop();
        }
        self.since_cursor += events.len();
        let is_told = self.since_cursor >= PAGE_ROWS;
        if is_told {
            self.since_cursor = 0;
        }
        Ok(Some((events, is_told.then(|| cursor::write(self.at.iter())))))
    }
}

fn read_missed(
    catching_up: CatchingUp,
    scope: Scope,
    patterns: Patterns,
) -> impl Stream<Item = Result<v1::SubscribeResponse>> {
    let pages = stream::unfold(Some(catching_up), |catching_up| async move {
        let mut catching_up = catching_up?;
        let next = catching_up.next().await.transpose()?;
        let rest = next.is_ok().then_some(catching_up);
        Some((next, rest))
    });
    let wanted = move |event: &v1::Event| {
        patterns.want(event) && scope.customer.as_ref().is_none_or(|customer| event.customer == *customer)
    };
    pages.flat_map(move |page| {
        let responses: Vec<Result<v1::SubscribeResponse>> = match page {
            Ok((events, cursor)) => {
                let events = events.into_iter().filter(&wanted).map(given);
                events.chain(cursor.map(|cursor| v1::SubscribeResponse { event: None, cursor })).map(Ok).collect()
            }
            Err(error) => vec![Err(error)],
        };
        stream::iter(responses)
    })
}

fn given(event: v1::Event) -> v1::SubscribeResponse {
    v1::SubscribeResponse { event: Some(event), cursor: String::new() }
}

/// The next events of a vendor, which have no gap.
async fn page(market: &Market, missed: &mut Missed) -> Result<Vec<v1::Event>> {
    let rows = market.database.query(between(&missed.vendor, missed.behind, missed.to, PAGE_ROWS)).await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        let event = event(row)?;
        if event.seq != missed.behind + 1 {
            return Err(out_of_range(&missed.vendor));
        }
        missed.behind = event.seq;
        events.push(event);
    }
    if events.is_empty() { Err(out_of_range(&missed.vendor)) } else { Ok(events) }
}

fn live(consumed: Consumed) -> impl Stream<Item = Result<v1::SubscribeResponse>> {
    stream::unfold(Some(consumed), |consumed| async move {
        let mut consumed = consumed?;
        match consumed.next().await? {
            Given::Event(event) => Some((Ok(given(v1::Event::clone(&event))), Some(consumed))),
            Given::Cursor(cursor) => {
                Some((Ok(v1::SubscribeResponse { event: None, cursor: cursor.to_string() }), Some(consumed)))
            }
            Given::SetBack(vendor) => Some((Err(out_of_range(&vendor)), None)),
            Given::Dropped => {
                let message = "1 MiB of events waited and were not read: subscribe again with the last cursor";
                Some((Err(Error::new(Reason::Overloaded, message)), None))
            }
        }
    })
}
