//! What a node knows of columns: shards that can give nothing are not read, and a commit is never overlooked.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{COLUMNS, Served, fragment, inserts, market, products};
use souk_merge::{Collation, MergeSpec, SortKey, StateKind, Value};
use souk_proto::v1;
use tempfile::TempDir;

const SHARDS: u64 = 12;

/// So often a column of few rows is asked for before there is a summary.
const ASKS: usize = 4;

fn column(column: &str) -> v1::StoredColumn {
    v1::StoredColumn { table: "products".into(), column: column.into() }
}

fn at_least(name: &str, bound: &Value) -> v1::Need {
    v1::Need { column: Some(column(name)), test: Some(v1::need::Test::AtLeast(bound.into())), of_lead: false }
}

/// How many products have such a price, with one group even of none.
fn counted(price: i64) -> v1::RunFragmentRequest {
    let price = Value::Integer(price);
    let sql = "SELECT count(*) FROM products WHERE price >= ?1";
    v1::RunFragmentRequest {
        parameters: vec![(&price).into()],
        needs: vec![at_least("price", &price)],
        ..fragment(1..=SHARDS, sql, MergeSpec::Groups { keys: vec![], states: vec![StateKind::Count] })
    }
}

async fn ask(served: &mut Served, request: v1::RunFragmentRequest) -> (Vec<Vec<Value>>, u32) {
    let answer = served.ask(request).await.unwrap();
    let summary = answer.summary.unwrap();
    assert_eq!(u64::from(summary.answered), SHARDS);
    (answer.rows, summary.skipped)
}

async fn write(served: &mut Served, shard: u64, id: i64, price: i64) {
    let mut row = products(shard, 1);
    (row[0][1], row[0][3]) = (Value::Integer(id), Value::Integer(price));
    assert_eq!(served.insert(vec![inserts(shard, "products", &COLUMNS, &row)]).await.inserted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_is_left_out_until_it_commits() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, SHARDS, 20).await;
    let dear = 1_000_000_000;
    for _ in 1..ASKS {
        ask(&mut served, counted(dear)).await;
    }
    let none = vec![vec![Value::Integer(0)]];
    assert_eq!(ask(&mut served, counted(dear)).await, (none.clone(), SHARDS as u32));
    write(&mut served, 5, 1000, dear).await;
    assert_eq!(ask(&mut served, counted(dear)).await, (vec![vec![Value::Integer(1)]], SHARDS as u32 - 1));
    for _ in 0..ASKS {
        assert_eq!(ask(&mut served, counted(dear)).await.0, vec![vec![Value::Integer(1)]]);
    }
    assert_eq!(ask(&mut served, counted(dear + 1)).await, (none, SHARDS as u32));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_best_comes_behind_is_left_out() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, SHARDS, 20).await;
    let key = SortKey { column: 0, descending: true, nulls_last: true, collation: Collation::Binary };
    let merge = MergeSpec::Rows { order: vec![key], limit: Some(2) };
    let sql = "SELECT price, id FROM products ORDER BY price DESC LIMIT 2";
    let first = v1::RunFragmentRequest { lead: Some(column("price")), ..fragment(1..=SHARDS, sql, merge) };
    for (id, price) in [(1000, 2_000_000_000), (1001, 1_000_000_000)] {
        write(&mut served, 1, id, price).await;
    }
    let dearest = [[2_000_000_000, 1000], [1_000_000_000, 1001]].map(|row| row.map(Value::Integer).to_vec());
    let mut skipped = 0;
    for _ in 0..=ASKS {
        let (rows, left_out) = ask(&mut served, first.clone()).await;
        assert_eq!(rows, dearest);
        skipped = left_out;
    }
    assert_eq!(skipped, SHARDS as u32 - 1, "the shard that has both is read first");
    write(&mut served, 12, 1000, 3_000_000_000).await;
    let (rows, skipped) = ask(&mut served, first).await;
    assert_eq!(rows, [vec![Value::Integer(3_000_000_000), Value::Integer(1000)], dearest[0].clone()]);
    assert_eq!(skipped, SHARDS as u32 - 2, "and the one of which nothing is known any more");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_best_beside_a_value_comes_behind_is_left_out() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, SHARDS, 20).await;
    let key = SortKey { column: 0, descending: true, nulls_last: true, collation: Collation::Binary };
    let merge = MergeSpec::Rows { order: vec![key], limit: Some(1) };
    let sql = "SELECT price, vendor_id FROM products WHERE id = 7 ORDER BY price DESC LIMIT 1";
    let among = v1::need::Test::Among(v1::Values { values: vec![(&Value::Integer(7)).into()] });
    let seventh = |of_lead| v1::Need { column: Some(column("id")), test: Some(among.clone()), of_lead };
    let dearest = |of_lead| v1::RunFragmentRequest {
        lead: Some(column("price")),
        needs: vec![seventh(of_lead)],
        ..fragment(1..=SHARDS, sql, merge.clone())
    };
    // What is dear everywhere is not what is asked for.
    for shard in 1..=SHARDS {
        write(&mut served, shard, 1000, 2_000_000_000).await;
    }
    let mut skipped = [0, 0];
    for (of_lead, skipped) in [false, true].into_iter().zip(&mut skipped) {
        for _ in 0..=ASKS {
            let (rows, left_out) = ask(&mut served, dearest(of_lead)).await;
            assert_eq!(rows.len(), 1);
            *skipped = left_out;
        }
    }
    assert_eq!(skipped[0], 0, "the dearest of each shard comes before all");
    assert!(skipped[1] >= SHARDS as u32 - 2, "only {} were left out", skipped[1]);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_need_of_a_column_that_is_not_there_leaves_nothing_out() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, SHARDS, 20).await;
    let merge = MergeSpec::Rows { order: vec![], limit: None };
    let mut request = fragment(1..=SHARDS, "SELECT id FROM products", merge);
    request.needs = vec![at_least("no_such_column", &Value::Integer(1))];
    for _ in 0..2 * ASKS {
        let (rows, skipped) = ask(&mut served, request.clone()).await;
        assert_eq!((rows.len(), skipped), (20 * SHARDS as usize, 0));
    }
    served.stop().await;
}
