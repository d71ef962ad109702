//! Folders and files that are not what they should be are refused by name.

use std::{fs, path::Path};

use souk_proto::Reason;

use crate::cluster::{Cluster, ITEMS, Member, VENDORS, start_node};

const COUNT: &str = "SELECT COUNT(*) FROM items";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_at_a_known_address_is_refused() {
    let mut cluster = Cluster::filled(2).await;
    let folder = tempfile::tempdir().unwrap();
    cluster.nodes[1].kill();
    let _impostor = start_node("n9", &cluster.nodes[1].address, text(folder.path())).unwrap();
    let (reason, message) = cluster.client.query(COUNT).await.unwrap_err();
    assert_eq!(reason, Reason::NodeMismatch, "{message}");
    assert!(message.contains("`n2`") && message.contains("`n9`"), "{message}");
    let (reason, message) =
        cluster.client.execute("CREATE TABLE t(vendor_id INTEGER) SHARD KEY (vendor_id)").await.unwrap_err();
    assert_eq!(reason, Reason::NodeMismatch, "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_an_empty_folder_does_not_pass_for_one_without_rows() {
    let mut cluster = Cluster::filled(2).await;
    let shards = cluster.nodes[1].shards();
    let folder = tempfile::tempdir().unwrap();
    cluster.nodes[1].kill();
    let _empty = start_node("n2", &cluster.nodes[1].address, text(folder.path())).unwrap();
    let (reason, message) = cluster.client.query(COUNT).await.unwrap_err();
    assert!(matches!(reason, Reason::ShardDamaged | Reason::SchemaMismatch), "{reason}: {message}");
    assert!(message.contains("n2"), "{message}");
    assert!(shards.len() > 1, "{shards:?}");
    let made = Member::shards_in(folder.path());
    assert_eq!(made, [0u64; 0], "no shard is made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_file_is_gone_is_refused_by_name_and_not_made_anew() {
    let mut cluster = Cluster::filled(2).await;
    let lost = *cluster.nodes[1].shards().last().unwrap();
    cluster.nodes[1].kill();
    let file = cluster.nodes[1].file(lost);
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{ending}", text(&file)));
    }
    cluster.restart_node(1);
    let (reason, message) = cluster.client.query(COUNT).await.unwrap_err();
    assert_eq!(reason, Reason::ShardDamaged, "{message}");
    assert!(message.contains(&format!("shard {lost} ")) && message.contains("`n2`"), "{message}");

    let answer = cluster.client.partial("SELECT vendor_id FROM items").await.unwrap();
    assert_eq!(answer.rows.len() as i64, (VENDORS - 1) * ITEMS);
    let failed: Vec<_> = answer.certificate.failed.iter().map(|f| (f.shard, f.reason.as_str())).collect();
    assert_eq!(failed, [(lost, "SHARD_DAMAGED")]);

    let here: Vec<_> = answer.rows.iter().map(|row| crate::client::integers(row)[0]).collect();
    let vendor = (1..=VENDORS).find(|vendor| !here.contains(vendor)).unwrap();
    let insert = format!("INSERT INTO items VALUES ({vendor}, 99, 'x', 1.0)");
    let (reason, message) = cluster.client.execute(&insert).await.unwrap_err();
    assert_eq!(reason, Reason::ShardDamaged, "{message}");
    assert!(!file.exists(), "the file was made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_shard_is_refused() {
    let mut cluster = Cluster::filled(1).await;
    let shards = cluster.nodes[0].shards();
    let (a, b) = (shards[shards.len() - 1], shards[shards.len() - 2]);
    cluster.nodes[0].kill();
    let (from, to) = (cluster.nodes[0].file(a), cluster.nodes[0].file(b));
    for ending in ["", "-wal", "-shm"] {
        let name = |file: &Path| format!("{}{ending}", text(file));
        let _ = fs::remove_file(name(&to));
        let _ = fs::copy(name(&from), name(&to));
    }
    cluster.restart_node(0);
    let (reason, message) = cluster.client.query(COUNT).await.unwrap_err();
    assert_eq!(reason, Reason::ShardDamaged, "{message}");
    assert!(message.contains(&format!("holds shard {a}")), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_folder_has_one_owner() {
    let cluster = Cluster::filled(1).await;
    let node = &cluster.nodes[0];
    let (code, said) = refused(start_node("n1", "127.0.0.1:0", text(&node.data)));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    let answer = cluster.client.query(COUNT).await.unwrap();
    assert_eq!(crate::client::integers(&answer.rows[0]), [VENDORS * ITEMS]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_its_name() {
    let mut cluster = Cluster::filled(1).await;
    cluster.nodes[0].kill();
    let (code, said) = refused(start_node("n7", "127.0.0.1:0", text(&cluster.nodes[0].data)));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("belongs to node `n1`, not to `n7`"), "{said}");
}

/// How a start failed: at once, or after it listened.
fn refused(started: Result<crate::service::Service, (Option<i32>, String)>) -> (Option<i32>, String) {
    match started {
        Ok(service) => service.wait(),
        Err(ended) => ended,
    }
}
