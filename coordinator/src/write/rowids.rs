//! The INTEGER PRIMARY KEY of a sharded table, where rows leave it open: a shard that chose its value would choose one that another shard has.
//!
//! What is handed out grows with time and is never handed out twice: milliseconds since 2025, then 8 bits that count within one, then 4 bits for the
//! coordinator's number, so that no two hand out the same. That is 53 bits until the year 2094, so that JSON's numbers hold it.
//!
//! Where SQLite itself numbers rows, after the highest that it sees, what it gives may be any coordinator's. So nobody else hands out anything meanwhile, what was handed out
//! before is there to be seen, and what SQLite gave is handed out by nobody later.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::try_join_all;
use parking_lot::Mutex;
use souk_merge::{Batch, Value, ValueRef};
use tokio::time::{Instant, timeout_at};

use super::OneWrite;
use crate::catalog::Store;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::locks::{Alone, COORDINATORS_MAX, Lock, Shared};
use crate::sql::TableInfo;

/// 2025-01-01T00:00:00Z, in milliseconds since 1970.
const EPOCH_MS: u64 = 1_735_689_600_000;

/// Numbers within a millisecond; more are taken from the next.
const PER_MS: i64 = 1 << 8;

/// Coordinators that may hand out.
const COORDINATORS: i64 = COORDINATORS_MAX as i64;

/// What is written down before it is handed out: so much time's. What a crash leaves of it is never handed out.
const RESERVED_AT_ONCE: Duration = Duration::from_secs(10);

/// Hands out rowids.
pub(crate) struct Rowids {
    /// The coordinator's number, below [`COORDINATORS`].
    coordinator: u8,
    /// For each coordinator one that it shares while it hands out, until the statements are over.
    handing: Vec<Lock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Looked up when the first is wanted.
    reserved: Option<Reserved>,
    /// What was handed out to statements that are not over, by the number under which each is known.
    under_way: BTreeMap<u64, Range<i64>>,
    /// Of statements that were over while somebody watches.
    ended: Option<Vec<Range<i64>>>,
    last: u64,
}

/// While there is one, what ends is remembered; only one at a time.
pub(crate) struct Watch(Arc<Rowids>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.state.lock().ended = None;
    }
}

/// Rowids that were handed out to a statement, until it is over and its rows can be read.
pub(crate) struct Handed {
    rowids: Arc<Rowids>,
    number: u64,
    range: Range<i64>,
    _handing: Arc<Shared>,
}

/// As long as it is there, no other coordinator hands out rowids, and what it had handed out is there to be seen.
pub(crate) struct NobodyElse {
    _others: Vec<Alone>,
}

impl Handed {
    fn iter(&self) -> impl Iterator<Item = i64> + use<> {
        let coordinator = i64::from(self.rowids.coordinator);
        self.range.clone().map(move |number| number * COORDINATORS + coordinator)
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        let mut state = self.rowids.state.lock();
        let range = state.under_way.remove(&self.number);
        if let Some(ended) = &mut state.ended {
            ended.extend(range);
        }
    }
}

/// Numbers below `end` may be handed out; those below `next` were.
struct Reserved {
    next: i64,
    end: i64,
}

impl State {
    fn reserved(&mut self, store: &Store) -> Result<&mut Reserved> {
        if self.reserved.is_none() {
            // A clock that was set back hands out nothing twice.
            let next = store.rowids_reserved()?;
            self.reserved = Some(Reserved { next, end: next });
        }
        self.reserved.as_mut().ok_or_else(|| Error::internal("what was just set is not there"))
    }
}

impl Reserved {
    /// Those below `next` were handed out.
    fn advance(&mut self, store: &Store, coordinator: u8, next: i64) -> Result<()> {
        if next > self.end {
            let ahead = i64::try_from(RESERVED_AT_ONCE.as_millis()).unwrap_or(i64::MAX) * PER_MS;
            store.reserve_rowids(coordinator, next + ahead)?;
            self.end = next + ahead;
        }
        self.next = next;
        Ok(())
    }
}

impl Rowids {
    /// For the coordinator of a folder that has this number.
    pub(crate) fn new(folder: &Path, coordinator: u8) -> Rowids {
        let lock = |number| Lock::new(folder, &format!("handing-{number}"));
        Rowids { coordinator, handing: (0..COORDINATORS_MAX).map(lock).collect(), state: Mutex::default() }
    }

    /// What a statement holds that hands out: for all that it does, one.
    async fn handing(&self, held: &tokio::sync::Mutex<Weak<Shared>>) -> Result<Arc<Shared>> {
        let mut held = held.lock().await;
        if let Some(handing) = held.upgrade() {
            return Ok(handing);
        }
        let handing = Arc::new(self.handing[usize::from(self.coordinator)].shared().await?);
        *held = Arc::downgrade(&handing);
        Ok(handing)
    }

    /// So many, rising.
    fn take(self: &Arc<Rowids>, store: &Store, handing: Arc<Shared>, count: usize) -> Result<Handed> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let floor = store.rowids_floor()?;
        let state = &mut *self.state.lock();
        let reserved = state.reserved(store)?;
        let first = reserved.next.max(floor).max(now());
        reserved.advance(store, self.coordinator, first + count)?;
        let range = first..first + count;
        state.last += 1;
        state.under_way.insert(state.last, range.clone());
        Ok(Handed { rowids: Arc::clone(self), number: state.last, range, _handing: handing })
    }

    /// Waits until what other coordinators have handed out is there to be seen.
    pub(super) async fn nobody_else(&self) -> Result<NobodyElse> {
        let others = (0..).zip(&self.handing).filter(|(number, _)| *number != self.coordinator);
        let others = try_join_all(others.map(|(_, handing)| handing.alone())).await?;
        Ok(NobodyElse { _others: others })
    }

    /// Remembers from now on which statements are over: what they were handed may have been read, or not.
    pub(super) fn watch(self: &Arc<Rowids>) -> Watch {
        self.state.lock().ended = Some(Vec::new());
        Watch(Arc::clone(self))
    }

    /// Every rowid that was handed out is below this one, whoever did.
    pub(super) fn above(&self, store: &Store) -> Result<i64> {
        let others = store.rowids_reserved_by_others(self.coordinator)?;
        Ok(self.state.lock().reserved(store)?.next.max(others).max(now()) * COORDINATORS)
    }

    /// Whether rowids that SQLite gave, each the highest that it saw and one, are nobody's: a statement that was not over when the watch began may have been handed
    /// some that could not be seen. If they are, none of them will be handed out. Nobody else hands out meanwhile. `given`: how many it gave at most, be they gone by now.
    pub(super) fn are_free(&self, store: &Store, rowids: &[i64], given: u64) -> Result<bool> {
        let state = &mut *self.state.lock();
        let is_under_way = |rowid: &&i64| {
            let number = **rowid / COORDINATORS;
            let mut handed = state.under_way.values().chain(state.ended.iter().flatten());
            **rowid % COORDINATORS == i64::from(self.coordinator) && handed.any(|range| range.contains(&number))
        };
        if rowids.iter().find(is_under_way).is_some() {
            return Ok(false);
        }
        let others = store.rowids_reserved_by_others(self.coordinator)?;
        let reserved = state.reserved(store)?;
        // One that is further ahead was given by the client.
        let bound = reserved.next.max(others).max(now()).saturating_mul(COORDINATORS).saturating_add_unsigned(given);
        if let Some(highest) = rowids.iter().filter(|rowid| **rowid <= bound).max() {
            let next = highest / COORDINATORS + 1;
            if next > reserved.next {
                reserved.advance(store, self.coordinator, next)?;
            }
            if next > store.rowids_floor()? {
                store.raise_rowids_floor(next)?;
            }
        }
        Ok(true)
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let ms = u64::try_from(since).unwrap_or(u64::MAX).saturating_sub(EPOCH_MS);
    i64::try_from(ms).unwrap_or(0).saturating_mul(PER_MS)
}

/// Rows whose INTEGER PRIMARY KEY, if they have one, is not open.
pub(super) struct Numbered {
    pub(super) columns: Vec<String>,
    pub(super) rows: Batch,
    /// What was handed out for that: kept until the statement is over.
    pub(super) handed: Option<Handed>,
    /// All of them were handed out: no shard has one of these.
    pub(super) all_new: bool,
}

/// The rows with what they leave open.
pub(super) async fn with_rowids(
    cluster: &Cluster,
    writing: &OneWrite,
    deadline: Instant,
    table: &TableInfo,
    mut columns: Vec<String>,
    rows: Batch,
) -> Result<Numbered> {
    let alias = table.rowid_alias.filter(|_| table.key().is_some()).map(|alias| &table.columns[alias].name);
    let Some(alias) = alias else { return Ok(Numbered { columns, rows, handed: None, all_new: false }) };
    let place = columns.iter().position(|column| column.eq_ignore_ascii_case(alias));
    let open = match place {
        None => rows.rows(),
        Some(place) => count_open(&rows, place),
    };
    if open == 0 && place.is_some() {
        return Ok(Numbered { columns, rows, handed: None, all_new: false });
    }
    let handing = timeout_at(deadline, cluster.rowids.handing(&writing.handing)).await;
    let handed = cluster.rowids.take(&cluster.store, handing.map_err(|_| Error::deadline())??, open)?;
    let mut rowids = handed.iter();
    let place = place.unwrap_or(columns.len());
    let mut filled = Batch::new(rows.width().max(place + 1));
    if place == columns.len() {
        columns.push(alias.clone());
    }
    let mut cursor = rows.cursor();
    while cursor.advance() {
        let given = if place < rows.width() { cursor.value(place) } else { ValueRef::Null };
        let rowid = if given.is_null() { rowids.next().map_or(Value::Null, Value::Integer) } else { given.to_owned() };
        let before = (0..place).map(|column| cursor.value(column));
        let behind = (place + 1..rows.width()).map(|column| cursor.value(column));
        filled.push_row(before.chain([rowid.as_ref()]).chain(behind));
    }
    Ok(Numbered { columns, rows: filled, handed: Some(handed), all_new: open == rows.rows() })
}

fn count_open(rows: &Batch, column: usize) -> usize {
    let (mut cursor, mut open) = (rows.cursor(), 0);
    while cursor.advance() {
        open += usize::from(cursor.value(column).is_null());
    }
    open
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::settings::PlacementPolicy;

    fn store(folder: &Path) -> Store {
        Store::open(folder, PlacementPolicy::Own, &["n".into()]).expect("a store")
    }

    /// The coordinators of a folder.
    fn rowids<const COUNT: usize>(folder: &Path) -> [Arc<Rowids>; COUNT] {
        std::array::from_fn(|number| Arc::new(Rowids::new(folder, number as u8)))
    }

    async fn hand(rowids: &Arc<Rowids>, store: &Store, count: usize) -> Handed {
        let handing = rowids.handing(&tokio::sync::Mutex::default()).await.expect("a lock");
        rowids.take(store, handing, count).expect("rowids")
    }

    async fn take(rowids: &Arc<Rowids>, store: &Store, count: usize) -> Vec<i64> {
        hand(rowids, store, count).await.iter().collect()
    }

    #[tokio::test]
    async fn coordinators_hand_out_none_that_another_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let coordinators: Vec<_> =
            rowids::<16>(folder.path()).into_iter().map(|rowids| (store(folder.path()), rowids)).collect();
        let mut all = BTreeSet::new();
        for round in 0..50 {
            for (store, rowids) in &coordinators {
                for rowid in take(rowids, store, 1 + round).await {
                    assert!(rowid < 1 << 53 && all.insert(rowid), "{rowid} was handed out twice");
                }
            }
        }
    }

    #[tokio::test]
    async fn what_is_handed_out_grows_over_restarts_and_clocks() {
        let folder = tempfile::tempdir().expect("a folder");
        let next = async || {
            let [rowids] = rowids(folder.path());
            take(&rowids, &store(folder.path()), 1).await[0]
        };
        let (first_store, [first]) = (store(folder.path()), rowids(folder.path()));
        let mut last = 0;
        for count in [1, 5000, 1, 300] {
            let taken = take(&first, &first_store, count).await;
            assert_eq!(taken.len(), count);
            assert!(taken[0] > last && taken.windows(2).all(|pair| pair[0] < pair[1]));
            last = taken[count - 1];
        }
        assert!(last < 1 << 53);
        // As if the clock had been set back before all that was reserved.
        assert!(next().await > last);
        first_store.reserve_rowids(3, 1 << 48).expect("reserved");
        assert_eq!(next().await, (1 << 48) * COORDINATORS, "that another reserved is not handed out either");
    }

    #[tokio::test]
    async fn what_sqlite_gives_and_what_is_handed_out_do_not_meet() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, [rowids]) = (store(folder.path()), rowids(folder.path()));
        let handed = hand(&rowids, &store, 2).await;
        let first = handed.iter().next().expect("the first");
        let given: Vec<i64> = (first - 3..first + 40).collect();
        assert!(
            !rowids.are_free(&store, &given, 43).expect("an answer"),
            "a statement that is not over has some of them"
        );
        let watch = rowids.watch();
        drop(handed);
        assert!(!rowids.are_free(&store, &given, 43).expect("an answer"), "what it wrote may not have been read");
        drop(watch);
        let ahead: Vec<i64> = (rowids.above(&store).expect("a rowid")..).take(10_000).collect();
        assert!(rowids.are_free(&store, &ahead, 10_000).expect("an answer"));
        let next = take(&rowids, &store, 1).await[0];
        assert!(next > ahead[ahead.len() - 1], "{next} behind {ahead:?}");
        assert!(rowids.are_free(&store, &[i64::MAX, 1 << 60], 2).expect("given by a client"));
        assert!(rowids.above(&store).expect("a rowid") < 1 << 53);
    }

    #[tokio::test]
    async fn what_sqlite_gives_at_one_coordinator_no_other_hands_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let [one, other] = rowids(folder.path());
        let (one_store, other_store) = (store(folder.path()), store(folder.path()));
        // Each has handed out before, and knows what it has reserved.
        let first = take(&one, &one_store, 1).await[0];
        let handed = hand(&other, &other_store, 50_000).await;
        assert!(handed.iter().all(|rowid| rowid > first));
        let highest = handed.iter().last().expect("the last");
        let patient = |wait| tokio::time::timeout(Duration::from_millis(50), wait);
        assert!(patient(one.nobody_else()).await.is_err(), "what the other handed out may not be there to be seen");
        drop(handed);
        let alone = one.nobody_else().await.expect("nobody else");
        assert!(one.above(&one_store).expect("a rowid") > highest);
        let held = tokio::sync::Mutex::default();
        assert!(tokio::time::timeout(Duration::from_millis(50), other.handing(&held)).await.is_err());
        // As SQLite gives them: behind the highest, or behind whatever was handed out.
        for from in [highest + 1, one.above(&one_store).expect("a rowid")] {
            let given: Vec<i64> = (from..).take(10_000).collect();
            assert!(one.are_free(&one_store, &given, 10_000).expect("an answer"));
            let last = given[given.len() - 1];
            assert!(take(&one, &one_store, 1).await[0] > last);
            assert!(other.state.lock().reserved(&other_store).expect("what is reserved").next <= last / COORDINATORS);
        }
        let last = one.state.lock().reserved(&one_store).expect("what is reserved").next * COORDINATORS;
        drop(alone);
        assert!(take(&other, &other_store, 1).await[0] > last - COORDINATORS * 2);
    }
}
