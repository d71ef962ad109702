//! What the tests of this crate share: small values that often meet.

use proptest::prelude::*;

use crate::{Batch, Collation, SortKey, Value};

pub(crate) const COLLATIONS: [Collation; 3] = [Collation::Binary, Collation::NoCase, Collation::RTrim];

pub(crate) fn collation() -> impl Strategy<Value = Collation> {
    prop::sample::select(COLLATIONS.to_vec())
}

/// Values of every class, from a set small enough that equal ones and near ones are common.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        1 => Just(Value::Null),
        3 => integer().prop_map(Value::Integer),
        3 => real().prop_map(Value::Real),
        3 => bytes().prop_map(Value::Text),
        1 => bytes().prop_map(Value::Blob),
    ]
}

pub(crate) fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![-3i64..4, Just((1i64 << 53) + 1), Just(1i64 << 53), Just(i64::MAX), Just(i64::MIN), any::<i64>(),]
}

pub(crate) fn real() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-6i32..7).prop_map(|half| f64::from(half) / 2.0),
        Just(-0.0),
        Just(9_007_199_254_740_992.0),
        Just(9_223_372_036_854_775_808.0),
        Just(-9_223_372_036_854_775_808.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        finite(),
    ]
}

/// Any finite double: every exponent, subnormals too.
pub(crate) fn finite() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |real| real.is_finite())
}

fn bytes() -> impl Strategy<Value = Box<[u8]>> {
    prop::collection::vec(prop::sample::select(b"aAbB \0_".to_vec()), 0..4).prop_map(Vec::into_boxed_slice)
}

/// Rows of `width` values.
pub(crate) fn rows(width: usize, count: usize) -> impl Strategy<Value = Vec<Vec<Value>>> {
    prop::collection::vec(prop::collection::vec(value(), width), 0..count)
}

/// Up to two keys over the first two columns.
pub(crate) fn order() -> impl Strategy<Value = Vec<SortKey>> {
    let key = (0usize..2, any::<bool>(), any::<bool>(), collation());
    let key = key.prop_map(|(column, descending, nulls_last, collation)| SortKey {
        column,
        descending,
        nulls_last,
        collation,
    });
    prop::collection::vec(key, 0..3)
}

pub(crate) fn batch_of(width: usize, rows: &[Vec<Value>]) -> Batch {
    let mut batch = Batch::new(width);
    rows.iter().for_each(|row| batch.push_row(row.iter().map(Value::as_ref)));
    batch
}

/// Cuts `items` at places that `cuts` gives: pieces in order, empty ones too.
pub(crate) fn split<T: Clone>(items: &[T], cuts: &[prop::sample::Index]) -> Vec<Vec<T>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(items.len() + 1)).collect();
    places.extend([0, items.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| items[ends[0]..ends[1]].to_vec()).collect()
}

/// Merges neighbours, in an order that `choices` gives, until one is left: any tree over the pieces.
pub(crate) fn merge_tree<T>(
    mut pieces: Vec<T>,
    choices: &[prop::sample::Index],
    mut merge: impl FnMut(&mut T, T),
) -> T {
    let mut choices = choices.iter().cycle();
    while pieces.len() > 1 {
        let left = choices.next().map_or(0, |choice| choice.index(pieces.len() - 1));
        let right = pieces.remove(left + 1);
        merge(&mut pieces[left], right);
    }
    pieces.pop().expect("a split gives at least one piece")
}

/// Cuts and choices for [`split`] and [`merge_tree`].
pub(crate) fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 1..6)
}
