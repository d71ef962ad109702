//! Distinct keys, numbered in the order in which they were added.

use hashbrown::HashTable;

use crate::hash::hash;

/// Keys as bytes, all in one buffer: a key costs no allocation of its own.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    slots: HashTable<Slot>,
    /// All keys, one after the other.
    bytes: Vec<u8>,
    /// Where each key ends.
    ends: Vec<usize>,
}

/// A key in the table. With its hash it moves, when the table grows, and is told from most others, without a look at
/// its bytes.
#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u64,
    place: usize,
}

/// Where a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Known(usize),
    /// It was added with the next number.
    Added(usize),
}

impl Keys {
    /// Bytes that a key takes beside its own: a slot and a byte of control in a table that is half empty at worst, and
    /// where it ends.
    pub(crate) const BYTES_PER_KEY: usize = 2 * (size_of::<Slot>() + 1) + size_of::<usize>();

    /// The keys, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).map(|place| &self.bytes[range(&self.ends, place)])
    }

    /// The number of a key, which is added if it is not known.
    pub(crate) fn find_or_add(&mut self, key: &[u8]) -> Place {
        use hashbrown::hash_table::Entry;

        let Keys { slots, bytes, ends } = self;
        let hash = hash(key);
        let is_key = |slot: &Slot| slot.hash == hash && &bytes[range(ends, slot.place)] == key;
        match slots.entry(hash, is_key, |slot| slot.hash) {
            Entry::Occupied(known) => Place::Known(known.get().place),
            Entry::Vacant(vacant) => {
                let place = ends.len();
                vacant.insert(Slot { hash, place });
                bytes.extend_from_slice(key);
                ends.push(bytes.len());
                Place::Added(place)
            }
        }
    }
}

fn range(ends: &[usize], place: usize) -> std::ops::Range<usize> {
    let start = if place == 0 { 0 } else { ends[place - 1] };
    start..ends[place]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_those_of_first_appearance(
            given in prop::collection::vec(prop::collection::vec(0u8..3, 0..4), 0..200),
        ) {
            let (mut keys, mut numbers, mut firsts) = (Keys::default(), HashMap::new(), Vec::new());
            for key in given {
                let next = numbers.len();
                let expected = match numbers.get(&key) {
                    Some(place) => Place::Known(*place),
                    None => Place::Added(next),
                };
                prop_assert_eq!(keys.find_or_add(&key), expected);
                numbers.entry(key.clone()).or_insert_with(|| {
                    firsts.push(key);
                    next
                });
            }
            prop_assert!(keys.iter().eq(firsts.iter().map(Vec::as_slice)));
        }
    }
}
