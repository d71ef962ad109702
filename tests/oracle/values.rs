//! Borders of the five storage classes, and sums over them.

use souk_merge::Value;

use crate::support::{Layout, Oracle, Table, blob, none, null, positional, real, text, text_bytes};

fn values() -> Vec<Value> {
    let integers = [i64::MIN, i64::MIN + 1, -(1 << 53) - 1, -1, 0, 1, (1 << 53) + 1, i64::MAX - 1, i64::MAX];
    let reals = [
        -0.0,
        0.0,
        0.1,
        -1.5,
        1e-320,
        f64::MIN_POSITIVE,
        f64::MAX,
        f64::INFINITY,
        f64::NEG_INFINITY,
        9007199254740993.0,
        1e22,
        0.1 + 0.2,
    ];
    let mut values: Vec<Value> = integers.into_iter().map(Value::Integer).chain(reals.into_iter().map(real)).collect();
    values.extend([
        null(),
        text(""),
        text("a"),
        text("'\"`"),
        text("nul\0inside"),
        text("日本語 🐪"),
        text_bytes(b"\xff"),
        text_bytes(b"a\x80\xc3"),
    ]);
    values.extend([
        blob(b""),
        blob(b"\0"),
        blob(b"\xff\x00\xff"),
        blob(b"text"),
        blob(&vec![7; 300_000]),
        text(&"x".repeat(300_000)),
    ]);
    values
}

fn table(key_type: &str) -> Table {
    let mut table =
        Table::sharded(&format!("CREATE TABLE t(k {key_type}, id INTEGER PRIMARY KEY, v, n REAL)"), "k", "");
    table.rows = values()
        .into_iter()
        .zip(1..)
        .map(|(value, id)| vec![Value::Integer(id % 5), Value::Integer(id), value.clone(), real(id as f64 / 4.0)])
        .collect();
    table
}

#[test]
fn values_come_back_bit_for_bit() {
    let oracle = Oracle::new(&Layout::ALL, &[table("INTEGER")], &[]);
    oracle.exact([
        "SELECT id, v, typeof(v) FROM t",
        "SELECT v FROM t ORDER BY v, id",
        "SELECT v FROM t ORDER BY v DESC, id LIMIT 20",
        "SELECT id, v FROM t WHERE k = 3",
        "SELECT DISTINCT v FROM t WHERE v <> 0",
        "SELECT v, count(*) FROM t WHERE v <> 0 GROUP BY v",
        "SELECT min(v), max(v) FROM t WHERE typeof(v) = 'text'",
        "SELECT typeof(v), min(v), max(v), count(DISTINCT v) FROM t WHERE v <> 0 GROUP BY typeof(v)",
        "SELECT id, CAST(x'ff' AS TEXT), CAST(v AS TEXT), length(v) FROM t",
        "SELECT id FROM t WHERE v = CAST(x'ff' AS TEXT)",
        "SELECT id FROM t WHERE v = x'746578' || 't'",
        "SELECT id, v = -0.0, v = 9007199254740993, v < 9007199254740993.0 FROM t",
        "SELECT id, hex(v), quote(v), v || '!' FROM t WHERE length(v) < 100",
        "SELECT id, -v, v + 1, v * 2, v / 3, v % 7 FROM t WHERE typeof(v) IN ('integer', 'real')",
        "SELECT v FROM t WHERE v > x''",
        "SELECT id, v FROM t UNION ALL SELECT k, v FROM t ORDER BY 2, 1",
    ]);
    let parameters =
        values().into_iter().map(|value| ("SELECT id, ?1, typeof(?1) FROM t WHERE v IS ?1", positional([value])));
    oracle.exact_with(parameters);
}

#[test]
fn nan_is_null() {
    let oracle = Oracle::new(&[Layout::Ring(2)], &[table("INTEGER")], &[]);
    let answer = oracle.clusters[0].1.query("SELECT ?1 IS NULL, ?1", &positional([real(f64::NAN)])).expect("an answer");
    assert_eq!(answer.rows, [[Value::Integer(1), null()]]);
    oracle.exact([
        "SELECT 9e999 - 9e999, 9e999, -9e999, count(*) FROM t",
        "SELECT sum(v) FROM t WHERE v = 9e999 OR v = -9e999",
    ]);
}

fn numbers(sql: &str) -> Oracle {
    Oracle::new(&Layout::ALL, &[Table::sharded("CREATE TABLE t(k INTEGER, id INTEGER PRIMARY KEY, v)", "k", sql)], &[])
}

#[test]
fn a_sum_that_overflows_fails_as_in_sqlite() {
    let oracle =
        numbers("VALUES (1, 1, 9223372036854775807), (2, 2, 1), (3, 3, 5), (4, 4, 9223372036854775807), (5, 5, -1)");
    oracle.exact([
        "SELECT sum(v) FROM t WHERE id <= 2",
        "SELECT sum(v) FROM t",
        "SELECT sum(v) FROM t WHERE id IN (1, 5)",
        "SELECT total(v), avg(v) FROM t",
        "SELECT avg(v) FROM t WHERE v > 100",
        "SELECT id % 2, sum(v) FROM t WHERE id <= 3 GROUP BY id % 2",
        "SELECT sum(v + 0.0) FROM t",
        "SELECT sum(DISTINCT v) FROM t WHERE id IN (1, 4)",
        "SELECT sum(DISTINCT v) FROM t",
    ]);
    let failure = oracle.clusters[2].1.query("SELECT sum(v) FROM t WHERE id <= 2", &none()).expect_err("an overflow");
    assert!(failure.message.contains("integer overflow"), "{failure:?}");
}

#[test]
fn averages_of_huge_integers_are_no_averages_of_averages() {
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT i % 9 * (i % 2), i, 9007199254740993 * (i % 7 - 3) + i FROM n";
    numbers(rows).exact([
        "SELECT avg(v), sum(v), total(v), count(v) FROM t",
        "SELECT k, avg(v) FROM t GROUP BY k",
        "SELECT id % 4, avg(v), sum(v) FROM t GROUP BY id % 4",
        "SELECT avg(DISTINCT v) FROM t",
        "SELECT avg(v) FILTER (WHERE id > 40) FROM t",
    ]);
}

#[test]
fn sums_of_reals_agree_to_the_last_digits() {
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT i % 13, i, CASE i % 4 WHEN 0 THEN i WHEN 1 THEN i * 0.1 WHEN 2 THEN 1e15 / i ELSE '3.7' END FROM n";
    numbers(rows).exact([
        "SELECT sum(v), avg(v), total(v) FROM t",
        "SELECT id % 3, sum(v), avg(v) FROM t GROUP BY id % 3",
        "SELECT sum(v) FROM t WHERE id > 100",
    ]);
    numbers("VALUES (1, 1, 1e308), (2, 2, 1e308), (3, 3, -1e308)")
        .exact(["SELECT sum(v) FROM t WHERE id <= 2", "SELECT max(v), min(v) FROM t"]);
    numbers("VALUES (1, 1, 9e999), (2, 2, -9e999), (3, 3, 1)")
        .exact(["SELECT sum(v), total(v), avg(v) FROM t", "SELECT sum(v) FROM t WHERE id <> 2"]);
    numbers("VALUES (1, 1, -0.0), (2, 2, -0.0), (3, 3, 0.0)")
        .exact(["SELECT sum(v), total(v), avg(v) FROM t", "SELECT v FROM t"]);
}

#[test]
fn empty_tables_give_null_or_zero() {
    let oracle = numbers("");
    oracle.exact([
        "SELECT count(*), count(v), count(DISTINCT v), sum(v), total(v), avg(v), min(v), max(v) FROM t",
        "SELECT sum(DISTINCT v), avg(DISTINCT v) FROM t",
        "SELECT k, count(*), sum(v) FROM t GROUP BY k",
        "SELECT * FROM t",
        "SELECT DISTINCT v FROM t ORDER BY v LIMIT 3",
        "SELECT count(*) FROM t HAVING count(*) = 0",
        "SELECT count(*) FROM t HAVING count(*) > 0",
        "SELECT count(*) FROM t UNION ALL SELECT sum(v) FROM t",
        "SELECT typeof(sum(v)), typeof(total(v)), coalesce(max(v), 'none'), count(*) + 1 FROM t",
    ]);
}
