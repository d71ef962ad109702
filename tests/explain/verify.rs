//! Answers that are given twice.

use souk_merge::Value;
use souk_proto::{Reason, v1};

use crate::shop::shop;
use crate::support::{Answer, Cluster, Failure, Options, none, positional, text};

fn verified(cluster: &Cluster, sql: &str) -> Result<Answer, Failure> {
    cluster.query_with(sql, &none(), options())
}

fn options() -> Options {
    Options { query: v1::QueryOptions { verify: true, ..v1::QueryOptions::default() }, ..Options::default() }
}

#[test]
fn a_verified_answer_is_the_answer() {
    let shop = shop();
    let cluster = &shop.clusters[0].1;
    for sql in [
        "SELECT * FROM products WHERE vendor_id = 'v1'",
        "SELECT * FROM products ORDER BY price, id LIMIT 7",
        "SELECT name, avg(price), total(price) FROM products GROUP BY name",
        "SELECT count(*) FROM products WHERE price > (SELECT avg(price) FROM products)",
        "SELECT p.id, s.id FROM products AS p JOIN sales AS s ON s.product_id = p.id",
        "SELECT id, row_number() OVER (ORDER BY id) FROM products",
        "SELECT label FROM days",
        "SELECT 1",
        "SELECT date('now')",
        "SELECT name FROM sqlite_schema",
    ] {
        let answer = verified(cluster, sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let plain = cluster.query(sql, &none()).expect(sql);
        assert_eq!((&answer.names, &answer.rows), (&plain.names, &plain.rows), "{sql}");
        assert_eq!(answer.certificate.plan, plain.certificate.plan, "{sql}");
        assert_eq!(answer.certificate.asked, plain.certificate.asked, "{sql}");
    }
    let parameters = positional([Value::Integer(3), text("x")]);
    let sql = "SELECT count(*) FROM products WHERE stock > ? AND name <> ?";
    let answer = cluster.query_with(sql, &parameters, options()).expect("the same");
    assert_eq!(answer.rows, shop.plain.query(sql, &parameters).expect(sql).rows);
}

#[test]
fn answers_that_differ_are_shown_side_by_side() {
    let shop = shop();
    let cluster = &shop.clusters[0].1;
    // Which three rows is left open: shards give those of the first shard.
    let sql = "SELECT vendor_id, id FROM products LIMIT 3";
    let failure = verified(cluster, sql).expect_err("without a total order");
    assert_eq!(failure.reason, Some(Reason::VerifyFailed), "{failure:?}");
    let Failure { message, .. } = failure;
    assert!(message.starts_with("the answer by `scatter` is not that of the text over whole tables."), "{message}");
    let (answer, naive) = message.split_once("Only over whole tables: ").expect("both sides");
    let given = cluster.query(sql, &none()).expect("unverified it is an answer").rows;
    let only = given.iter().filter(|row| !naive.contains(&shown(row)));
    let missing: Vec<String> = only.map(|row| shown(row)).filter(|row| !answer.contains(row)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in {message}");
    let whole = shop.plain.query(sql, &none()).expect(sql).rows;
    assert!(whole.iter().all(|row| naive.contains(&shown(row)) || given.contains(row)), "{message}");
    assert!(naive.contains("a LIMIT without a total order"), "{message}");
}

fn shown(row: &[Value]) -> String {
    match row {
        [Value::Text(key), Value::Integer(id)] => format!("('{}', {id})", String::from_utf8_lossy(key)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_verified_is_refused_by_name() {
    let shop = shop();
    let cluster = &shop.clusters[0].1;
    let failure = verified(cluster, "SELECT random() FROM products").expect_err("another value at every call");
    assert_eq!(failure.reason, Some(Reason::InvalidArgument));
    assert!(failure.message.contains("`random`"), "{failure:?}");
    let scoped = Options { shard_key: Some(text("v1")), ..options() };
    let failure = cluster.query_with("SELECT * FROM products", &none(), scoped).expect_err("a scope");
    assert_eq!(failure.reason, Some(Reason::InvalidArgument));
    let mut partial = options();
    partial.query.failure_mode = v1::FailureMode::Partial.into();
    let failure = cluster.query_with("SELECT * FROM products", &none(), partial).expect_err("partial");
    assert_eq!(failure.reason, Some(Reason::InvalidArgument));
    // As without: errors are the statement's own.
    let failure = verified(cluster, "SELECT nope FROM products").expect_err("no such column");
    assert_eq!(failure.reason, Some(Reason::NoSuchTable));
}

#[test]
fn an_answer_that_is_held_back_is_bounded() {
    let shop = shop();
    let mut options = options();
    options.query.bytes_max = 100;
    let failure = shop.clusters[0].1.query_with("SELECT * FROM products", &none(), options).expect_err("too large");
    assert_eq!(failure.reason, Some(Reason::TooLarge), "{failure:?}");
}
