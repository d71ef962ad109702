//! Looking at the cluster.

use std::time::Duration;

use futures::future::join_all;
use rusqlite::Connection;

use crate::catalog::Catalog;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::exec::NodeDescription;

/// The cluster at a moment.
pub(crate) struct Status {
    pub(crate) nodes: Vec<NodeStatus>,
    pub(crate) shards: u32,
    pub(crate) topology_epoch: u64,
    pub(crate) schema_version: u64,
    /// Transactions that are committed and not known to be done on all shards.
    pub(crate) unfinished: u32,
}

/// One node.
pub(crate) struct NodeStatus {
    pub(crate) id: String,
    pub(crate) address: String,
    /// Shards that the topology gives it.
    pub(crate) shards: u32,
    /// What it says of itself, or why it does not.
    pub(crate) described: Result<Described>,
}

/// What a node says of itself.
pub(crate) struct Described {
    pub(crate) node: NodeDescription,
    /// How long each of its shards that wait for the word of a transaction has waited.
    pub(crate) waiting: Vec<Duration>,
}

/// Asks every node.
///
/// # Errors
///
/// When the ledger does not answer.
pub(crate) async fn status(cluster: &Cluster) -> Result<Status> {
    cluster.refresh()?;
    let snapshot = cluster.snapshot();
    let counts = snapshot.topology.shards_by_node();
    let nodes = cluster.nodes_given.iter().map(|node| async {
        NodeStatus {
            id: node.id.clone(),
            address: node.address.clone(),
            shards: counts.get(node.id.as_str()).copied().unwrap_or(0),
            described: describe(cluster, &node.id).await,
        }
    });
    Ok(Status {
        nodes: join_all(nodes).await,
        unfinished: cluster.transactions.unfinished().await? as u32,
        shards: snapshot.topology.shard_count() as u32,
        topology_epoch: snapshot.topology.epoch,
        schema_version: snapshot.catalog.version,
    })
}

async fn describe(cluster: &Cluster, node: &str) -> Result<Described> {
    let described = cluster.nodes.describe(node).await?;
    let fences = cluster.nodes.list_fences(node).await?;
    Ok(Described { node: described, waiting: fences.into_iter().map(|fence| fence.age).collect() })
}

/// A table or index as SQLite keeps it.
pub(crate) struct SchemaObject {
    pub(crate) kind: String,
    pub(crate) table: String,
    pub(crate) sql: String,
}

/// The statements that lead to the schema as it is now.
pub(crate) fn statements(catalog: &Catalog) -> Result<Vec<SchemaObject>> {
    let read = || -> rusqlite::Result<Vec<SchemaObject>> {
        let connection = Connection::open_in_memory()?;
        catalog.log.iter().try_for_each(|change| connection.execute_batch(&change.sql))?;
        connection
            .prepare("SELECT type, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")?
            .query_map([], |row| Ok(SchemaObject { kind: row.get(0)?, table: row.get(1)?, sql: row.get(2)? }))?
            .collect()
    };
    read().map_err(|error| Error::internal(error.to_string()))
}
