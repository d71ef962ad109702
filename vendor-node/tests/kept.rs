//! What a node keeps of its answers: given again while shards stand still, never out of date, and bounded.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use common::{COLUMNS, Served, all, batch_of, fragment, inserts, market, products, serve, settings, shard_file};
use souk_merge::{Collation, MergeSpec, SortKey, StateKind, Value};
use souk_proto::v1;
use souk_vendor_node::Settings;
use tempfile::TempDir;

const SHARDS: u64 = 12;

fn asked(sql: &str, merge: MergeSpec) -> v1::RunFragmentRequest {
    v1::RunFragmentRequest { keep: true, ..fragment(1..=SHARDS, sql, merge) }
}

fn counted() -> v1::RunFragmentRequest {
    let merge = MergeSpec::Groups { keys: vec![Collation::Binary], states: vec![StateKind::Count] };
    asked("SELECT vendor_id, count(*) FROM products GROUP BY 1", merge)
}

fn first() -> v1::RunFragmentRequest {
    let key = |column, descending| SortKey { column, descending, nulls_last: false, collation: Collation::Binary };
    let merge = MergeSpec::Rows { order: vec![key(0, true), key(1, false), key(2, false)], limit: Some(5) };
    asked("SELECT price, vendor_id, id FROM products ORDER BY 1 DESC, 2, 3 LIMIT 5", merge)
}

/// The rows, and how many shards were not read for them.
async fn rows(served: &mut Served, ask: v1::RunFragmentRequest) -> (Vec<Vec<Value>>, u32) {
    let answer = served.ask(ask).await.unwrap();
    let summary = answer.summary.unwrap();
    assert_eq!(summary.answered as u64, SHARDS);
    (answer.rows, summary.kept)
}

async fn write(served: &mut Served, shard: u64, id: i64) -> Vec<Vec<Value>> {
    let mut row = products(shard, 1);
    row[0][1] = Value::Integer(id);
    assert_eq!(served.insert(vec![inserts(shard, "products", &COLUMNS, &row)]).await.inserted, 1);
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn only_shards_that_have_committed_are_read_again() {
    let data = TempDir::new().unwrap();
    let (mut served, oracle) = market(&data, SHARDS, 20).await;
    let everything = asked("SELECT vendor_id, id FROM products ORDER BY 1, 2", all());
    for (number, expected) in [0, 12, 12].into_iter().enumerate() {
        assert_eq!(rows(&mut served, counted()).await.1, expected, "{number}");
        assert_eq!(rows(&mut served, first()).await.1, expected, "{number}");
        assert_eq!(rows(&mut served, everything.clone()).await.1, expected, "{number}");
    }
    for (number, expected) in [(1, 0), (2, 11), (3, 11), (4, 11)] {
        let row = write(&mut served, number, 1000 + number as i64).await;
        oracle.insert("products", &COLUMNS, &row);
        let (given, kept) = rows(&mut served, counted()).await;
        assert_eq!((given, kept), (oracle.rows("SELECT vendor_id, count(*) FROM products GROUP BY 1"), expected));
        let (given, kept) = rows(&mut served, first()).await;
        let sorted = "SELECT price, vendor_id, id FROM products ORDER BY 1 DESC, 2, 3 LIMIT 5";
        assert_eq!((given, kept), (oracle.rows(sorted), expected));
        let (given, kept) = rows(&mut served, everything.clone()).await;
        assert_eq!(
            (given, kept),
            (oracle.rows("SELECT vendor_id, id FROM products ORDER BY 1, 2"), 0),
            "all rows are read anew"
        );
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_otherwise_is_another_question() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, SHARDS, 5).await;
    let asks = [
        counted(),
        first(),
        v1::RunFragmentRequest { sql: "SELECT vendor_id + 1, count(*) FROM products GROUP BY 1".into(), ..counted() },
        v1::RunFragmentRequest { shards: (1..=SHARDS).rev().collect(), ..counted() },
        v1::RunFragmentRequest { parameters: vec![(&Value::Integer(1)).into()], ..counted() },
        v1::RunFragmentRequest { parameters: vec![(&Value::text("1")).into()], ..counted() },
        v1::RunFragmentRequest {
            merge: Some((&MergeSpec::Groups { keys: vec![Collation::NoCase], states: vec![StateKind::Count] }).into()),
            ..counted()
        },
    ];
    for kept in [0, 12] {
        for ask in &asks {
            assert_eq!(rows(&mut served, ask.clone()).await.1, kept, "{ask:?}");
        }
    }
    let unkept = v1::RunFragmentRequest { keep: false, ..counted() };
    assert_eq!(rows(&mut served, unkept).await.1, 0);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_shard_answers_and_a_node_that_keeps_nothing_reads() {
    let data = TempDir::new().unwrap();
    let (served, _) = market(&data, SHARDS, 20).await;
    served.stop().await;
    let mut served = serve(Settings { open_shards_max: Some(2), ..settings(data.path()) }).await;
    let (given, _) = rows(&mut served, counted()).await;
    // Of the closed shards nothing but the counter is looked at: their files need not even be there.
    (1..=SHARDS).for_each(|shard| {
        std::fs::rename(shard_file(data.path(), shard), data.path().join(shard.to_string())).unwrap()
    });
    assert_eq!(rows(&mut served, counted()).await, (given, 12));
    (1..=SHARDS).for_each(|shard| {
        std::fs::rename(data.path().join(shard.to_string()), shard_file(data.path(), shard)).unwrap()
    });
    served.stop().await;
    let mut served = serve(Settings { kept_bytes_max: 0, ..settings(data.path()) }).await;
    for _ in 0..3 {
        assert_eq!(rows(&mut served, counted()).await.1, 0);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_bounded_in_bytes() {
    let data = TempDir::new().unwrap();
    let (served, _) = market(&data, SHARDS, 50).await;
    served.stop().await;
    const MAX: u64 = 100 << 10;
    let mut served = serve(Settings { kept_bytes_max: MAX, ..settings(data.path()) }).await;
    let large = asked("SELECT *, hex(randomblob(100)) FROM products", all());
    for _ in 0..3 {
        assert_eq!(rows(&mut served, large.clone()).await.1, 0, "one answer takes no more than its share");
    }
    for number in 0..500 {
        let sql = format!("SELECT id, {number} FROM products WHERE id < 10 ORDER BY 1");
        rows(&mut served, asked(&sql, all())).await;
    }
    let kept = served.describe().await.kept_bytes;
    assert!(kept > 0 && kept <= MAX, "{kept} bytes");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_that_give_more_than_may_be_kept_are_read_anew() {
    let data = TempDir::new().unwrap();
    let (served, oracle) = market(&data, SHARDS, 60).await;
    served.stop().await;
    // Room for the sixty groups of all shards together, and not for sixty of each.
    let mut served = serve(Settings { kept_bytes_max: 80 << 10, ..settings(data.path()) }).await;
    let merge = MergeSpec::Groups { keys: vec![Collation::Binary], states: vec![StateKind::Count] };
    let ask = asked("SELECT id, count(*) FROM products GROUP BY 1", merge);
    for number in 0..4 {
        let row = write(&mut served, 3, 1000 + number).await;
        oracle.insert("products", &COLUMNS, &row);
        for kept in [0, 12] {
            let given = rows(&mut served, ask.clone()).await;
            assert_eq!(given, (oracle.rows("SELECT id, count(*) FROM products GROUP BY 1 ORDER BY min(rowid)"), kept));
        }
    }
    served.stop().await;
}

/// Everybody asks the same and writes rows of a shard of its own: what one has written must be in the answer that it gets next.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_row_that_was_acknowledged_is_in_every_later_answer() {
    let data = TempDir::new().unwrap();
    let (served, _) = market(&data, SHARDS, 1).await;
    let served = Arc::new(served);
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (mut client, done) = (served.client.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let mut answer = client.run_fragment(counted()).await.unwrap().into_inner();
                while answer.message().await.unwrap().is_some() {}
            }
        })
    };
    let writers = (1..=4).map(|shard| {
        let client = served.client.clone();
        tokio::spawn(async move {
            for id in 1..=60 {
                add_and_count(client.clone(), shard, id).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    reader.await.unwrap();
    Arc::into_inner(served).unwrap().stop().await;
}

async fn add_and_count(
    mut client: v1::shard_service_client::ShardServiceClient<tonic::transport::Channel>,
    shard: u64,
    id: i64,
) {
    let mut row = products(shard, 1);
    row[0][1] = Value::Integer(id);
    let shards = vec![inserts(shard, "products", &COLUMNS, &row)];
    let request = v1::InsertRowsRequest { shards, schema_version: 1, keep_going: false };
    assert_eq!(client.insert_rows(request).await.unwrap().into_inner().inserted, 1);
    let mut answer = client.run_fragment(counted()).await.unwrap().into_inner();
    let mut counts = Vec::new();
    while let Some(mut part) = answer.message().await.unwrap() {
        if let Some(batch) = batch_of(&mut part) {
            counts.extend(souk_merge::Batch::try_from(batch).unwrap().into_rows());
        }
    }
    let wanted = vec![Value::Integer(shard as i64), Value::Integer(1 + id)];
    assert!(counts.contains(&wanted), "{wanted:?} is missing in {counts:?}");
}
