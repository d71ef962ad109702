//! One reader of events for all who listen at this coordinator. It sleeps while nobody does.
//!
//! A round: which vendors have new events, then those events, then everybody who wants them. Whoever subscribes is told how far the hub has read at that moment: what is
//! before that it reads by itself, what is behind it is given to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use parking_lot::Mutex;
use souk_coordinator::{Database, Statement};
use souk_merge::Value;
use souk_proto::v1;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::cursor::{self, Heads};
use super::pattern::Patterns;
use super::told::{between, event};
use crate::error::Result;
use crate::rows::Row;

/// Bytes that wait for a consumer at most.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Time between two rounds at least.
const ROUND_MIN: Duration = Duration::from_millis(20);

/// How long is waited when events cannot be read.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often everybody gets a cursor, if anything happened: one that is old is worth nothing when events are forgotten.
const CURSOR_EVERY: Duration = Duration::from_secs(60);

/// How often is looked for consumers that are gone, when nothing happens.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Events that are read at once, and vendors.
pub(super) const PAGE_ROWS: usize = 500;
const VENDORS_AT_ONCE: usize = 16;

/// Whose events are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Scope {
    pub(super) vendor: Option<String>,
    pub(super) customer: Option<String>,
}

impl Scope {
    /// The scopes that an event is in.
    fn of(event: &v1::Event) -> [Scope; 4] {
        let (vendor, customer) = (Some(event.vendor_id.clone()), Some(event.customer.clone()));
        [
            Scope::default(),
            Scope { vendor: vendor.clone(), customer: None },
            Scope { vendor: None, customer: customer.clone() },
            Scope { vendor, customer },
        ]
    }

    /// The part of all heads that is of vendors in it.
    pub(super) fn cut(&self, heads: &Heads) -> Heads {
        match &self.vendor {
            None => heads.clone(),
            Some(vendor) => {
                heads.get_key_value(vendor.as_str()).map(|(name, seq)| (Arc::clone(name), *seq)).into_iter().collect()
            }
        }
    }
}

/// What is given to a consumer.
#[derive(Debug, Clone)]
pub(super) enum Given {
    Event(Arc<v1::Event>),
    /// Everything up to here was given.
    Cursor(Arc<str>),
    /// It is dropped: it did not read.
    Dropped,
    /// The events of this vendor are others than were given: its database was set back.
    SetBack(Arc<str>),
}

struct Consumer {
    patterns: Patterns,
    sender: mpsc::UnboundedSender<Given>,
    waiting: Arc<AtomicUsize>,
    /// It was given events, and no cursor behind them.
    owed_cursor: bool,
}

/// What a consumer reads.
pub(super) struct Consumed {
    receiver: mpsc::UnboundedReceiver<Given>,
    waiting: Arc<AtomicUsize>,
}

impl Consumed {
    pub(super) async fn next(&mut self) -> Option<Given> {
        let given = self.receiver.recv().await?;
        self.waiting.fetch_sub(size(&given), Ordering::Relaxed);
        Some(given)
    }
}

fn size(given: &Given) -> usize {
    match given {
        Given::Event(event) => {
            let texts = [&event.vendor_id, &event.id, &event.kind, &event.customer, &event.data];
            64 + texts.into_iter().map(String::len).sum::<usize>()
        }
        Given::Cursor(cursor) => cursor.len(),
        Given::Dropped | Given::SetBack(_) => 0,
    }
}

impl Consumer {
    /// False when it is gone, or does not read.
    fn give(&mut self, given: Given) -> bool {
        self.owed_cursor = matches!(given, Given::Event(_));
        let waiting = self.waiting.fetch_add(size(&given), Ordering::Relaxed);
        if waiting > WAITING_BYTES_MAX {
            // It is told when it reads again.
            let _ = self.sender.send(Given::Dropped);
            return false;
        }
        self.sender.send(given).is_ok()
    }
}

#[derive(Default)]
struct State {
    /// None while nobody listens.
    heads: Option<Heads>,
    consumers: HashMap<Scope, Vec<Consumer>>,
}

impl State {
    /// Lets a consumer in while the hub runs, which stops only when nobody is in; how far it has read.
    fn add(&mut self, scope: &Scope, consumer: &mut Option<Consumer>) -> Option<Heads> {
        let heads = scope.cut(self.heads.as_ref()?);
        self.consumers.entry(scope.clone()).or_default().extend(consumer.take());
        Some(heads)
    }
}

/// The hub. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub {
    database: Database,
    state: Arc<Mutex<State>>,
    /// Held while it is started.
    starting: Arc<tokio::sync::Mutex<()>>,
}

impl Hub {
    pub(crate) fn new(database: Database) -> Hub {
        Hub { database, state: Arc::default(), starting: Arc::default() }
    }

    /// From now on events are given; and how far they were given to others before, which is what the consumer has to read by itself.
    pub(super) async fn join(&self, scope: Scope, patterns: Patterns) -> Result<(Consumed, Heads)> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let waiting = Arc::<AtomicUsize>::default();
        let mut consumer = Some(Consumer { patterns, sender, waiting: Arc::clone(&waiting), owed_cursor: false });
        let consumed = Consumed { receiver, waiting };
        let _starting = self.starting.lock().await;
        if let Some(heads) = self.state.lock().add(&scope, &mut consumer) {
            return Ok((consumed, heads));
        }
        // Before it is read: what is written in between is then told.
        let changes = self.database.changes();
        let heads = read_heads(&self.database).await?;
        {
            let mut state = self.state.lock();
            state.heads = Some(heads.clone());
            state.add(&scope, &mut consumer);
        }
        tokio::spawn(run(self.clone(), changes));
        Ok((consumed, scope.cut(&heads)))
    }

    /// Whether the hub is to go on.
    fn is_wanted(&self) -> bool {
        let mut state = self.state.lock();
        state.consumers.retain(|_, consumers| {
            consumers.retain(|consumer| !consumer.sender.is_closed());
            !consumers.is_empty()
        });
        if state.consumers.is_empty() {
            state.heads = None;
        }
        !state.consumers.is_empty()
    }

    /// Ends who reads a vendor's events, which are not those that were there: from now on they are read from here.
    fn set_back(&self, vendor: &Arc<str>, seq: i64) {
        let mut state = self.state.lock();
        if let Some(heads) = &mut state.heads {
            heads.insert(Arc::clone(vendor), seq);
        }
        state.consumers.retain(|scope, consumers| {
            let reads = scope.vendor.as_ref().is_none_or(|of| **of == **vendor);
            if reads {
                for consumer in consumers.iter_mut() {
                    // One that is gone need not know.
                    let _ = consumer.give(Given::SetBack(Arc::clone(vendor)));
                }
            }
            !reads
        });
    }

    /// `to_all`: everybody is told how far it is, those too that were given nothing.
    async fn round(&self, to_all: bool) -> Result<()> {
        let known = self.state.lock().heads.clone().unwrap_or_default();
        // Vendors whose node is away have nothing new until it is back, of which everybody is told.
        let (rows, _) = self.database.query_reachable(heads_query()).await?;
        let now = heads_of(rows)?;
        for (vendor, seq) in now.iter().filter(|(vendor, seq)| known.get(*vendor).is_some_and(|known| *seq < known)) {
            self.set_back(vendor, *seq);
        }
        let newer = now.into_iter().filter(|(vendor, seq)| known.get(vendor).is_none_or(|known| seq > known));
        let read = newer.map(|(vendor, seq)| {
            let from = known.get(&vendor).copied().unwrap_or(0);
            async move { (read_events(&self.database, &vendor, from, seq).await, vendor) }
        });
        let mut read = stream::iter(read).buffer_unordered(VENDORS_AT_ONCE);
        let mut failed = None;
        while let Some((events, vendor)) = read.next().await {
            match events {
                Ok(Read { events, is_whole: true, .. }) => self.give(&vendor, events),
                // There is a gap: somebody has written over them, or forgotten what was not read yet.
                Ok(Read { last, .. }) => self.set_back(&vendor, last),
                // Read anew in the next round.
                Err(error) => failed = Some(error),
            }
        }
        self.give_cursors(to_all);
        failed.map_or(Ok(()), Err)
    }

    /// Gives a vendor's next events to whoever wants them.
    fn give(&self, vendor: &Arc<str>, events: Vec<v1::Event>) {
        let mut state = self.state.lock();
        let State { heads: Some(heads), consumers } = &mut *state else { return };
        for event in events {
            heads.insert(Arc::clone(vendor), event.seq);
            let event = Arc::new(event);
            for scope in Scope::of(&event) {
                let Some(of_scope) = consumers.get_mut(&scope) else { continue };
                of_scope.retain_mut(|consumer| {
                    !consumer.patterns.want(&event) || consumer.give(Given::Event(Arc::clone(&event)))
                });
            }
        }
    }

    /// Tells everybody who was given something how far that was.
    fn give_cursors(&self, to_all: bool) {
        let mut state = self.state.lock();
        let State { heads: Some(heads), consumers } = &mut *state else { return };
        let mut of_all: Option<Arc<str>> = None;
        for (scope, of_scope) in consumers.iter_mut() {
            let mut own: Option<Arc<str>> = None;
            of_scope.retain_mut(|consumer| {
                if !consumer.owed_cursor && !to_all {
                    return true;
                }
                let cursor = match scope.vendor {
                    None => of_all.get_or_insert_with(|| cursor::write(heads.iter()).into()),
                    Some(_) => own.get_or_insert_with(|| cursor::write(scope.cut(heads).iter()).into()),
                };
                consumer.give(Given::Cursor(Arc::clone(cursor)))
            });
        }
    }
}

async fn run(hub: Hub, mut changes: souk_coordinator::Changes) {
    // What was written while the heads were read.
    let mut has_more = true;
    let mut told_all = Instant::now();
    while hub.is_wanted() {
        if !has_more && timeout(LOOK_EVERY, changes.next()).await.is_err() {
            continue;
        }
        let to_all = told_all.elapsed() >= CURSOR_EVERY;
        if to_all {
            told_all = Instant::now();
        }
        let read = hub.round(to_all).await;
        if let Err(error) = &read
            && !has_more
        {
            tracing::warn!("events are not read: {error}; trying again");
        }
        has_more = read.is_err();
        sleep(if has_more { TRY_AGAIN_AFTER } else { ROUND_MIN }).await;
    }
}

/// The last number of every vendor.
async fn read_heads(database: &Database) -> Result<Heads> {
    heads_of(database.query(heads_query()).await?)
}

fn heads_query() -> Statement {
    Statement::new("SELECT vendor_id, max(seq) FROM events GROUP BY vendor_id", [])
}

fn heads_of(rows: Vec<Vec<Value>>) -> Result<Heads> {
    let head = |row| {
        let mut row = Row::new(row);
        Ok((Arc::from(row.text()?), row.integer()?))
    };
    rows.into_iter().map(head).collect()
}

/// What was read of a vendor.
struct Read {
    events: Vec<v1::Event>,
    /// There was no gap.
    is_whole: bool,
    /// The number of its last event.
    last: i64,
}

/// A vendor's events behind a number, up to another.
async fn read_events(database: &Database, vendor: &str, behind: i64, to: i64) -> Result<Read> {
    let mut read = Read { events: Vec::new(), is_whole: true, last: behind };
    while read.last < to && read.is_whole {
        let rows = database.query(between(vendor, read.last, to, PAGE_ROWS)).await?;
        read.is_whole = !rows.is_empty();
        for row in rows {
            let event = event(row)?;
            read.is_whole &= event.seq == read.last + 1;
            read.last = event.seq;
            read.events.push(event);
        }
    }
    if !read.is_whole {
        read.last = to;
    }
    Ok(read)
}
