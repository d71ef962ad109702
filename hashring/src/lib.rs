//! Consistent hashing: shard key -> shard. Placeholder signatures.

use std::collections::BTreeMap;

/// A shard key's value, after the key column's affinity was applied.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A real. One that is a whole number of 64 bits has the bytes of that integer.
    Real(f64),
    /// Text.
    Text(&'a [u8]),
    /// A blob.
    Blob(&'a [u8]),
}

impl Key<'_> {
    /// The canonical bytes: equal for two keys exactly when SQLite's `=` (collation BINARY, no affinity) holds or both are NULL.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// A shard on the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The shard.
    pub shard: u64,
    /// Its share of the keys, relative to the others'; 1 is usual.
    pub weight: u32,
}

/// The ring. Immutable: a change makes a new one.
#[derive(Debug, Clone)]
pub struct Ring {}

impl Ring {
    /// Points a shard of weight 1 has by default.
    pub const POINTS_DEFAULT: u32 = 150;
    /// The version of hash, byte encoding and ring together, as stored in the topology.
    pub const VERSION: u32 = 1;

    /// A ring of these members; none gives a ring that owns nothing.
    pub fn new(_members: &[Member], _points: u32) -> Ring {
        Ring {}
    }
    /// The shard that owns these canonical bytes.
    pub fn owner(&self, _canonical: &[u8]) -> Option<u64> {
        None
    }
}

/// Pins before ring: where a key lives.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Keys with a shard named for them, by canonical bytes.
    pub pins: BTreeMap<Vec<u8>, u64>,
    /// All other keys.
    pub ring: Ring,
}
