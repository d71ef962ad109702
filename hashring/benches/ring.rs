//! The ring's three numbers: how long a lookup takes, how evenly shards fill, how much a new shard moves.
//! Run with `cargo bench -p souk-hashring`.

use std::hint::black_box;
use std::time::Instant;

use souk_hashring::{Key, Member, MovePlan, Placement, Ring};

const LOOKUPS: u64 = 1_000_000;
const RUNS: usize = 7;

fn main() {
    // `cargo test --all-targets` runs benches too, without this flag and without optimisation.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("lookup: ns from canonical bytes (hash + owner) and from a key (bytes + pins + hash + owner);");
    println!("        each waits for the one before (`after`) or not (`side by side`). Median of {RUNS} runs.");
    println!("spread: the fullest shard over the mean, of the ring itself and of {LOOKUPS} keys.");
    println!("moved:  part of the ring that one more shard takes, over 1/(n+1).\n");
    println!(
        "{:>6} {:>6} {:>9} {:>8} {:>8} {:>13} {:>8} {:>9} {:>8}",
        "shards", "points", "build ms", "after", "side", "key, 1k pins", "spread", "of keys", "moved"
    );
    for points in [150, 4096, 6000, 8192] {
        for shards in [10, 100, 1_000] {
            report(shards, points);
        }
    }
}

fn report(shards: u64, points: u32) {
    let begin = Instant::now();
    let ring = ring(shards, points);
    let build_ms = begin.elapsed().as_secs_f64() * 1e3;
    let (after, side) = (median(|| lookup_after(&ring)), median(|| lookup_side_by_side(&ring)));
    let (spread, spread_of_keys) = (spread(&ring, shards), spread_of_keys(&ring, shards));
    let moved = moved(&ring, shards, points);
    let placement = Placement { pins: pins(1_000), ring };
    let from_key = median(|| lookup_from_key(&placement));
    println!(
        "{shards:>6} {points:>6} {build_ms:>9.1} {after:>8.1} {side:>8.1} {from_key:>13.1} {spread:>8.3} {spread_of_keys:>9.3} {moved:>8.3}"
    );
}

fn ring(shards: u64, points: u32) -> Ring {
    let members: Vec<Member> = (1..=shards).map(|shard| Member { shard, weight: 1 }).collect();
    Ring::new(&members, points).expect("the benches' rings are valid")
}

fn pins(count: u64) -> std::collections::BTreeMap<Vec<u8>, u64> {
    (0..count).map(|vendor| (Key::Text(format!("vendor-{vendor:06}").as_bytes()).canonical_bytes(), vendor)).collect()
}

/// An integer key's canonical bytes, without the allocation.
fn bytes(number: u64) -> [u8; 9] {
    let mut bytes = [1; 9];
    bytes[1..].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Numbers without order, the same ones each time (splitmix64, Steele, Lea and Flood 2014).
fn scrambled(number: u64) -> u64 {
    let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The next key depends on the owner of the one before: the time of a single lookup, cache misses and all.
fn lookup_after(ring: &Ring) {
    let mut last = 0;
    for number in 0..LOOKUPS {
        last = ring.owner(&bytes(scrambled(number ^ (last << 32)))).expect("the ring has members");
    }
    black_box(last);
}

fn lookup_side_by_side(ring: &Ring) {
    for number in 0..LOOKUPS {
        black_box(ring.owner(&bytes(scrambled(number))));
    }
}

fn lookup_from_key(placement: &Placement) {
    let mut last = 0;
    for number in 0..LOOKUPS {
        last = placement.owner(&Key::Integer(scrambled(number ^ (last << 32)) as i64)).expect("the ring has members");
    }
    black_box(last);
}

/// Median of the runs, in ns a lookup.
fn median(run: impl Fn()) -> f64 {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let begin = Instant::now();
            run();
            begin.elapsed().as_secs_f64() * 1e9 / LOOKUPS as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

fn spread(ring: &Ring, shards: u64) -> f64 {
    ring.shares().values().fold(0.0, |fullest: f64, share| fullest.max(*share)) * shards as f64
}

fn spread_of_keys(ring: &Ring, shards: u64) -> f64 {
    let mut keys = vec![0u64; shards as usize + 1];
    for number in 0..LOOKUPS {
        keys[ring.owner(&bytes(number)).expect("the ring has members") as usize] += 1;
    }
    let fullest = keys.into_iter().max().expect("there are shards");
    fullest as f64 / (LOOKUPS as f64 / shards as f64)
}

fn moved(ring_before: &Ring, shards: u64, points: u32) -> f64 {
    let before = Placement { ring: ring_before.clone(), ..Placement::default() };
    let after = Placement { ring: ring(shards + 1, points), ..Placement::default() };
    MovePlan::between(&before, &after).ring_share() * (shards + 1) as f64
}
