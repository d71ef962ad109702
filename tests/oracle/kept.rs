//! What nodes keep of their answers is never out of date: queries asked again and again while rows are written, each answer compared
//! with one SQLite.
//!
//! `SOUK_STEPS` says how many steps, `SOUK_SEED` where to begin.

use souk_merge::Value;

use crate::setting::setting;
use crate::support::{Layout, Oracle, Random, Table, Verdict, none, text};

/// It is gathered.
const WINDOW: &str = "SELECT id, row_number() OVER (ORDER BY id, k) FROM t";

const STEPS: u64 = 1_500;
const STEPS_PER_CLUSTER: u64 = 300;

/// Every kind of merge, and statements that gather; few, so that each is asked many times.
const QUERIES: [&str; 18] = [
    "SELECT count(*), sum(n), avg(x), min(s), max(x) FROM t",
    "SELECT n, count(*), sum(x) FROM t GROUP BY n ORDER BY 2 DESC, 1",
    "SELECT k, count(*), group_concat(id, ',' ORDER BY id) FROM t GROUP BY k",
    "SELECT count(DISTINCT n), count(DISTINCT s) FROM t",
    "SELECT * FROM t ORDER BY x DESC, k, id LIMIT 7",
    "SELECT k, id, n FROM t WHERE n > 3 ORDER BY n, k, id LIMIT 5 OFFSET 2",
    "SELECT k, id FROM t WHERE s = 'b' ORDER BY k, id",
    "SELECT k, id, x FROM t",
    "SELECT DISTINCT n, s FROM t",
    "SELECT count(*) FROM t WHERE k = 'k3'",
    "SELECT id, n FROM t WHERE k IN ('k1', 'k2') ORDER BY id",
    "SELECT t.n, count(*), sum(u.v) FROM t JOIN u ON u.k = t.k AND u.id = t.id GROUP BY t.n",
    "SELECT r.id, count(*) FROM t JOIN r ON r.id = t.n GROUP BY r.id",
    "SELECT count(*) FROM t WHERE n > (SELECT avg(n) FROM t)",
    "SELECT a.k, b.k, a.id FROM t AS a JOIN u AS b ON a.n = b.v ORDER BY 1, 2, 3 LIMIT 20",
    "SELECT id, row_number() OVER (ORDER BY id, k) FROM t",
    "SELECT n FROM t UNION SELECT v FROM u ORDER BY 1",
    "SELECT count(*) FROM r",
];

fn tables() -> Vec<Table> {
    vec![
        Table::sharded(
            "CREATE TABLE t(k TEXT, id INTEGER, n INTEGER, x REAL, s TEXT, PRIMARY KEY (k, id))",
            "k",
            "VALUES ('k1', 0, 1, 0.5, 'a')",
        ),
        Table::sharded(
            "CREATE TABLE u(k TEXT, id INTEGER, v INTEGER, PRIMARY KEY (k, id))",
            "k",
            "VALUES ('k1', 0, 1)",
        ),
        Table::replicated("CREATE TABLE r(id INTEGER PRIMARY KEY, label TEXT)", "VALUES (-1, 'none')"),
    ]
}

/// A few new rows for one of the tables; `id` was never used before.
fn rows(random: &mut Random, id: i64) -> (&'static str, Vec<Vec<Value>>) {
    let key = |random: &mut Random| text(&format!("k{}", random.below(12)));
    let small =
        |random: &mut Random| if random.percent(10) { Value::Null } else { Value::Integer(random.between(0, 9)) };
    let count = 1 + random.below(3) as i64;
    match random.below(10) {
        0 => ("r", vec![vec![Value::Integer(id), text("some")]]),
        1..4 => ("u", (0..count).map(|_| vec![key(random), Value::Integer(id), small(random)]).take(1).collect()),
        _ => {
            let row = |place: i64| {
                let x = Value::Real(random.between(-40, 40) as f64 / 4.0);
                let s = text(random.pick::<&str>(&["a", "b", "B", ""]));
                vec![key(random), Value::Integer(id + place), small(random), x, s]
            };
            ("t", (0..count).map(row).collect())
        }
    }
}

/// Steps on one cluster; gives how many readings of shards were spared.
fn run(seed: u64, steps: u64) -> u64 {
    let mut random = Random::new(seed);
    let layout = *random.pick(&[Layout::Ring(7), Layout::Ring(2), Layout::Own, Layout::Ring(16)]);
    let oracle = Oracle::new(&[layout], &tables(), &["CREATE INDEX t_n ON t(n, x)"]);
    let mut spared = 0;
    for step in 1..=steps {
        if random.percent(30) {
            let (table, rows) = rows(&mut random, step as i64 * 10);
            oracle.load(table, &rows);
        }
        // Mostly the same few, so that answers are kept, spoiled and kept again.
        let sql = if random.percent(70) { QUERIES[random.below(5)] } else { *random.pick(&QUERIES) };
        let (verdict, kept) = verdict(&oracle, sql);
        assert_eq!(verdict, Verdict::Same, "SOUK_SEED={seed} step {step} on {layout:?}: {sql}");
        spared += kept;
    }
    spared
}

fn verdict(oracle: &Oracle, sql: &str) -> (Verdict, u64) {
    let expected = crate::support::Expected::of(&oracle.plain, sql, &none());
    let got = oracle.clusters[0].1.query(sql, &none());
    let kept = got.as_ref().map_or(0, |answer| u64::from(answer.certificate.kept));
    (crate::support::compare(&expected, got), kept)
}

#[test]
fn answers_between_writes_are_those_of_one_sqlite() {
    let (first, steps) = (setting("SOUK_SEED", 1), setting("SOUK_STEPS", STEPS));
    let clusters = steps.div_ceil(STEPS_PER_CLUSTER);
    let spared: u64 = (first..first + clusters).map(|seed| run(seed, STEPS_PER_CLUSTER.min(steps))).sum();
    assert!(spared > steps, "{spared} readings of shards were spared in {steps} steps: kept answers are hardly tested");
}

#[test]
fn an_answer_is_given_again_while_nothing_is_written() {
    let oracle = Oracle::new(&[Layout::Ring(7)], &tables(), &[]);
    let rows: Vec<Vec<Value>> = (1..60)
        .map(|id| {
            vec![
                text(&format!("k{}", id % 12)),
                Value::Integer(id),
                Value::Integer(id % 5),
                Value::Real(0.5),
                text("a"),
            ]
        })
        .collect();
    oracle.load("t", &rows);
    let kept = |sql: &str| {
        let (verdict, kept) = verdict(&oracle, sql);
        assert_eq!(verdict, Verdict::Same, "{sql}");
        kept
    };
    for sql in
        ["SELECT n, count(*) FROM t GROUP BY n", "SELECT * FROM t ORDER BY id LIMIT 3", "SELECT id FROM t", WINDOW]
    {
        assert_eq!((kept(sql), kept(sql), kept(sql)), (0, 7, 7), "{sql}");
    }
    oracle.load("t", &[vec![text("k1"), Value::Integer(100), Value::Integer(1), Value::Real(9.0), text("b")]]);
    let [groups, top] = ["SELECT n, count(*) FROM t GROUP BY n", "SELECT * FROM t ORDER BY id LIMIT 3"];
    // The node of that shard reads all its shards anew, and keeps what each gives from now on; other nodes have nothing to read.
    let of_others = kept(groups);
    assert!(of_others < 6, "{of_others}");
    assert_eq!(kept(top), of_others);
    oracle.load("t", &[vec![text("k1"), Value::Integer(101), Value::Integer(1), Value::Real(9.0), text("b")]]);
    assert_eq!((kept(groups), kept(top), kept(groups)), (6, 6, 7), "one shard has committed");
}

#[test]
fn what_differs_at_every_call_is_not_kept() {
    let oracle = Oracle::new(
        &[Layout::Ring(1), Layout::Ring(7)],
        &tables(),
        &["CREATE VIEW today AS SELECT k, date('now') AS d FROM t"],
    );
    for sql in [
        "SELECT count(*), CURRENT_TIMESTAMP IS NULL FROM t",
        "SELECT count(*) FROM t WHERE datetime('now') > '2000'",
        "SELECT count(*) FROM t WHERE date(s) IS NULL",
        "SELECT count(*) FROM t WHERE random() IS NULL",
        "SELECT count(d) FROM today",
        "SELECT k, strftime('%Y', 'now') > '2000' FROM t WHERE k = 'k1'",
    ] {
        for (layout, cluster) in &oracle.clusters {
            for _ in 0..3 {
                let answer = cluster.query(sql, &none()).expect(sql);
                assert_eq!(answer.certificate.kept, 0, "{layout:?} {sql}");
            }
        }
    }
}
