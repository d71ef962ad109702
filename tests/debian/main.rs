//! Debian's catalogue, one shard a vendor, asked every query of `examples/debian/queries.sql`, against one plain SQLite that holds the
//! same rows.
//!
//! The rows are the trimmed copy in `tests/data/debian`, or those in the folder that `SOUK_DEBIAN_DATA` names.
#![allow(missing_docs, clippy::unwrap_used)]

mod cluster;
mod compare;
#[path = "../support/node.rs"]
mod node;
mod plain;
mod script;
mod source;

use std::{env, path::PathBuf, time::Instant};

use cluster::Cluster;
use plain::Plain;
use script::Query;

const SCHEMA: &str = include_str!("../../examples/debian/schema.sql");
const QUERIES: &str = include_str!("../../examples/debian/queries.sql");
const TABLES: [&str; 4] = ["vendor", "package", "dependency", "tag"];
const NODES: usize = 3;

fn folder() -> PathBuf {
    let trimmed = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/debian"));
    env::var_os("SOUK_DEBIAN_DATA").map_or_else(trimmed, PathBuf::from)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_gives_what_one_sqlite_gives() {
    let plain = Plain::new(SCHEMA);
    let cluster = Cluster::start(NODES).await;
    for statement in script::statements(SCHEMA) {
        cluster.execute(&statement).await;
    }
    for table in TABLES {
        let rows = source::read(&folder(), table, &plain);
        plain.insert(table, &rows);
        let started = Instant::now();
        cluster.load(table, &rows).await;
        println!("{table}: {} rows in {:.2?}", rows.values.len(), started.elapsed());
    }
    let shards = cluster.shards().await;
    assert_eq!(shards, plain.count("vendor") + 1, "one for each vendor, and the first, which no vendor has");
    let wrong = check_all(&plain, &cluster, shards).await;
    cluster.stop().await;
    assert!(wrong.is_empty(), "{} queries went wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

/// What went wrong, a text for each query.
async fn check_all(plain: &Plain, cluster: &Cluster, shards: u32) -> Vec<String> {
    let queries = script::queries(QUERIES);
    assert!(queries.len() >= 25, "only {} queries", queries.len());
    let mut wrong = Vec::new();
    for query in queries {
        if let Err(why) = check(plain, cluster, &query, shards).await {
            wrong.push(format!("{}\n{}\n{why}", query.title, query.sql));
        }
    }
    wrong
}

async fn check(plain: &Plain, cluster: &Cluster, query: &Query, shards: u32) -> Result<(), String> {
    let started = Instant::now();
    let expected = plain.query(&query.sql);
    let plain_time = started.elapsed();
    let started = Instant::now();
    let answer = cluster.query(&query.sql).await?;
    println!(
        "{}: {} rows, one SQLite {plain_time:.2?}, {} over {} shards {:.2?}",
        query.title,
        expected.rows.len(),
        answer.certificate.plan,
        answer.certificate.asked,
        started.elapsed()
    );
    compare::certificate(&answer, query, shards)?;
    compare::columns(&expected, &answer)?;
    compare::rows(expected.rows, answer.rows, query)
}
