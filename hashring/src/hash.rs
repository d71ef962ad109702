//! The hash: xxh3 of 64 bits with a seed of our own.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// `souk` in ASCII, then the version of the specification.
const SEED: u64 = 0x736f_756b_0000_0001;

/// First byte of a point's input. No key's canonical bytes start with it.
const TAG_POINT: u8 = 0xff;

/// The place of a key on the ring, from its canonical bytes.
#[inline]
pub fn key_hash(canonical: &[u8]) -> u64 {
    xxh3_64_with_seed(canonical, SEED)
}

/// The place of a shard's point with this number, counted from 0.
pub(crate) fn point_hash(shard: u64, number: u32) -> u64 {
    let mut input = [TAG_POINT; 13];
    input[1..9].copy_from_slice(&shard.to_le_bytes());
    input[9..].copy_from_slice(&number.to_le_bytes());
    xxh3_64_with_seed(&input, SEED)
}
