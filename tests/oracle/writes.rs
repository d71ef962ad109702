//! Statements that change rows leave every table as one SQLite would have it, and say the same of what they did.

use std::collections::BTreeSet;

use souk_merge::{Batch, Value};
use souk_proto::Reason;

use crate::changes::change;
use crate::fixture::market;
use crate::support::{Layout, Oracle, Params, Table, named, none, null, positional, show_rows, text};

#[test]
fn rows_of_one_key_are_changed_as_in_one_database() {
    let oracle = market(&[Layout::Ring(7), Layout::Own, Layout::Ring(1)]);
    let without = [
        "INSERT INTO products(vendor_id, id, name, stock, price) VALUES ('v1', 1000, 'new', 5, 1.5)",
        "INSERT INTO products VALUES ('v1', 1001, 'a', 1, 2, 'A', NULL, x'00'), ('v1', 1002, 'b', 1 + 1, 2.5, 'B', '{}', -0.0) \
         RETURNING id, stock * 2 AS twice, *",
        "INSERT INTO main.products AS p (id, vendor_id) VALUES (1003, 'v' || 1) ON CONFLICT (id) DO UPDATE SET stock = p.stock + 1",
        "INSERT INTO products AS p (id, vendor_id, stock) VALUES (1003, 'v1', 40) ON CONFLICT (id) DO UPDATE SET stock = \
         coalesce(p.stock, 0) + excluded.stock WHERE excluded.stock > 7 RETURNING stock",
        "INSERT INTO products(id, vendor_id) VALUES (1003, 'v1'), (1004, 'v1') ON CONFLICT DO NOTHING RETURNING id",
        "INSERT OR IGNORE INTO products(id, vendor_id) VALUES (1004, 'v1'), (1005, 'v1')",
        "INSERT OR REPLACE INTO products(id, vendor_id, name) VALUES (1004, 'v1', 'again')",
        "REPLACE INTO products(id, vendor_id, name) VALUES (1004, 'v1', 'and again') RETURNING name",
        "INSERT INTO products(vendor_id, id, name) VALUES ('v1', (SELECT max(id) + 1 FROM products), (SELECT label FROM categories WHERE id = 2))",
        "INSERT INTO products(vendor_id, id, name) SELECT 'v1', id + 2000, name FROM products WHERE vendor_id = 'v2' ORDER BY id",
        "WITH c(n) AS (SELECT count(*) FROM sales) INSERT INTO products(vendor_id, id, stock) SELECT 'v1', 3000, n FROM c",
        "INSERT INTO products(vendor_id, id) SELECT 'v1', id FROM products WHERE id < 0",
        "INSERT INTO products(vendor_id, id) VALUES (NULL, 4000), (NULL, 4001)",
        "INSERT INTO products(vendor_id, id) VALUES ('a vendor of its own', 4002)",
        "INSERT INTO products(vendor_id, id, name) VALUES ('v1', 4003, 'it''s; RETURNING') -- RETURNING id",
        "INSERT INTO products(vendor_id, rowid, name) VALUES ('v1', 4010, 'by rowid') RETURNING oid, id",
        "UPDATE products SET stock = stock + 1 WHERE vendor_id = 'v1'",
        "UPDATE products SET (stock, price) = (7, price * 2), name = upper(name) WHERE vendor_id = 'v1' AND id > 1000 RETURNING id, price",
        "UPDATE products AS p SET name = (SELECT label FROM categories WHERE category = p.stock) WHERE p.vendor_id = 'v2'",
        "UPDATE products SET (name, stock) = (SELECT label, id FROM categories WHERE id = 3) WHERE vendor_id = 'v1' AND id = 1001",
        "UPDATE products SET price = s.amount FROM sales AS s WHERE s.vendor_id = products.vendor_id AND s.id = products.id AND products.vendor_id = 'v3'",
        "UPDATE products SET name = label FROM categories WHERE categories.id = products.stock AND vendor_id = 'v3' RETURNING products.id",
        "UPDATE OR IGNORE products SET stock = 1 WHERE vendor_id = 'v4'",
        "UPDATE products INDEXED BY products_by_stock SET price = 0 WHERE vendor_id = 'v1' AND stock = 7",
        "UPDATE products SET stock = price IS DISTINCT FROM 0 WHERE vendor_id = 'v1'",
        "WITH c AS (SELECT 5 AS five) UPDATE products SET stock = (SELECT five FROM c) WHERE vendor_id IN ('v1') AND id % 2 = 0",
        "UPDATE products SET stock = 3 WHERE vendor_id IS NULL",
        "UPDATE products SET stock = 3 WHERE vendor_id = 'nobody' RETURNING id",
        "UPDATE products SET stock = (SELECT count(*) FROM sales AS s WHERE s.vendor_id = 'v1' AND s.product_id = products.id) WHERE vendor_id = 'v1'",
        "DELETE FROM products WHERE vendor_id = 'v1' AND id BETWEEN 1000 AND 1002 RETURNING id, name AS was",
        "DELETE FROM products AS p WHERE p.vendor_id = 'v2' AND EXISTS (SELECT 1 FROM sales AS s WHERE s.vendor_id = p.vendor_id AND s.product_id = p.id)",
        "DELETE FROM sales WHERE vendor_id = 'v5' AND amount IS NULL",
        "WITH products AS (SELECT 'v1' AS vendor_id, 1 AS id) UPDATE products SET stock = 77 WHERE vendor_id = 'v4' AND id % 2 = 0",
        "WITH products AS (SELECT 'v1' AS vendor_id) DELETE FROM products WHERE vendor_id = 'v6' AND id > 50",
        "INSERT INTO products(vendor_id, id, stock) VALUES ('v1', 1003, 1) ON CONFLICT (id) DO UPDATE SET (stock, name) = (9, 'both') RETURNING stock, name",
        "DELETE FROM products WHERE vendor_id = 'nobody'",
        // Refused by SQLite too.
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 1003)",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 'no number')",
        "INSERT INTO products(vendor_id, id, stock) VALUES ('v1', 5000, 1), ('v1', 5000, 2)",
        "INSERT INTO products(vendor_id) VALUES ('v1', 2)",
        "INSERT INTO products(nope) VALUES (1)",
        "INSERT INTO nope VALUES (1)",
        "UPDATE products SET stock = abs(-9223372036854775807 - 1) WHERE vendor_id = 'v1'",
        "UPDATE products SET stock = 1 WHERE vendor_id = 'v1' AND",
        "DELETE products",
    ];
    for sql in without {
        change(&oracle, sql, &none());
    }
    let with: [(&str, Params); 6] = [
        (
            "INSERT INTO products(vendor_id, id, stock) VALUES (?, ?, ?)",
            positional([text("v1"), Value::Integer(6000), null()]),
        ),
        (
            "INSERT INTO products AS p(vendor_id, id, stock) VALUES (:v, @id, $s) ON CONFLICT DO UPDATE SET stock = $s + @id RETURNING :v, stock",
            named([(":v", text("v1")), ("@id", Value::Integer(6000)), ("$s", Value::Integer(4))]),
        ),
        (
            "INSERT INTO products AS p(vendor_id, id) VALUES (?, ?) ON CONFLICT DO UPDATE SET stock = p.stock - ?3 WHERE stock > ?",
            positional([text("v1"), Value::Integer(6000), Value::Integer(4), Value::Integer(2)]),
        ),
        (
            "UPDATE products SET stock = ?, name = ? WHERE id = ? AND vendor_id = ? RETURNING ? || name",
            positional([Value::Integer(1), text("é'"), Value::Integer(6000), text("v1"), text("to ")]),
        ),
        (
            "DELETE FROM products WHERE id = :id AND vendor_id = :v",
            named([(":id", Value::Integer(6000)), (":v", text("v1"))]),
        ),
        ("DELETE FROM products WHERE vendor_id = ?2 AND id = ?1", positional([Value::Integer(6000), text("v1")])),
    ];
    for (sql, params) in with {
        change(&oracle, sql, &params);
    }
}

#[test]
fn rows_of_many_keys_are_changed_together() {
    let oracle = market(&[Layout::Ring(7), Layout::Own, Layout::Ring(1)]);
    for sql in [
        "UPDATE products SET stock = stock + 1",
        "UPDATE products SET stock = 1 WHERE id = 7 RETURNING vendor_id, id",
        "UPDATE products SET price = -price WHERE stock > 3 AND vendor_id IN ('v1', 'v2', NULL, 'nobody') RETURNING *",
        "UPDATE products SET name = (SELECT label FROM categories WHERE categories.category = products.stock) WHERE id % 3 = 0",
        "UPDATE products SET price = amount FROM sales AS s WHERE s.vendor_id = products.vendor_id AND s.id = products.id",
        "UPDATE products SET stock = (SELECT count(*) FROM sales AS s WHERE s.vendor_id = products.vendor_id)",
        "UPDATE products SET stock = 0 WHERE id < 0",
        "DELETE FROM products WHERE EXISTS (SELECT 1 FROM sales AS s WHERE s.vendor_id = products.vendor_id AND s.product_id = products.id) RETURNING id",
        "DELETE FROM products WHERE vendor_id = 'v1' OR id = 2",
        "INSERT INTO products(vendor_id, id, name) VALUES ('v1', 7001, 'a'), ('v2', 7002, 'b'), ('v3', 7003, 'c') RETURNING id, name",
        "INSERT INTO products(vendor_id, id) VALUES ('v3', 7004), ('v1', 7005), ('new 1', 7006), ('new 2', 7007), ('v2', 7008)",
        "INSERT INTO products(vendor_id, id, stock) SELECT vendor_id, id + 8000, category FROM sales ORDER BY id",
        "INSERT INTO products AS p (vendor_id, id, stock) SELECT vendor_id, id, 1 FROM products WHERE id >= 7000 ORDER BY id ON CONFLICT DO NOTHING",
        "INSERT INTO categories VALUES (7, 4, 'seven'), (8, 4, 'eight') RETURNING label",
        "INSERT INTO categories(category) VALUES (5), (6)",
        "INSERT INTO categories VALUES (7, 5, 'again') ON CONFLICT DO UPDATE SET label = categories.label || excluded.label RETURNING *",
        "UPDATE categories SET label = 'x' WHERE id > 5 RETURNING id",
        "DELETE FROM categories WHERE id IN (SELECT category FROM categories)",
        "DELETE FROM sales WHERE amount IS NULL OR vendor_id IS NULL",
        "DELETE FROM sales",
        // One row is refused, and nothing is left of the others.
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 9001), ('v2', 9002), ('v3', 7003)",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 9001), ('v2', 9001)",
        "UPDATE products SET stock = abs(CASE id WHEN 7005 THEN -9223372036854775807 - 1 ELSE 1 END)",
        "INSERT INTO categories VALUES (90, 1, 'a'), (90, 1, 'b')",
    ] {
        change(&oracle, sql, &none());
    }
}

#[test]
fn expressions_that_are_defaults_have_one_value_everywhere() {
    let market = Oracle::new(
        &[Layout::Ring(7)],
        &[
            Table::sharded(
                "CREATE TABLE t(k INTEGER, id INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP, \
             r DEFAULT (random()), n DEFAULT 7, s DEFAULT (1 + 1))",
                "k",
                "",
            ),
            Table::replicated(
                "CREATE TABLE u(id INTEGER PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP, r DEFAULT (abs(random())))",
                "",
            ),
            Table::replicated("CREATE TABLE v(id INTEGER PRIMARY KEY, r INTEGER NOT NULL DEFAULT (abs(random())))", ""),
        ],
        &[],
    );
    let cluster = &market.clusters[0].1;
    for sql in
        ["INSERT INTO t(k, id) VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)", "INSERT INTO u(id) VALUES (1), (2)"]
    {
        cluster.execute(sql, &none()).expect(sql);
    }
    let one = |sql: &str| cluster.query(sql, &none()).expect(sql).rows[0].clone();
    let integers = |values: &[i64]| values.iter().copied().map(Value::Integer).collect::<Vec<_>>();
    assert_eq!(one("SELECT count(DISTINCT at), count(DISTINCT r), sum(n), sum(s) FROM t"), integers(&[1, 5, 35, 10]));
    cluster.execute("INSERT OR REPLACE INTO v(id, r) VALUES (1, NULL)", &none()).expect("a NULL takes the default");
    // A replicated table is read from any shard: each has the same.
    for key in 1..=20 {
        let sql = format!("SELECT count(*) FROM u, t WHERE t.k = {key}");
        cluster.query(&sql, &none()).expect("each shard is asked");
    }
    assert_eq!(one("SELECT count(*), count(DISTINCT r) FROM u"), integers(&[2, 2]));
    let replaced: BTreeSet<String> = (1..=20)
        .map(|key| {
            show_rows(&[one(&format!("SELECT max(v.r), count(t.k) FROM v LEFT JOIN t ON t.k = {key}"))[..1].to_vec()])
        })
        .collect();
    assert_eq!(replaced.len(), 1, "one value on all shards: {replaced:?}");
}

#[test]
fn a_new_shard_has_the_replicated_rows_under_their_rowids() {
    let oracle = Oracle::new(
        &[Layout::Own],
        &[
            Table::sharded("CREATE TABLE t(k INTEGER, n INTEGER)", "k", ""),
            Table::replicated("CREATE TABLE u(name TEXT)", ""),
        ],
        &[],
    );
    let cluster = &oracle.clusters[0].1;
    for sql in [
        "INSERT INTO u VALUES ('a'), ('b'), ('c')",
        "DELETE FROM u WHERE name = 'b'",
        "INSERT INTO t VALUES (1, 1), (2, 2)",
        "DELETE FROM u WHERE rowid = 3",
    ] {
        oracle.plain.change(sql, &none()).expect(sql);
        cluster.execute(sql, &none()).unwrap_or_else(|failure| panic!("{sql}: {failure:?}"));
    }
    // Each of these asks another shard for the replicated row.
    oracle.exact(["SELECT name FROM u, t WHERE k = 1", "SELECT name FROM u, t WHERE k = 2", "SELECT name FROM u"]);
}

#[test]
fn a_rowid_is_one_of_a_kind_over_all_shards() {
    let oracle = market(&[Layout::Ring(7), Layout::Own]);
    // The first rows of a cluster find no other shard yet.
    let fresh = Oracle::new(
        &[Layout::Own, Layout::Ring(7)],
        &[Table::sharded("CREATE TABLE t(vendor_id TEXT, id INTEGER PRIMARY KEY)", "vendor_id", "")],
        &[],
    );
    for (_, cluster) in &fresh.clusters {
        let twice = cluster.execute("INSERT INTO t VALUES ('a', 1), ('b', 1)", &none()).expect_err("1 is there twice");
        assert_eq!(twice.reason, Some(Reason::Constraint), "{twice:?}");
    }
    fresh.exact(["SELECT * FROM t"]);
    // 1 is v1's, 2 is v2's.
    for sql in [
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 2)",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 8000), ('v1', '2')",
        "INSERT OR IGNORE INTO products(vendor_id, id) VALUES ('v1', 2), ('v1', 8001), ('v1', 1)",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 2), ('v1', 8002) ON CONFLICT DO NOTHING",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 8003), ('v2', 8004), ('v1', 8002) ON CONFLICT DO NOTHING",
    ] {
        change(&oracle, sql, &none());
    }
}

#[test]
fn names_in_returning_mean_what_sqlite_means() {
    let oracle = market(&[Layout::Ring(7), Layout::Own]);
    for sql in [
        "UPDATE products SET name = label FROM categories WHERE categories.id = products.stock RETURNING id, name",
        "UPDATE products AS p SET stock = 1 WHERE p.vendor_id = 'v1' RETURNING products.id",
        "DELETE FROM products AS p WHERE p.vendor_id = 'v2' RETURNING products.id, name",
    ] {
        change(&oracle, sql, &none());
    }
}

#[test]
fn chance_and_the_clock_have_one_value_on_all_shards() {
    let oracle = market(&[Layout::Ring(7)]);
    let cluster = &oracle.clusters[0].1;
    let rows = |sql: &str| cluster.query(sql, &none()).expect(sql).rows;
    for sql in [
        "UPDATE products SET stock = random()",
        "UPDATE products SET name = CURRENT_TIMESTAMP || strftime('%f', 'now')",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 90000), ('v2', 90001) RETURNING random()",
        "UPDATE categories SET label = random()",
        "DELETE FROM products WHERE name < datetime('now', '-1 year')",
    ] {
        cluster.execute(sql, &none()).unwrap_or_else(|failure| panic!("{sql}: {failure:?}"));
    }
    let counts =
        rows("SELECT count(*) = count(DISTINCT stock), count(DISTINCT name) FROM products WHERE stock IS NOT NULL");
    assert_eq!(counts, [[Value::Integer(1), Value::Integer(1)]]);
    let labels: BTreeSet<String> = (1..=20)
        .map(|vendor| format!("SELECT label, categories.id FROM categories, products WHERE vendor_id = 'v{vendor}' AND categories.id = 1 LIMIT 1"))
        .flat_map(|sql| rows(&sql))
        .map(|row| show_rows(&[vec![row[0].clone()]]))
        .collect();
    assert_eq!(labels.len(), 1, "each shard has the same: {labels:?}");
}

#[test]
fn rowids_that_are_left_open_are_handed_out() {
    let oracle = market(&[Layout::Ring(7), Layout::Own, Layout::Ring(1)]);
    for (layout, cluster) in &oracle.clusters {
        let mut last = 0;
        for sql in [
            "INSERT INTO products(vendor_id) VALUES ('v1'), ('v2'), ('v3'), ('v1') RETURNING id, vendor_id",
            "INSERT INTO products(id, vendor_id, name) VALUES (NULL, 'v2', 'two'), (100, 'v4', 'given') RETURNING id, name",
            "INSERT INTO products(vendor_id, stock) SELECT vendor_id, count(*) FROM products GROUP BY vendor_id RETURNING id",
            "INSERT INTO products(vendor_id, id) VALUES ('somebody new', NULL) ON CONFLICT (id) DO UPDATE SET stock = 1 RETURNING id",
        ] {
            let response =
                cluster.execute(sql, &none()).unwrap_or_else(|failure| panic!("{layout:?} {sql}: {failure:?}"));
            let rows = Batch::try_from(response.batch.expect("rows")).expect("a batch").into_rows();
            let ids = rows.iter().filter_map(|row| if let Value::Integer(id) = row[0] { Some(id) } else { None });
            let ids: BTreeSet<i64> = ids.filter(|id| *id != 100).collect();
            assert!(ids.first().is_some_and(|first| *first > last), "{layout:?} {sql}: {ids:?} after {last}");
            last = *ids.last().expect("some");
            let inserted = response.last_insert_rowid.expect("rows were inserted");
            assert!(inserted == 100 || ids.contains(&inserted), "{layout:?} {sql}: {inserted} is none of {ids:?}");
        }
        let load = cluster.load("products", &["vendor_id".into()], &vec![vec![text("v1")]; 1000]).expect("a load");
        assert_eq!(load.loaded, 1000, "{layout:?}: {load:?}");
        let counts = cluster.query("SELECT count(*), count(DISTINCT id), max(id) < 1 << 53 FROM products", &none());
        let row = &counts.expect("counts").rows[0];
        assert_eq!(row[0], row[1], "{layout:?}");
        assert_eq!(row[2], Value::Integer(1), "{layout:?}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let oracle = market(&[Layout::Ring(7)]);
    for sql in [
        "DELETE FROM products WHERE vendor_id = :1",
        "CREATE TABLE moved(k INTEGER REFERENCES categories ON UPDATE CASCADE, n INTEGER, PRIMARY KEY (k, n)) SHARD KEY (k)",
        "WITH c AS (SELECT 1) SELECT * FROM c",
        "BEGIN",
        "PRAGMA user_version = 1",
        "ATTACH 'x' AS x",
    ] {
        let failure = oracle.clusters[0].1.execute(sql, &none()).expect_err(sql);
        assert_eq!(failure.reason, Some(Reason::UnsupportedSql), "{sql}: {failure:?}");
    }
    for (sql, reason) in [
        ("UPDATE _souk_shard SET schema_version = 1", Reason::NoSuchTable),
        ("DELETE FROM sqlite_schema", Reason::SqlSyntax),
        ("DELETE FROM products WHERE vendor_id = ?", Reason::InvalidArgument),
        ("DELETE FROM products WHERE vendor_id = 'v1'; DELETE FROM sales", Reason::SqlSyntax),
    ] {
        let failure = oracle.clusters[0].1.execute(sql, &none()).expect_err(sql);
        assert_eq!(failure.reason, Some(reason), "{sql}: {failure:?}");
    }
    oracle.exact(["SELECT * FROM products", "SELECT * FROM sales", "SELECT * FROM categories"]);
}
