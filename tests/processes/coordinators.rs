//! Two coordinators of one folder: each knows at once what the other did, nothing is done twice, and what one leaves the other ends.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use souk_proto::Reason;
use tokio::time::{Instant, sleep};

use crate::{
    client::{Client, Refusal, integers},
    cluster::Cluster,
};

/// How long what is left by one may take until the other has ended it.
const SETTLE_MAX: Duration = Duration::from_secs(60);

const NUMBERED: &str =
    "CREATE TABLE t(vendor_id INTEGER NOT NULL, id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER) SHARD KEY (vendor_id)";

fn two() -> (Cluster, [Client; 2]) {
    let mut cluster = Cluster::start(2);
    let clients = [cluster.client.clone(), cluster.start_second()];
    (cluster, clients)
}

async fn rows(client: &Client, sql: &str) -> Vec<Vec<i64>> {
    client.query(sql).await.unwrap().rows.iter().map(|row| integers(row)).collect()
}

/// Executes it until the other coordinator's changes are not in the way.
async fn patiently(client: &Client, sql: &str) -> Result<(), Refusal> {
    loop {
        match client.execute(sql).await {
            Ok(_) => return Ok(()),
            Err((Reason::Overloaded | Reason::SchemaMismatch, _)) => sleep(Duration::from_millis(5)).await,
            Err(refusal) => return Err(refusal),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_does_the_other_knows() {
    let (_cluster, clients) = two();
    for (round, vendor) in (1..=40).enumerate() {
        let (one, other) = (&clients[round % 2], &clients[1 - round % 2]);
        if round % 10 == 0 {
            one.execute(&format!("CREATE TABLE t{round}(vendor_id INTEGER, n INTEGER) SHARD KEY (vendor_id)"))
                .await
                .unwrap();
        }
        // The table that the other made, a vendor that it does not know, and what it is to see of that.
        let table = format!("t{}", round - round % 10);
        other.execute(&format!("INSERT INTO {table} VALUES ({vendor}, {round})")).await.unwrap();
        let all = format!("SELECT count(*), max(n) FROM {table}");
        assert_eq!(rows(one, &all).await, [[round as i64 % 10 + 1, round as i64]]);
        assert_eq!(rows(one, &format!("SELECT n FROM {table} WHERE vendor_id = {vendor}")).await, [[round as i64]]);
        assert_eq!(rows(other, &all).await, rows(one, &all).await);
    }
    let [one, other] = [clients[0].status().await, clients[1].status().await];
    assert_eq!(
        (one.shards, one.topology_epoch, one.schema_version),
        (other.shards, other.topology_epoch, other.schema_version)
    );
    assert_eq!(one.shards, 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_numbered_once() {
    let (_cluster, clients) = two();
    clients[0].execute(NUMBERED).await.unwrap();
    clients[1].execute("CREATE TABLE u(n INTEGER) REPLICATED").await.unwrap();
    let write = async |client: &Client, number: i64| {
        for round in 0..15 {
            let vendor = 1 + (number * 7 + round) % 12;
            // By the coordinator; by SQLite over whole tables; and what every shard has.
            patiently(
                client,
                &format!("INSERT INTO t(vendor_id, n) VALUES ({vendor}, {number}), ({}, {number})", vendor + 1),
            )
            .await?;
            let whole = format!(
                "INSERT INTO t(vendor_id, n) SELECT vendor_id, {number} FROM t WHERE n = {number} AND vendor_id = {vendor} LIMIT 1"
            );
            patiently(client, &whole).await?;
            patiently(client, &format!("INSERT INTO u VALUES ({number})")).await?;
        }
        Ok::<(), Refusal>(())
    };
    let writers = (0..6).map(|number| write(&clients[number as usize % 2], number));
    for written in join_all(writers).await {
        written.unwrap();
    }
    for client in &clients {
        assert_eq!(rows(client, "SELECT count(*), count(DISTINCT id) FROM t").await, [[6 * 15 * 3, 6 * 15 * 3]]);
        assert_eq!(
            rows(client, "SELECT n, count(*) FROM u GROUP BY n").await,
            (0..6).map(|n| vec![n, 15]).collect::<Vec<_>>()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_changes_while_the_other_writes() {
    let (_cluster, clients) = two();
    clients[0].execute(NUMBERED).await.unwrap();
    let write = async {
        for number in 0..60 {
            patiently(
                &clients[1],
                &format!("INSERT INTO t(vendor_id, n) VALUES ({}, {number}), (9, {number})", number % 5),
            )
            .await?;
        }
        Ok::<(), Refusal>(())
    };
    let change = async {
        for column in 0..8 {
            patiently(&clients[0], &format!("ALTER TABLE t ADD COLUMN c{column} INTEGER DEFAULT {column}")).await?;
        }
        Ok::<(), Refusal>(())
    };
    let (written, changed) = tokio::join!(write, change);
    written.unwrap();
    changed.unwrap();
    for client in &clients {
        assert_eq!(rows(client, "SELECT count(*), sum(n), sum(c0 + c7) FROM t").await, [[120, 59 * 60, 120 * 7]]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_is_done_once() {
    let (_cluster, clients) = two();
    clients[0].execute(NUMBERED).await.unwrap();
    for round in 0..10 {
        let statements = [
            format!("INSERT INTO t(vendor_id, n) VALUES (1, {round})"),
            format!("INSERT INTO t(vendor_id, n) VALUES (2, {round})"),
        ];
        let id = format!("request {round}");
        let sent = join_all((0..10).map(|number| clients[number % 2].transact(&id, &statements))).await;
        let first: Vec<bool> = sent.into_iter().map(|sent| sent.unwrap()).filter(|repeated| !repeated).collect();
        assert_eq!(first.len(), 1, "one did it, and all others are told what that was told");
        assert_eq!(rows(&clients[1], &format!("SELECT count(*) FROM t WHERE n = {round}")).await, [[2]]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_leaves_the_other_ends() {
    let (mut cluster, clients) = two();
    clients[0].execute("CREATE TABLE t(vendor_id INTEGER, n INTEGER) SHARD KEY (vendor_id)").await.unwrap();
    clients[1].execute("INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)").await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let client = clients[0].clone();
            tokio::spawn(async move {
                let mut done = BTreeSet::new();
                for number in (1..).map(|round| round * 8 + writer) {
                    let sql = format!("INSERT INTO t VALUES (1, {number}), (2, {number}), (3, {number})");
                    match client.try_execute(&sql).await {
                        Ok(_) => done.insert(number),
                        Err(Some((Reason::Overloaded, _))) => false,
                        Err(_) => return done,
                    };
                }
                done
            })
        })
        .collect();
    sleep(Duration::from_millis(700)).await;
    // It does not come back.
    cluster.coordinator.kill();
    let mut done = BTreeSet::new();
    for writer in writers {
        done.extend(writer.await.unwrap());
    }
    let other = &clients[1];
    let until = Instant::now() + SETTLE_MAX;
    while let Err(refusal) = other.execute("INSERT INTO t VALUES (1, -1), (2, -1), (3, -1)").await {
        assert!(Instant::now() < until, "shards wait for ever: {refusal:?}");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(!done.is_empty());
    let found = rows(other, "SELECT n, count(*) FROM t WHERE n > 0 GROUP BY n").await;
    assert!(found.iter().all(|row| row[1] == 3), "{found:?}");
    let found: BTreeSet<i64> = found.iter().map(|row| row[0]).collect();
    assert!(done.is_subset(&found), "acknowledged and gone: {:?}", done.difference(&found));
    while other.status().await.transactions_unfinished > 0 {
        assert!(Instant::now() < until, "what is committed is not known to be done");
        sleep(Duration::from_millis(50)).await;
    }
}
