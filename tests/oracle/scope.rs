//! A request that names a shard key gets what one SQLite with that key's rows and the replicated tables gives, whatever else lies on
//! the shard.

use souk_merge::Value;
use souk_proto::Reason;

use crate::fixture::tables;
use crate::support::{Layout, Options, Oracle, Plain, Table, blob, none, null, real, text};

/// Vendors share shards on the small rings and have their own on the last layout.
const LAYOUTS: [Layout; 3] = [Layout::Ring(1), Layout::Ring(2), Layout::Own];

/// A plain SQLite with the rows of which the key column holds `key`, as the column stores it.
fn scoped(tables: &[Table], key: &Value) -> Plain {
    let plain = Plain::new();
    for table in tables {
        plain.execute(&table.sql);
        let columns = plain.names(&format!("SELECT * FROM {}", table.name)).expect("a table");
        for row in &table.rows {
            plain.insert(&table.name, &columns, row).expect("a row");
        }
        if let Some(column) = &table.shard_key {
            // The key as the column stores it, so that the comparison converts nothing.
            let place = columns.iter().position(|known| known == column).expect("the key is a column");
            let mut row: Vec<Value> = vec![Value::Integer(i64::MAX); columns.len()];
            row[place] = key.clone();
            plain.insert(&table.name, &columns, &row).expect("a row of the key");
            let id = format!("id = {}", i64::MAX);
            plain.execute(&format!(
                "DELETE FROM {0} WHERE NOT (+{column} IS (SELECT +{column} FROM {0} WHERE {id}) \
                 AND typeof({column}) IN ((SELECT typeof({column}) FROM {0} WHERE {id}), 'integer', 'real')); \
                 DELETE FROM {0} WHERE {id};",
                table.name
            ));
        }
    }
    plain
}

fn check(oracle: &Oracle, tables: &[Table], keys: &[Value], statements: &[&str]) {
    let mut wrong = Vec::new();
    for key in keys {
        let plain = scoped(tables, key);
        for sql in statements {
            wrong.extend(oracle.scoped_differences(&plain, key, sql));
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn any_statement_sees_one_vendor_alone() {
    let tables = tables();
    let oracle = Oracle::new(&LAYOUTS, &tables, &[]);
    let keys = [text("v1"), text("v2"), text("v5"), null(), text("nobody")];
    check(
        &oracle,
        &tables,
        &keys,
        &[
            "SELECT * FROM products",
            "SELECT * FROM sales ORDER BY id",
            "SELECT count(*), sum(price), group_concat(id, ',' ORDER BY id) FROM products",
            "SELECT id FROM products WHERE vendor_id = 'v1' OR 1 = 1",
            "SELECT id FROM products WHERE vendor_id IS NULL OR vendor_id <> 'v1'",
            "SELECT id, row_number() OVER (ORDER BY price, id), lag(id) OVER (ORDER BY id) FROM products",
            "SELECT id FROM products WHERE price > (SELECT avg(price) FROM products)",
            "SELECT p.id, s.id FROM products AS p JOIN sales AS s ON s.product_id = p.id",
            "SELECT p.id, s.id FROM products AS p, sales AS s",
            "SELECT c.id, s.id FROM categories AS c LEFT JOIN sales AS s ON s.category = c.category",
            "SELECT c.label, (SELECT count(*) FROM sales AS s WHERE s.category = c.category) FROM categories AS c",
            "SELECT id FROM products WHERE id IN (SELECT product_id FROM sales)",
            "SELECT id FROM products UNION SELECT id FROM sales ORDER BY 1 LIMIT 5",
            "SELECT stock FROM products EXCEPT SELECT category FROM sales",
            "WITH RECURSIVE n(i) AS (SELECT min(id) FROM products UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n",
            "WITH products AS (SELECT 1 AS one) SELECT * FROM products",
            "WITH p AS MATERIALIZED (SELECT * FROM products) SELECT count(*) FROM p AS a JOIN p AS b ON a.id < b.id",
            "SELECT count(*) FROM (SELECT id FROM products ORDER BY id LIMIT 3)",
            "SELECT max(id), name FROM products",
            "SELECT sales.id FROM products AS sales",
            "SELECT count(*) FROM products JOIN sales USING (vendor_id)",
            "SELECT count(*) FROM products NATURAL JOIN sales",
            "SELECT 1 FROM products AS a JOIN products AS b USING (id)",
            "SELECT p.id, j.value FROM products AS p, json_each(p.data) AS j WHERE json_valid(p.data)",
            "SELECT EXISTS (SELECT 1 FROM products), 5 IN (SELECT stock FROM products)",
            "SELECT * FROM categories",
            "SELECT 1",
        ],
    );
}

/// Ways around the fence: each is answered with the vendor's rows or refused, and none shows a row of another vendor.
#[test]
fn nothing_of_another_vendor_leaks() {
    let tables = tables();
    let oracle = Oracle::new(&[Layout::Ring(1), Layout::Ring(2)], &tables, &[]);
    let key = text("v1");
    let plain = scoped(&tables, &key);
    let statements = [
        "SELECT count(*) FROM main.products AS a JOIN main.products AS b USING (id)",
        "SELECT count(*) FROM main.products AS a NATURAL JOIN main.products AS b",
        "SELECT 1 FROM main.sales AS a JOIN main.sales AS b USING (vendor_id, id)",
        "SELECT count(*) FROM main.products",
        "SELECT 1 FROM main.products",
        "SELECT EXISTS (SELECT 1 FROM main.products WHERE 1)",
        "SELECT (SELECT count(*) FROM main.sales)",
        "SELECT count(*) FROM \"main\".\"products\" NOT INDEXED",
        "SELECT max(id) FROM main.products",
        "SELECT id FROM main.products ORDER BY id DESC LIMIT 1",
        "WITH products AS (SELECT * FROM main.products) SELECT id FROM products",
        "SELECT id FROM (SELECT * FROM main.products) AS products",
        "SELECT rowid FROM main.products",
        "SELECT count(rowid) FROM main.products WHERE rowid > 0",
        "SELECT main.products.id FROM main.products",
        "SELECT * FROM main.products AS p WHERE p.id > 0",
    ];
    for sql in statements {
        let expected = plain.query(sql, &none()).expect(sql).rows;
        for (layout, cluster) in &oracle.clusters {
            let options = Options { shard_key: Some(key.clone()), ..Options::default() };
            match cluster.query_with(sql, &none(), options) {
                Ok(answer) => {
                    let sorted = |mut rows: Vec<Vec<Value>>| {
                        rows.sort_by_key(|row| format!("{row:?}"));
                        rows
                    };
                    assert_eq!(
                        sorted(answer.rows),
                        sorted(expected.clone()),
                        "{layout:?} {sql}: rows of another vendor"
                    );
                }
                Err(failure) => {
                    assert!(failure.reason.is_some_and(|reason| reason != Reason::Internal), "{sql}: {failure:?}")
                }
            }
        }
    }
}

#[test]
fn what_looks_beyond_the_rows_is_refused_in_a_scope_too() {
    let oracle = Oracle::new(&LAYOUTS, &tables(), &[]);
    for sql in [
        "SELECT * FROM temp.products",
        "SELECT name FROM sqlite_schema, products",
        "SELECT * FROM dbstat",
        "PRAGMA user_version",
        "ATTACH ':memory:' AS other",
        "DELETE FROM products",
        "DROP VIEW temp.products",
    ] {
        for (layout, cluster) in &oracle.clusters {
            let options = Options { shard_key: Some(text("v1")), ..Options::default() };
            match cluster.query_with(sql, &none(), options) {
                Err(failure) => assert!(
                    failure.reason.is_some_and(|reason| reason != Reason::Internal),
                    "{layout:?} {sql}: {failure:?}"
                ),
                Ok(answer) => panic!("{layout:?} {sql}: gives {:?}", answer.rows),
            }
        }
    }
}

#[test]
fn a_scope_takes_the_key_as_its_column_stores_it() {
    for key_type in ["TEXT", "INTEGER", "", "NUMERIC", "REAL", "BLOB"] {
        let rows = "VALUES (1, 1), ('1', 2), (1.0, 3), ('1.0', 4), (x'31', 5), (NULL, 6), ('a', 7), ('A', 8), ('a ', 9), (0, 10), (-0.0, 11), ('', 12), (x'', 13), (2.5, 14), ('2.5', 15)";
        let tables = [Table::sharded(&format!("CREATE TABLE t(k {key_type}, id INTEGER PRIMARY KEY)"), "k", rows)];
        let oracle = Oracle::new(&LAYOUTS, &tables, &[]);
        let keys = [
            Value::Integer(1),
            text("1"),
            real(1.0),
            text("1.0"),
            blob(b"1"),
            null(),
            text("a"),
            text("A"),
            text("a "),
            Value::Integer(0),
            real(-0.0),
            text(""),
            blob(b""),
            real(2.5),
            text("2.5"),
            text(" 1 "),
        ];
        check(
            &oracle,
            &tables,
            &keys,
            &[
                "SELECT id, k, typeof(k) FROM t",
                "SELECT count(*), group_concat(id, ',' ORDER BY id) FROM t",
                "SELECT id FROM t WHERE k = 1",
            ],
        );
    }
}
