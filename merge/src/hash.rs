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

/// The hash of a key: the same for equal bytes, in this process.
#[inline]
pub(crate) fn hash(key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, *SEED)
}
