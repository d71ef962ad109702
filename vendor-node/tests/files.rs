//! Files that are not what they must be are refused by name, and never made anew.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::{fs, path::PathBuf};

use common::{SCHEMA, all, files, fragment, inserts, market, products, refusal, serve, settings, shard_file};
use rusqlite::Connection;
use souk_merge::{Collation, MergeSpec, SortKey, Value};
use souk_proto::Reason;
use souk_vendor_node::NodeError;
use tempfile::TempDir;

const COUNT: &str = "SELECT COUNT(*) FROM products";

/// Damages shard 2 of three while the node is down; then asks it alone, and all three with and without partial answers.
async fn check_damage(damage: impl FnOnce(PathBuf), words: &str) {
    let data = TempDir::new().unwrap();
    let (served, _) = market(&data, 3, 50).await;
    served.stop().await;
    let file = shard_file(data.path(), 2);
    damage(file.clone());
    let existed = file.exists();

    let mut served = serve(settings(data.path())).await;
    for shards in [vec![2], vec![1, 2, 3]] {
        let (reason, message) = served.refusal(fragment(shards, COUNT, all())).await;
        assert_eq!(reason, Reason::ShardDamaged, "{message}");
        let file = fs::canonicalize(data.path()).unwrap().join("shards/02/2.db");
        for part in ["shard 2 on node `n1`", file.to_str().unwrap(), words] {
            assert!(message.contains(part), "`{message}` lacks `{part}`");
        }
    }
    let mut ask = fragment([1, 2, 3], COUNT, all());
    ask.failure_mode = 1;
    let answer = served.ask(ask).await.unwrap();
    let summary = answer.summary.unwrap();
    assert_eq!(answer.rows.len(), 2);
    assert_eq!(summary.answered, 2);
    assert_eq!((summary.failed[0].shard, summary.failed[0].reason.as_str()), (2, "SHARD_DAMAGED"));

    let written = served.insert(vec![inserts(2, "products", &common::COLUMNS, &products(2, 1))]).await;
    assert_eq!(written.inserted, 0);
    assert_eq!((written.failed[0].shard, written.failed[0].reason.as_str()), (2, "SHARD_DAMAGED"));
    assert_eq!(file.exists(), existed);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_refused() {
    check_damage(|file| fs::remove_file(file).unwrap(), "is missing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_is_refused() {
    check_damage(|file| fs::write(file, b"").unwrap(), "is empty").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_refused() {
    check_damage(|file| fs::write(file, vec![b'x'; 10_000]).unwrap(), "is not a database").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_database_is_refused() {
    let foreign = |file: PathBuf| {
        fs::remove_file(&file).unwrap();
        Connection::open(file).unwrap().execute_batch(SCHEMA).unwrap();
    };
    check_damage(foreign, "is not a souk shard").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_shards_file_is_refused() {
    let other = |file: PathBuf| assert!(fs::copy(file.with_file_name("../03/3.db"), file).unwrap() > 0);
    check_damage(other, "holds shard 3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_lost_pages_is_refused() {
    let truncate = |file: PathBuf| {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_len(file.metadata().unwrap().len() - 4096).unwrap();
    };
    check_damage(truncate, "is damaged").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_lost_half_a_page_is_refused() {
    let truncate = |file: PathBuf| {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_len(file.metadata().unwrap().len() - 2000).unwrap();
    };
    check_damage(truncate, "is truncated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bytes_are_noticed_when_they_are_read() {
    let flip = |file: PathBuf| {
        let mut bytes = fs::read(&file).unwrap();
        bytes[4096..].iter_mut().for_each(|byte| *byte ^= 0xff);
        fs::write(file, bytes).unwrap();
    };
    check_damage(flip, "is damaged").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_fails_half_way_leaves_no_row_behind() {
    let data = TempDir::new().unwrap();
    let mut served = serve(settings(data.path())).await;
    served.create(1..=3, &["CREATE TABLE t(x, y)"]).await;
    // The second shard holds more than is read ahead, the others little.
    let rows = |count: i64| -> Vec<Vec<Value>> {
        (0..count).map(|x| vec![Value::Integer(x), Value::Text(vec![b'y'; 500].into())]).collect()
    };
    let insert = |shard, count| inserts(shard, "t", &["x", "y"], &rows(count));
    served.insert(vec![insert(1, 5), insert(2, 5000), insert(3, 5)]).await;
    served.stop().await;
    let file = shard_file(data.path(), 2);
    let mut bytes = fs::read(&file).unwrap();
    // Behind most rows, and before what SQLite keeps of its own at the end.
    let page = bytes.len() / 4096 * 9 / 10 * 4096;
    bytes[page..page + 4096].fill(0xff);
    fs::write(&file, bytes).unwrap();

    let mut served = serve(settings(data.path())).await;
    let order = vec![SortKey { column: 0, descending: false, nulls_last: false, collation: Collation::Binary }];
    let merges = [
        (all(), 10),
        (MergeSpec::Rows { order: vec![], limit: Some(6000) }, 10),
        (MergeSpec::Rows { order: order.clone(), limit: Some(6000) }, 10),
        (MergeSpec::Rows { order, limit: None }, 10),
        (MergeSpec::Groups { keys: vec![Collation::Binary, Collation::Binary], states: vec![] }, 5),
    ];
    for (merge, count) in merges {
        let mut ask = fragment(1..=3, "SELECT x, y FROM t", merge.clone());
        assert_eq!(served.refusal(ask.clone()).await.0, Reason::ShardDamaged, "{merge:?}");
        ask.failure_mode = 1;
        let answer = served.ask(ask).await.unwrap();
        let summary = answer.summary.unwrap();
        assert_eq!((summary.answered, summary.failed.len(), summary.failed[0].shard), (2, 1, 2), "{merge:?}");
        assert_eq!(answer.rows.len(), count, "{merge:?}");
    }
    // Its first rows are there and are given when no more are wanted.
    let ask = fragment([2], "SELECT x FROM t", MergeSpec::Rows { order: vec![], limit: Some(3) });
    assert_eq!(served.rows(ask).await.len(), 3);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_restored_from_a_backup_serves_again() {
    let data = TempDir::new().unwrap();
    let (served, _) = market(&data, 1, 50).await;
    served.stop().await;
    let file = shard_file(data.path(), 1);
    let backup = data.path().join("backup.db");
    Connection::open(&file).unwrap().execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    fs::rename(backup, &file).unwrap();
    let mut served = serve(settings(data.path())).await;
    assert_eq!(served.rows(fragment([1], COUNT, all())).await, [[Value::Integer(50)]]);
    served.insert(vec![inserts(1, "products", &common::COLUMNS, &products(99, 1))]).await;
    assert_eq!(served.rows(fragment([1], COUNT, all())).await, [[Value::Integer(51)]]);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_not_written_to_a_file_that_was_replaced() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 1, 5).await;
    let file = shard_file(data.path(), 1);
    fs::copy(&file, file.with_extension("copy")).unwrap();
    fs::rename(file.with_extension("copy"), &file).unwrap();
    let written = served.insert(vec![inserts(1, "products", &common::COLUMNS, &products(2, 1))]).await;
    assert_eq!(written.failed[0].reason, "SHARD_DAMAGED");
    assert!(written.failed[0].message.contains("was replaced"), "{}", written.failed[0].message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_serves_one_process_and_one_name() {
    let data = TempDir::new().unwrap();
    let served = serve(settings(data.path())).await;
    let start = async |id: &str| {
        let settings = souk_vendor_node::Settings { id: id.to_owned(), ..settings(data.path()) };
        souk_vendor_node::open(settings).await.map(drop)
    };
    let second = start("n1").await.unwrap_err();
    assert!(matches!(second, NodeError::InUse(_)), "{second}");
    served.stop().await;
    let other = start("n2").await.unwrap_err();
    assert!(matches!(&other, NodeError::OtherNode { owner, .. } if owner == "n1"), "{other}");
    start("n1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_a_shard_twice_keeps_its_rows() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 3, 10).await;
    assert_eq!(served.create(1..=5, &[SCHEMA]).await, 2);
    assert_eq!(served.rows(fragment([1], COUNT, all())).await, [[Value::Integer(10)]]);
    assert_eq!(served.describe().await.shards, [1, 2, 3, 4, 5]);
    let (reason, _) = refusal(served.try_create([7, 7], &[SCHEMA]).await.unwrap_err());
    assert_eq!(reason, Reason::InvalidArgument);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_is_whole_and_alone() {
    let data = TempDir::new().unwrap();
    let mut served = serve(settings(data.path())).await;
    served.create([1, 257, u64::MAX], &[SCHEMA]).await;
    let names: Vec<String> = files(&data.path().join("shards")).keys().map(|path| path.display().to_string()).collect();
    assert_eq!(names, ["01/1.db", "01/257.db", "ff/18446744073709551615.db"]);
    let file = Connection::open(shard_file(data.path(), u64::MAX)).unwrap();
    let value = |sql: &str| file.query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
    assert_eq!(value("PRAGMA journal_mode"), "wal".to_owned().into());
    assert_eq!(value("PRAGMA application_id"), 0x736f_756b_i64.into());
    assert_eq!(value("PRAGMA integrity_check"), "ok".to_owned().into());
    drop(file);
    assert_eq!(served.rows(fragment([u64::MAX], COUNT, all())).await, [[Value::Integer(0)]]);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_input_gives_the_same_bytes() {
    let write = async |data: &TempDir, threads: usize| {
        let settings = souk_vendor_node::Settings { threads, ..settings(data.path()) };
        let mut served = serve(settings).await;
        served.create(1..=20, &[SCHEMA]).await;
        for round in 0..5 {
            let rows = |shard| products(shard * 100 + round, 40);
            let all = (1..=20).map(|shard| inserts(shard, "products", &common::COLUMNS, &rows(shard))).collect();
            served.insert(all).await;
            served.rows(fragment(1..=20, COUNT, all_rows())).await;
        }
        served.apply(&[SCHEMA, "ALTER TABLE products ADD COLUMN extra DEFAULT 'x'"]).await.unwrap();
        served.stop().await;
    };
    let [one, other] = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    write(&one, 1).await;
    write(&other, 4).await;
    let [one, other] = [files(one.path()), files(other.path())];
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    assert!(one.keys().filter(|path| path.extension().is_some_and(|end| end == "db")).count() == 21);
    for (path, bytes) in &one {
        assert!(bytes == &other[path], "{} differs", path.display());
    }
}

fn all_rows() -> souk_merge::MergeSpec {
    all()
}
