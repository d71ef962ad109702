//! Distinct values: the state of every DISTINCT aggregate.

use hashbrown::{HashTable, hash_table::Entry};

use crate::{
    Collation, StateError, Sum, ValueRef,
    bytes::{Reader, put_signed, put_unsigned},
    hash::hash,
    order::{compare_values, encode_key},
};

/// A value as SQLite's SUM reads it (`sqlite3_value_numeric_type`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer.
    Integer(i64),
    /// A real.
    Real(f64),
}

/// Builds the blob of a set: the state of every DISTINCT aggregate.
///
/// The blob is a version byte and the values in the order in which they first came: a class byte and the number, or the length, the
/// bytes and what SUM reads them as. A value that comes again as it was is there once; what is equal and of another kind, as 1 and
/// 1.0, or under a collation, is left to those who merge.
#[derive(Debug, Clone, Default)]
pub struct SetBuilder {
    blob: Blob,
    /// Where the values are.
    slots: HashTable<Slot>,
}

/// Values as they travel. Empty until there is one.
#[derive(Debug, Clone, Default)]
struct Blob(Vec<u8>);

const VERSION: u8 = 1;
const CLASS_INTEGER: u8 = 1;
const CLASS_REAL: u8 = 2;
const CLASS_TEXT: u8 = 3;
const CLASS_BLOB: u8 = 4;

impl SetBuilder {
    /// Adds a value, and what SUM would read it as, which matters only for text and blobs: other values are their own
    /// number. NULL is left out, as every aggregate leaves it out.
    pub fn add(&mut self, value: ValueRef<'_>, number: Number) {
        let SetBuilder { blob, slots } = self;
        blob.start();
        let start = blob.0.len();
        blob.put(value, number);
        let entry = &blob.0[start..];
        if entry.is_empty() {
            return;
        }
        let hash = hash(entry);
        let is_entry = |slot: &Slot| slot.hash == hash && blob.0[slot.start..start].starts_with(entry);
        match slots.entry(hash, is_entry, |slot| slot.hash) {
            Entry::Vacant(vacant) => {
                vacant.insert(Slot { hash, start });
            }
            Entry::Occupied(_) => blob.0.truncate(start),
        }
    }

    /// The blob: one byte of no values.
    pub fn finish(mut self) -> Vec<u8> {
        self.blob.start();
        self.blob.0
    }
}

impl Blob {
    fn start(&mut self) {
        if self.0.is_empty() {
            self.0.push(VERSION);
        }
    }

    /// The values, without the version byte.
    fn entries(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }

    fn put(&mut self, value: ValueRef<'_>, number: Number) {
        match value {
            // A NaN is NULL too.
            _ if value.is_null() => {}
            ValueRef::Null => {}
            ValueRef::Integer(integer) => self.put_number(Number::Integer(integer)),
            ValueRef::Real(real) => self.put_number(Number::Real(real)),
            ValueRef::Text(bytes) => self.put_bytes(CLASS_TEXT, bytes, number),
            ValueRef::Blob(bytes) => self.put_bytes(CLASS_BLOB, bytes, number),
        }
    }

    fn put_number(&mut self, number: Number) {
        match number {
            Number::Integer(integer) => {
                self.0.push(CLASS_INTEGER);
                put_signed(i128::from(integer), &mut self.0);
            }
            Number::Real(real) => {
                self.0.push(CLASS_REAL);
                self.0.extend_from_slice(&real.to_le_bytes());
            }
        }
    }

    fn put_bytes(&mut self, class: u8, bytes: &[u8], number: Number) {
        self.0.push(class);
        put_unsigned(bytes.len() as u128, &mut self.0);
        self.0.extend_from_slice(bytes);
        self.put_number(number);
    }
}

/// The distinct values of several sources under a collation. Of equal ones the first stays, in source order: 1 and 1.0
/// are equal, but SUM gives another class.
///
/// The blob that leaves is also what is looked up in: a value kept costs its entry and a slot, and no allocation.
#[derive(Debug)]
pub(crate) struct ValueSet {
    collation: Collation,
    /// Where the values kept are.
    slots: HashTable<Slot>,
    kept: Blob,
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
        ValueSet { collation, slots: HashTable::new(), kept: Blob::default(), key: Vec::new() }
    }

    /// Adds the values of a blob.
    pub(crate) fn merge_encoded(&mut self, blob: &[u8]) -> Result<(), StateError> {
        match blob.split_first() {
            Some((&VERSION, entries)) => self.merge_entries(entries),
            Some(_) | None => Err(StateError::Malformed),
        }
    }

    /// Adds the values of a set of a later source under the same collation.
    pub(crate) fn merge(&mut self, later: ValueSet) -> Result<(), StateError> {
        if self.slots.is_empty() {
            *self = later;
            return Ok(());
        }
        self.merge_entries(later.kept.entries())
    }

    fn merge_entries(&mut self, mut entries: &[u8]) -> Result<(), StateError> {
        while !entries.is_empty() {
            let (value, _, length) = read_entry(entries)?;
            let (entry, rest) = entries.split_at(length);
            self.add(value, entry);
            entries = rest;
        }
        Ok(())
    }

    fn add(&mut self, value: ValueRef<'_>, entry: &[u8]) {
        let ValueSet { collation, slots, kept, key } = self;
        key.clear();
        encode_key(value, *collation, key);
        let hash = hash(key);
        let is_value = |slot: &Slot| slot.hash == hash && is_at(&kept.0[slot.start..], value, entry, *collation);
        if let Entry::Vacant(vacant) = slots.entry(hash, is_value, |slot| slot.hash) {
            kept.start();
            vacant.insert(Slot { hash, start: kept.0.len() });
            kept.0.extend_from_slice(entry);
        }
    }

    /// How many values.
    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }

    /// The values added up as SUM reads them.
    pub(crate) fn sum(&self) -> Result<Sum, StateError> {
        let mut sum = Sum::default();
        let mut entries = self.kept.entries();
        while !entries.is_empty() {
            let (_, number, length) = read_entry(entries)?;
            match number {
                Number::Integer(integer) => sum.add_integer(integer),
                Number::Real(real) => sum.add_real(real),
            }
            entries = &entries[length..];
        }
        Ok(sum)
    }

    /// The state as it travels.
    pub(crate) fn blob(&self) -> &[u8] {
        if self.kept.0.is_empty() { &[VERSION] } else { &self.kept.0 }
    }

    /// Bytes held, roughly, without a look at the values.
    pub(crate) fn byte_size(&self) -> usize {
        /// A slot and its byte of control in a table that is half empty at worst.
        const SLOT_BYTES: usize = 2 * (size_of::<Slot>() + 1);
        size_of::<ValueSet>() + self.slots.len() * SLOT_BYTES + self.kept.0.len()
    }
}

/// Whether `kept` starts with an entry of a value equal to this one, whose own entry usually has the same bytes.
fn is_at(kept: &[u8], value: ValueRef<'_>, entry: &[u8], collation: Collation) -> bool {
    kept.starts_with(entry) || read_entry(kept).is_ok_and(|(kept, ..)| compare_values(kept, value, collation).is_eq())
}

/// The first value of a set's entries, its number, and the bytes that both take.
#[inline]
fn read_entry(entries: &[u8]) -> Result<(ValueRef<'_>, Number, usize), StateError> {
    let mut reader = Reader::new(entries);
    let (value, number) = match reader.byte()? {
        class @ (CLASS_TEXT | CLASS_BLOB) => {
            let length = reader.number()?;
            let bytes = reader.take(length)?;
            let number_class = reader.byte()?;
            let value = if class == CLASS_TEXT { ValueRef::Text(bytes) } else { ValueRef::Blob(bytes) };
            (value, read_number(number_class, &mut reader)?)
        }
        class => match read_number(class, &mut reader)? {
            number @ Number::Integer(integer) => (ValueRef::Integer(integer), number),
            number @ Number::Real(real) => (ValueRef::Real(real), number),
        },
    };
    Ok((value, number, entries.len() - reader.rest().len()))
}

#[inline]
fn read_number(class: u8, reader: &mut Reader<'_>) -> Result<Number, StateError> {
    match class {
        CLASS_INTEGER => i64::try_from(reader.signed()?).map(Number::Integer).map_err(|_| StateError::Malformed),
        CLASS_REAL => match f64::from_le_bytes(reader.eight()?) {
            real if real.is_nan() => Err(StateError::Malformed),
            real => Ok(Number::Real(real)),
        },
        _ => Err(StateError::Malformed),
    }
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
        assert_eq!(blob_of(&[]), [VERSION]);
        assert_eq!(merged(Collation::Binary, &[]).blob(), [VERSION]);
    }

    #[test]
    fn a_set_that_ends_early_or_holds_a_nan_is_malformed() {
        let whole = blob_of(&[Value::text("abc")]);
        check_malformed(&[]);
        (2..whole.len()).for_each(|length| check_malformed(&whole[..length]));
        let mut nan = vec![VERSION, CLASS_REAL];
        nan.extend_from_slice(&f64::NAN.to_le_bytes());
        check_malformed(&nan);
    }

    #[test]
    fn a_number_in_more_bytes_than_it_needs_is_the_same_value() {
        let (short, long) = ([VERSION, CLASS_INTEGER, 2], [VERSION, CLASS_INTEGER, 0x82, 0]);
        assert_eq!(merged(Collation::Binary, &[&short, &long]).blob(), short);
        assert_eq!(merged(Collation::Binary, &[&long, &short]).blob(), long);
    }

    #[test]
    fn bytes_held_follow_the_values_kept() {
        let blob = blob_of(&[Value::text("a value of some length")]);
        let (none, once) = (merged(Collation::Binary, &[]), merged(Collation::Binary, &[&blob]));
        assert!(once.byte_size() > none.byte_size() + blob.len());
        assert_eq!(merged(Collation::Binary, &[&blob, &blob]).byte_size(), once.byte_size());
    }

    proptest! {
        #[test]
        fn the_first_of_equal_values_stays(
            values in prop::collection::vec(value(), 0..60),
            collation in collation(),
        ) {
            let mut firsts: Vec<&Value> = Vec::new();
            for value in values.iter().filter(|value| !value.as_ref().is_null()) {
                let is_known = |first: &&Value| compare_values(first.as_ref(), value.as_ref(), collation).is_eq();
                if !firsts.iter().any(is_known) {
                    firsts.push(value);
                }
            }
            let set = merged(collation, &[&blob_of(&values)]);
            prop_assert_eq!(set.count(), firsts.len());
            prop_assert_eq!(set.blob(), blob_of(firsts));
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
            prop_assert_eq!(tree.blob(), whole.blob());
        }

        #[test]
        fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 1..40), class in 0u8..6) {
            bytes[0] = VERSION;
            if let Some(second) = bytes.get_mut(1) {
                *second = class;
            }
            let mut set = ValueSet::new(Collation::NoCase);
            let outcome = set.merge_encoded(&bytes);
            prop_assert!(outcome.is_ok() || outcome == Err(StateError::Malformed));
            prop_assert!(set.sum().is_ok());
        }
    }
}
