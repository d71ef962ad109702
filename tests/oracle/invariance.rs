//! Answers do not depend on how many shards there are: generated schemas, rows and queries, each on two of four layouts.
//!
//! `SOUK_QUERIES` says how many queries, `SOUK_SEED` where to begin: a failure prints the seed that repeats it.

use std::collections::BTreeMap;

use crate::support::{Layout, Oracle, Random, Verdict, case, scene, shrink};

const QUERIES: u64 = 2000;
const QUERIES_PER_SCENE: u64 = 100;
const LAYOUTS: [[Layout; 2]; 3] =
    [[Layout::Ring(2), Layout::Ring(64)], [Layout::Ring(1), Layout::Ring(7)], [Layout::Own, Layout::Ring(7)]];
/// Refusals of what the generator writes, in a hundred.
const REFUSED_PERCENT_MAX: f64 = 2.0;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// What became of generated queries.
#[derive(Default)]
struct Tally {
    queries: u64,
    /// Those that give rows at all: a test of empty answers would prove little.
    with_rows: u64,
    refused: u64,
    /// How often, and an example.
    reasons: BTreeMap<String, (u64, String)>,
    failures: Vec<String>,
}

impl Tally {
    fn run_scene(&mut self, seed: u64, queries: u64) {
        let mut random = Random::new(seed);
        let scene = scene(&mut random);
        let oracle = Oracle::new(&LAYOUTS[seed as usize % LAYOUTS.len()], &scene.tables, &[]);
        for number in 0..queries {
            let query = case(&mut random, &scene);
            let (sql, params) = query.render();
            self.queries += 1;
            let answer = oracle.plain.query(&sql, &params);
            self.with_rows += u64::from(answer.is_ok_and(|answer| !answer.rows.is_empty()));
            let verdicts = oracle.verdicts(&sql, &params);
            if let Some((_, Verdict::Refused(reason))) =
                verdicts.iter().find(|(_, verdict)| matches!(verdict, Verdict::Refused(_)))
            {
                self.refused += 1;
                self.reasons.entry(reason.clone()).or_insert((0, sql.clone())).0 += 1;
            }
            if verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Different(_))) {
                let smaller = shrink(&oracle, &scene.tables, &query);
                self.failures.push(format!("SOUK_SEED={seed} query {number}: {sql}\nmade smaller: {smaller}"));
            }
        }
    }

    fn report(&self) -> String {
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let reasons: Vec<String> =
            reasons.iter().map(|(reason, (count, example))| format!("{count:5} {reason}\n      {example}")).collect();
        let Tally { queries, with_rows, refused, .. } = self;
        format!("{queries} queries, {with_rows} with rows, {refused} refused\n{}", reasons.join("\n"))
    }
}

fn run(first_seed: u64, queries: u64) {
    let mut tally = Tally::default();
    let mut seed = first_seed;
    while tally.queries < queries && tally.failures.len() < 5 {
        tally.run_scene(seed, QUERIES_PER_SCENE.min(queries - tally.queries));
        seed += 1;
    }
    println!("{}", tally.report());
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
    assert!(tally.with_rows * 2 > tally.queries, "too few answers have rows: {}", tally.report());
    let percent = 100.0 * tally.refused as f64 / tally.queries as f64;
    assert!(percent <= REFUSED_PERCENT_MAX, "{percent:.1} % refused: {}", tally.report());
}

#[test]
fn generated_queries_agree_on_every_layout() {
    run(setting("SOUK_SEED", 1), setting("SOUK_QUERIES", QUERIES));
}
