//! Several statements are done as one SQLite would do them between BEGIN and COMMIT, or not at all.

use souk_merge::{Batch, Value};
use souk_proto::{Reason, v1};
use v1::transact_statement::Expectation;

use crate::fixture::market;
use crate::support::{Cluster, Layout, Oracle, none, show_rows};

const EVERY: [&str; 3] = ["SELECT * FROM products", "SELECT * FROM sales", "SELECT * FROM categories"];

/// A statement and what is expected of it.
type Wanted = (&'static str, Option<Expectation>);

fn changes(rows: u64) -> Option<Expectation> {
    Some(Expectation::Changes(rows))
}

fn gives(rows: bool) -> Option<Expectation> {
    Some(Expectation::GivesRows(rows))
}

fn request(id: &str, statements: &[Wanted]) -> v1::TransactRequest {
    let statement = |(sql, expectation): &Wanted| v1::TransactStatement {
        sql: (*sql).to_owned(),
        expectation: *expectation,
        ..v1::TransactStatement::default()
    };
    let statements = statements.iter().map(statement).collect();
    v1::TransactRequest { request_id: id.to_owned(), statements, ..v1::TransactRequest::default() }
}

fn sorted(rows: &[Vec<Value>]) -> Vec<String> {
    let mut rows: Vec<String> = rows.iter().map(|row| show_rows(std::slice::from_ref(row))).collect();
    rows.sort();
    rows
}

/// Runs the statements on both sides; either all of them did the same on both, or one of them failed on both and nothing was done.
fn transact(oracle: &Oracle, id: &str, statements: &[Wanted]) {
    oracle.plain.execute("BEGIN");
    let mut expected = Vec::new();
    let mut fails = false;
    for (sql, expectation) in statements {
        let done = match sql.starts_with("SELECT") {
            true => oracle.plain.query(sql, &none()).map(|rows| (rows, 0)),
            false => oracle.plain.change(sql, &none()).map(|(rows, changed, _)| (rows, changed)),
        };
        let met = |gives: bool, changed: u64| match expectation {
            Some(Expectation::Changes(wanted)) => *wanted == changed,
            Some(Expectation::GivesRows(wanted)) => *wanted == gives,
            None => true,
        };
        match done {
            Ok((rows, changed)) if met(!rows.rows.is_empty(), changed) => expected.push((rows, changed)),
            Ok(_) | Err(_) => {
                fails = true;
                break;
            }
        }
    }
    oracle.plain.execute(if fails { "ROLLBACK" } else { "COMMIT" });
    for (layout, cluster) in &oracle.clusters {
        let number = expected.len() + 1;
        match (fails, cluster.transact(request(id, statements))) {
            (false, Ok(response)) => {
                assert!(!response.repeated);
                for ((result, (rows, changed)), (sql, _)) in response.results.into_iter().zip(&expected).zip(statements)
                {
                    assert_eq!(result.rows_affected, *changed, "{layout:?} {sql}");
                    let given = result
                        .batch
                        .map_or_else(Vec::new, |batch| Batch::try_from(batch).expect("a batch").into_rows());
                    assert_eq!(sorted(&given), sorted(&rows.rows), "{layout:?} {sql}");
                }
            }
            (true, Err(failure)) => {
                assert!(failure.message.starts_with(&format!("statement {number}: ")), "{layout:?}: {failure:?}");
                let reasons = [Reason::Constraint, Reason::SqlRuntime, Reason::SqlSyntax, Reason::Expectation];
                assert!(failure.reason.is_some_and(|reason| reasons.contains(&reason)), "{layout:?}: {failure:?}");
            }
            (fails, got) => panic!("{layout:?} {statements:?}: {got:?}, though it should be {fails} that it fails"),
        }
    }
    oracle.exact(EVERY);
}

/// Runs one transaction after the other, each under a name of its own if they are to have names.
fn runner(oracle: &Oracle, id: &'static str) -> impl FnMut(&[Wanted]) {
    let mut count = 0;
    move |statements: &[Wanted]| {
        count += 1;
        let id = if id.is_empty() { String::new() } else { format!("{id} {count}") };
        transact(oracle, &id, statements);
    }
}

#[test]
fn statements_happen_together_or_not_at_all() {
    let oracle = market(&[Layout::Ring(7), Layout::Own, Layout::Ring(1)]);
    for id in ["", "named"] {
        let mut run = runner(&oracle, id);
        let insert = if id.is_empty() {
            "INSERT INTO sales VALUES ('v1', 1000, 7, 1, 2.5)"
        } else {
            "INSERT INTO sales VALUES ('v1', 1001, 7, 1, 2.5)"
        };
        // On one shard.
        run(&[("UPDATE products SET stock = 10 WHERE vendor_id = 'v1'", None), (insert, changes(1))]);
        run(&[
            ("UPDATE products SET stock = stock - 1 WHERE vendor_id = 'v1' AND id = 8 AND stock >= 1", changes(1)),
            ("SELECT stock FROM products WHERE vendor_id = 'v1' AND id = 8", gives(true)),
            ("SELECT 1 FROM products WHERE vendor_id = 'v1' AND stock < 0", gives(false)),
            ("DELETE FROM sales WHERE vendor_id = 'v1' AND id = 1000 RETURNING id, amount", None),
        ]);
        run(&[
            ("UPDATE products SET stock = 0 WHERE vendor_id = 'v1'", None),
            ("UPDATE products SET stock = stock - 1 WHERE vendor_id = 'v1' AND id = 8 AND stock >= 1", changes(1)),
        ]);
        run(&[
            ("UPDATE products SET stock = 0 WHERE vendor_id = 'v1'", None),
            ("SELECT 1 FROM products WHERE vendor_id = 'v1' AND stock > 0", gives(true)),
        ]);
        // On several.
        run(&[
            ("UPDATE products SET stock = stock - 1 WHERE vendor_id = 'v1' AND id = 8", changes(1)),
            ("UPDATE products SET stock = stock + 1 WHERE vendor_id = 'v2' AND id = 9", changes(1)),
            ("SELECT vendor_id, stock FROM products WHERE id IN (8, 9)", gives(true)),
        ]);
        run(&[
            ("UPDATE products SET stock = stock - 1 WHERE vendor_id = 'v1' AND id = 8", changes(1)),
            ("UPDATE products SET stock = stock + 1 WHERE vendor_id = 'v2' AND id = 8", changes(1)),
        ]);
        run(&[("UPDATE products SET stock = 1", changes(60)), ("DELETE FROM sales WHERE amount IS NULL", None)]);
        run(&[("UPDATE products SET stock = 2", changes(61))]);
        run(&[
            ("SELECT vendor_id FROM products WHERE stock = 99", gives(true)),
            ("UPDATE products SET stock = 3", None),
        ]);
        run(&[
            ("UPDATE products SET stock = 3", None),
            ("SELECT vendor_id FROM products WHERE stock <> 3", gives(false)),
        ]);
        run(&[
            (
                "INSERT INTO products(vendor_id, id) VALUES ('v1', 2000), ('v2', 2001), ('not yet there', 2002)",
                changes(3),
            ),
            ("UPDATE products SET stock = 7 WHERE id >= 2000 RETURNING vendor_id, id", changes(3)),
            ("DELETE FROM products WHERE vendor_id IN ('v2', 'not yet there') AND id >= 2000", changes(2)),
            ("DELETE FROM products WHERE id = 2000", changes(1)),
        ]);
        run(&[
            ("INSERT INTO products(vendor_id, id) VALUES ('v1', 2000)", None),
            ("INSERT INTO products(vendor_id, id) VALUES ('v2', 9)", None),
        ]);
        run(&[
            ("UPDATE categories SET label = 'all' WHERE id < 3", changes(2)),
            ("UPDATE products SET name = (SELECT label FROM categories WHERE id = 1) WHERE vendor_id = 'v3'", None),
            ("SELECT label FROM categories WHERE id = 1", gives(true)),
        ]);
        run(&[
            ("UPDATE categories SET label = 'none'", None),
            ("UPDATE products SET stock = abs(-9223372036854775807 - 1) WHERE vendor_id = 'v1'", None),
        ]);
        run(&[
            ("UPDATE products SET stock = 5 WHERE vendor_id = 'nobody'", changes(0)),
            ("DELETE FROM sales WHERE id < 0", None),
        ]);
        run(&[("UPDATE products SET stock = 5 WHERE vendor_id = 'nobody'", changes(1))]);
    }
}

#[test]
fn what_shards_cannot_run_by_themselves_is_run_over_whole_tables() {
    let oracle = market(&[Layout::Ring(7), Layout::Own, Layout::Ring(1)]);
    for id in ["", "named"] {
        let mut run = runner(&oracle, id);
        run(&[("SELECT vendor_id, stock FROM products ORDER BY stock, id LIMIT 5", gives(true))]);
        run(&[("SELECT count(*) FROM products", None), ("SELECT avg(stock) FROM products", gives(true))]);
        run(&[
            ("DELETE FROM products WHERE vendor_id = 'v1' AND id = 1", None),
            ("INSERT OR IGNORE INTO products(vendor_id, id) VALUES ('v2', 1)", None),
            ("UPDATE products SET vendor_id = 'v1' WHERE id = 1", None),
        ]);
        run(&[
            ("UPDATE products SET stock = 1", None),
            ("UPDATE products SET id = id + 1000", changes(60)),
            ("UPDATE products SET id = id - 1000", changes(60)),
        ]);
        run(&[
            ("DELETE FROM sales WHERE vendor_id = 'v3'", None),
            ("INSERT INTO products(vendor_id, id) SELECT vendor_id, id + 9000 FROM sales", None),
            ("DELETE FROM products WHERE id > 9000 AND vendor_id IN (SELECT vendor_id FROM sales)", None),
        ]);
        run(&[
            ("UPDATE categories SET label = label || (SELECT count(*) FROM products) WHERE id = 1", changes(1)),
            ("INSERT INTO sales SELECT 'v9', 1 + max(id), 1, 1, 1 FROM sales", changes(1)),
            (
                "INSERT INTO products(vendor_id, name) VALUES ('v1', 'open') RETURNING (SELECT max(amount) FROM sales)",
                None,
            ),
            ("DELETE FROM products WHERE name = 'open'", changes(1)),
        ]);
        run(&[
            ("INSERT INTO products(vendor_id, id) VALUES ('v1', 7000)", changes(1)),
            ("INSERT OR IGNORE INTO products(vendor_id, id) VALUES ('v2', 7000), ('v2', 7001)", changes(1)),
            ("DELETE FROM products WHERE id IN (7000, 7001)", changes(2)),
        ]);
        run(&[
            ("INSERT INTO products(vendor_id, id) VALUES ('v1', 7000)", None),
            ("INSERT INTO products(vendor_id, id) VALUES ('v2', 7000)", None),
        ]);
        // What fails, and what is expected in vain, undoes all.
        run(&[
            ("UPDATE products SET id = id + 1000", None),
            ("SELECT count(*) FROM products WHERE id < 1000 HAVING count(*) > 0", gives(true)),
        ]);
        run(&[("UPDATE products SET id = id + 1000", None), ("UPDATE products SET stock = stock - 1", changes(59))]);
        run(&[("UPDATE products SET id = id + 1000", None), ("UPDATE OR FAIL products SET id = 5", None)]);
    }
}

#[test]
fn chance_and_the_clock_have_one_value_in_a_transaction() {
    let oracle = market(&[Layout::Ring(7), Layout::Own]);
    for (layout, cluster) in &oracle.clusters {
        for id in ["", "named"] {
            let chance: &[Wanted] = &[
                ("UPDATE products SET name = CURRENT_TIMESTAMP, stock = abs(random() % 1000)", changes(60)),
                ("SELECT sum(stock) FROM products", None),
            ];
            let response =
                cluster.transact(request(id, chance)).unwrap_or_else(|failure| panic!("{layout:?}: {failure:?}"));
            let batch = response.results[1].batch.clone().expect("a sum");
            let told = Batch::try_from(batch).expect("a batch").into_rows();
            let there = cluster.query("SELECT sum(stock) FROM products", &none()).expect("a sum").rows;
            assert_eq!(told, there, "{layout:?}: what was told is what is there");
            let times = cluster.query("SELECT DISTINCT name FROM products", &none()).expect("times").rows;
            assert_eq!(times.len(), 1, "{layout:?}: one time on all shards");
        }
    }
}

fn stock(cluster: &Cluster) -> Value {
    cluster.query("SELECT sum(stock) FROM products WHERE vendor_id IN ('v1', 'v2')", &none()).expect("a sum").rows[0][0]
        .clone()
}

#[test]
fn a_named_request_is_done_once() {
    let oracle = market(&[Layout::Ring(7)]);
    let cluster = &oracle.clusters[0].1;
    let one: &[Wanted] = &[("UPDATE products SET stock = stock + 1 WHERE vendor_id = 'v1' RETURNING id", None)];
    let two: &[Wanted] = &[one[0], ("UPDATE products SET stock = stock + 1 WHERE vendor_id = 'v2'", None)];
    let none_there: &[Wanted] = &[("DELETE FROM products WHERE vendor_id = 'nobody'", changes(0))];
    for (id, statements) in [("one", one), ("two", two), ("none", none_there)] {
        assert_eq!(cluster.get_transaction(&format!("{id}, which was never sent")).expect(id), None);
        let first = cluster.transact(request(id, statements)).expect(id);
        let after = stock(cluster);
        let again = cluster.transact(request(id, statements)).expect(id);
        assert!(!first.repeated && again.repeated);
        assert_eq!(again.results, first.results);
        assert_eq!(stock(cluster), after, "it is not done again");
        assert_eq!(cluster.get_transaction(id).expect(id).expect("it is done").results, first.results);
        let other = cluster.transact(request(id, &[("DELETE FROM products", None)])).expect_err("other statements");
        assert_eq!(other.reason, Some(Reason::RequestIdReused), "{other:?}");
        assert_eq!(stock(cluster), after);
    }
    // What failed may be sent again.
    let late: &[Wanted] = &[("UPDATE products SET stock = 1 WHERE vendor_id = 'v1' AND id = 5000", changes(1))];
    assert_eq!(cluster.transact(request("late", late)).expect_err("no such row").reason, Some(Reason::Expectation));
    cluster.execute("INSERT INTO products(vendor_id, id) VALUES ('v1', 5000)", &none()).expect("the row");
    assert!(!cluster.transact(request("late", late)).expect("now it is there").repeated);
    // What was asked about before it was done will not be done.
    assert_eq!(cluster.get_transaction("ended").expect("an answer"), None);
    let ended = cluster.transact(request("ended", two)).expect_err("it has ended");
    assert_eq!(ended.reason, Some(Reason::RequestIdReused), "{ended:?}");
    assert_eq!(cluster.get_transaction("").expect_err("no name").reason, Some(Reason::InvalidArgument));
}

#[test]
fn what_cannot_stand_in_a_transaction_is_refused_by_name() {
    let oracle = market(&[Layout::Ring(7)]);
    let cluster = &oracle.clusters[0].1;
    let id = "x".repeat(129);
    let refused: [(&[Wanted], &str, Reason); 5] = [
        (&[], "no statements", Reason::InvalidArgument),
        (&[("CREATE TABLE more(vendor_id)", None)], "schema change", Reason::UnsupportedSql),
        (&[("COMMIT", None)], "COMMIT", Reason::UnsupportedSql),
        (&[("UPDATE products SET stock = ? WHERE vendor_id = 'v1'", None)], "parameter 1", Reason::InvalidArgument),
        (&[("UPDATE products SET stock = 1; DELETE FROM sales", None)], "more than one statement", Reason::SqlSyntax),
    ];
    for (statements, words, reason) in refused {
        let failure = cluster.transact(request("", statements)).expect_err(words);
        assert_eq!(failure.reason, Some(reason), "{statements:?}: {failure:?}");
        assert!(failure.message.contains(words), "{statements:?}: {failure:?}");
    }
    let failure = cluster.transact(request(&id, &[("DELETE FROM sales", None)])).expect_err("a long name");
    assert_eq!(failure.reason, Some(Reason::InvalidArgument), "{failure:?}");
    oracle.exact(EVERY);
}
