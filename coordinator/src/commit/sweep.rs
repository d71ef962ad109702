//! What a crash, or a node that was away, left half way: shards are told until they have done it, and those that wait for a word that
//! nobody gave get the ledger's. A coordinator sees to its own, and to those of coordinators that are gone; when several do so, the ledger has one word.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, timeout};

use super::Driver;
use super::ledger::{Decision, Unfinished};
use super::transaction::tell;
use crate::cluster::Cluster;
use crate::error::Result;

/// How often is looked.
const EVERY: Duration = Duration::from_millis(200);

/// How often is looked for what is old enough to be forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// How long one look may take.
const ROUND_MAX: Duration = Duration::from_secs(5);

/// How long a shard waits for a coordinator that lives before the ledger is asked: that is about to tell it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks for ever. At first without patience: what a coordinator finds when it starts is mostly its own, from before a crash.
pub(crate) async fn sweep(cluster: Arc<Cluster>) {
    let mut patience = Duration::ZERO;
    let mut forgotten: Option<Instant> = None;
    loop {
        if forgotten.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            forgotten = Some(Instant::now());
            let age = cluster.limits.requests_kept_for;
            if let Err(error) = cluster.transactions.ledger.forget(age).await {
                tracing::warn!("old requests are not forgotten: {error}");
            }
        }
        match timeout(ROUND_MAX, finish(&cluster)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("transactions that are decided: {error}"),
            Err(_) => tracing::warn!("transactions that are decided: some node does not answer"),
        }
        let nodes = cluster.node_ids();
        join_all(nodes.iter().map(|node| release_in_time(&cluster, node, patience))).await;
        patience = PATIENCE;
        tokio::time::sleep(EVERY).await;
    }
}

/// Tells shards that have not said that they did what was committed.
async fn finish(cluster: &Arc<Cluster>) -> Result<()> {
    let ledger = &cluster.transactions.ledger;
    for Unfinished { name, shards } in ledger.unfinished().await? {
        if matches!(cluster.transactions.driver(name)?, Driver::Here | Driver::Elsewhere) {
            continue;
        }
        failpoint!("sweep-untold");
        if tell(cluster, name, Decision::Commit, &shards).await {
            failpoint!("sweep-told");
            ledger.finish(name).await?;
        }
    }
    Ok(())
}

/// A node that does not answer must not keep the others waiting.
async fn release_in_time(cluster: &Arc<Cluster>, node: &str, patience: Duration) {
    match timeout(ROUND_MAX, release(cluster, node, patience)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("transactions on node `{node}`: {error}"),
        Err(_) => tracing::warn!("transactions on node `{node}`: it does not answer"),
    }
}

/// Gives shards of a node the ledger's word. Asking aborts what it does not know.
async fn release(cluster: &Arc<Cluster>, node: &str, patience: Duration) -> Result<()> {
    for fence in cluster.nodes.list_fences(node).await? {
        match cluster.transactions.driver(fence.name)? {
            Driver::Here | Driver::Elsewhere => continue,
            Driver::Left if fence.age < patience => continue,
            Driver::Left | Driver::Gone => {}
        }
        failpoint!("sweep-unasked");
        let decision = cluster.transactions.ledger.decide(fence.name, Decision::Abort, &[], None).await?;
        failpoint!("sweep-decided");
        tracing::info!("transaction {}: shard {} is told {decision:?}", fence.name, fence.shard);
        tell(cluster, fence.name, decision, &[fence.shard]).await;
        failpoint!(crash "sweep-released");
    }
    Ok(())
}
