//! The ring against the specification in its plainest form, and how evenly it spreads.

mod common;

use std::collections::BTreeMap;

use common::{any_hashes, any_members, equal_members, ring};
use proptest::prelude::*;
use souk_hashring::{Key, Member, Placement, Ring, RingError, key_hash};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// All points, by place and shard, as the specification says.
fn specified_points(members: &[Member], points: u32) -> Vec<(u64, u64)> {
    let mut placed = Vec::new();
    for member in members {
        for number in 0..member.weight * points {
            let input = [&[0xff][..], &member.shard.to_le_bytes(), &number.to_le_bytes()].concat();
            placed.push((xxh3_64_with_seed(&input, 0x736f_756b_0000_0001) >> 20, member.shard));
        }
    }
    placed
}

fn specified_owner(points: &[(u64, u64)], hash: u64) -> Option<u64> {
    let after = points.iter().filter(|(place, _)| *place >= hash >> 20).min();
    after.or(points.iter().min()).map(|(_, shard)| *shard)
}

proptest! {
    #[test]
    fn owners_are_the_specified_ones(members in any_members(), points in 1..40u32, hashes in any_hashes()) {
        let (ring, specified) = (ring(&members, points), specified_points(&members, points));
        for hash in hashes {
            prop_assert_eq!(ring.owner_at(hash), specified_owner(&specified, hash));
        }
        for &(place, _) in &specified {
            let (first, last) = (place << 20, (place << 20) | 0xf_ffff);
            for hash in [first.wrapping_sub(1), first, last, last.wrapping_add(1)] {
                prop_assert_eq!(ring.owner_at(hash), specified_owner(&specified, hash));
            }
        }
    }

    #[test]
    fn order_of_members_does_not_matter(members in any_members(), seed in any::<u64>(), hashes in any_hashes()) {
        let mut shuffled = members.clone();
        shuffled.sort_by_key(|member| key_hash(&(member.shard ^ seed).to_le_bytes()));
        let (one, other) = (ring(&members, 20), ring(&shuffled, 20));
        prop_assert!(hashes.iter().all(|hash| one.owner_at(*hash) == other.owner_at(*hash)));
    }

    #[test]
    fn shares_are_the_ring(members in any_members()) {
        let shares = ring(&members, 20).shares();
        let expected = if members.iter().all(|member| member.weight == 0) { 0.0 } else { 1.0 };
        prop_assert!((shares.values().sum::<f64>() - expected).abs() < 1e-9);
        prop_assert!(members.iter().all(|member| shares.contains_key(&member.shard) == (member.weight > 0)));
    }
}

#[test]
fn a_ring_without_members_owns_nothing() {
    for ring in [ring(&[], 150), ring(&[], 0), Ring::default(), ring(&[Member { shard: 1, weight: 0 }], 150)] {
        assert_eq!(ring.owner(&Key::Null.canonical_bytes()), None);
        assert!(ring.shares().is_empty());
    }
}

#[test]
fn one_shard_owns_everything() {
    let ring = ring(&[Member { shard: 7, weight: 1 }], 1);
    assert_eq!([0, 1 << 20, u64::MAX].map(|hash| ring.owner_at(hash)), [Some(7); 3]);
    assert_eq!(ring.shares(), BTreeMap::from([(7, 1.0)]));
}

fn check_refused(members: &[Member], points: u32, error: RingError, message: &str) {
    let found = Ring::new(members, points).expect_err("refused");
    assert_eq!(found, error);
    assert_eq!(found.to_string(), message);
}

#[test]
fn bad_rings_are_refused() {
    let twice = [Member { shard: 5, weight: 1 }, Member { shard: 1, weight: 1 }, Member { shard: 5, weight: 2 }];
    check_refused(
        &twice,
        150,
        RingError::DuplicateShard { shard: 5 },
        "shard `5` is on the ring twice: list it once, with the sum of its weights",
    );
    check_refused(
        &twice[..2],
        0,
        RingError::NoPoints,
        "`0` points a shard leave the ring's members nothing to own: use `150`",
    );
    check_refused(
        &[Member { shard: 5, weight: u32::MAX }, Member { shard: 6, weight: 1 }],
        u32::MAX,
        RingError::TooManyPoints { points: u128::from(u32::MAX) << 32 },
        "the ring would have `18446744069414584320` points, over the limit of `67108864`: lower the weights or the points a shard",
    );
    let crowd: Vec<Member> = (0..=Ring::MEMBERS_MAX as u64).map(|shard| Member { shard, weight: 1 }).collect();
    check_refused(
        &crowd,
        1,
        RingError::TooManyMembers { members: 1_048_577 },
        "the ring has `1048577` members, over the limit of `1048576`: put fewer shards on it",
    );
}

#[test]
fn pins_come_before_the_ring() {
    let pins = BTreeMap::from([(Key::Integer(1).canonical_bytes(), 99)]);
    let placement = Placement { pins: pins.clone(), ring: ring(&equal_members(1..4), 150) };
    assert_eq!(placement.owner(&Key::Real(1.0)), Some(99));
    assert_eq!(placement.owner(&Key::Text(b"1")), Some(2));
    let pins_alone = Placement { pins, ring: Ring::default() };
    assert_eq!(pins_alone.owner(&Key::Integer(1)), Some(99));
    assert_eq!(pins_alone.owner(&Key::Integer(2)), None);
}

/// Keys of each shard, of integer keys from 0.
fn keys_by_shard(ring: &Ring, keys: i64) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for key in 0..keys {
        *counts.entry(ring.owner(&Key::Integer(key).canonical_bytes()).expect("an owner")).or_default() += 1;
    }
    counts
}

/// The fullest of 100 shards over the mean: by 1,000,000 keys, and of the ring itself.
fn spread(points: u32) -> (f64, f64) {
    let ring = ring(&equal_members(1..101), points);
    let fullest_by_keys = keys_by_shard(&ring, 1_000_000).into_values().max().expect("a shard");
    let fullest = ring.shares().into_values().fold(0.0, f64::max);
    (fullest_by_keys as f64 / 10_000.0, fullest * 100.0)
}

#[test]
fn default_points_spread_to_a_fifth_over_the_mean() {
    let (keys, ring) = spread(Ring::POINTS_DEFAULT);
    assert!((1.15..1.25).contains(&keys) && (1.15..1.25).contains(&ring), "{keys} {ring}");
}

#[test]
fn even_points_spread_to_a_twentieth_over_the_mean() {
    let (keys, ring) = spread(Ring::POINTS_EVEN);
    assert!(keys <= 1.05 && ring <= 1.05, "{keys} {ring}");
}

#[test]
fn even_points_spread_evenly_for_other_sets_of_100_shards() {
    for first in [0, 1_000, 1 << 32, u64::MAX - 100] {
        let fullest =
            ring(&equal_members(first..first + 100), Ring::POINTS_EVEN).shares().into_values().fold(0.0, f64::max);
        assert!(fullest * 100.0 <= 1.05, "from {first}: {}", fullest * 100.0);
    }
}

#[test]
fn weights_are_shares() {
    let members: Vec<Member> = (1..=4).map(|shard| Member { shard, weight: shard as u32 }).collect();
    for (shard, share) in ring(&members, Ring::POINTS_EVEN).shares() {
        let expected = shard as f64 / 10.0;
        assert!((share / expected - 1.0).abs() < 0.05, "shard {shard}: {share}");
    }
}
