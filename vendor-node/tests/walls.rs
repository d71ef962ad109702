//! What a statement may not do, and what a scope hides.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{COLUMNS, SCHEMA, Served, all, fragment, inserts, market, products, serve, settings};
use souk_merge::Value;
use souk_proto::{Reason, v1};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_only_reads_rows() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 1, 5).await;
    let refused = [
        "ATTACH 'x.db' AS x",
        "DETACH main",
        "PRAGMA user_version",
        "PRAGMA user_version = 7",
        "PRAGMA wal_checkpoint",
        "VACUUM",
        "VACUUM INTO 'x.db'",
        "REINDEX",
        "ANALYZE",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT s",
        "EXPLAIN SELECT 1",
        "EXPLAIN QUERY PLAN SELECT * FROM products",
        "INSERT INTO products(id) VALUES (1)",
        "INSERT INTO products(id) VALUES (1) RETURNING id",
        "UPDATE products SET id = 1 RETURNING id",
        "DELETE FROM products RETURNING id",
        "CREATE TABLE x(y)",
        "CREATE TEMP TABLE x(y)",
        "DROP TABLE products",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM sqlite_schema",
        "SELECT COUNT(*) FROM SQLITE_MASTER",
        "SELECT * FROM sqlite_temp_master",
        "SELECT * FROM main.sqlite_schema",
        "SELECT (SELECT sql FROM sqlite_schema LIMIT 1)",
        "SELECT * FROM _souk_shard",
        "SELECT schema_version FROM _souk_shard",
        "SELECT 1 FROM _SOUK_shard",
        "SELECT * FROM pragma_table_info('products')",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM dbstat",
        "SELECT load_extension('x')",
        "SELECT changes()",
        "SELECT total_changes()",
        "SELECT last_insert_rowid()",
        "SELECT sqlite_version()",
        "SELECT sqlite_compileoption_get(0)",
        "",
        "-- nothing",
    ];
    for sql in refused {
        let (reason, message) = served.refusal(fragment([1], sql, all())).await;
        assert_eq!(reason, Reason::UnsupportedSql, "`{sql}`: {message}");
    }
    for sql in ["SELECT readfile('/etc/passwd')", "SELECT writefile('x', 'y')", "SELECT fts3_tokenizer('simple') FROM"]
    {
        let (reason, message) = served.refusal(fragment([1], sql, all())).await;
        assert!(matches!(reason, Reason::SqlSyntax | Reason::UnsupportedSql), "`{sql}`: {reason} {message}");
    }
    // Still whole, and what only reads is allowed.
    let allowed = "SELECT COUNT(*) FROM products, json_each('[1,2]') WHERE name LIKE '%' AND abs(price) >= 0";
    assert_eq!(served.rows(fragment([1], allowed, all())).await, [[Value::Integer(10)]]);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_make_no_sense_are_refused_by_name() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 2, 5).await;
    let cases = [
        ("SELECT 1; SELECT 2", Reason::InvalidArgument, "more than one statement"),
        ("SELECT 1\0", Reason::InvalidArgument, "NUL"),
        ("SELECT ?2", Reason::InvalidArgument, "`2` parameters"),
        ("SELEC 1", Reason::SqlSyntax, "near \"SELEC\": syntax error"),
        ("SELECT * FROM nowhere", Reason::NoSuchTable, "no such table: nowhere"),
        ("SELECT nowhere FROM products", Reason::NoSuchTable, "no such column: nowhere"),
        ("SELECT abs(-9223372036854775807 - 1)", Reason::SqlRuntime, "integer overflow"),
        ("SELECT json_extract('{', '$')", Reason::SqlRuntime, "malformed JSON"),
        ("SELECT zeroblob(100000000)", Reason::TooLarge, "string or blob too big"),
    ];
    for (sql, reason, words) in cases {
        for failure_mode in [0, 1] {
            let mut ask = fragment([1, 2], sql, all());
            ask.parameters = vec![Value::Integer(1).as_ref().into()];
            ask.failure_mode = failure_mode;
            let (given, message) = served.refusal(ask).await;
            assert_eq!(given, reason, "`{sql}`: {message}");
            assert!(message.contains(words), "`{message}` lacks `{words}`");
        }
    }
    let (reason, _) = served.refusal(fragment([1, 1], "SELECT 1", all())).await;
    assert_eq!(reason, Reason::InvalidArgument);
    let mut ask = fragment([1], "SELECT 1", all());
    ask.merge = None;
    assert_eq!(served.refusal(ask).await.0, Reason::InvalidArgument);
    let order =
        vec![souk_merge::SortKey { column: 3, descending: false, nulls_last: false, collation: Default::default() }];
    let ask = fragment([1], "SELECT 1", souk_merge::MergeSpec::Rows { order, limit: Some(1) });
    assert_eq!(served.refusal(ask).await.0, Reason::InvalidArgument);
    served.stop().await;
}

/// One shard that vendors 7 and 8 share, and a table without a vendor.
async fn shared(data: &TempDir) -> Served {
    let mut served = serve(settings(data.path())).await;
    let schema = format!(
        "{SCHEMA}; CREATE TABLE rates(currency TEXT, rate REAL); CREATE VIEW cheap AS SELECT * FROM products;
         CREATE VIEW counted AS SELECT COUNT(*) AS n FROM products; CREATE VIEW ones AS SELECT 1 AS one FROM products;
         CREATE TABLE keyed(k, v)"
    );
    served.create([1], &[&schema]).await;
    let rates = [vec![Value::text("EUR"), Value::Real(1.0)]];
    served
        .insert(vec![v1::ShardInserts {
            shard: 1,
            tables: vec![
                common::table_inserts("products", &COLUMNS, &products(7, 10)),
                common::table_inserts("products", &COLUMNS, &products(8, 20)),
                common::table_inserts("rates", &["currency", "rate"], &rates),
            ],
        }])
        .await;
    served
}

fn scoped(sql: &str, table: &str, key_column: &str, key: Value) -> v1::RunFragmentRequest {
    let tables = vec![v1::ScopedTable { table: table.to_owned(), key_column: key_column.to_owned() }];
    v1::RunFragmentRequest { scope: Some(v1::Scope { tables, key: Some((&key).into()) }), ..fragment([1], sql, all()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_shows_only_its_keys_rows() {
    let data = TempDir::new().unwrap();
    let mut served = shared(&data).await;
    let seven = |sql| scoped(sql, "products", "vendor_id", Value::Integer(7));
    for (sql, count) in [
        ("SELECT COUNT(*) FROM products", 10),
        ("SELECT COUNT(*) FROM PRODUCTS AS p", 10),
        ("SELECT COUNT(*) FROM products WHERE vendor_id = 8 OR 1 = 1", 10),
        ("SELECT COUNT(*) FROM products WHERE vendor_id = 8", 0),
        ("SELECT COUNT(*) FROM temp.products", 10),
        ("WITH p AS (SELECT * FROM products) SELECT COUNT(*) FROM p", 10),
        ("WITH products AS (SELECT * FROM products) SELECT COUNT(*) FROM products", 10),
        ("SELECT COUNT(*) FROM (SELECT * FROM products UNION ALL SELECT * FROM products)", 20),
        ("SELECT COUNT(*) FROM products a, products b", 100),
        ("SELECT (SELECT COUNT(*) FROM products)", 10),
        ("SELECT COUNT(*) FROM rates WHERE EXISTS (SELECT 1 FROM products)", 1),
        ("SELECT SUM(id IN (SELECT id FROM products)) FROM products", 10),
    ] {
        // `WITH products AS (SELECT * FROM products)` is circular in SQLite.
        if sql.starts_with("WITH products") {
            assert!(served.ask(seven(sql)).await.is_err());
            continue;
        }
        assert_eq!(served.rows(seven(sql)).await, [[Value::Integer(count)]], "{sql}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_has_no_way_around() {
    let data = TempDir::new().unwrap();
    let mut served = shared(&data).await;
    for sql in [
        "SELECT * FROM main.products",
        "SELECT COUNT(*) FROM main.products",
        "SELECT COUNT(*) FROM MAIN.\"Products\"",
        "SELECT 1 FROM main.products",
        "WITH products AS (SELECT * FROM main.products) SELECT * FROM products",
        "SELECT * FROM (SELECT * FROM main.products) AS products",
        "SELECT * FROM products WHERE id IN (SELECT id FROM main.products AS products)",
        "SELECT * FROM products, (SELECT COUNT(*) FROM main.products) AS products",
        "SELECT (SELECT COUNT(*) FROM main.products)",
        "SELECT * FROM cheap",
        "SELECT * FROM counted",
        "SELECT * FROM ones",
        "WITH ones AS (SELECT * FROM main.ones) SELECT * FROM ones",
        "SELECT * FROM sqlite_temp_schema",
        "SELECT * FROM _souk_scope_0",
    ] {
        let (reason, message) = served.refusal(scoped(sql, "products", "vendor_id", Value::Integer(7))).await;
        assert!(matches!(reason, Reason::UnsupportedSql | Reason::NoSuchTable), "`{sql}`: {reason} {message}");
        // Without the scope the same text is fine or has nothing to do with it.
        if !sql.contains("sqlite_") && !sql.contains("_souk") {
            assert!(served.ask(fragment([1], sql, all())).await.is_ok(), "`{sql}`");
        }
    }
    let two = v1::ScopedTable { table: "PRODUCTS".into(), key_column: "vendor_id".into() };
    let mut ask = scoped("SELECT 1", "products", "vendor_id", Value::Integer(7));
    ask.scope.as_mut().unwrap().tables.push(two);
    assert_eq!(served.refusal(ask).await.0, Reason::InvalidArgument);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_value_is_a_key() {
    let data = TempDir::new().unwrap();
    let mut served = shared(&data).await;
    let keys = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Real(0.1),
        Value::Real(f64::INFINITY),
        Value::text("it's; DROP TABLE keyed --"),
        Value::text("a\0b"),
        Value::text("a"),
        Value::Text([0xff, b'a'][..].into()),
        Value::Blob([b'a'][..].into()),
        Value::Blob([][..].into()),
    ];
    let rows: Vec<Vec<Value>> = keys.iter().zip(0..).map(|(key, v)| vec![key.clone(), Value::Integer(v)]).collect();
    served.insert(vec![inserts(1, "keyed", &["k", "v"], &rows)]).await;
    for (key, v) in keys.into_iter().zip(0..) {
        let given = served.rows(scoped("SELECT v FROM keyed", "keyed", "k", key.clone())).await;
        assert_eq!(given, [[Value::Integer(v)]], "{key:?}");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scoped_reader_sees_new_rows_and_keeps_to_its_key() {
    let data = TempDir::new().unwrap();
    let mut served = shared(&data).await;
    let count = |key| scoped("SELECT COUNT(*) FROM products", "products", "vendor_id", Value::Integer(key));
    for round in 1..=3_i64 {
        assert_eq!(served.rows(count(7)).await, [[Value::Integer(9 + round)]]);
        assert_eq!(served.rows(count(8)).await, [[Value::Integer(20)]]);
        let all_rows = served.rows(fragment([1], "SELECT COUNT(*) FROM products", all())).await;
        assert_eq!(all_rows, [[Value::Integer(29 + round)]]);
        let mut row = products(7, 1);
        row[0][1] = Value::Integer(100 + round);
        served.insert(vec![inserts(1, "products", &COLUMNS, &row)]).await;
    }
    served.stop().await;
}
