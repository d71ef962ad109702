//! Routing, and what counts as the same key: declared affinity first, then the ring.

use souk_merge::Value;
use souk_proto::Reason;

use crate::support::{Cluster, Layout, Oracle, Table, blob, none, null, positional, real, text};

/// Keys that some column type confuses with others.
const KEYS: [&str; 27] = [
    "1",
    "'1'",
    "1.0",
    "'1.0'",
    "' 1 '",
    "'1e0'",
    "'0x1'",
    "x'31'",
    "x'01'",
    "NULL",
    "''",
    "x''",
    "'a'",
    "'A'",
    "'a '",
    "0",
    "-0.0",
    "0.0",
    "1.5",
    "'1.5'",
    "9007199254740992",
    "9007199254740993",
    "9007199254740992.0",
    "9223372036854775807",
    "-9223372036854775808",
    "9e999",
    "'é'",
];

const TYPES: [&str; 7] = ["INTEGER", "TEXT", "BLOB", "NUMERIC", "REAL", "", "VARCHAR(9)"];

fn table(name: &str, key_type: &str) -> Table {
    // An integer column would keep infinity as a rounded real: it is rejected.
    let keys = KEYS.iter().filter(|key| key_type != "INTEGER" || **key != "9e999");
    // Twice each, so that equal keys of different looks meet.
    let rows: Vec<String> = keys.clone().chain(keys).zip(1..).map(|(key, id)| format!("({key}, {id})")).collect();
    let sql = format!("CREATE TABLE {name}(k {key_type}, id INTEGER PRIMARY KEY)");
    Table::sharded(&sql, "k", &format!("VALUES {}", rows.join(", ")))
}

fn oracle(key_type: &str, layouts: &[Layout]) -> Oracle {
    Oracle::new(layouts, &[table("t", key_type)], &[])
}

fn literal(sql: &str) -> Value {
    crate::support::Plain::new().query(&format!("SELECT {sql}"), &none()).expect("a literal").rows[0][0].clone()
}

#[test]
fn each_key_finds_its_rows() {
    for key_type in TYPES {
        let oracle = oracle(key_type, &[Layout::Ring(7), Layout::Own]);
        let mut wrong = Vec::new();
        for key in KEYS {
            for template in [
                "k = {}",
                "{} = k",
                "k IS {}",
                "k IN ({})",
                "k IN ({}, 'nobody')",
                "k = {} OR id = 3",
                "k = {} AND id > 2",
                "k = -{}",
            ] {
                let sql = format!("SELECT id, k, typeof(k) FROM t WHERE {}", template.replace("{}", key));
                wrong.extend(oracle.differences(&sql, &none()));
            }
            for template in ["k = ?1", "k IN (?1, ?1)", "k IS ?1"] {
                let sql = format!("SELECT id, k, typeof(k) FROM t WHERE {template}");
                wrong.extend(oracle.differences(&sql, &positional([literal(key)])));
            }
        }
        assert!(wrong.is_empty(), "key type `{key_type}`: {} differences\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[test]
fn keys_group_join_and_compare_as_in_one_database() {
    for key_type in TYPES {
        let tables = [table("t", key_type), table("u", key_type)];
        let oracle = Oracle::new(&[Layout::Ring(7), Layout::Own], &tables, &[]);
        oracle.exact([
            "SELECT count(*), count(DISTINCT k), min(k), max(k) FROM t WHERE typeof(k) <> 'real' AND k <> 1",
            "SELECT count(*) FROM t GROUP BY k",
            "SELECT t.id, u.id FROM t JOIN u ON t.k = u.k",
            "SELECT t.id, u.id FROM t JOIN u USING (k)",
            "SELECT t.id, u.id FROM t LEFT JOIN u ON t.k = u.k AND u.id % 3 = 0",
            "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.id > t.id)",
            "SELECT id FROM t WHERE k IN (SELECT k FROM u WHERE id < 10)",
            "SELECT id, (SELECT count(*) FROM u WHERE u.k = t.k) FROM t",
            "SELECT id, count(*) OVER (PARTITION BY k) FROM t",
            "SELECT id FROM t WHERE k BETWEEN 1 AND 2",
            "SELECT id FROM t WHERE k > 'a'",
            "SELECT id FROM t WHERE NOT k = 1",
            "SELECT id FROM t WHERE k IS NOT 1",
            "SELECT id FROM t WHERE k = 1 COLLATE NOCASE OR k = 'A' COLLATE NOCASE",
            "SELECT id FROM t WHERE k COLLATE NOCASE = 'A'",
            "SELECT id FROM t WHERE k COLLATE RTRIM = 'a'",
            "SELECT id FROM t WHERE +k = 1",
            "SELECT id FROM t WHERE +k = '1'",
            "SELECT id FROM t WHERE k = CAST(1 AS TEXT)",
            "SELECT id FROM t WHERE k = CAST('1' AS INTEGER)",
            "SELECT id FROM t WHERE k = 1 + 0",
            "SELECT id FROM t WHERE k = '1' || ''",
            "SELECT id FROM t WHERE k = id",
            "SELECT id FROM t WHERE k = (SELECT 1)",
            "SELECT id FROM t WHERE (k, id) = (1, 1)",
            "SELECT id FROM t WHERE k = 1 IS TRUE",
            "SELECT id FROM t WHERE (k = 1) = 1",
            "SELECT id FROM t WHERE k = 1 AND k = '1'",
            "SELECT id FROM t WHERE k = 1 AND k = 2",
            "SELECT id FROM t WHERE k IN (1, 2, NULL, 'a')",
            "SELECT id FROM t WHERE k IN ()",
            "SELECT id FROM t WHERE k IS NULL",
            "SELECT id FROM t WHERE k ISNULL OR k = 1",
            "SELECT id FROM t WHERE k = NULL",
            "SELECT id FROM t WHERE k IS NOT DISTINCT FROM 1",
            "SELECT id FROM t WHERE CASE WHEN k = 1 THEN 1 ELSE 1 END",
        ]);
    }
}

#[test]
fn key_columns_of_different_types_meet_or_are_refused() {
    for (left, right) in [
        ("INTEGER", "TEXT"),
        ("TEXT", ""),
        ("", "INTEGER"),
        ("NUMERIC", "REAL"),
        ("INTEGER", "REAL"),
        ("BLOB", ""),
        ("TEXT", "VARCHAR(9)"),
    ] {
        let tables = [table("t", left), table("u", right)];
        let oracle = Oracle::new(&[Layout::Ring(7)], &tables, &[]);
        oracle.never_wrong([
            "SELECT t.id, u.id FROM t JOIN u ON t.k = u.k",
            "SELECT t.id, u.id FROM t JOIN u USING (k)",
            "SELECT t.id, u.id FROM t JOIN u ON t.k = u.k WHERE t.k = 1",
            "SELECT t.id, u.id FROM t JOIN u ON t.k = u.k WHERE u.k = '1'",
            "SELECT t.id FROM t JOIN u ON t.k = u.k WHERE t.k = '1.0'",
            "SELECT t.id FROM t WHERE t.k IN (SELECT k FROM u)",
            "SELECT t.id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k)",
            "SELECT t.id FROM t WHERE t.k = '1' AND EXISTS (SELECT 1 FROM u WHERE u.k = t.k)",
            "SELECT t.id FROM t WHERE t.k = '1' AND EXISTS (SELECT 1 FROM u WHERE u.k = '1.0')",
            "SELECT k FROM t EXCEPT SELECT k FROM u",
            "SELECT count(*) FROM (SELECT k FROM t INTERSECT SELECT k FROM u)",
        ]);
    }
}

fn one(cluster: &Cluster, sql: &str) -> (u32, u32, u64) {
    let certificate = cluster.query(sql, &none()).unwrap_or_else(|error| panic!("{sql}: {error:?}")).certificate;
    (certificate.asked, certificate.pruned, certificate.rows)
}

#[test]
fn certificates_show_what_was_pruned() {
    let oracle = oracle("TEXT", &[Layout::Ring(64)]);
    let cluster = &oracle.clusters[0].1;
    for key in KEYS.iter().filter(|key| **key != "NULL") {
        let (asked, pruned, _) = one(cluster, &format!("SELECT * FROM t WHERE k = {key}"));
        assert_eq!((asked, pruned), (1, 63), "{key}");
    }
    assert_eq!(one(cluster, "SELECT * FROM t WHERE k IS NULL"), (1, 63, 2));
    assert_eq!(one(cluster, "SELECT * FROM t WHERE k = 'a' AND k = 'A'").2, 0);
    let (asked, pruned, _) = one(cluster, "SELECT * FROM t WHERE k IN ('a', 'A', 'b', NULL)");
    assert!((1..=3).contains(&asked) && asked + pruned == 64, "{asked} shards for three keys");
    assert_eq!(one(cluster, "SELECT * FROM t WHERE k = 'a' OR id = 2").0, 64, "an OR with something else asks all");
    assert_eq!(one(cluster, "SELECT * FROM t WHERE NOT k = 'a'").0, 64);
    assert_eq!(one(cluster, "SELECT * FROM t WHERE k = 'a' COLLATE NOCASE").0, 64);
    assert_eq!(one(cluster, "SELECT * FROM t WHERE k > 'a'").0, 64);
    assert_eq!(one(cluster, "SELECT count(*) FROM t").0, 64);
}

#[test]
fn a_key_that_nobody_has_gives_no_rows() {
    let oracle = oracle("TEXT", &[Layout::Ring(7), Layout::Own]);
    oracle.exact([
        "SELECT * FROM t WHERE k = 'nobody'",
        "SELECT count(*), sum(id), total(id), max(k) FROM t WHERE k = 'nobody'",
        "SELECT k, count(*) FROM t WHERE k = 'nobody' GROUP BY k",
        "SELECT count(*) FROM t WHERE k IN ('nobody', 'no one')",
        "SELECT id, row_number() OVER (ORDER BY id) FROM t WHERE k = 'nobody'",
        "SELECT group_concat(id) FROM t WHERE k = 'nobody'",
        "SELECT (SELECT count(*) FROM t WHERE k = 'nobody'), 5",
    ]);
    let (asked, ..) = one(&oracle.clusters[1].1, "SELECT count(*) FROM t WHERE k = 'nobody'");
    assert_eq!(asked, 0, "a key without a shard asks none");
}

#[test]
fn routed_statements_may_be_anything() {
    let oracle = oracle("TEXT", &[Layout::Ring(2), Layout::Ring(64), Layout::Own]);
    oracle.exact([
        "SELECT group_concat(id, ',' ORDER BY id) FROM t WHERE k = 'a'",
        "SELECT id, row_number() OVER (ORDER BY id DESC) FROM t WHERE k = 'a'",
        "WITH RECURSIVE n(i) AS (SELECT min(id) FROM t WHERE k = 'a' UNION ALL SELECT i + 1 FROM n WHERE i < 20) SELECT i FROM n",
        "SELECT id FROM t WHERE k = 'a' AND id > (SELECT avg(id) FROM t WHERE k = 'a')",
        "SELECT max(id), k FROM t WHERE k = 'a'",
        "SELECT count(*) FROM (SELECT id FROM t WHERE k = 'a' ORDER BY id LIMIT 1)",
        "SELECT a.id, b.id FROM t AS a JOIN t AS b ON a.id <> b.id WHERE a.k = 'a' AND b.k = 'a'",
        "SELECT id FROM t WHERE k = 'a' UNION SELECT id FROM t WHERE k = 'a' AND id > 3",
    ]);
    oracle.never_wrong([
        "SELECT a.id, b.id FROM t AS a, t AS b WHERE a.k = 'a' AND b.k = 'A'",
        "SELECT id FROM t WHERE k = 'a' AND id > (SELECT avg(id) FROM t)",
        "SELECT id FROM t WHERE k = 'a' AND id > (SELECT avg(id) FROM t WHERE k = 'A')",
        "SELECT a.id, b.id FROM t AS a LEFT JOIN t AS b ON b.k = 'a' AND a.id <> b.id",
        "SELECT a.id, b.id FROM t AS a LEFT JOIN t AS b ON a.k = 'a' AND b.k = 'a'",
        "SELECT a.id, b.id FROM t AS a LEFT JOIN t AS b ON a.k = b.k AND b.id < 3 WHERE b.k IS NULL",
        "SELECT a.id, b.id FROM t AS a LEFT JOIN t AS b ON a.k = b.k AND b.id < 3 WHERE b.k IS NULL AND a.k = 'a'",
        "SELECT a.id, b.id FROM t AS a FULL JOIN t AS b ON a.k = 'a' AND b.k = 'a' AND a.id = b.id",
        "SELECT id FROM t WHERE k = 'a' UNION SELECT id FROM t WHERE k = 'A'",
        "SELECT id FROM t WHERE k = 'a' UNION ALL SELECT id FROM t WHERE k = 'A'",
        "SELECT count(*) FROM t WHERE k = 'a' UNION ALL SELECT count(*) FROM t",
        "WITH a AS (SELECT * FROM t WHERE k = 'a') SELECT count(*), (SELECT count(*) FROM t) FROM a",
        "SELECT (SELECT count(*) FROM t WHERE k = 'a'), (SELECT count(*) FROM t WHERE k = 'A')",
        "SELECT count(*) FILTER (WHERE k = 'a') FROM t",
        "SELECT k = 'a', count(*) FROM t GROUP BY k = 'a'",
        "SELECT count(*) FROM t GROUP BY k HAVING k = 'a'",
    ]);
}

#[test]
fn values_are_bound_and_never_spliced() {
    let oracle = oracle("TEXT", &[Layout::Ring(7)]);
    oracle.exact_with([
        ("SELECT count(*) FROM t WHERE k = ?", positional([text("a' OR 1=1 --")])),
        ("SELECT count(*) FROM t WHERE k = ?", positional([text("a\0b")])),
        ("SELECT ? || id FROM t ORDER BY id LIMIT 1", positional([text("'); DROP TABLE t; --")])),
        ("SELECT count(*) FROM t WHERE k IN (?, ?)", positional([blob(b"1"), null()])),
        ("SELECT count(*) FROM t WHERE k = ?", positional([real(f64::INFINITY)])),
    ]);
    oracle.exact([
        "SELECT count(*) FROM t WHERE k = 'a'' OR 1=1 --'",
        "SELECT count(*) /* ' */ FROM [t] WHERE `k` = 'a' -- ' OR 1",
    ]);
}

#[test]
fn a_key_beyond_64_bits_is_rejected_where_it_would_be_rounded() {
    let oracle = Oracle::new(
        &[Layout::Ring(7)],
        &[Table::sharded("CREATE TABLE n(k INTEGER, id INTEGER PRIMARY KEY)", "k", "")],
        &[],
    );
    let columns = ["k".to_owned(), "id".to_owned()];
    let rows = [real(9_223_372_036_854_775_808.0), text("9223372036854775808"), Value::Integer(i64::MAX)];
    let rows: Vec<Vec<Value>> = rows.into_iter().zip(1..).map(|(key, id)| vec![key, Value::Integer(id)]).collect();
    let load = oracle.clusters[0].1.load("n", &columns, &rows).expect("a load");
    assert_eq!((load.loaded, load.rejected.len()), (1, 2), "{load:?}");
    assert_eq!(load.rejected.iter().map(|rejected| rejected.row).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_key_whose_collation_folds_is_refused() {
    let cluster = Cluster::start(1, souk_coordinator::PlacementPolicy::Ring { shards: 2 });
    for sql in
        ["CREATE TABLE f(k TEXT COLLATE NOCASE, a) SHARD KEY (k)", "CREATE TABLE f(vendor_id TEXT COLLATE RTRIM, a)"]
    {
        let failure = cluster.execute(sql, &none()).expect_err("refused");
        assert_eq!(failure.reason, Some(Reason::UnsupportedSql), "{failure:?}");
    }
    // Two spellings of one letter are two keys, as they are two texts to SQLite.
    let accents = Table::sharded(
        "CREATE TABLE a(k TEXT, id INTEGER PRIMARY KEY)",
        "k",
        "VALUES (char(233), 1), ('e' || char(769), 2)",
    );
    let oracle = Oracle::new(&[Layout::Ring(7)], &[accents], &[]);
    oracle.exact([
        "SELECT id FROM a WHERE k = char(233)",
        "SELECT id FROM a WHERE k = 'é'",
        "SELECT count(*) FROM a GROUP BY k",
    ]);
}
