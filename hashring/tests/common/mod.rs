//! What the tests of ring and moves share.

use proptest::prelude::*;
use souk_hashring::{Member, Ring};

/// Shards of weight 1.
pub(crate) fn equal_members(shards: std::ops::Range<u64>) -> Vec<Member> {
    shards.map(|shard| Member { shard, weight: 1 }).collect()
}

/// A ring that must be valid.
pub(crate) fn ring(members: &[Member], points: u32) -> Ring {
    Ring::new(members, points).expect("a valid ring")
}

/// Up to 12 different shards, near each other or anywhere, with weights from 0 to 4.
pub(crate) fn any_members() -> impl Strategy<Value = Vec<Member>> {
    let shard = prop_oneof![0..20u64, any::<u64>()];
    let weights = proptest::collection::btree_map(shard, 0..5u32, 0..12);
    weights.prop_map(|weights| weights.into_iter().map(|(shard, weight)| Member { shard, weight }).collect())
}

/// Places on the ring.
pub(crate) fn any_hashes() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)], 100)
}
