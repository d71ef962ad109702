//! Rows that a predicate parts in three add up to all rows: what no comparison with another engine needs to know.
//!
//! A predicate is true, false or NULL (Rigger and Su: Finding bugs in database systems via query partitioning, 2020). `SOUK_PARTITIONS`
//! says how many queries, `SOUK_SEED` where to begin.

use std::collections::BTreeSet;

use souk_merge::Value;
use souk_proto::Reason;

use crate::setting::setting;
use crate::support::{
    Cluster, Failure, LAYOUTS, Oracle, Partition, Plain, Random, Recombined, partition, positional, scene, show_rows,
};

const PARTITIONS: u64 = 500;
const PARTITIONS_PER_SCENE: u64 = 100;

type Rows = Vec<Vec<Value>>;

/// What became of the queries.
#[derive(Default)]
struct Tally {
    queries: u64,
    refused: u64,
    compared: u64,
    failures: Vec<String>,
}

fn answer(cluster: &Cluster, query: &crate::support::Node) -> Result<Rows, Failure> {
    let (sql, params) = query.render();
    cluster.query(&sql, &params).map(|answer| answer.rows)
}

/// What the parts make together.
fn recombined(kind: &Recombined, parts: Rows) -> Rows {
    match kind {
        Recombined::Rows => parts,
        Recombined::Distinct => {
            let mut seen = BTreeSet::new();
            parts.into_iter().filter(|row| seen.insert(format!("{row:?}"))).collect()
        }
        Recombined::Aggregates(_) if parts.is_empty() => parts,
        Recombined::Aggregates(folds) => fold(folds, &parts),
    }
}

/// The parts' aggregates, added up by SQLite.
fn fold(folds: &[&str], parts: &Rows) -> Rows {
    let columns = folds.iter().zip(1..);
    let output = |(fold, place): (&&str, usize)| format!("{fold}(column{place})");
    let outputs: Vec<String> = columns.clone().map(output).collect();
    let keys: Vec<String> = columns.filter(|(fold, _)| fold.is_empty()).map(|(_, place)| place.to_string()).collect();
    let group = if keys.is_empty() { String::new() } else { format!(" GROUP BY {}", keys.join(", ")) };
    let row = format!("({})", vec!["?"; folds.len()].join(", "));
    let rows = vec![row; parts.len()].join(", ");
    let sql = format!("SELECT {} FROM (VALUES {rows}){group}", outputs.join(", "));
    Plain::new().query(&sql, &positional(parts.iter().flatten().cloned())).expect("SQLite adds up").rows
}

fn sorted(rows: &Rows) -> Vec<String> {
    let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

impl Tally {
    fn check(&mut self, seed: u64, cluster: &Cluster, query: &Partition) {
        self.queries += 1;
        let whole = answer(cluster, &query.whole);
        let parts: Result<Vec<Rows>, Failure> = query.parts.iter().map(|part| answer(cluster, part)).collect();
        let (whole, parts) = match (whole, parts) {
            (Ok(whole), Ok(parts)) => (whole, parts.concat()),
            (Err(failure), _) | (_, Err(failure)) if failure.reason == Some(Reason::UnsupportedSql) => {
                self.refused += 1;
                return;
            }
            (whole, parts) => return self.fail(seed, query, &format!("{:?} {:?}", whole.err(), parts.err())),
        };
        self.compared += 1;
        let together = recombined(&query.kind, parts);
        if sorted(&whole) != sorted(&together) {
            let what = format!("whole:\n{}\nparts together:\n{}", show_rows(&whole), show_rows(&together));
            self.fail(seed, query, &what);
        }
    }

    fn fail(&mut self, seed: u64, query: &Partition, what: &str) {
        let number = self.queries;
        let (whole, params) = query.whole.render();
        let (part, _) = query.parts[0].render();
        self.failures.push(format!("SOUK_SEED={seed} query {number}: {whole}\nin parts by {part}\n{params:?}\n{what}"));
    }
}

#[test]
fn three_parts_make_the_whole() {
    let (first, queries) = (setting("SOUK_SEED", 1), setting("SOUK_PARTITIONS", PARTITIONS));
    let mut tally = Tally::default();
    for seed in first.. {
        if tally.queries >= queries || tally.failures.len() >= 5 {
            break;
        }
        let mut random = Random::new(seed);
        let scene = scene(&mut random);
        let oracle = Oracle::new(&[*random.pick(&LAYOUTS)], &scene.tables, &scene.more());
        for _ in 0..PARTITIONS_PER_SCENE.min(queries - tally.queries) {
            tally.check(seed, &oracle.clusters[0].1, &partition(&mut random, &scene));
        }
    }
    println!("{} queries, {} compared, {} refused", tally.queries, tally.compared, tally.refused);
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
    assert_eq!((tally.compared, tally.refused), (tally.queries, 0), "every query is answered");
}
