//! Move plans: they say exactly what moves, and a ring moves little.

mod common;

use std::collections::BTreeMap;

use common::{any_hashes, any_members, equal_members, ring};
use proptest::prelude::*;
use souk_hashring::{Key, Member, MovePlan, PinMove, Placement, RangeMove, Ring, key_hash};

fn unpinned(members: &[Member], points: u32) -> Placement {
    Placement { ring: ring(members, points), ..Placement::default() }
}

fn range_of(plan: &MovePlan, hash: u64) -> Option<&RangeMove> {
    plan.ranges.iter().find(|range| (range.start..=range.end).contains(&hash))
}

/// Pins of a few small integers to a few small shards.
fn any_pins() -> impl Strategy<Value = BTreeMap<Vec<u8>, u64>> {
    proptest::collection::btree_map((0..10i64).prop_map(|key| Key::Integer(key).canonical_bytes()), 0..20u64, 0..6)
}

proptest! {
    #[test]
    fn ranges_say_what_moves(before in any_members(), after in any_members(), hashes in any_hashes()) {
        let (current, next) = (unpinned(&before, 10), unpinned(&after, 10));
        let plan = MovePlan::between(&current, &next);
        let edges = plan.ranges.iter().flat_map(|range| [range.start, range.end, range.start.wrapping_sub(1), range.end.wrapping_add(1)]);
        for hash in hashes.into_iter().chain(edges) {
            let (from, to) = (current.ring.owner_at(hash), next.ring.owner_at(hash));
            let moved = range_of(&plan, hash).map(|range| (range.from, range.to));
            prop_assert_eq!(moved, (from != to).then_some((from, to)));
        }
    }

    #[test]
    fn ranges_are_ascending_and_as_few_as_possible(before in any_members(), after in any_members()) {
        let plan = MovePlan::between(&unpinned(&before, 10), &unpinned(&after, 10));
        prop_assert!(plan.ranges.iter().all(|range| range.start <= range.end && range.from != range.to));
        for pair in plan.ranges.windows(2) {
            prop_assert!(pair[0].end < pair[1].start);
            let joined = pair[0].end + 1 == pair[1].start && (pair[0].from, pair[0].to) == (pair[1].from, pair[1].to);
            prop_assert!(!joined);
        }
    }

    #[test]
    fn a_key_moves_by_its_pin_or_else_by_its_range(
        members in any_members(), more in any_members(), before in any_pins(), after in any_pins()
    ) {
        let current = Placement { pins: before, ring: ring(&members, 10) };
        let next = Placement { pins: after, ring: ring(&more, 10) };
        let plan = MovePlan::between(&current, &next);
        for key in (0..10).map(Key::Integer) {
            let bytes = key.canonical_bytes();
            let moved = if current.pins.contains_key(&bytes) || next.pins.contains_key(&bytes) {
                plan.pins.iter().find(|pin| pin.key == bytes).map(|pin| (pin.from, pin.to))
            } else {
                prop_assert!(plan.pins.iter().all(|pin| pin.key != bytes));
                range_of(&plan, key_hash(&bytes)).map(|range| (range.from, range.to))
            };
            let (from, to) = (current.owner(&key), next.owner(&key));
            prop_assert_eq!(moved, (from != to).then_some((from, to)));
        }
    }

    #[test]
    fn a_shard_that_comes_only_takes_and_one_that_leaves_only_gives(members in any_members(), shard in any::<u64>(), weight in 1..5u32) {
        let without: Vec<Member> = members.into_iter().filter(|member| member.shard != shard).collect();
        let with = [&without[..], &[Member { shard, weight }]].concat();
        let (without, with) = (unpinned(&without, 10), unpinned(&with, 10));
        prop_assert!(MovePlan::between(&without, &with).ranges.iter().all(|range| range.to == Some(shard)));
        prop_assert!(MovePlan::between(&with, &without).ranges.iter().all(|range| range.from == Some(shard)));
    }

    #[test]
    fn a_heavier_shard_only_takes(members in any_members(), more in 1..4u32) {
        let mut heavier = members.clone();
        let Some(first) = heavier.first_mut() else { return Ok(()) };
        first.weight += more;
        let shard = first.shard;
        let plan = MovePlan::between(&unpinned(&members, 10), &unpinned(&heavier, 10));
        prop_assert!(plan.ranges.iter().all(|range| range.to == Some(shard)));
    }

    #[test]
    fn nothing_moves_when_nothing_changes(members in any_members(), pins in any_pins()) {
        let placement = Placement { pins, ring: ring(&members, 10) };
        prop_assert!(MovePlan::between(&placement, &placement.clone()).is_empty());
    }
}

/// Keys of 200,000 that one more shard takes from n, over 1/(n+1) of them; and the same of the ring itself.
fn share_of_one_more(shards: u64, points: u32) -> (f64, f64) {
    const KEYS: i64 = 200_000;
    let new = shards + 1;
    let (current, next) = (unpinned(&equal_members(1..new), points), unpinned(&equal_members(1..new + 1), points));
    let mut moved = 0;
    for key in (0..KEYS).map(Key::Integer) {
        let (from, to) = (current.owner(&key), next.owner(&key));
        if from != to {
            assert_eq!(to, Some(new), "moved between old shards: {key:?}");
            moved += 1;
        }
    }
    let ring_share = MovePlan::between(&current, &next).ring_share();
    (f64::from(moved) / KEYS as f64 * new as f64, ring_share * new as f64)
}

fn check_share_of_one_more(points: u32, tolerance: f64) {
    for shards in [3, 10, 30, 100] {
        let (keys, ring) = share_of_one_more(shards, points);
        assert!((keys - 1.0).abs() <= tolerance && (ring - 1.0).abs() <= tolerance, "{shards} shards: {keys} {ring}");
    }
}

#[test]
fn one_more_shard_takes_its_part_within_a_tenth_when_spread_evenly() {
    check_share_of_one_more(Ring::POINTS_EVEN, 0.1);
}

/// With 150 points a shard's share has a standard deviation of 8 %: a tenth would fail for one shard in five.
#[test]
fn one_more_shard_takes_its_part_within_a_quarter_by_default() {
    check_share_of_one_more(Ring::POINTS_DEFAULT, 0.25);
}

#[test]
fn the_first_shard_takes_all_from_nowhere() {
    let plan = MovePlan::between(&Placement::default(), &unpinned(&equal_members(1..2), 150));
    assert_eq!(plan.ranges, [RangeMove { start: 0, end: u64::MAX, from: None, to: Some(1) }]);
    assert_eq!(plan.ring_share(), 1.0);
}

#[test]
fn pins_that_come_change_and_go() {
    let key = |number| Key::Integer(number).canonical_bytes();
    let pins = |pins: &[(i64, u64)]| pins.iter().map(|&(number, shard)| (key(number), shard)).collect();
    let ring = ring(&equal_members(1..4), 150);
    let current = Placement { pins: pins(&[(1, 50), (2, 51), (3, 52), (4, 53)]), ring: ring.clone() };
    // The ring has 0 and 42 on shard 3, and 2 on shard 1.
    let next = Placement { pins: pins(&[(0, 49), (1, 60), (3, 52), (4, 53), (42, 3)]), ring };
    let moved = |number, from, to| PinMove { key: key(number), from: Some(from), to: Some(to) };
    assert_eq!(MovePlan::between(&current, &next).pins, [moved(0, 3, 49), moved(1, 50, 60), moved(2, 51, 1)]);
}
