//! Calls that end before they are done: cancelled, out of time, too large, or because the node stops.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{all, fragment, market, refusal};
use souk_merge::{Collation, MergeSpec, SortKey, StateKind, Value};
use souk_proto::{Reason, v1::shard_service_client::ShardServiceClient};
use tempfile::TempDir;

const BOMB: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n";
const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x, 'padding' FROM n";

fn merges() -> Vec<MergeSpec> {
    let order = vec![SortKey { column: 0, descending: false, nulls_last: false, collation: Collation::Binary }];
    vec![
        all(),
        MergeSpec::Rows { order: vec![], limit: Some(5) },
        MergeSpec::Rows { order: order.clone(), limit: Some(5) },
        MergeSpec::Rows { order, limit: None },
        MergeSpec::Groups { keys: vec![], states: vec![StateKind::Count] },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_stops_a_bomb_under_every_merge() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 6, 5).await;
    for merge in merges() {
        for failure_mode in [0, 1] {
            let mut ask = fragment(1..=6, BOMB, merge.clone());
            ask.deadline_ms = 50;
            ask.failure_mode = failure_mode;
            assert_eq!(served.refusal(ask).await.0, Reason::Deadline, "{merge:?}");
        }
    }
    let mut ask = fragment([1], "SELECT 1", all());
    ask.deadline_ms = 0;
    assert_eq!(served.refusal(ask).await.0, Reason::Deadline);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_call_frees_the_threads() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 6, 5).await;
    for merge in merges() {
        // More bombs than threads: were one left behind, the count below would run out of time.
        for _ in 0..4 {
            let mut ask = fragment(1..=6, BOMB, merge.clone());
            ask.deadline_ms = 3_600_000;
            let given = tokio::time::timeout(Duration::from_millis(20), served.stream(ask)).await;
            assert!(given.is_err(), "a bomb gives nothing");
        }
        let mut ask = fragment(1..=6, "SELECT COUNT(*) FROM products", all());
        ask.deadline_ms = 20_000;
        assert_eq!(served.rows(ask).await.len(), 6);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_run_long_hold_up_nobody() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 12, 5).await;
    // Many more than there are cores, and of every kind.
    let bombs = merges().into_iter().cycle().take(20).map(|merge| {
        let address = served.address.clone();
        tokio::spawn(async move {
            let mut ask = fragment(1..=12, BOMB, merge);
            ask.deadline_ms = 3_600_000;
            ShardServiceClient::connect(address).await.unwrap().run_fragment(ask).await.map(drop)
        })
    });
    let bombs: Vec<_> = bombs.collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    for merge in merges() {
        let mut ask = fragment(1..=12, "SELECT COUNT(*) FROM products ORDER BY 1", merge.clone());
        ask.deadline_ms = 60_000;
        assert!(!served.rows(ask).await.is_empty(), "{merge:?}");
    }
    assert!(bombs.iter().all(|bomb| !bomb.is_finished()), "the others still run");
    bombs.iter().for_each(|bomb| bomb.abort());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_up_nobody_and_little_memory() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 6, 5).await;
    let before = served.describe().await.memory_bytes;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let mut ask = fragment(1..=6, ENDLESS, all());
        ask.bytes_max = u64::MAX;
        // A connection each: on one, what is not read would fill the window that all its streams share.
        let mut other = ShardServiceClient::connect(served.address.clone()).await.unwrap();
        stalled.push(other.run_fragment(ask).await.unwrap().into_inner());
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(served.rows(fragment(1..=6, "SELECT COUNT(*) FROM products", all())).await.len(), 6);
    let grown = served.describe().await.memory_bytes.saturating_sub(before);
    assert!(grown < 400 << 20, "{grown} bytes for 4 clients that do not read");
    // They are served as soon as they read.
    let first = stalled[0].message().await.unwrap().unwrap();
    assert!(first.part.is_some());
    drop(stalled);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_bytes_than_allowed_end_the_call() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 3, 5).await;
    let wide = "SELECT id, hex(zeroblob(50000)) FROM products ORDER BY id";
    let order = vec![SortKey { column: 0, descending: false, nulls_last: false, collation: Collation::Binary }];
    let groups = MergeSpec::Groups { keys: vec![Collation::Binary; 2], states: vec![] };
    let merges = [
        all(),
        MergeSpec::Rows { order: vec![], limit: Some(15) },
        MergeSpec::Rows { order: order.clone(), limit: Some(15) },
        MergeSpec::Rows { order, limit: None },
        groups,
    ];
    for merge in merges {
        for failure_mode in [0, 1] {
            let mut ask = fragment(1..=3, wide, merge.clone());
            ask.failure_mode = failure_mode;
            ask.bytes_max = 150_000;
            let (reason, message) = served.refusal(ask.clone()).await;
            assert_eq!(reason, Reason::TooLarge, "{merge:?}: {message}");
            assert!(message.contains("`150000` bytes"), "{message}");
            ask.bytes_max = 100_000_000;
            assert!(served.ask(ask).await.is_ok());
        }
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_not_in_the_promised_order_are_noticed() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 3, 5).await;
    let order = vec![SortKey { column: 0, descending: true, nulls_last: false, collation: Collation::Binary }];
    let ask = fragment(1..=3, "SELECT id FROM products ORDER BY id", MergeSpec::Rows { order, limit: None });
    let (reason, message) = served.refusal(ask).await;
    assert_eq!(reason, Reason::InvalidArgument);
    assert!(message.contains("not in the order"), "{message}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_ends_what_runs() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 3, 5).await;
    let endless = served.stream(fragment(1..=3, ENDLESS, all())).await;
    let mut other = ShardServiceClient::connect(served.address.clone()).await.unwrap();
    let ended = tokio::spawn(async move { other.run_fragment(fragment(1..=3, BOMB, all())).await.map(drop) });
    tokio::time::sleep(Duration::from_millis(200)).await;
    served.stop().await;
    let (reason, _) = refusal(ended.await.unwrap().unwrap_err());
    assert_eq!(reason, Reason::ShardUnavailable);
    drop(endless);
    // Closed and checkpointed: no log is left.
    let left = common::files(data.path());
    assert!(left.keys().all(|path| !path.to_string_lossy().ends_with("-wal")), "{:?}", left.keys());
    let file = rusqlite::Connection::open(common::shard_file(data.path(), 1)).unwrap();
    let count: i64 = file.query_row("SELECT COUNT(*) FROM products", [], |row| row.get(0)).unwrap();
    assert_eq!(Value::Integer(count), Value::Integer(5));
}
