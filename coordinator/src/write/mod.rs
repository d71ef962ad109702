//! Filling the cluster: schema changes, INSERT by key, bulk load.

mod ddl;
mod insert;
mod load;
mod router;
mod shards;

use std::sync::Arc;

use souk_merge::Value;
use souk_proto::Reason;

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::sql::{WriteStatement, read_write};

pub(crate) use ddl::catch_up;
pub(crate) use load::{LoadRows, Loaded, Loader, RejectedRow};
pub(crate) use shards::first_shards;

/// What a statement did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Executed {
    pub(crate) rows_affected: u64,
    pub(crate) schema_version: u64,
    pub(crate) shards: u32,
}

/// Runs one statement that writes.
pub(crate) async fn execute(cluster: &Arc<Cluster>, sql: &str, parameters: Vec<(String, Value)>) -> Result<Executed> {
    let unsupported = |what: &str| Err(Error::new(Reason::UnsupportedSql, what.to_owned()));
    match read_write(sql, &cluster.bounds())? {
        WriteStatement::Schema(_) if !parameters.is_empty() => {
            Err(Error::new(Reason::InvalidArgument, "a schema change takes no parameters"))
        }
        WriteStatement::Schema(statement) => ddl::change_schema(cluster, statement).await,
        WriteStatement::Insert(statement) => insert::insert(cluster, statement, parameters).await,
        WriteStatement::Other(word) => match word.as_str() {
            "SELECT" | "WITH" | "VALUES" => {
                unsupported("this call runs statements that write; ask SELECT with the query call")
            }
            "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" => {
                unsupported("transactions are not supported; each call is atomic on its shard by itself")
            }
            word => unsupported(&format!("{word} is not supported")),
        },
    }
}
