//! Distinct integers: what most sets are. No other value among them, their entries need no class, and what is equal is the same.

use hashbrown::{HashTable, hash_table::Entry};

use crate::{
    StateError,
    bytes::{Reader, put_signed},
    hash::hash_integer,
};

/// Distinct integers, in the order in which they first came.
#[derive(Debug, Clone, Default)]
pub(super) struct Integers {
    slots: HashTable<i64>,
    /// As they travel.
    entries: Vec<u8>,
}

impl Integers {
    pub(super) fn add(&mut self, integer: i64) {
        if let Entry::Vacant(vacant) =
            self.slots.entry(hash_integer(integer), |slot| *slot == integer, |slot| hash_integer(*slot))
        {
            vacant.insert(integer);
            put_signed(i128::from(integer), &mut self.entries);
        }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn entries(&self) -> &[u8] {
        &self.entries
    }

    pub(super) fn into_entries(self) -> Vec<u8> {
        self.entries
    }

    /// Bytes held, roughly.
    pub(super) fn byte_size(&self) -> usize {
        /// An integer and its byte of control in a table that is half empty at worst.
        const SLOT_BYTES: usize = 2 * (size_of::<i64>() + 1);
        self.slots.len() * SLOT_BYTES + self.entries.len()
    }
}

/// Calls `take` with each integer of some entries.
pub(super) fn read(entries: &[u8], mut take: impl FnMut(i64)) -> Result<(), StateError> {
    let mut reader = Reader::new(entries);
    while !reader.rest().is_empty() {
        take(i64::try_from(reader.signed()?).map_err(|_| StateError::Malformed)?);
    }
    Ok(())
}
