//! INSERT ... VALUES. The rows are computed here, once, and then routed by their key.

use std::sync::Arc;

use souk_merge::{Batch, Value};
use souk_proto::Reason;

use super::Executed;
use super::load::{LoadRows, Loader};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::session::order_parameters;
use crate::sql::InsertStatement;

/// Runs one INSERT whose rows go to one shard.
pub(super) async fn insert(
    cluster: &Arc<Cluster>,
    statement: InsertStatement,
    parameters: Vec<(String, Value)>,
) -> Result<Executed> {
    let parameters = order_parameters(&cluster.evaluator.parameter_names(&statement.values)?, parameters)?;
    let rows = cluster.evaluator.rows(&statement.values, &parameters)?;
    let columns = columns(cluster, &statement)?;
    let mut batch = Batch::new(columns.len());
    for row in &rows {
        if row.len() != columns.len() {
            let message = format!("{} values for {} columns", row.len(), columns.len());
            return Err(Error::new(Reason::SqlSyntax, message));
        }
        batch.push_row(row.iter().map(Value::as_ref));
    }
    let mut loader = Loader::new(Arc::clone(cluster), false);
    loader.push(LoadRows { table: statement.table, columns, batch, first_row: 0 }).await?;
    if loader.shards_pending()? > 1 {
        let message = "an INSERT whose rows go to several shards is not supported, since it would not be atomic; \
                       insert them key by key, or with the load call";
        return Err(Error::new(Reason::UnsupportedSql, message));
    }
    let loaded = loader.flush().await?;
    if let Some(rejected) = loaded.rejected.into_iter().next() {
        return Err(Error::new(rejected.reason, rejected.message));
    }
    let schema_version = cluster.snapshot().catalog.version;
    Ok(Executed { rows_affected: rows.len() as u64, schema_version, shards: loaded.shards as u32 })
}

fn columns(cluster: &Cluster, statement: &InsertStatement) -> Result<Vec<String>> {
    if !statement.columns.is_empty() {
        return Ok(statement.columns.clone());
    }
    let snapshot = cluster.snapshot();
    let table = snapshot.catalog.schema.table(&statement.table);
    let table = table.ok_or_else(|| Error::new(Reason::NoSuchTable, format!("no such table: {}", statement.table)))?;
    let columns = table.columns.iter().filter(|column| !column.generated && !column.hidden);
    Ok(columns.map(|column| column.name.clone()).collect())
}
