//! New shards: recorded, made at their nodes, given the replicated rows, and only then brought into use.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{try_join, try_join_all};
use souk_merge::{Batch, MergeSpec};
use tokio::time::Instant;

use crate::catalog::{NewShards, Snapshot};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::exec::{FragmentPart, FragmentRequest, InsertRequest, ShardRows, TableRows};
use crate::locks::Alone;
use crate::settings::PlacementPolicy;
use crate::sql::{TableInfo, quote};

/// How long making shards may take.
const TIME_MAX: Duration = Duration::from_secs(600);

/// A new cluster's shards: those of the ring, or one for the rows that every shard has.
pub(crate) async fn first_shards(cluster: &Arc<Cluster>, policy: PlacementPolicy) -> Result<()> {
    let _changing = cluster.changing().await?;
    if cluster.snapshot().topology.shard_count() > 0 {
        return Ok(());
    }
    let new = match policy {
        PlacementPolicy::Own => cluster.store.plan_plain(1, false, &cluster.node_ids())?,
        PlacementPolicy::Ring { shards } => cluster.store.plan_plain(shards, true, &cluster.node_ids())?,
    };
    make(cluster, new).await
}

/// How long new shards wait for what is decided to be done.
const SETTLED_WAIT_MAX: Duration = Duration::from_secs(10);

/// Gives keys that have no shard one of their own, where keys get their own. Nobody else makes shards meanwhile: who sees to that already has it `alone`.
pub(super) async fn house(
    cluster: &Arc<Cluster>,
    keys: impl Iterator<Item = &Vec<u8>>,
    alone: &mut Option<Alone>,
) -> Result<()> {
    let topology = cluster.snapshot().topology;
    let mut homeless: Vec<Vec<u8>> = keys.filter(|key| topology.owner_of_bytes(key).is_none()).cloned().collect();
    if cluster.policy != PlacementPolicy::Own || homeless.is_empty() {
        return Ok(());
    }
    homeless.sort_unstable();
    homeless.dedup();
    let held = alone.take();
    let was_held = held.is_some();
    let changing = pin_keys_alone(cluster, homeless, held).await?;
    *alone = Some(changing).filter(|_| was_held);
    Ok(())
}

/// Gives each of these canonical keys a shard of its own, unless it has one by now.
pub(super) async fn pin_keys(cluster: &Arc<Cluster>, keys: Vec<Vec<u8>>) -> Result<()> {
    pin_keys_alone(cluster, keys, None).await.map(drop)
}

/// As [`pin_keys`]; gives back what is held, or was taken, that nobody else makes shards.
async fn pin_keys_alone(cluster: &Arc<Cluster>, keys: Vec<Vec<u8>>, held: Option<Alone>) -> Result<Alone> {
    let cluster = Arc::clone(cluster);
    // A client that goes away must not leave them half made: their keys could not be given shards again before the next start.
    let pinned = tokio::spawn(async move {
        let changing = match held {
            Some(held) => held,
            None => cluster.changing().await?,
        };
        let topology = cluster.snapshot().topology;
        let unknown: Vec<Vec<u8>> = keys.into_iter().filter(|key| topology.owner_of_bytes(key).is_none()).collect();
        if !unknown.is_empty() {
            let new = cluster.store.plan_pinned(&unknown, &cluster.node_ids())?;
            make(&cluster, new).await?;
        }
        Ok(changing)
    });
    pinned.await.map_err(|_| Error::internal("making a shard broke down; try again"))?
}

async fn make(cluster: &Arc<Cluster>, new: NewShards) -> Result<()> {
    let catalog = cluster.snapshot().catalog;
    if catalog.schema.tables().iter().any(|table| table.key().is_none()) {
        // Else a row that is decided and not yet on every shard might be missing on the new ones.
        let settled = cluster.transactions.settled(Instant::now() + SETTLED_WAIT_MAX).await;
        if let Err(error) = settled {
            cluster.store.forget(&new)?;
            return Err(error);
        }
    }
    match try_join(create(cluster, &new), replicated_rows(cluster)).await {
        Ok(((), rows)) => {
            if let Err(error) = copy(cluster, &new, rows).await {
                cluster.store.forget(&new)?;
                return Err(error);
            }
            cluster.publish_topology(cluster.store.use_shards(&new)?);
            Ok(())
        }
        Err(error) => {
            cluster.store.forget(&new)?;
            Err(error)
        }
    }
}

async fn create(cluster: &Cluster, new: &NewShards) -> Result<()> {
    let catalog = cluster.snapshot().catalog;
    let scripts: Vec<String> = catalog.log.iter().map(|change| change.sql.clone()).collect();
    let created = new.by_node.iter().map(|(node, shards)| cluster.nodes.create_shards(node, shards, &scripts));
    try_join_all(created).await.map(drop)
}

/// The rows of all replicated tables, from any shard.
async fn replicated_rows(cluster: &Cluster) -> Result<Vec<TableRows>> {
    let snapshot = cluster.snapshot();
    let Some(shard) = snapshot.topology.any_shard() else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for table in snapshot.catalog.schema.tables() {
        if table.key().is_none() {
            all.extend(table_rows(cluster, &snapshot, shard, table).await?);
        }
    }
    Ok(all)
}

async fn table_rows(cluster: &Cluster, snapshot: &Snapshot, shard: u64, table: &TableInfo) -> Result<Vec<TableRows>> {
    let mut columns: Vec<String> = table
        .columns
        .iter()
        .filter(|column| !column.generated && !column.hidden)
        .map(|column| column.name.clone())
        .collect();
    let mut list: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    // Rowids are part of what every shard has alike.
    let order = if table.without_rowid { "" } else { " ORDER BY rowid" };
    if !table.without_rowid && table.rowid_alias.is_none() && table.column("rowid").is_none() {
        columns.push("rowid".to_owned());
        list.push("rowid".to_owned());
    }
    let node = snapshot.topology.node_of(shard).ok_or_else(|| Error::internal("a shard has no node"))?;
    let request = FragmentRequest {
        shards: [shard].into(),
        sql: format!("SELECT {} FROM {}{order}", list.join(", "), quote(&table.name)),
        parameters: Arc::default(),
        merge: MergeSpec::Rows { order: Vec::new(), limit: None },
        schema_version: snapshot.catalog.version,
        deadline: Instant::now() + TIME_MAX,
        bytes_max: cluster.limits.merge_bytes_max,
        scope: None,
        needs: Vec::new(),
        lead: None,
        partial: false,
        slowest_max: 0,
        keep: false,
    };
    let mut parts = cluster.nodes.run_fragment(node, request);
    let mut all = Vec::new();
    while let Some(part) = parts.next().await {
        if let FragmentPart::Batch(batch) = part? {
            all.push(TableRows { table: table.name.clone(), columns: columns.clone(), batch });
        }
    }
    Ok(all)
}

async fn copy(cluster: &Cluster, new: &NewShards, rows: Vec<TableRows>) -> Result<()> {
    if rows.iter().all(|rows| rows.batch.is_empty()) {
        return Ok(());
    }
    let schema_version = cluster.snapshot().catalog.version;
    let inserted = new.by_node.iter().map(|(node, shards)| {
        let shards = shards.iter().map(|&shard| ShardRows { shard, tables: rows.iter().map(clone_rows).collect() });
        let request = InsertRequest { shards: shards.collect(), schema_version, keep_going: false };
        cluster.nodes.insert_rows(node, request)
    });
    for inserted in try_join_all(inserted).await? {
        if let Some(failure) = inserted.failed.into_iter().next() {
            return Err(Error::new(failure.reason, failure.message));
        }
    }
    Ok(())
}

fn clone_rows(rows: &TableRows) -> TableRows {
    let batch: Batch = rows.batch.clone();
    TableRows { table: rows.table.clone(), columns: rows.columns.clone(), batch }
}
