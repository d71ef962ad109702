//! The cluster's status says what waits, also where a node cannot say it.

use crate::{
    case,
    client::Waiting,
    cluster::{Cluster, EVERYWHERE},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_say_what_waits_is_named() {
    let mut cluster = Cluster::start().await;
    cluster.settle().await.unwrap();
    cluster.arm(&case::read("coordinator/fences-unheard:error:always")).await;
    assert_eq!(cluster.client.waiting().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_decided_and_not_done_is_counted_though_its_node_has_forgotten() {
    let mut cluster = Cluster::start().await;
    cluster.arm(&case::read("n1/word-heard:error:first+coordinator/sweep-untold:error:always")).await;
    cluster.execute(EVERYWHERE[0]).await;
    // A node that starts knows nothing of files that it has not opened.
    cluster.arm(&case::read("coordinator/sweep-untold:error:always")).await;
    let waiting = cluster.client.waiting().await;
    assert!(waiting.is_some_and(|waiting| waiting.shards == 0 && waiting.transactions > 0), "{waiting:?}");
    cluster.settle().await.unwrap();
    assert_eq!(cluster.client.waiting().await, Some(Waiting::default()));
}
