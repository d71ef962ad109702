//! Schema changes are taken by all shards or by none.

use souk_merge::Value;
use souk_proto::Reason;

use crate::fixture::market;
use crate::support::{Layout, none};

#[test]
fn a_change_that_one_shard_refuses_changes_none() {
    let oracle = market(&[Layout::Ring(7), Layout::Own]);
    // Two rows of one vendor with the same name.
    oracle.plain.execute("UPDATE products SET name = 'same' WHERE vendor_id = 'v3'");
    for (layout, cluster) in &oracle.clusters {
        cluster.execute("UPDATE products SET name = 'same' WHERE vendor_id = 'v3'", &none()).expect("an update");
        let before = cluster.status();
        let unique = "CREATE UNIQUE INDEX names ON products(vendor_id, name)";
        let refused = cluster.execute(unique, &none()).expect_err("two rows have one name");
        assert_eq!(refused.reason, Some(Reason::Constraint), "{layout:?}: {refused:?}");
        for words in ["nothing was changed", "shard", "UNIQUE constraint failed"] {
            assert!(refused.message.contains(words), "{layout:?}: {refused:?}");
        }
        let after = cluster.status();
        assert_eq!(after.schema_version, before.schema_version);
        for node in after.nodes {
            assert_eq!((node.schema_version, node.shards_at_schema), (before.schema_version, node.shards_held));
        }
        // What was tried is undone: rows that the index would have refused go in, and then it is made.
        let insert = "INSERT INTO products(vendor_id, id, name) VALUES ('v4', 7000, 'twice'), ('v4', 7001, 'twice')";
        cluster.execute(insert, &none()).expect("no index refuses them");
        cluster.execute("UPDATE products SET name = id", &none()).expect("names of one kind");
        let made = cluster.execute(unique, &none()).expect("now every shard takes it");
        assert_eq!(made.schema_version, before.schema_version + 1);
        let twice = cluster.execute("UPDATE products SET name = 'twice' WHERE vendor_id = 'v4'", &none());
        assert_eq!(twice.expect_err("the index is there").reason, Some(Reason::Constraint));
    }
}

#[test]
fn columns_and_tables_come_and_go_under_writes() {
    let oracle = market(&[Layout::Ring(7)]);
    let cluster = &oracle.clusters[0].1;
    for (number, sql) in (0i64..).zip([
        "ALTER TABLE products ADD COLUMN weight REAL DEFAULT 1.5",
        "CREATE TABLE notes(vendor_id TEXT, id INTEGER PRIMARY KEY, text TEXT)",
        "CREATE INDEX notes_by_text ON notes(text)",
        "ALTER TABLE products RENAME COLUMN weight TO grams",
        "ALTER TABLE products DROP COLUMN grams",
        "DROP TABLE notes",
    ]) {
        let insert =
            format!("INSERT INTO sales VALUES ('v1', {}, 1, 1, 1), ('v2', {}, 1, 1, 1)", 5000 + number, 6000 + number);
        cluster.execute(&insert, &none()).expect("a row on two shards");
        cluster.execute(sql, &none()).expect(sql);
        // A statement that readers have kept has the columns that there are now.
        let row = cluster.query("SELECT * FROM products WHERE vendor_id = 'v1' AND id = 1", &none()).expect("a row");
        assert_eq!(row.rows[0].len(), if (0..4).contains(&number) { 9 } else { 8 }, "{sql}");
        let status = cluster.status();
        assert!(status.nodes.iter().all(|node| node.schema_version == status.schema_version), "{sql}");
        assert!(status.nodes.iter().all(|node| node.shards_at_schema == node.shards_held), "{sql}");
    }
    let count = cluster.query("SELECT count(*) FROM sales WHERE id >= 5000", &none()).expect("a count");
    assert_eq!(count.rows, [[Value::Integer(12)]]);
}

#[test]
fn what_changes_nothing_is_no_change() {
    let oracle = market(&[Layout::Ring(3)]);
    let cluster = &oracle.clusters[0].1;
    cluster.execute("CREATE INDEX by_name ON products(name)", &none()).expect("an index");
    let version = cluster.status().schema_version;
    for sql in [
        "CREATE INDEX IF NOT EXISTS by_name ON products(name)",
        "CREATE TABLE IF NOT EXISTS products(vendor_id TEXT, id INTEGER PRIMARY KEY)",
        "CREATE TABLE IF NOT EXISTS products(vendor_id TEXT, id INTEGER PRIMARY KEY) SHARD KEY (vendor_id)",
        "DROP TABLE IF EXISTS gone",
        "DROP INDEX IF EXISTS gone",
    ] {
        let done = cluster.execute(sql, &none()).expect(sql);
        assert_eq!((done.schema_version, cluster.status().schema_version), (version, version), "{sql}");
    }
    let made = cluster.execute("CREATE TABLE IF NOT EXISTS other(vendor_id TEXT)", &none()).expect("a table");
    assert_eq!(made.schema_version, version + 1);
}
