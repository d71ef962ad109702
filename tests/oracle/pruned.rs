//! Shards that nodes leave out by what they know of columns hold nothing that matters: conditions of every kind asked again and again
//! while rows are written, each answer compared with one SQLite.
//!
//! `SOUK_STEPS` says how many steps, `SOUK_SEED` where to begin.

use souk_merge::Value;

use crate::setting::setting;
use crate::support::{Expected, Layout, Oracle, Random, Table, Verdict, compare, none, text};

const STEPS: u64 = 2_000;
const STEPS_PER_CLUSTER: u64 = 400;

/// Columns of each affinity; text that does not compare as bytes too.
const COLUMNS: [&str; 6] = ["n", "x", "s", "b", "m", "c"];

fn tables() -> Vec<Table> {
    vec![
        Table::sharded(
            "CREATE TABLE t(k TEXT, id INTEGER, n INTEGER, x REAL, s TEXT, b, m NUMERIC, c TEXT COLLATE NOCASE, PRIMARY KEY (k, id))",
            "k",
            "VALUES ('k1', 0, 1, 0.5, 'a', NULL, 2, 'C')",
        ),
        Table::sharded(
            "CREATE TABLE u(k TEXT, id INTEGER, v INTEGER, PRIMARY KEY (k, id))",
            "k",
            "VALUES ('k1', 0, 1)",
        ),
    ]
}

/// Any value, near or beyond those of other shards; the same types meet others than their column's.
fn value(random: &mut Random, around: i64) -> Value {
    let number = around + random.between(-2, 2);
    match random.below(12) {
        0 => Value::Null,
        1 => Value::Real(number as f64 + 0.5),
        2 => text(&number.to_string()),
        3 => Value::Blob(format!("{number}").into_bytes().into()),
        4 => text(random.pick::<&str>(&["a", "A", "b", "", "zz"])),
        5 => Value::Integer(9_007_199_254_740_993 + random.between(-1, 1)),
        6 => Value::Real(9_007_199_254_740_992.0),
        _ => Value::Integer(number),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(bytes) => format!("'{}'", String::from_utf8_lossy(bytes)),
        Value::Blob(bytes) => format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

/// The number of a vendor, around which its values lie: most shards hold nothing of what is asked for.
fn around(vendor: i64) -> i64 {
    vendor * 10
}

fn row(random: &mut Random, id: i64) -> (&'static str, Vec<Value>) {
    let vendor = random.between(0, 11);
    let key = [text(&format!("k{vendor}")), Value::Integer(id)];
    let own = around(vendor);
    if random.percent(30) {
        return ("u", key.into_iter().chain([value(random, own)]).collect());
    }
    let values: Vec<Value> = COLUMNS.iter().map(|_| value(random, own)).collect();
    ("t", key.into_iter().chain(values).collect())
}

fn constant(random: &mut Random) -> String {
    let around = around(random.between(-1, 12));
    literal(&value(random, around))
}

fn predicate(random: &mut Random, column: &str) -> String {
    let [a, b] = [constant(random), constant(random)];
    match random.below(9) {
        0 => format!("{column} IN ({a}, {b})"),
        1 => format!("{column} BETWEEN {a} AND {b}"),
        2 => format!("({column} = {a} OR {column} = {b})"),
        3 => format!("{a} {} {column}", random.pick(&["<", "<=", ">", ">=", "="])),
        4 => format!("{column} {} {a}", random.pick(&["IS", "IS NOT", "<>"])),
        _ => format!("{column} {} {a}", random.pick(&["<", "<=", ">", ">=", "=", "=", "="])),
    }
}

fn statement(random: &mut Random) -> String {
    let column = *random.pick(&COLUMNS);
    let own = predicate(random, &format!("t.{column}"));
    let other = predicate(random, "u.v");
    // Few pairs of columns, so that each is asked for often.
    let beside = *random.pick(&["n", "s"]);
    let beside = format!("{beside} IN ({}, {})", constant(random), constant(random));
    let order = format!("{column}{}{}", random.pick(&["", " DESC"]), random.pick(&["", " NULLS LAST", " NULLS FIRST"]));
    let limit = random.between(0, 6);
    match random.below(13) {
        0 => format!("SELECT count(*), sum(n), max(x) FROM t WHERE {own}"),
        1 => format!("SELECT n, count(*) FROM t WHERE {own} GROUP BY n ORDER BY 1, 2"),
        2 => format!(
            "SELECT t.k, t.id, u.v FROM t JOIN u ON u.k = t.k AND u.id = t.id AND {other} WHERE {own} ORDER BY 1, 2"
        ),
        3 => format!("SELECT t.k, t.id, u.v FROM t LEFT JOIN u ON u.k = t.k AND {other} ORDER BY 1, 2, 3"),
        4 => {
            format!("SELECT t.k, t.id, u.v FROM t LEFT JOIN u ON u.k = t.k AND u.id = t.id WHERE {other} ORDER BY 1, 2")
        }
        5 => format!("SELECT k, id, {column} FROM t ORDER BY {order}, k, id LIMIT {limit}"),
        6 => format!("SELECT k, id, {column} FROM t WHERE {own} ORDER BY {order}, k, id LIMIT {limit} OFFSET 1"),
        7 => format!("SELECT n FROM t ORDER BY n DESC LIMIT {limit}"),
        8 => format!("SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND {other})"),
        9 => format!("SELECT k, id FROM t WHERE {own} ORDER BY k, id"),
        10 => format!(
            "SELECT t.k, t.id, o.id, t.{column} FROM t JOIN t AS o ON o.k = t.k WHERE o.{beside} ORDER BY t.{order}, 1, 2, 3 LIMIT {limit}"
        ),
        _ => format!("SELECT k, id, {column} FROM t WHERE {beside} ORDER BY {order}, k, id LIMIT {limit}"),
    }
}

/// Steps on one cluster; gives how many readings of shards statistics spared.
fn run(seed: u64, steps: u64) -> u64 {
    let mut random = Random::new(seed);
    let layout = *random.pick(&[Layout::Ring(7), Layout::Own, Layout::Ring(16)]);
    let oracle = Oracle::new(&[layout], &tables(), &["CREATE INDEX t_n ON t(n, x)"]);
    let mut spared = 0;
    for step in 1..=steps {
        if step < 60 || random.percent(5) {
            let (table, row) = row(&mut random, step as i64);
            oracle.load(table, &[row]);
        }
        let sql = statement(&mut random);
        let expected = Expected::of(&oracle.plain, &sql, &none());
        let got = oracle.clusters[0].1.query(&sql, &none());
        spared += got.as_ref().map_or(0, |answer| u64::from(answer.certificate.skipped));
        assert_eq!(compare(&expected, got), Verdict::Same, "SOUK_SEED={seed} step {step} on {layout:?}: {sql}");
    }
    spared
}

#[test]
fn shards_that_are_left_out_hold_nothing_that_matters() {
    let (first, steps) = (setting("SOUK_SEED", 1), setting("SOUK_STEPS", STEPS));
    let clusters = steps.div_ceil(STEPS_PER_CLUSTER);
    let spared: u64 = (first..first + clusters).map(|seed| run(seed, STEPS_PER_CLUSTER.min(steps))).sum();
    println!("{spared} readings of shards were spared in {steps} steps");
    assert!(spared > steps, "{spared} readings of shards were spared in {steps} steps: statistics are hardly tested");
}

#[test]
fn errors_do_not_depend_on_what_is_known() {
    let oracle = Oracle::new(&[Layout::Own], &tables(), &[]);
    for vendor in 0..6 {
        let s = text(if vendor == 5 { "{" } else { "{\"a\":1}" });
        let row = vec![text(&format!("k{vendor}")), Value::Integer(vendor), Value::Integer(vendor * 10)];
        oracle.load("t", &[row.into_iter().chain([Value::Null, s, Value::Null, Value::Null, Value::Null]).collect()]);
    }
    let asked = |sql: &str| {
        let expected = Expected::of(&oracle.plain, sql, &none());
        let got = oracle.clusters[0].1.query(sql, &none());
        let skipped = got.as_ref().map_or(0, |answer| answer.certificate.skipped);
        assert_eq!(compare(&expected, got), Verdict::Same, "{sql}");
        skipped
    };
    // Another constant each time, so that no answer is kept.
    let mut skipped = 0;
    for place in 0..8 {
        skipped = asked(&format!("SELECT count(*) FROM t WHERE n < 20 AND {place} = {place}"));
    }
    assert!(skipped > 0, "nothing is known of the column");
    for sql in [
        "SELECT count(*) FROM t WHERE json_extract(s, '$.a') = 1 AND n < 20",
        "SELECT count(*) FROM t WHERE s ->> '$.a' = 1 AND n < 20",
        "SELECT k FROM t WHERE (SELECT count(*) FROM json_each(t.s)) = 1 AND n < 20 ORDER BY n LIMIT 1",
        "SELECT k, json(s) FROM t ORDER BY n LIMIT 1",
    ] {
        asked(sql);
    }
}
