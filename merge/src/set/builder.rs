//! The set of one shard's values.

use hashbrown::{HashTable, hash_table::Entry};

use super::{
    INTEGERS, Number, VALUES, entries,
    integers::{self, Integers},
};
use crate::{ValueRef, hash::hash};

/// Builds the blob of a set: the state of every DISTINCT aggregate.
///
/// The blob is a byte that says what it holds and the values in the order in which they first came. A value that comes again as it
/// was is there once; what is equal and of another kind, as 1 and 1.0, or under a collation, is left to those who merge.
#[derive(Debug, Clone, Default)]
pub struct SetBuilder(Built);

#[derive(Debug, Clone)]
enum Built {
    Integers(Integers),
    Values(Values),
}

impl Default for Built {
    fn default() -> Built {
        Built::Integers(Integers::default())
    }
}

/// Values of any kind.
#[derive(Debug, Clone, Default)]
struct Values {
    entries: Vec<u8>,
    /// The hash of each entry, and where it starts.
    slots: HashTable<(u64, usize)>,
}

impl SetBuilder {
    /// Adds a value, and what SUM would read it as, which matters only for text and blobs: other values are their own
    /// number. NULL is left out, as every aggregate leaves it out.
    pub fn add(&mut self, value: ValueRef<'_>, number: Number) {
        match (&mut self.0, value) {
            (Built::Integers(integers), ValueRef::Integer(integer)) => integers.add(integer),
            (Built::Values(values), value) if !value.is_null() => values.add(value, number),
            (Built::Integers(integers), value) if !value.is_null() => {
                let mut values = Values::of(integers);
                values.add(value, number);
                self.0 = Built::Values(values);
            }
            // A NaN is NULL too.
            _ => {}
        }
    }

    /// The blob: one byte of no values.
    pub fn finish(self) -> Vec<u8> {
        let (holds, mut blob) = match self.0 {
            Built::Integers(integers) => (INTEGERS, integers.into_entries()),
            Built::Values(values) => (VALUES, values.entries),
        };
        blob.insert(0, holds);
        blob
    }
}

impl Values {
    fn of(integers: &Integers) -> Values {
        let mut values = Values::default();
        let add = |integer| values.add(ValueRef::Integer(integer), Number::Integer(integer));
        integers::read(integers.entries(), add).expect("what a set wrote it can read");
        values
    }

    fn add(&mut self, value: ValueRef<'_>, number: Number) {
        let Values { entries, slots } = self;
        let start = entries.len();
        entries::put(value, number, entries);
        let entry = &entries[start..];
        let hash = hash(entry);
        let is_entry = |(other, at): &(u64, usize)| *other == hash && entries[*at..start].starts_with(entry);
        match slots.entry(hash, is_entry, |(hash, _)| *hash) {
            Entry::Vacant(vacant) => {
                vacant.insert((hash, start));
            }
            Entry::Occupied(_) => entries.truncate(start),
        }
    }
}
