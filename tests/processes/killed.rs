//! What is promised while a process is gone, and when it is back.

use std::{fs, path::Path, time::Duration};

use souk_merge::{Batch, Value, ValueRef};
use souk_proto::{Reason, v1::LoadRequest};
use tokio::sync::mpsc;

use crate::{
    client::{Answer, integers},
    cluster::{Cluster, ITEMS, VENDORS},
};

const ALL: &str = "SELECT vendor_id, id, name, price FROM items ORDER BY vendor_id, id";
const SUMS: &str = "SELECT COUNT(*), COUNT(DISTINCT name), SUM(vendor_id * 100 + id) FROM items";

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_rows_survive_the_death_of_every_process() {
    let mut cluster = Cluster::filled(2).await;
    let before = cluster.client.query(ALL).await.unwrap();
    assert_eq!(before.rows.len() as i64, VENDORS * ITEMS);
    cluster.coordinator.kill();
    cluster.nodes.iter_mut().for_each(|node| node.kill());
    (0..2).for_each(|index| cluster.restart_node(index));
    cluster.restart_coordinator();
    assert_eq!(cluster.client.query(ALL).await.unwrap().rows, before.rows);
    let kinds = cluster.client.query("SELECT COUNT(*) FROM kinds").await.unwrap();
    assert_eq!(kinds.rows, [[Value::Integer(2)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_breaks_off_has_kept_what_it_acknowledged() {
    let mut cluster = Cluster::filled(2).await;
    let (sender, messages) = mpsc::channel(1);
    let client = cluster.client.clone();
    let load = tokio::spawn(async move { client.load(messages).await });
    let mut sent = 0;
    for message in 0..200 {
        if message == 100 {
            cluster.nodes[1].kill();
        }
        // The coordinator stops reading when the load broke off.
        if sender.send(rows_for_every_vendor(message)).await.is_err() {
            break;
        }
        sent += VENDORS as u64;
    }
    drop(sender);
    let (loaded, whole) = load.await.unwrap();
    assert!(!whole || loaded < sent, "a load over a dead node must not look whole: {loaded} of {sent}");
    cluster.restart_node(1);
    let answer = cluster.client.query("SELECT COUNT(*) FROM items WHERE id >= 1000").await.unwrap();
    let kept = integers(&answer.rows[0])[0] as u64;
    assert!((loaded..=sent).contains(&kept), "{kept} rows are there, {loaded} of {sent} were acknowledged");
}

/// One row for each vendor.
fn rows_for_every_vendor(message: i64) -> LoadRequest {
    let mut batch = Batch::new(2);
    for vendor in 1..=VENDORS {
        batch.push_row([ValueRef::Integer(vendor), ValueRef::Integer(1000 + message)]);
    }
    let columns = ["vendor_id", "id"].map(str::to_owned).to_vec();
    let first_row = (message * VENDORS) as u64;
    LoadRequest { table: "items".to_owned(), columns, batch: Some(batch.into()), first_row }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_down_fails_the_query_and_is_named() {
    let mut cluster = Cluster::filled(2).await;
    let whole = cluster.client.query(SUMS).await.unwrap();
    let lost = cluster.nodes[1].shards();
    cluster.nodes[1].kill();
    for sql in [ALL, SUMS, "SELECT DISTINCT name FROM items", "SELECT name FROM items LIMIT 1000"] {
        let (reason, message) = cluster.client.query(sql).await.unwrap_err();
        assert_eq!(reason, Reason::ShardUnavailable, "{sql}: {message}");
        assert!(message.contains("`n2`"), "{sql}: {message}");
        assert!(lost.iter().any(|shard| message.contains(&shard.to_string())), "{sql}: names no shard: {message}");
    }
    cluster.restart_node(1);
    assert_eq!(cluster.client.query(SUMS).await.unwrap().rows, whole.rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_answer_names_each_shard_that_is_missing() {
    let mut cluster = Cluster::filled(2).await;
    let lost = cluster.nodes[1].shards();
    let there = cluster.nodes[0].shards().len() as u32;
    cluster.nodes[1].kill();
    let answer = cluster.client.partial(ALL).await.unwrap();
    assert_eq!(answer.certificate.answered, there);
    assert_eq!(missing(&answer), lost);
    let here = vendors(&answer);
    assert_eq!(answer.rows.len(), here.len() * ITEMS as usize, "a vendor is there whole or not at all");
    // The first shard of the cluster, on `n1`, has no vendor.
    assert_eq!(here.len() + lost.len(), VENDORS as usize);
    let sums = cluster.client.partial(SUMS).await.unwrap();
    assert_eq!(integers(&sums.rows[0])[0] as usize, answer.rows.len());
    assert_eq!(missing(&sums), lost);

    // One vendor's rows do not depend on the other node.
    let one = cluster.client.query(&format!("SELECT id FROM items WHERE vendor_id = {} ORDER BY id", here[0])).await;
    assert_eq!(one.unwrap().rows.len() as i64, ITEMS);
    let away = (1..=VENDORS).find(|vendor| !here.contains(vendor)).unwrap();
    let (reason, message) =
        cluster.client.query(&format!("SELECT id FROM items WHERE vendor_id = {away}")).await.unwrap_err();
    assert_eq!(reason, Reason::ShardUnavailable, "{message}");

    cluster.restart_node(1);
    let whole = cluster.client.partial(ALL).await.unwrap();
    assert_eq!((missing(&whole), whole.rows.len() as i64), (vec![], VENDORS * ITEMS));
}

fn missing(answer: &Answer) -> Vec<u64> {
    for failure in &answer.certificate.failed {
        assert_eq!((failure.node.as_str(), failure.reason.as_str()), ("n2", "SHARD_UNAVAILABLE"), "{failure:?}");
        assert!(!failure.message.is_empty());
    }
    let mut shards: Vec<u64> = answer.certificate.failed.iter().map(|failure| failure.shard).collect();
    shards.sort_unstable();
    shards
}

/// The vendors of an answer, each once.
fn vendors(answer: &Answer) -> Vec<i64> {
    let mut vendors: Vec<i64> = answer.rows.iter().map(|row| integers(&row[..1])[0]).collect();
    vendors.dedup();
    vendors
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_for_a_node_that_is_down_is_refused_and_not_kept_for_later() {
    let mut cluster = Cluster::filled(2).await;
    cluster.nodes[1].kill();
    let here = vendors(&cluster.client.partial(ALL).await.unwrap());
    let away = (1..=VENDORS).find(|vendor| !here.contains(vendor)).unwrap();
    let insert = |vendor: i64| format!("INSERT INTO items VALUES ({vendor}, 77, 'new', 1.5)");
    let (reason, message) = cluster.client.execute(&insert(away)).await.unwrap_err();
    assert_eq!(reason, Reason::ShardUnavailable, "{message}");
    assert_eq!(cluster.client.execute(&insert(here[0])).await.unwrap().rows_affected, 1);
    cluster.restart_node(1);
    let found = cluster.client.query("SELECT vendor_id FROM items WHERE id = 77").await.unwrap();
    assert_eq!(found.rows, [[Value::Integer(here[0])]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_keeps_catalog_and_topology_over_its_death() {
    let mut cluster = Cluster::filled(2).await;
    let (schema, status) = (cluster.client.schema().await, cluster.client.status().await);
    let answer = cluster.client.query(ALL).await.unwrap();
    cluster.coordinator.kill();
    cluster.restart_coordinator();
    assert_eq!(cluster.client.schema().await, schema);
    let again = cluster.client.status().await;
    assert_eq!((again.shards, again.topology_epoch), (status.shards, status.topology_epoch));
    assert_eq!(again.schema_version, status.schema_version);
    assert_eq!(cluster.client.query(ALL).await.unwrap().rows, answer.rows);
    // New vendors still get shards of their own, and known ones their old ones.
    for vendor in [1, 999] {
        cluster.client.execute(&format!("INSERT INTO items VALUES ({vendor}, 88, 'late', 0.5)")).await.unwrap();
    }
    assert_eq!(cluster.client.status().await.shards, status.shards + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_missed_a_schema_change_catches_up_when_the_coordinator_starts() {
    let mut cluster = Cluster::filled(2).await;
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old");
    cluster.nodes[1].kill();
    copy_folder(&cluster.nodes[1].data, &old);
    cluster.restart_node(1);
    cluster.client.query(ALL).await.unwrap();
    cluster.client.execute("CREATE INDEX items_by_name ON items (name)").await.unwrap();
    // As after a crash between recording the change and handing it over.
    cluster.coordinator.kill();
    cluster.nodes[1].kill();
    fs::remove_dir_all(&cluster.nodes[1].data).unwrap();
    copy_folder(&old, &cluster.nodes[1].data);
    cluster.restart_node(1);
    cluster.restart_coordinator();
    let mut answer = cluster.client.query(ALL).await;
    for _ in 0..50 {
        if answer.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = cluster.client.query(ALL).await;
    }
    assert_eq!(answer.unwrap().rows.len() as i64, VENDORS * ITEMS);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
