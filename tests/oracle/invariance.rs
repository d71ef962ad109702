//! Answers do not depend on how many shards there are: generated schemas, rows and queries, each schema on one of many layouts.
//!
//! `SOUK_QUERIES` says how many queries, `SOUK_SEED` where to begin: a failure prints what repeats it.

use std::sync::{Mutex, MutexGuard};
use std::thread;

use crate::scenes::Scenes;
use crate::setting::setting;
use crate::support::{Expected, LAYOUTS, Oracle, Random, case, compare, scene, shrink};
use crate::tally::Tally;

const QUERIES: u64 = 10_000;
const QUERIES_PER_SCENE: u64 = 250;
/// Differences after which a run ends.
const FAILURES_MAX: usize = 5;

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
#[derive(Default)]
struct Run {
    tally: Mutex<Tally>,
}

impl Run {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().expect("no thread panicked")
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
    let run = Run::default();
    let scenes = Scenes {
        cases: setting("SOUK_QUERIES", QUERIES),
        cases_per_scene: QUERIES_PER_SCENE,
        first_seed: setting("SOUK_SEED", 1),
    };
    let is_enough = || run.tally().failures.len() >= FAILURES_MAX;
    scenes.run(|seed, queries| run.run_scene(seed, queries), is_enough, || run.tally().progress());
    let tally = run.tally();
    println!("{}", tally.report());
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
    assert!(tally.with_rows * 2 > tally.queries, "too few answers have rows");
    assert_eq!(tally.refused, 0, "every query is answered");
}
