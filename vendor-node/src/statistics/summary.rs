//! What a column of a shard holds, in short, and whether a row of it may matter.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

use souk_merge::{Collation, SortKey, Value, ValueRef, compare_by_key, compare_values, encode_key};

/// Most values of another column by which a column has a summary.
const BY_VALUES_MAX: usize = 256;

/// Bytes of a value that a summary keeps; a column with a longer lowest or highest one has no summary.
const VALUE_BYTES_MAX: usize = 256;

/// What a value is compared with, by SQLite's order and BINARY. NULL passes none.
#[derive(Debug)]
pub(crate) enum Test {
    /// Equal to one of them.
    Among(Vec<Value>),
    AtLeast(Value),
    AtMost(Value),
}

/// 32 bits of a hash that is the same for values that SQLite finds equal.
pub(super) fn hash(hasher: &RandomState, value: ValueRef<'_>, key: &mut Vec<u8>) -> u32 {
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

    pub(super) fn byte_size(&self) -> usize {
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

impl<'a> SummaryBuilder<'a> {
    /// Of no rows yet.
    pub(super) fn new(hasher: &'a RandomState) -> SummaryBuilder<'a> {
        SummaryBuilder {
            hasher,
            key: Vec::new(),
            range: Range::default(),
            too_large: false,
            many: false,
            hashes: Vec::new(),
            by: HashMap::new(),
        }
    }

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

    use super::super::Statistics;
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
}
