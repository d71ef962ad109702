//! What columns of shards hold, in short: whether a row can match is often known without a look at its shard.
//!
//! The summary of a shard's column holds as long as the shard does not commit. It is made when a column has been asked for so
//! often that making it costs no more than the readings before it did.

mod summary;

use std::{
    collections::HashMap,
    hash::RandomState,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use souk_merge::ValueRef;

pub(crate) use summary::{Summary, SummaryBuilder, Test};

/// Rows that a summary may read for each time that its column was asked for: finding a shard, its statement and an entry of an index
/// costs about as much.
const ROWS_PER_ASK: u32 = 64;

/// Columns of which anything is known. Those of an earlier schema go in time.
const COLUMNS_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// Most rows that a table with a summary has.
const ROWS_MAX: u32 = 1 << 16;

/// What an entry takes beside its summary: a place in a table that is half empty at worst.
const OVERHEAD_BYTES: usize = 2 * (size_of::<(u64, Entry)>() + 1);

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct StoredColumn {
    pub(crate) table: String,
    pub(crate) column: String,
}

/// What a shard must hold to give any row of a fragment: a row whose column passes the test.
#[derive(Debug)]
pub(crate) struct Need {
    pub(crate) column: StoredColumn,
    pub(crate) test: Test,
    /// The column that leads the fragment's order is of the same row.
    pub(crate) of_lead: bool,
}

/// A column as one schema knows it: another may know another by the same name.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ColumnAt {
    pub(crate) schema_version: u64,
    pub(crate) column: StoredColumn,
    /// What it holds beside each value of this column of the same table.
    pub(crate) by: Option<String>,
}

/// The summaries that a node keeps, bounded in bytes; the columns that were not asked for for longest go first.
pub(crate) struct Statistics {
    columns: Mutex<LruCache<ColumnAt, Arc<ColumnStatistics>>>,
    bytes_max: u64,
    hasher: RandomState,
}

/// What is known of a column, by shard.
#[derive(Debug, Default)]
pub(crate) struct ColumnStatistics {
    entries: RwLock<HashMap<u64, Entry>>,
    bytes: AtomicU64,
}

/// What is known of a column of a shard.
#[derive(Debug)]
struct Entry {
    /// The shard's commit counter.
    commits: u64,
    /// How often it was asked for while there was no summary.
    asks: AtomicU32,
    /// Rows that were read in vain for a summary.
    tried: AtomicU32,
    summary: Option<Arc<Summary>>,
}

/// What is known of a column of a shard now.
#[derive(Debug)]
pub(crate) enum Known {
    Nothing,
    Summary(Arc<Summary>),
    /// Nothing, but a summary is worth having when the table has no more than so many rows.
    Due(u32),
}

impl Statistics {
    /// Nothing is known yet; not many more than so many bytes will be.
    pub(crate) fn new(bytes_max: u64) -> Statistics {
        Statistics { columns: Mutex::new(LruCache::new(COLUMNS_MAX)), bytes_max, hasher: RandomState::new() }
    }

    /// Whether anything may be known at all.
    pub(crate) fn is_on(&self) -> bool {
        self.bytes_max > 0
    }

    /// What is known of a column.
    pub(crate) fn of(&self, column: ColumnAt) -> Arc<ColumnStatistics> {
        let mut columns = self.columns.lock();
        let known = Arc::clone(columns.get_or_insert(column, Arc::default));
        let bytes = |columns: &LruCache<_, Arc<ColumnStatistics>>| {
            columns.iter().map(|(_, column)| column.bytes.load(Ordering::Relaxed)).sum::<u64>()
        };
        while bytes(&columns) > self.bytes_max && columns.len() > 1 {
            columns.pop_lru();
        }
        if bytes(&columns) > self.bytes_max {
            known.clear();
        }
        known
    }

    /// A summary of no rows yet.
    pub(crate) fn summary(&self) -> SummaryBuilder<'_> {
        SummaryBuilder::new(&self.hasher)
    }

    /// The hash of a value in the summaries of this node.
    pub(crate) fn hash(&self, value: ValueRef<'_>) -> u32 {
        summary::hash(&self.hasher, value, &mut Vec::new())
    }
}

impl ColumnStatistics {
    /// What is known of the column in a shard that has committed so often. Asking counts.
    pub(crate) fn ask(&self, shard: u64, commits: u64) -> Known {
        let entries = self.entries.read();
        let Some(entry) = entries.get(&shard).filter(|entry| entry.commits == commits) else {
            drop(entries);
            self.set(shard, Entry::new(commits, 1, None));
            return Known::Nothing;
        };
        if let Some(summary) = &entry.summary {
            return Known::Summary(Arc::clone(summary));
        }
        let asks = entry.asks.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let earned = asks.saturating_mul(ROWS_PER_ASK).min(ROWS_MAX);
        // Twice as many each time: what is tried in vain costs no more than it could spare either.
        let tried = entry.tried.load(Ordering::Relaxed).max(ROWS_PER_ASK);
        if earned >= tried.saturating_mul(2) { Known::Due(earned) } else { Known::Nothing }
    }

    /// What is known of the column in a shard that has committed so often, without counting as asked.
    pub(crate) fn summary(&self, shard: u64, commits: u64) -> Option<Arc<Summary>> {
        let entries = self.entries.read();
        entries.get(&shard).filter(|entry| entry.commits == commits)?.summary.clone()
    }

    /// A shard has more rows than so many.
    pub(crate) fn has_more(&self, shard: u64, commits: u64, rows: u32) {
        if let Some(entry) = self.entries.read().get(&shard).filter(|entry| entry.commits == commits) {
            entry.tried.fetch_max(rows, Ordering::Relaxed);
        }
    }

    /// Keeps the summary of a shard, read when the shard had committed so often, or later.
    pub(crate) fn keep(&self, shard: u64, commits: u64, summary: &Arc<Summary>) {
        self.set(shard, Entry::new(commits, 0, Some(Arc::clone(summary))));
    }

    fn set(&self, shard: u64, entry: Entry) {
        // Counted under the lock: only what is there.
        let mut entries = self.entries.write();
        let added = entry.byte_size();
        let removed = entries.insert(shard, entry).map_or(0, |old| old.byte_size());
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.bytes.store(bytes + added - removed, Ordering::Relaxed);
    }

    fn clear(&self) {
        let mut entries = self.entries.write();
        *entries = HashMap::new();
        self.bytes.store(0, Ordering::Relaxed);
    }
}

impl Entry {
    fn new(commits: u64, asks: u32, summary: Option<Arc<Summary>>) -> Entry {
        Entry { commits, asks: AtomicU32::new(asks), tried: AtomicU32::new(0), summary }
    }

    fn byte_size(&self) -> u64 {
        (OVERHEAD_BYTES + self.summary.as_ref().map_or(0, |summary| summary.byte_size())) as u64
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use souk_merge::Value;

    use super::*;

    fn summary(statistics: &Statistics, values: &[Value]) -> Summary {
        let mut builder = statistics.summary();
        values.iter().for_each(|value| builder.add(value.as_ref()));
        builder.finish().unwrap()
    }

    fn column(name: &str) -> ColumnAt {
        let column = StoredColumn { table: "t".into(), column: name.into() };
        ColumnAt { schema_version: 1, column, by: None }
    }

    #[test]
    fn what_was_not_asked_for_for_longest_goes_first() {
        let statistics = Statistics::new(4_000);
        let values: Vec<Value> = (0..300).map(Value::Integer).collect();
        let summary = Arc::new(summary(&statistics, &values));
        let keep = |name: &str, shard| statistics.of(column(name)).keep(shard, 0, &summary);
        let knows = |name: &str, shard| matches!(statistics.of(column(name)).ask(shard, 0), Known::Summary(_));
        keep("a", 1);
        keep("b", 1);
        assert!(knows("b", 1) && knows("a", 1));
        keep("c", 1);
        assert!(knows("c", 1) && knows("a", 1) && !knows("b", 1));
        (2..9).for_each(|shard| keep("c", shard));
        assert!(!knows("c", 1), "one column alone takes too much");
    }

    #[test]
    fn a_summary_is_due_when_its_rows_were_earned_and_void_after_a_commit() {
        let statistics = Statistics::new(1 << 20);
        let column = statistics.of(column("c"));
        let ask = |commits| column.ask(7, commits);
        assert!(matches!(ask(0), Known::Nothing));
        assert!(matches!(ask(0), Known::Due(128)));
        column.has_more(7, 0, 128);
        assert!(matches!(ask(0), Known::Nothing));
        assert!(matches!(ask(0), Known::Due(256)), "due until it is tried");
        assert!(matches!(ask(0), Known::Due(320)));
        column.keep(7, 0, &Arc::new(summary(&statistics, &[])));
        assert!(matches!(ask(0), Known::Summary(_)));
        assert!(matches!(ask(1), Known::Nothing));
        assert!(matches!(ask(1), Known::Due(128)));
    }
}
