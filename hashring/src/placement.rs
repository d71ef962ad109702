//! Where keys live: pins before the ring.

use std::collections::BTreeMap;

use crate::key::Key;
use crate::ring::Ring;

/// Pins before ring: where a key lives.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// Keys with a shard named for them, by canonical bytes.
    pub pins: BTreeMap<Vec<u8>, u64>,
    /// All other keys.
    pub ring: Ring,
}

impl Placement {
    /// The shard where this key lives; none when no pin names the key and the ring has no members.
    pub fn owner(&self, key: &Key) -> Option<u64> {
        self.owner_of(&key.canonical_bytes())
    }

    /// The same for a key's canonical bytes.
    pub(crate) fn owner_of(&self, canonical: &[u8]) -> Option<u64> {
        self.pins.get(canonical).copied().or_else(|| self.ring.owner(canonical))
    }
}
