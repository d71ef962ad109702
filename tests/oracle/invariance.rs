//! Answers do not depend on how many shards there are: generated schemas, rows and queries, each schema on one of many layouts.
//!
//! `SOUK_QUERIES` says how many queries, `SOUK_SEED` where to begin: a failure prints what repeats it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::setting::setting;
use crate::support::{Expected, LAYOUTS, Oracle, Random, case, compare, scene, shrink};
use crate::tally::Tally;

const QUERIES: u64 = 10_000;
const QUERIES_PER_SCENE: u64 = 250;
const SCENES_AT_ONCE: usize = 2;
/// Differences after which a run ends.
const FAILURES_MAX: usize = 5;
/// How often a long run says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(20);

/// Says what repeats a panic.
struct Replay(String);

impl Drop for Replay {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("again with {}", self.0);
        }
    }
}

/// What the threads of a run share.
struct Run {
    queries: u64,
    first_seed: u64,
    /// Schemas begun so far.
    begun: AtomicU64,
    tally: Mutex<Tally>,
}

impl Run {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().expect("no thread panicked")
    }

    /// Schema after schema, until there are no more.
    fn work(&self) {
        let mut said = Instant::now();
        loop {
            let index = self.begun.fetch_add(1, Ordering::Relaxed);
            let before = index * QUERIES_PER_SCENE;
            if before >= self.queries || self.tally().failures.len() >= FAILURES_MAX {
                return;
            }
            self.run_scene(self.first_seed + index, QUERIES_PER_SCENE.min(self.queries - before));
            if said.elapsed() > PROGRESS_EVERY {
                eprintln!("{}", self.tally().progress());
                said = Instant::now();
            }
        }
    }

    fn run_scene(&self, seed: u64, queries: u64) {
        let mut random = Random::new(seed);
        let scene = scene(&mut random);
        let more = scene.more();
        let oracle = Oracle::new(&[*random.pick(&LAYOUTS)], &scene.tables, &more);
        let cluster = &oracle.clusters[0].1;
        for number in 1..=queries {
            let replay = Replay(format!("SOUK_SEED={seed} SOUK_QUERIES={number}"));
            let query = case(&mut random, &scene);
            let (sql, params) = query.render();
            let Some(answer) = oracle.plain.query_in_time(&sql, &params) else {
                self.tally().too_long += 1;
                continue;
            };
            let expected = Expected::of_answer(answer, &oracle.plain, &sql, &params);
            let got = cluster.query(&sql, &params);
            let plan = got.as_ref().ok().map(|answer| answer.certificate.plan.clone());
            let verdict = compare(&expected, got);
            if self.tally().count(&sql, &expected, verdict, plan).is_some() {
                let smaller = shrink(&oracle, &scene.tables, &more, &query);
                let failure = format!("{}: {sql}\nmade smaller: {smaller}", replay.0);
                eprintln!("{failure}");
                self.tally().failures.push(failure);
            }
        }
    }
}

#[test]
fn generated_queries_agree_on_every_layout() {
    let run = Run {
        queries: setting("SOUK_QUERIES", QUERIES),
        first_seed: setting("SOUK_SEED", 1),
        begun: AtomicU64::new(0),
        tally: Mutex::default(),
    };
    thread::scope(|scope| {
        for _ in 0..SCENES_AT_ONCE {
            scope.spawn(|| run.work());
        }
    });
    let tally = run.tally();
    println!("{}", tally.report());
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
    assert!(tally.with_rows * 2 > tally.queries, "too few answers have rows");
    assert_eq!(tally.refused, 0, "every query is answered");
}
