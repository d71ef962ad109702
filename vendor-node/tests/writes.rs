//! Rows and schema changes go in whole, stay, and are seen by the next read.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use common::{
    COLUMNS, SCHEMA, all, batch_of, fragment, inserts, market, products, refusal, serve, settings, shard_file,
};
use rusqlite::Connection;
use souk_merge::Value;
use souk_proto::{Reason, v1};
use tempfile::TempDir;

const COUNT: &str = "SELECT COUNT(*) FROM products";

fn integers(rows: &[i64]) -> Vec<Vec<Value>> {
    rows.iter().map(|row| vec![Value::Integer(*row)]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_after_a_write_sees_it_and_a_restart_keeps_it() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 3, 10).await;
    for round in 1..=20_i64 {
        let mut row = products(2, 1);
        row[0][1] = Value::Integer(1000 + round);
        served.insert(vec![inserts(2, "products", &COLUMNS, &row)]).await;
        let given = served.rows(fragment(1..=3, COUNT, all())).await;
        assert_eq!(given, integers(&[10, 10 + round, 10]));
    }
    served.stop().await;
    let mut served = serve(settings(data.path())).await;
    assert_eq!(served.rows(fragment(1..=3, COUNT, all())).await, integers(&[10, 30, 10]));
    served.stop().await;
}

/// A table with constraints of every kind, in two shards.
async fn constrained(data: &TempDir) -> common::Served {
    let mut served = serve(settings(data.path())).await;
    let schema = "CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK (n > 0), u TEXT UNIQUE);
                  CREATE TABLE c(t INTEGER REFERENCES t(id));
                  CREATE TABLE d(t INTEGER REFERENCES t(id) DEFERRABLE INITIALLY DEFERRED)";
    served.create([1, 2], &[schema]).await;
    served
}

fn rows_of_t(rows: &[(Value, i64, &str)]) -> Vec<Vec<Value>> {
    rows.iter().map(|(id, n, u)| vec![id.clone(), Value::Integer(*n), Value::text(u)]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_are_reported_and_the_others_kept() {
    let data = TempDir::new().unwrap();
    let mut served = constrained(&data).await;
    let rows = rows_of_t(&[
        (Value::Integer(1), 1, "a"),
        (Value::Integer(1), 1, "b"),
        (Value::Integer(2), 0, "c"),
        (Value::Integer(3), 1, "a"),
        (Value::text("x"), 1, "d"),
        (Value::Integer(4), 1, "e"),
    ]);
    let shard = |shard| v1::ShardInserts {
        shard,
        tables: vec![
            common::table_inserts("t", &["id", "n", "u"], &rows),
            common::table_inserts("c", &["t"], &integers(&[4, 5])),
        ],
    };
    let written = served.try_insert(vec![shard(1), shard(2)], 1, true).await.unwrap();
    assert_eq!((written.inserted, written.failed), (6, vec![]));
    let rejected: Vec<(u64, u32, u32, &str)> =
        written.rejected.iter().map(|row| (row.shard, row.table, row.row, row.message.as_str())).collect();
    let wanted = |shard| {
        [
            (shard, 0, 1, "UNIQUE constraint failed: t.id"),
            (shard, 0, 2, "CHECK constraint failed: n > 0"),
            (shard, 0, 3, "UNIQUE constraint failed: t.u"),
            (shard, 0, 4, "datatype mismatch"),
            (shard, 1, 1, "FOREIGN KEY constraint failed"),
        ]
    };
    assert_eq!(rejected, [wanted(1), wanted(2)].concat());
    assert!(written.rejected.iter().all(|row| row.reason == "CONSTRAINT"));
    let given = served.rows(fragment([1, 2], "SELECT id FROM t ORDER BY id", all())).await;
    assert_eq!(given, integers(&[1, 4, 1, 4]));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_row_undoes_its_shard_and_no_other() {
    let data = TempDir::new().unwrap();
    let mut served = constrained(&data).await;
    let good = rows_of_t(&[(Value::Integer(1), 1, "a"), (Value::Integer(2), 1, "b")]);
    let bad = rows_of_t(&[(Value::Integer(1), 1, "a"), (Value::Integer(2), 0, "b")]);
    let columns = ["id", "n", "u"];
    let written = served.insert(vec![inserts(1, "t", &columns, &bad), inserts(2, "t", &columns, &good)]).await;
    assert_eq!((written.inserted, written.rejected), (2, vec![]));
    let [failed] = written.failed.try_into().unwrap();
    assert_eq!((failed.shard, failed.node.as_str(), failed.reason.as_str()), (1, "n1", "CONSTRAINT"));
    assert_eq!(failed.message, "row 1 of table `t`: CHECK constraint failed: n > 0");
    assert_eq!(served.rows(fragment([1, 2], "SELECT COUNT(*) FROM t", all())).await, integers(&[0, 2]));

    // A constraint that speaks at the end undoes everything too, with and without `keep_going`.
    for keep_going in [false, true] {
        let rows = vec![inserts(2, "d", &["t"], &integers(&[1, 99]))];
        let written = served.try_insert(rows, 1, keep_going).await.unwrap();
        assert_eq!(written.inserted, 0);
        assert_eq!(written.failed[0].reason, "CONSTRAINT");
    }
    served.insert(vec![inserts(2, "d", &["t"], &integers(&[1]))]).await;
    assert_eq!(served.rows(fragment([2], "SELECT t FROM d", all())).await, integers(&[1]));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_fit_no_table_are_refused() {
    let data = TempDir::new().unwrap();
    let mut served = constrained(&data).await;
    let one = integers(&[1]);
    for (table, column, reason) in [("nowhere", "x", "NO_SUCH_TABLE"), ("t", "nothing", "NO_SUCH_TABLE")] {
        let written = served.insert(vec![inserts(1, table, &[column], &one)]).await;
        assert_eq!(written.failed[0].reason, reason, "{}", written.failed[0].message);
    }
    let quoted = inserts(1, "t\"(id) VALUES (7); --", &["id"], &one);
    assert_eq!(served.insert(vec![quoted]).await.failed[0].reason, "NO_SUCH_TABLE");
    for table in ["_souk_shard", "sqlite_master", "SQLITE_SEQUENCE"] {
        let status = served.try_insert(vec![inserts(1, table, &["id"], &one)], 1, false).await.unwrap_err();
        assert_eq!(refusal(status).0, Reason::InvalidArgument);
    }
    let mut narrow = inserts(1, "t", &["id"], &one);
    narrow.tables[0].columns.push("n".into());
    let twice = vec![inserts(1, "t", &["id"], &one), inserts(1, "t", &["id"], &one)];
    for bad in [vec![narrow], twice] {
        assert_eq!(refusal(served.try_insert(bad, 1, false).await.unwrap_err()).0, Reason::InvalidArgument);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_short_under_constant_reads_and_writes() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 1, 10).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    // Three read what is written; one is always busy for long with a snapshot that it took at the start.
    let whole = "SELECT SUM(length(name)) FROM products";
    let long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000000) SELECT MAX(i) FROM n, (SELECT 1 FROM products LIMIT 1)";
    for sql in [whole, whole, whole, long] {
        let mut client =
            souk_proto::v1::shard_service_client::ShardServiceClient::connect(served.address.clone()).await.unwrap();
        let stop = Arc::clone(&stop);
        readers.push(tokio::spawn(async move {
            let mut reads = 0;
            while !stop.load(Ordering::Relaxed) {
                match client.run_fragment(fragment([1], sql, all())).await {
                    Ok(answer) => {
                        let mut stream = answer.into_inner();
                        while stream.message().await.unwrap().is_some() {}
                    }
                    // Whoever has read for too long is ended.
                    Err(status) => assert_eq!(refusal(status).0, Reason::Overloaded),
                }
                reads += 1;
            }
            reads
        }));
    }
    let wal = shard_file(data.path(), 1).with_extension("db-wal");
    let mut longest = 0;
    let mut written = 0;
    // 1,000 take minutes.
    let rounds = std::env::var("SOUK_ROUNDS").map_or(50, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        // About 2 MiB a commit: 100 MiB in all.
        let rows: Vec<Vec<Value>> = (0..2000)
            .map(|row| vec![Value::Integer(round), Value::Integer(1000 + row), Value::Text(vec![b'x'; 1000].into())])
            .collect();
        written += served.insert(vec![inserts(1, "products", &["vendor_id", "id", "name"], &rows)]).await.inserted;
        longest = longest.max(fs::metadata(&wal).unwrap().len());
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert_eq!(written, rounds as u64 * 2000);
    // 64 MiB, and one commit.
    assert!(longest < 67 << 20, "the log grew to {longest} bytes");
    assert_eq!(served.rows(fragment([1], COUNT, all())).await, integers(&[10 + rounds * 2000]));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schema_changes_reach_every_shard() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 5, 3).await;
    let longer = [
        SCHEMA,
        "ALTER TABLE products ADD COLUMN stock INTEGER DEFAULT 7",
        "CREATE TABLE extra(x); CREATE INDEX e ON extra(x)",
    ];
    let applied = served.apply(&longer).await.unwrap();
    assert_eq!((applied.applied, applied.failed), (5, vec![]));
    assert_eq!(served.describe().await.schema_version, 3);

    let mut ask = fragment(1..=5, "SELECT SUM(stock) FROM products", all());
    assert_eq!(served.refusal(ask.clone()).await.0, Reason::SchemaMismatch);
    ask.schema_version = 3;
    assert_eq!(served.rows(ask.clone()).await, integers(&[21; 5]));
    ask.schema_version = 4;
    assert_eq!(served.refusal(ask.clone()).await.0, Reason::SchemaMismatch);
    let rows = |shard| inserts(shard, "extra", &["x"], &integers(&[1]));
    assert_eq!(refusal(served.try_insert(vec![rows(1)], 1, false).await.unwrap_err()).0, Reason::SchemaMismatch);
    assert_eq!(served.try_insert(vec![rows(1)], 3, false).await.unwrap().inserted, 1);

    for other in [&longer[..1], &[SCHEMA, "CREATE TABLE other(x)", "SELECT 1"], &[]] {
        assert_eq!(refusal(served.apply(other).await.unwrap_err()).0, Reason::SchemaMismatch);
        assert_eq!(refusal(served.try_create([9], other).await.unwrap_err()).0, Reason::SchemaMismatch);
    }
    // Again, and after a restart, the same log is no news.
    assert_eq!(served.apply(&longer).await.unwrap().applied, 5);
    served.stop().await;
    let mut served = serve(settings(data.path())).await;
    assert_eq!(served.describe().await.schema_version, 3);
    ask.schema_version = 3;
    assert_eq!(served.rows(ask).await, integers(&[21; 5]));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_missed_a_change_catches_up_before_it_serves() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 2, 3).await;
    let aside = data.path().join("aside.db");
    served.stop().await;
    let file = shard_file(data.path(), 2);
    fs::rename(&file, &aside).unwrap();
    served = serve(settings(data.path())).await;
    let longer = [SCHEMA, "ALTER TABLE products ADD COLUMN stock DEFAULT 7"];
    assert_eq!(served.apply(&longer).await.unwrap().applied, 1);
    fs::rename(&aside, &file).unwrap();
    let mut ask = fragment([1, 2], "SELECT MAX(stock) FROM products", all());
    ask.schema_version = 2;
    assert_eq!(served.rows(ask.clone()).await, integers(&[7, 7]));

    // The other way round: a file that is ahead of the node's log is refused by name.
    served.apply(&[longer[0], longer[1], "CREATE TABLE extra(x)"]).await.unwrap();
    served.stop().await;
    let log = rusqlite::Connection::open(data.path().join("node.db")).unwrap();
    log.execute("DELETE FROM schema WHERE version = 3", []).unwrap();
    drop(log);
    let mut served = serve(settings(data.path())).await;
    let (reason, message) = served.refusal(ask).await;
    assert_eq!(reason, Reason::SchemaMismatch);
    assert!(message.contains("shard "), "{message}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_a_shard_refuses_is_reported_and_undone_there() {
    let data = TempDir::new().unwrap();
    let mut served = serve(settings(data.path())).await;
    served.create([1, 2], &["CREATE TABLE t(x)"]).await;
    served.insert(vec![inserts(2, "t", &["x"], &integers(&[5, 5]))]).await;
    let longer = ["CREATE TABLE t(x)", "CREATE TABLE more(y); CREATE UNIQUE INDEX one ON t(x)"];
    let applied = served.apply(&longer).await.unwrap();
    assert_eq!(applied.applied, 1);
    assert_eq!((applied.failed[0].shard, applied.failed[0].reason.as_str()), (2, "SCHEMA_MISMATCH"));
    assert!(applied.failed[0].message.contains("change 2 failed: UNIQUE constraint failed"), "{:?}", applied.failed);
    let mut ask = fragment([1, 2], "SELECT COUNT(*) FROM more", all());
    ask.schema_version = 2;
    assert_eq!(served.refusal(ask.clone()).await.0, Reason::SchemaMismatch);
    ask.failure_mode = 1;
    let answer = served.ask(ask).await.unwrap();
    assert_eq!((answer.rows, answer.summary.unwrap().failed[0].shard), (integers(&[0]), 2));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_change_does_not_wait_for_a_long_stream_nor_change_it() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 1, 1000).await;
    let wide = "SELECT *, hex(zeroblob(4000)) FROM products";
    let mut stream = served.stream(fragment([1], wide, all())).await;
    stream.message().await.unwrap().unwrap();
    let applied = served.apply(&[SCHEMA, "ALTER TABLE products ADD COLUMN stock DEFAULT 7"]).await.unwrap();
    assert_eq!(applied.applied, 1);
    let mut rows = 0;
    while let Some(mut part) = stream.message().await.unwrap() {
        if let Some(batch) = batch_of(&mut part) {
            assert_eq!(batch.columns.len(), 7);
            rows += batch.rows;
        }
    }
    assert!(rows > 0);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlites_planner_knows_a_shard_that_has_grown() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 1, 1000).await;
    let before = served.rows(fragment([1], "SELECT count(*) FROM products WHERE id = 7", all())).await;
    assert_eq!(before, [[Value::Integer(1)]]);
    // Nobody reads them but SQLite.
    let (reason, _) = served.refusal(fragment([1], "SELECT * FROM sqlite_stat1", all())).await;
    assert_eq!(reason, Reason::UnsupportedSql);
    served.stop().await;
    let file = Connection::open(data.path().join("shards/01/1.db")).unwrap();
    let known: i64 =
        file.query_row("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'products'", [], |row| row.get(0)).unwrap();
    assert!(known > 0, "there are no statistics of a thousand rows");
    let samples: i64 = file.query_row("SELECT count(*) FROM sqlite_stat4", [], |row| row.get(0)).unwrap();
    assert_eq!(samples, 0, "samples would be held by every connection");
}
