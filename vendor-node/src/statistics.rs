//! What columns of shards hold, in short: whether a row can match is often known without a look at its shard.
//!
//! The summary of a shard's column holds as long as the shard does not commit. It is made when a column has been asked for so
//! often that making it costs no more than the readings before it did.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use souk_merge::{Collation, SortKey, Value, ValueRef, compare_by_key, compare_values, encode_key};

/// Rows that a summary may read for each time that its column was asked for: finding a shard, its statement and an entry of an index
/// costs about as much.
const ROWS_PER_ASK: u32 = 64;

/// Columns of which anything is known. Those of an earlier schema go in time.
const COLUMNS_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// Most rows that a table with a summary has.
const ROWS_MAX: u32 = 1 << 16;

/// What an entry takes beside its summary: a place in a table that is half empty at worst.
const OVERHEAD_BYTES: usize = 2 * (size_of::<(u64, Entry)>() + 1);

/// Most values of another column by which a column has a summary.
const BY_VALUES_MAX: usize = 256;

/// Bytes of a value that a summary keeps; a column with a longer lowest or highest one has no summary.
const VALUE_BYTES_MAX: usize = 256;

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

/// What a value is compared with, by SQLite's order and BINARY. NULL passes none.
#[derive(Debug)]
pub(crate) enum Test {
    /// Equal to one of them.
    Among(Vec<Value>),
    AtLeast(Value),
    AtMost(Value),
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
        SummaryBuilder {
            hasher: &self.hasher,
            key: Vec::new(),
            range: Range::default(),
            too_large: false,
            many: false,
            hashes: Vec::new(),
            by: HashMap::new(),
        }
    }

    /// The hash of a value in the summaries of this node.
    pub(crate) fn hash(&self, value: ValueRef<'_>) -> u32 {
        hash(&self.hasher, value, &mut Vec::new())
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

/// 32 bits of a hash that is the same for values that SQLite finds equal.
fn hash(hasher: &RandomState, value: ValueRef<'_>, key: &mut Vec<u8>) -> u32 {
    key.clear();
    encode_key(value, Collation::Binary, key);
    hasher.hash_one(key) as u32
}

/// What a column holds.
#[derive(Debug)]
pub(crate) struct Summary {
    range: Range,
    /// Of each of the values, sorted; of those of the other column where it is by another.
    hashes: Box<[u32]>,
    /// What the column holds beside each of them, where it is by another; nothing where that has too many values.
    by: Box<[Range]>,
}

/// From where to where values go.
#[derive(Debug, Clone, Default)]
struct Range {
    /// Whether one is NULL.
    nulls: bool,
    /// The lowest and the highest of the others, if there are any.
    bounds: Option<(Value, Value)>,
}

impl Summary {
    /// Whether a row may pass a test, whose values have these hashes. False is certain. Not of a summary by another column.
    pub(crate) fn may_pass(&self, test: &Test, hashes: &[u32]) -> bool {
        let Some((lowest, highest)) = &self.range.bounds else { return false };
        let at_most = |a: &Value, b: &Value| compare_values(a.as_ref(), b.as_ref(), Collation::Binary).is_le();
        match test {
            Test::AtLeast(bound) => at_most(bound, highest),
            Test::AtMost(bound) => at_most(lowest, bound),
            Test::Among(values) => {
                let mut values = values.iter().zip(hashes);
                values.any(|(value, hash)| {
                    at_most(lowest, value) && at_most(value, highest) && self.hashes.binary_search(hash).is_ok()
                })
            }
        }
    }

    /// The value that comes first in an order by this column; none when there is no row.
    pub(crate) fn first(&self, key: &SortKey) -> Option<ValueRef<'_>> {
        self.range.first(key)
    }

    /// The value that comes first among rows in which the other column has one of these hashes; none when there is no such row.
    pub(crate) fn first_beside(&self, hashes: &[u32], key: &SortKey) -> Option<ValueRef<'_>> {
        if self.by.is_empty() {
            return self.range.first(key);
        }
        let places = hashes.iter().filter_map(|hash| self.hashes.binary_search(hash).ok());
        let firsts = places.filter_map(|place| self.by[place].first(key));
        firsts.min_by(|a, b| compare_by_key(key, *a, *b))
    }

    fn byte_size(&self) -> usize {
        let Summary { range, hashes, by } = self;
        let by: usize = by.iter().map(|range| size_of::<Range>() + range.heap_bytes()).sum();
        size_of::<Summary>() + range.heap_bytes() + size_of_val(&**hashes) + by
    }
}

impl Range {
    fn first(&self, key: &SortKey) -> Option<ValueRef<'_>> {
        let null = self.nulls.then_some(ValueRef::Null);
        let other = self.bounds.as_ref().map(|(lowest, highest)| if key.descending { highest } else { lowest });
        let other = other.map(Value::as_ref);
        if key.nulls_last { other.or(null) } else { null.or(other) }
    }

    /// Takes a value in; false when it would be a bound and is too long for that.
    fn add(&mut self, value: ValueRef<'_>) -> bool {
        if value.is_null() {
            self.nulls = true;
            return true;
        }
        let compare = |bound: &Value| compare_values(value, bound.as_ref(), Collation::Binary);
        let (is_lowest, is_highest) = match &self.bounds {
            Some((lowest, highest)) => (compare(lowest).is_lt(), compare(highest).is_gt()),
            None => (true, true),
        };
        if !is_lowest && !is_highest {
            return true;
        }
        if value.heap_bytes() > VALUE_BYTES_MAX {
            return false;
        }
        match &mut self.bounds {
            Some((lowest, _)) if is_lowest => *lowest = value.to_owned(),
            Some((_, highest)) => *highest = value.to_owned(),
            bounds @ None => *bounds = Some((value.to_owned(), value.to_owned())),
        }
        true
    }

    fn heap_bytes(&self) -> usize {
        self.bounds.as_ref().map_or(0, |(low, high)| low.as_ref().heap_bytes() + high.as_ref().heap_bytes())
    }
}

/// A summary that is being made.
pub(crate) struct SummaryBuilder<'a> {
    hasher: &'a RandomState,
    key: Vec<u8>,
    range: Range,
    /// A bound is too long to be kept.
    too_large: bool,
    /// The other column has so many values that only the range of all rows is kept.
    many: bool,
    hashes: Vec<u32>,
    by: HashMap<u32, Range>,
}

impl SummaryBuilder<'_> {
    /// Takes the value of a row.
    pub(crate) fn add(&mut self, value: ValueRef<'_>) {
        if self.too_large {
            return;
        }
        if !value.is_null() {
            self.hashes.push(hash(self.hasher, value, &mut self.key));
        }
        self.too_large = !self.range.add(value);
    }

    /// Takes the value of a row and that of the other column: no test passes where that is NULL.
    pub(crate) fn add_beside(&mut self, other: ValueRef<'_>, value: ValueRef<'_>) {
        if self.too_large || other.is_null() {
            return;
        }
        self.too_large = !self.range.add(value);
        if self.many || self.too_large {
            return;
        }
        // What is no bound of all rows may be too long for one of these.
        self.too_large = !self.by.entry(hash(self.hasher, other, &mut self.key)).or_default().add(value);
        if self.by.len() > BY_VALUES_MAX {
            self.by.clear();
            self.many = true;
        }
    }

    /// Whether there will be no summary.
    pub(crate) fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// The summary; none when it would take too much.
    pub(crate) fn finish(self) -> Option<Summary> {
        let SummaryBuilder { range, too_large, mut hashes, by, .. } = self;
        if too_large {
            return None;
        }
        let mut by: Vec<(u32, Range)> = by.into_iter().collect();
        by.sort_unstable_by_key(|(hash, _)| *hash);
        hashes.extend(by.iter().map(|(hash, _)| *hash));
        hashes.sort_unstable();
        hashes.dedup();
        Some(Summary { range, hashes: hashes.into(), by: by.into_iter().map(|(_, range)| range).collect() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            (-3i64..3).prop_map(Value::Integer),
            (-6i32..6).prop_map(|half| Value::Real(f64::from(half) / 2.0)),
            "[ab]{0,2}".prop_map(|text| Value::text(&text)),
            "[ab]{0,2}".prop_map(|text| Value::Blob(text.into_bytes().into())),
        ]
    }

    #[test]
    fn beside_a_column_with_too_many_values_a_column_has_one_range() {
        let statistics = Statistics::new(1 << 20);
        let mut builder = statistics.summary();
        (0..=256).for_each(|other| builder.add_beside(ValueRef::Integer(other), ValueRef::Integer(other)));
        let key = SortKey { column: 0, descending: true, nulls_last: true, collation: Collation::Binary };
        let hashes = [statistics.hash(ValueRef::Integer(7))];
        assert_eq!(builder.finish().unwrap().first_beside(&hashes, &key), Some(ValueRef::Integer(256)));
    }

    fn summary(statistics: &Statistics, values: &[Value]) -> Summary {
        let mut builder = statistics.summary();
        values.iter().for_each(|value| builder.add(value.as_ref()));
        builder.finish().unwrap()
    }

    fn passes(value: &Value, test: &Test) -> bool {
        let compare = |a: &Value, b: &Value| compare_values(a.as_ref(), b.as_ref(), Collation::Binary);
        match test {
            _ if *value == Value::Null => false,
            Test::Among(values) => values.iter().any(|known| compare(value, known).is_eq()),
            Test::AtLeast(bound) => compare(value, bound).is_ge(),
            Test::AtMost(bound) => compare(value, bound).is_le(),
        }
    }

    proptest! {
        #[test]
        fn a_value_that_passes_is_never_ruled_out(
            stored in prop::collection::vec(value(), 0..6),
            wanted in prop::collection::vec(value(), 0..3),
            bound in value(),
        ) {
            let statistics = Statistics::new(1 << 20);
            let summary = summary(&statistics, &stored);
            for test in [Test::Among(wanted), Test::AtLeast(bound.clone()), Test::AtMost(bound)] {
                let values = if let Test::Among(values) = &test { values.as_slice() } else { &[] };
                let hashes: Vec<u32> = values.iter().map(|value| statistics.hash(value.as_ref())).collect();
                let passes = stored.iter().any(|value| passes(value, &test));
                prop_assert!(!passes || summary.may_pass(&test, &hashes), "{stored:?} {test:?}");
            }
        }

        #[test]
        fn the_first_value_is_that_of_the_sorted_column(
            stored in prop::collection::vec(value(), 0..6),
            descending: bool,
            nulls_last: bool,
        ) {
            let key = SortKey { column: 0, descending, nulls_last, collation: Collation::Binary };
            let summary = summary(&Statistics::new(1 << 20), &stored);
            let first = stored.iter().map(Value::as_ref).min_by(|a, b| souk_merge::compare_by_key(&key, *a, *b));
            match (summary.first(&key), first) {
                (Some(given), Some(first)) => prop_assert!(souk_merge::compare_by_key(&key, given, first).is_eq()),
                (given, first) => prop_assert_eq!(given.is_some(), first.is_some()),
            }
        }

        #[test]
        fn the_first_value_beside_others_is_that_of_the_sorted_rows(
            stored in prop::collection::vec((value(), value()), 0..8),
            wanted in prop::collection::vec(value(), 0..3),
            descending: bool,
            nulls_last: bool,
        ) {
            let key = SortKey { column: 0, descending, nulls_last, collation: Collation::Binary };
            let statistics = Statistics::new(1 << 20);
            let mut builder = statistics.summary();
            stored.iter().for_each(|(other, value)| builder.add_beside(other.as_ref(), value.as_ref()));
            let hashes: Vec<u32> = wanted.iter().map(|value| statistics.hash(value.as_ref())).collect();
            let test = Test::Among(wanted);
            let passing = stored.iter().filter(|(other, _)| passes(other, &test)).map(|(_, value)| value.as_ref());
            let first = passing.min_by(|a, b| compare_by_key(&key, *a, *b));
            match (builder.finish().unwrap().first_beside(&hashes, &key), first) {
                (Some(given), Some(first)) => prop_assert!(compare_by_key(&key, given, first).is_eq()),
                (given, first) => prop_assert_eq!(given.is_some(), first.is_some()),
            }
        }
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
