//! The hash of encoded keys.
//!
//! Keys are users' data, so the hash is seeded anew in every process: nobody can prepare values that meet in a table.
//! Nothing that leaves the process depends on it.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
};

use xxhash_rust::xxh3::xxh3_64_with_seed;

static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));

/// The hash of an integer, in this process: one multiplication, whose halves are folded
/// (<https://github.com/orlp/foldhash>, "folded multiply").
#[inline]
pub(crate) fn hash_integer(integer: i64) -> u64 {
    /// Odd, with bits all over: 2^64 over the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let product = u128::from(integer.cast_unsigned() ^ *SEED) * u128::from(FACTOR ^ SEED.rotate_left(32));
    (product >> 64) as u64 ^ product as u64
}

/// The hash of a key: the same for equal bytes, in this process.
#[inline]
pub(crate) fn hash(key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, *SEED)
}
