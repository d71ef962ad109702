//! The ring's numbers: how long a lookup takes, how evenly shards fill, how much a new shard moves.
//! Run with `cargo bench -p souk-hashring --bench ring`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use souk_hashring::{Key, Member, MovePlan, Placement, Ring};

const LOOKUPS: usize = 1_000_000;
const RUNS: usize = 7;

/// How many different keys are looked up; powers of two.
const KEYS_COLD: u64 = 1 << 48;
const KEYS_HOT: u64 = 1 << 13;

const LEGEND: &str = "\
lookup, ns: hash and owner of an integer key's canonical bytes; median of 7 runs of 1,000,000
  cold      each of another key and after the one before: the ring comes from memory, not from a cache
  in a row  each of another key, none waits for the one before, as when rows are routed
  hot       each of one of 8,192 keys and after the one before
  pins      as hot, from a key that is not encoded yet, with 1,000 pins to look in first
spread: the fullest shard over the mean, of the ring itself and of 100,000 keys a shard
moved: the part of the ring that one more shard takes, over 1/(n+1)
";

fn main() {
    // `cargo test --all-targets` runs benches too, without this flag and without optimisation.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("{LEGEND}");
    println!(" points  shards  build ms    cold  in a row     hot    pins  spread  of keys  moved");
    for points in [Ring::POINTS_DEFAULT, Ring::POINTS_EVEN] {
        for shards in [10, 100, 1_000] {
            println!("{}", row(points, shards));
        }
    }
}

fn row(points: u32, shards: u64) -> String {
    let begin = Instant::now();
    let ring = ring(shards, points);
    let build_ms = begin.elapsed().as_secs_f64() * 1e3;
    let next = Placement { ring: self::ring(shards + 1, points), ..Placement::default() };
    let placement = Placement { pins: pins(1_000), ring };
    let ring = &placement.ring;
    let cold = one_by_one(KEYS_COLD, |key| ring.owner(&bytes(key)));
    let row = in_a_row(ring);
    let hot = one_by_one(KEYS_HOT, |key| ring.owner(&bytes(key)));
    let pins = one_by_one(KEYS_HOT, |key| placement.owner(&Key::Integer(key as i64)));
    let (spread, of_keys) = (spread(ring, shards), spread_of_keys(ring, shards));
    let moved = MovePlan::between(&placement, &next).ring_share() * (shards + 1) as f64;
    format!(
        "{points:>7} {shards:>7} {build_ms:>9.1} {cold:>7.1} {row:>9.1} {hot:>7.1} {pins:>7.1} {spread:>7.3} {of_keys:>8.3} {moved:>6.3}"
    )
}

fn ring(shards: u64, points: u32) -> Ring {
    let members: Vec<Member> = (1..=shards).map(|shard| Member { shard, weight: 1 }).collect();
    Ring::new(&members, points).expect("equal members make a ring")
}

fn pins(count: i64) -> BTreeMap<Vec<u8>, u64> {
    (0..count).map(|vendor| (Key::Integer(vendor << 32).canonical_bytes(), vendor as u64)).collect()
}

/// An integer key's canonical bytes, without the allocation.
fn bytes(number: u64) -> [u8; 9] {
    let mut bytes = [1; 9];
    bytes[1..].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Each key depends on the owner found before, so lookups cannot overlap. The hash scatters the keys.
fn one_by_one(keys: u64, owner: impl Fn(u64) -> Option<u64>) -> f64 {
    median_ns(|| {
        (0..LOOKUPS as u64).fold(0, |last, number| {
            let key = (number ^ (last << 32)) & (keys - 1);
            owner(key).expect("the ring has members")
        })
    })
}

fn in_a_row(ring: &Ring) -> f64 {
    let keys: Vec<[u8; 9]> = (0..LOOKUPS as u64).map(bytes).collect();
    median_ns(|| keys.iter().fold(0, |sum, key| sum ^ ring.owner(key).expect("the ring has members")))
}

/// Median of the runs, in ns a lookup.
fn median_ns(run: impl Fn() -> u64) -> f64 {
    let mut times: Vec<f64> = (0..RUNS).map(|_| time_ns(&run)).collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

fn time_ns(run: impl Fn() -> u64) -> f64 {
    let begin = Instant::now();
    black_box(run());
    begin.elapsed().as_secs_f64() * 1e9 / LOOKUPS as f64
}

fn spread(ring: &Ring, shards: u64) -> f64 {
    ring.shares().into_values().fold(0.0, f64::max) * shards as f64
}

fn spread_of_keys(ring: &Ring, shards: u64) -> f64 {
    const KEYS_PER_SHARD: u64 = 100_000;
    let mut keys = vec![0u64; shards as usize + 1];
    for number in 0..shards * KEYS_PER_SHARD {
        keys[ring.owner(&bytes(number)).expect("the ring has members") as usize] += 1;
    }
    let fullest = keys.into_iter().max().expect("there are shards");
    fullest as f64 / KEYS_PER_SHARD as f64
}
