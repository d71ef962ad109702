//! Distinct values: the state of every DISTINCT aggregate.
//!
//! - [`integers`]: integers alone, which most sets are.
//! - [`entries`]: values of any kind as they travel.
//! - [`builder`]: the set of one shard's values.

mod builder;
mod entries;
mod integers;

use hashbrown::{HashTable, hash_table::Entry};

use crate::{
    Collation, StateError, Sum, ValueRef,
    hash::hash,
    order::{compare_values, encode_key},
};
use integers::Integers;

pub use builder::SetBuilder;

/// A value as SQLite's SUM reads it (`sqlite3_value_numeric_type`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer.
    Integer(i64),
    /// A real.
    Real(f64),
}

/// The first byte of a blob with values of any kind.
const VALUES: u8 = 1;

/// The first byte of a blob with integers alone.
const INTEGERS: u8 = 2;

/// The distinct values of several sources under a collation. Of equal ones the first stays, in source order: 1 and 1.0
/// are equal, but SUM gives another class.
#[derive(Debug)]
pub(crate) struct ValueSet {
    collation: Collation,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Integers(Integers),
    Values(Values),
}

/// Values of any kind.
///
/// The entries that leave are also what is looked up in: a value kept costs its entry and a slot, and no allocation.
#[derive(Debug, Default)]
struct Values {
    /// Where the values kept are.
    slots: HashTable<Slot>,
    kept: Vec<u8>,
    /// The key that is hashed, here so that no value costs an allocation.
    key: Vec<u8>,
}

/// A value in the table. With its hash it moves, when the table grows, and is told from most others, without a look at
/// its entry.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Of the value's key under the collation.
    hash: u64,
    /// Where its entry starts.
    start: usize,
}

impl ValueSet {
    pub(crate) fn new(collation: Collation) -> ValueSet {
        ValueSet { collation, held: Held::Integers(Integers::default()) }
    }

    /// Adds the values of a blob.
    pub(crate) fn merge_encoded(&mut self, blob: &[u8]) -> Result<(), StateError> {
        match blob.split_first() {
            Some((&INTEGERS, entries)) => self.merge_integers(entries),
            Some((&VALUES, entries)) => self.merge_values(entries),
            Some(_) | None => Err(StateError::Malformed),
        }
    }

    /// Adds the values of a set of a later source under the same collation.
    pub(crate) fn merge(&mut self, later: ValueSet) -> Result<(), StateError> {
        if self.count() == 0 {
            *self = later;
            return Ok(());
        }
        match later.held {
            Held::Integers(later) => self.merge_integers(later.entries()),
            Held::Values(later) => self.merge_values(&later.kept),
        }
    }

    fn merge_integers(&mut self, entries: &[u8]) -> Result<(), StateError> {
        match &mut self.held {
            Held::Integers(integers) => integers::read(entries, |integer| integers.add(integer)),
            Held::Values(values) => values.add_integers(entries),
        }
    }

    fn merge_values(&mut self, mut entries: &[u8]) -> Result<(), StateError> {
        if let Held::Integers(integers) = &self.held {
            let mut values = Values::default();
            values.add_integers(integers.entries())?;
            self.held = Held::Values(values);
        }
        let Held::Values(values) = &mut self.held else { return Ok(()) };
        while !entries.is_empty() {
            let (value, _, length) = entries::read(entries)?;
            let (entry, rest) = entries.split_at(length);
            values.add(value, entry, self.collation);
            entries = rest;
        }
        Ok(())
    }

    /// How many values.
    pub(crate) fn count(&self) -> usize {
        match &self.held {
            Held::Integers(integers) => integers.len(),
            Held::Values(values) => values.slots.len(),
        }
    }

    /// The values added up as SUM reads them.
    pub(crate) fn sum(&self) -> Result<Sum, StateError> {
        let mut sum = Sum::default();
        match &self.held {
            Held::Integers(integers) => integers::read(integers.entries(), |integer| sum.add_integer(integer))?,
            Held::Values(values) => values.add_to(&mut sum)?,
        }
        Ok(sum)
    }

    /// Appends the state as it travels.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        let (holds, entries) = match &self.held {
            Held::Integers(integers) => (INTEGERS, integers.entries()),
            Held::Values(values) => (VALUES, values.kept.as_slice()),
        };
        out.push(holds);
        out.extend_from_slice(entries);
    }

    /// Bytes held, roughly, without a look at the values.
    pub(crate) fn byte_size(&self) -> usize {
        /// A slot and its byte of control in a table that is half empty at worst.
        const SLOT_BYTES: usize = 2 * (size_of::<Slot>() + 1);
        let held = match &self.held {
            Held::Integers(integers) => integers.byte_size(),
            Held::Values(values) => values.slots.len() * SLOT_BYTES + values.kept.len(),
        };
        size_of::<ValueSet>() + held
    }
}

impl Values {
    fn add(&mut self, value: ValueRef<'_>, entry: &[u8], collation: Collation) {
        let Values { slots, kept, key } = self;
        key.clear();
        encode_key(value, collation, key);
        let hash = hash(key);
        let is_value = |slot: &Slot| slot.hash == hash && is_at(&kept[slot.start..], value, entry, collation);
        if let Entry::Vacant(vacant) = slots.entry(hash, is_value, |slot| slot.hash) {
            vacant.insert(Slot { hash, start: kept.len() });
            kept.extend_from_slice(entry);
        }
    }

    /// Adds integers, which are the same under every collation.
    fn add_integers(&mut self, entries: &[u8]) -> Result<(), StateError> {
        let mut entry = Vec::new();
        integers::read(entries, |integer| {
            let value = ValueRef::Integer(integer);
            entry.clear();
            entries::put(value, Number::Integer(integer), &mut entry);
            self.add(value, &entry, Collation::Binary);
        })
    }

    fn add_to(&self, sum: &mut Sum) -> Result<(), StateError> {
        let mut entries = self.kept.as_slice();
        while !entries.is_empty() {
            let (_, number, length) = entries::read(entries)?;
            match number {
                Number::Integer(integer) => sum.add_integer(integer),
                Number::Real(real) => sum.add_real(real),
            }
            entries = &entries[length..];
        }
        Ok(())
    }
}

/// Whether `kept` starts with an entry of a value equal to this one, whose own entry usually has the same bytes.
fn is_at(kept: &[u8], value: ValueRef<'_>, entry: &[u8], collation: Collation) -> bool {
    kept.starts_with(entry)
        || entries::read(kept).is_ok_and(|(kept, ..)| compare_values(kept, value, collation).is_eq())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Value, testing::*};

    fn number_of(value: &Value) -> Number {
        match value {
            Value::Integer(integer) => Number::Integer(*integer),
            Value::Real(real) => Number::Real(*real),
            Value::Text(_) | Value::Blob(_) | Value::Null => Number::Integer(0),
        }
    }

    fn blob_of<'a>(values: impl IntoIterator<Item = &'a Value>) -> Vec<u8> {
        let mut set = SetBuilder::default();
        values.into_iter().for_each(|value| set.add(value.as_ref(), number_of(value)));
        set.finish()
    }

    fn blob(set: &ValueSet) -> Vec<u8> {
        let mut blob = Vec::new();
        set.encode_into(&mut blob);
        blob
    }

    /// The values of a set with their classes, in the order in which they came. Two sets of the same values need not have
    /// the same blob: one that dropped a real for an equal integer may hold integers alone, as a set of any values.
    fn values(set: &ValueSet) -> Vec<Value> {
        let mut values = Vec::new();
        match &set.held {
            Held::Integers(integers) => {
                integers::read(integers.entries(), |integer| values.push(Value::Integer(integer)))
                    .expect("a set's own entries are well formed")
            }
            Held::Values(held) => {
                let mut entries = held.kept.as_slice();
                while !entries.is_empty() {
                    let (value, _, length) = entries::read(entries).expect("a set's own entries are well formed");
                    values.push(value.to_owned());
                    entries = &entries[length..];
                }
            }
        }
        values
    }

    fn merged(collation: Collation, blobs: &[&[u8]]) -> ValueSet {
        let mut set = ValueSet::new(collation);
        blobs.iter().for_each(|blob| set.merge_encoded(blob).expect("the blobs are sets"));
        set
    }

    fn check_malformed(blob: &[u8]) {
        let mut set = ValueSet::new(Collation::NoCase);
        assert_eq!(set.merge_encoded(blob), Err(StateError::Malformed), "{blob:?}");
    }

    #[test]
    fn no_values_are_one_byte() {
        assert_eq!(blob_of(&[]), [INTEGERS]);
        assert_eq!(blob(&merged(Collation::Binary, &[])), [INTEGERS]);
    }

    #[test]
    fn a_set_that_ends_early_or_holds_a_nan_is_malformed() {
        let whole = blob_of(&[Value::text("abc")]);
        check_malformed(&[]);
        (2..whole.len()).for_each(|length| check_malformed(&whole[..length]));
        let mut nan = vec![VALUES, entries::CLASS_REAL];
        nan.extend_from_slice(&f64::NAN.to_le_bytes());
        check_malformed(&nan);
    }

    #[test]
    fn a_number_in_more_bytes_than_it_needs_is_the_same_value() {
        let (short, long) = ([VALUES, entries::CLASS_INTEGER, 2], [VALUES, entries::CLASS_INTEGER, 0x82, 0]);
        assert_eq!(blob(&merged(Collation::Binary, &[&short, &long])), short);
        assert_eq!(blob(&merged(Collation::Binary, &[&long, &short])), long);
        assert_eq!(merged(Collation::Binary, &[&[INTEGERS, 2], &[INTEGERS, 0x82, 0], &long]).count(), 1);
    }

    #[test]
    fn bytes_held_follow_the_values_kept() {
        let blob = blob_of(&[Value::text("a value of some length")]);
        let (none, once) = (merged(Collation::Binary, &[]), merged(Collation::Binary, &[&blob]));
        assert!(once.byte_size() > none.byte_size() + blob.len());
        assert_eq!(merged(Collation::Binary, &[&blob, &blob]).byte_size(), once.byte_size());
    }

    #[test]
    fn a_set_of_integers_becomes_one_of_values_when_another_comes() {
        let (integers, real) = ([Value::Integer(1), Value::Integer(2)], [Value::Real(1.0)]);
        let sets = [blob_of(&integers), blob_of(&real)];
        let (first, second) = (sets[0].as_slice(), sets[1].as_slice());
        assert_eq!((first[0], second[0]), (INTEGERS, VALUES));
        for (order, wanted) in [([first, second], vec![1, 2]), ([second, first], vec![2])] {
            let set = merged(Collation::Binary, &order);
            assert_eq!(set.count(), 2, "1 and 1.0 are equal");
            let mut sum = Sum::default();
            wanted.iter().for_each(|integer| sum.add_integer(*integer));
            if wanted.len() == 1 {
                sum.add_real(1.0);
            }
            assert_eq!(set.sum().expect("a set adds up").encode(), sum.encode(), "and the first stays");
        }
    }

    #[test]
    fn an_integer_stays_where_an_equal_real_comes_later() {
        let both = [Value::Integer(1 << 53), Value::Real((1_i64 << 53) as f64)];
        let set = merged(Collation::Binary, &[&blob_of(&both)]);
        assert_eq!(values(&set), firsts(&both, Collation::Binary));
        assert_eq!(values(&set), both[..1]);
    }

    /// Of equal values the first, without NULL.
    fn firsts(values: &[Value], collation: Collation) -> Vec<Value> {
        let mut firsts: Vec<Value> = Vec::new();
        for value in values.iter().filter(|value| !value.as_ref().is_null()) {
            let is_known = |first: &Value| compare_values(first.as_ref(), value.as_ref(), collation).is_eq();
            if !firsts.iter().any(is_known) {
                firsts.push(value.clone());
            }
        }
        firsts
    }

    proptest! {
        #[test]
        fn the_first_of_equal_values_stays(
            values in prop::collection::vec(value(), 0..60),
            collation in collation(),
        ) {
            let set = merged(collation, &[&blob_of(&values)]);
            let firsts = firsts(&values, collation);
            prop_assert_eq!(set.count(), firsts.len());
            prop_assert_eq!(self::values(&set), firsts);
        }

        #[test]
        fn any_tree_over_any_split_holds_the_same_values(
            values in prop::collection::vec(value(), 0..30),
            collation in collation(),
            cuts in cuts(),
            choices in cuts(),
        ) {
            let pieces = split(&values, &cuts).iter().map(|piece| merged(collation, &[&blob_of(piece)])).collect();
            let tree = merge_tree(pieces, &choices, |left: &mut ValueSet, right| {
                left.merge(right).expect("both are sets");
            });
            let whole = merged(collation, &[&blob_of(&values)]);
            prop_assert_eq!(tree.byte_size(), whole.byte_size());
            prop_assert_eq!(blob(&tree), blob(&whole));
        }

        #[test]
        fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 1..40), class in 0u8..6) {
            bytes[0] = if class == 0 { INTEGERS } else { VALUES };
            if let Some(second) = bytes.get_mut(1).filter(|_| class > 0) {
                *second = class;
            }
            let mut set = ValueSet::new(Collation::NoCase);
            let outcome = set.merge_encoded(&bytes);
            prop_assert!(outcome.is_ok() || outcome == Err(StateError::Malformed));
            prop_assert!(set.sum().is_ok());
        }
    }
}
