//! Every kind of merge gives what one plain SQLite with all the rows gives.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Oracle, Served, all, fragment, market};
use souk_merge::{Collation, Finish, Groups, MergeSpec, SortKey, StateKind, Value};
use tempfile::TempDir;

const SHARDS: u64 = 30;

fn key(column: usize, descending: bool, nulls_last: bool, collation: Collation) -> SortKey {
    SortKey { column, descending, nulls_last, collation }
}

async fn check(served: &mut Served, oracle: &Oracle, sql: &str, merge: MergeSpec) {
    let given = served.rows(fragment(1..=SHARDS, sql, merge)).await;
    assert_eq!(given, oracle.rows(sql), "{sql}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_merge_as_in_one_database() {
    let data = TempDir::new().unwrap();
    let (mut served, oracle) = market(&data, SHARDS, 100).await;

    // Concatenated in shard order, which is the order of the oracle's rowids.
    let everything = "SELECT * FROM products ORDER BY vendor_id, id";
    check(&mut served, &oracle, everything, all()).await;
    for limit in [0, 1, 99, 100, 101, 2999, 3000, 5000] {
        let sql = format!("{everything} LIMIT {limit}");
        check(&mut served, &oracle, &sql, MergeSpec::Rows { order: vec![], limit: Some(limit) }).await;
    }

    let by_rating = vec![
        key(4, true, true, Collation::Binary),
        key(0, false, false, Collation::Binary),
        key(1, false, false, Collation::Binary),
    ];
    let by_name = vec![
        key(5, false, false, Collation::NoCase),
        key(3, true, false, Collation::Binary),
        key(0, false, false, Collation::Binary),
        key(1, false, false, Collation::Binary),
    ];
    let by_rating_sql = "SELECT * FROM products WHERE category = 'spices' ORDER BY rating DESC, vendor_id, id";
    let by_name_sql = "SELECT * FROM products ORDER BY name, price DESC, vendor_id, id";
    for (sql, order) in [(by_rating_sql, by_rating), (by_name_sql, by_name)] {
        check(&mut served, &oracle, sql, MergeSpec::Rows { order: order.clone(), limit: None }).await;
        for limit in [0, 1, 10, 777, 9999] {
            let sql = format!("{sql} LIMIT {limit}");
            check(&mut served, &oracle, &sql, MergeSpec::Rows { order: order.clone(), limit: Some(limit) }).await;
        }
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ties_follow_the_order_of_the_shards_asked() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, SHARDS, 10).await;
    let order = vec![key(0, false, false, Collation::Binary)];
    for limit in [None, Some(7)] {
        let merge = MergeSpec::Rows { order: order.clone(), limit };
        let asked: Vec<u64> = (1..=SHARDS).rev().collect();
        let ask = fragment(asked.clone(), "SELECT 1, vendor_id FROM products WHERE id = 0", merge);
        let given = served.rows(ask).await;
        let wanted = asked.iter().map(|shard| vec![Value::Integer(1), Value::Integer(*shard as i64)]);
        assert_eq!(given, wanted.take(limit.unwrap_or(SHARDS) as usize).collect::<Vec<_>>());
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_merge_as_in_one_database() {
    let data = TempDir::new().unwrap();
    let (mut served, oracle) = market(&data, SHARDS, 100).await;
    let keys = vec![Collation::NoCase];
    let states = vec![
        StateKind::Count,
        StateKind::Sum,
        StateKind::Sum,
        StateKind::Minimum(Collation::Binary),
        StateKind::Maximum(Collation::NoCase),
        StateKind::Set(Collation::Binary),
    ];
    let finishes = [Finish::Value, Finish::Sum, Finish::Average, Finish::Value, Finish::Value, Finish::Count];
    let partial = "SELECT category COLLATE NOCASE, COUNT(*), souk_sum(price), souk_sum(price), MIN(rating), MAX(name),
                   souk_set(DISTINCT id % 7) FROM products GROUP BY 1";
    let whole = "SELECT category COLLATE NOCASE, COUNT(*), SUM(price), AVG(price), MIN(rating), MAX(name),
                 COUNT(DISTINCT id % 7) FROM products GROUP BY 1 ORDER BY 1";
    let merge = MergeSpec::Groups { keys: keys.clone(), states: states.clone() };
    let given = served.rows(fragment(1..=SHARDS, partial, merge)).await;
    let mut groups = Groups::new(keys, states);
    given.iter().for_each(|row| groups.fold_row(row.iter().map(Value::as_ref)).unwrap());
    let mut given = groups.finish(&finishes).unwrap().into_rows();
    given.sort_by(|a, b| souk_merge::compare_values(a[0].as_ref(), b[0].as_ref(), Collation::NoCase));
    // MAX(name) under NOCASE may be any of its spellings.
    let fold =
        |rows: Vec<Vec<Value>>| -> Vec<String> { rows.iter().map(|row| format!("{row:?}").to_lowercase()).collect() };
    let unspell = |rows: Vec<Vec<Value>>| -> Vec<Vec<Value>> {
        let lower = |value: Value| match value {
            Value::Text(bytes) => Value::Text(bytes.to_ascii_lowercase().into()),
            other => other,
        };
        rows.into_iter().map(|row| row.into_iter().map(lower).collect()).collect()
    };
    assert_eq!(fold(unspell(given)), fold(unspell(oracle.rows(whole))));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_keys_give_one_group_even_over_no_shards() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 2, 5).await;
    let merge = MergeSpec::Groups { keys: vec![], states: vec![StateKind::Count] };
    let count = |shards: Vec<u64>| fragment(shards, "SELECT COUNT(*) FROM products", merge.clone());
    assert_eq!(served.rows(count(vec![])).await, [[Value::Integer(0)]]);
    assert_eq!(served.rows(count(vec![2])).await, [[Value::Integer(5)]]);
    assert_eq!(served.rows(count(vec![1, 2])).await, [[Value::Integer(10)]]);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_come_in_the_order_of_first_appearance() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, SHARDS, 1).await;
    let merge = MergeSpec::Groups { keys: vec![Collation::Binary], states: vec![StateKind::Count] };
    let asked: Vec<u64> = (1..=SHARDS).map(|shard| shard * 7 % 31).collect();
    let sql = "SELECT vendor_id % 11, COUNT(*) FROM products GROUP BY 1";
    let given = served.rows(fragment(asked.clone(), sql, merge)).await;
    let mut wanted: Vec<Value> = Vec::new();
    for shard in asked {
        let value = Value::Integer(shard as i64 % 11);
        if !wanted.contains(&value) {
            wanted.push(value);
        }
    }
    assert_eq!(given.into_iter().map(|row| row[0].clone()).collect::<Vec<_>>(), wanted);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_stream_comes_in_bounded_batches() {
    let data = TempDir::new().unwrap();
    let (mut served, oracle) = market(&data, 3, 1000).await;
    // 3 x 50,000 rows of about 110 bytes: far more than is read ahead.
    let sql = "SELECT p.id, q.value, printf('%.80c', 'x') FROM products p, json_each('[1,2,3,4,5,6,7,8,9,10,
               1,2,3,4,5,6,7,8,9,10,1,2,3,4,5,6,7,8,9,10,1,2,3,4,5,6,7,8,9,10,1,2,3,4,5,6,7,8,9,10]') q
               ORDER BY p.vendor_id, p.id, q.key";
    for partial in [0, 1] {
        let mut ask = fragment(1..=3, sql, all());
        ask.failure_mode = partial;
        let answer = served.ask(ask).await.unwrap();
        assert_eq!(answer.rows, oracle.rows(sql));
        assert!(answer.batches.len() > 10);
        assert!(answer.batches.iter().all(|(rows, bytes)| *rows <= 4096 && *bytes < (1 << 20) + 1000));
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_travel_exactly() {
    let data = TempDir::new().unwrap();
    let mut served = common::serve(common::settings(data.path())).await;
    served.create([1], &["CREATE TABLE t(v)"]).await;
    let values: Vec<Vec<Value>> = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Real(f64::INFINITY),
        Value::Real(5e-324),
        Value::Text([0xff, 0, b'a'][..].into()),
        Value::Text([][..].into()),
        Value::Blob([][..].into()),
        Value::Blob([0, 1, 255][..].into()),
    ]
    .map(|value| vec![value])
    .into();
    served.insert(vec![common::inserts(1, "t", &["v"], &values)]).await;
    assert_eq!(served.rows(fragment([1], "SELECT v FROM t ORDER BY rowid", all())).await, values);
    let mut ask = fragment([1], "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8", all());
    ask.parameters = values.iter().map(|row| (&row[0]).into()).collect();
    let bound: Vec<Value> = values.into_iter().flatten().collect();
    assert_eq!(served.rows(ask).await, [bound]);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_are_measured_only_when_that_is_asked_for() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, SHARDS, 40).await;
    let states = MergeSpec::Groups { keys: vec![], states: vec![StateKind::Count] };
    let merges = [
        ("SELECT id FROM products", all(), 40),
        ("SELECT id FROM products ORDER BY id", MergeSpec::Rows { order: vec![by_id()], limit: None }, 40),
        ("SELECT id FROM products ORDER BY id LIMIT 5", MergeSpec::Rows { order: vec![by_id()], limit: Some(5) }, 5),
        ("SELECT count(*) FROM products", states, 1),
    ];
    for (sql, merge, rows) in merges {
        // The first rows of an order are read no further than a row that cannot be among them.
        let least = if matches!(merge, MergeSpec::Rows { limit: Some(_), .. }) { 1 } else { rows };
        let ask = fragment(1..=SHARDS, sql, merge);
        let unmeasured = served.ask(ask.clone()).await.unwrap().summary.unwrap();
        assert_eq!(unmeasured.slowest, [], "{sql}");
        let measured = served.ask(souk_proto::v1::RunFragmentRequest { slowest_max: 3, ..ask.clone() }).await.unwrap();
        let summary = measured.summary.unwrap();
        assert_eq!(summary.slowest.len(), 3, "{sql}");
        assert!(summary.slowest.is_sorted_by(|a, b| a.elapsed_us >= b.elapsed_us), "{sql}: {:?}", summary.slowest);
        let fits = |time: &souk_proto::v1::ShardTime| time.node == "n1" && (least..=rows).contains(&time.rows);
        assert!(summary.slowest.iter().all(fits), "{:?}", summary.slowest);
        let all = souk_proto::v1::RunFragmentRequest { slowest_max: 1000, ..ask };
        let mut shards: Vec<u64> =
            served.ask(all).await.unwrap().summary.unwrap().slowest.iter().map(|time| time.shard).collect();
        shards.sort_unstable();
        assert_eq!(shards, (1..=SHARDS).collect::<Vec<_>>(), "{sql}");
    }
    served.stop().await;
}

fn by_id() -> SortKey {
    key(0, false, false, Collation::Binary)
}
