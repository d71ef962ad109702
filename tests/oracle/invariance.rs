//! Answers do not depend on how many shards there are: generated schemas, rows and queries, each schema on one of many layouts.
//!
//! `SOUK_QUERIES` says how many queries, `SOUK_SEED` where to begin: a failure prints what repeats it.

use std::time::{Duration, Instant};

use crate::setting::setting;
use crate::support::{Expected, LAYOUTS, Oracle, Random, case, compare, scene, shrink};
use crate::tally::Tally;

const QUERIES: u64 = 10_000;
const QUERIES_PER_SCENE: u64 = 250;
/// Whether every query must be answered.
const REFUSALS_FAIL: bool = true;
/// Differences after which a run ends.
const FAILURES_MAX: usize = 5;
/// How often a long run says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(20);

/// Says what repeats a panic.
struct Replay(String);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again with {}", self.0);
        }
    }
}

fn run_scene(tally: &mut Tally, seed: u64, queries: u64) {
    let mut random = Random::new(seed);
    let scene = scene(&mut random);
    let more = scene.more();
    let oracle = Oracle::new(&[*random.pick(&LAYOUTS)], &scene.tables, &more);
    let cluster = &oracle.clusters[0].1;
    for number in 1..=queries {
        let replay = Replay(format!("SOUK_SEED={seed} SOUK_QUERIES={number}"));
        let query = case(&mut random, &scene);
        let (sql, params) = query.render();
        if !oracle.plain.ends(&sql, &params) {
            tally.too_long += 1;
            continue;
        }
        let expected = Expected::of(&oracle.plain, &sql, &params);
        let got = cluster.query(&sql, &params);
        let plan = got.as_ref().ok().map(|answer| answer.certificate.plan.clone());
        if tally.count(&sql, &expected, compare(&expected, got), plan).is_some() {
            let smaller = shrink(&oracle, &scene.tables, &more, &query);
            tally.failures.push(format!("{}: {sql}\nmade smaller: {smaller}", replay.0));
        }
    }
}

fn run(first_seed: u64, queries: u64) {
    let mut tally = Tally::default();
    let mut seed = first_seed;
    let mut said = Instant::now();
    while tally.queries < queries && tally.failures.len() < FAILURES_MAX {
        let left = queries - tally.queries;
        run_scene(&mut tally, seed, QUERIES_PER_SCENE.min(left));
        seed += 1;
        if said.elapsed() > PROGRESS_EVERY {
            eprintln!("{} queries, {} refused, {} different", tally.queries, tally.refused, tally.failures.len());
            said = Instant::now();
        }
    }
    println!("{}", tally.report());
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
    assert!(tally.with_rows * 2 > tally.queries, "too few answers have rows");
    assert!(!REFUSALS_FAIL || tally.refused == 0, "{} queries are refused", tally.refused);
}

#[test]
fn generated_queries_agree_on_every_layout() {
    run(setting("SOUK_SEED", 1), setting("SOUK_QUERIES", QUERIES));
}
