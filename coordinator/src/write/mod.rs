//! Writing: schema changes, statements that change rows, bulk load.

mod change;
mod ddl;
mod load;
mod router;
mod rowids;
mod shards;
mod transact;
mod whole;

use std::sync::{Arc, Weak};
use std::time::Duration;

use souk_merge::{Batch, Value};
use souk_proto::Reason;
use tokio::time::{Instant, timeout_at};

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::exec::{Done, WriteRequest};
use crate::locks::Shared;
use crate::sql::{WriteStatement, read_write};

pub(crate) use ddl::hand_schema;
pub(crate) use load::{LoadRows, Loaded, Loader, RejectedRow};
pub(crate) use rowids::Rowids;
pub(crate) use shards::first_shards;
pub(crate) use transact::{Answer, TransactRequest, TransactStatement, get_transaction, transact};

/// What a statement did.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Executed {
    pub(crate) rows_affected: u64,
    /// Of the last row that it inserted.
    pub(crate) last_insert_rowid: Option<i64>,
    /// Name and declared type of each column of RETURNING.
    pub(crate) columns: Vec<(String, Option<String>)>,
    /// What RETURNING gives.
    pub(crate) rows: Option<Batch>,
    pub(crate) schema_version: u64,
    pub(crate) shards: u32,
}

impl Executed {
    /// Nothing was done, at this schema number.
    fn at(schema_version: u64) -> Executed {
        Executed {
            rows_affected: 0,
            last_insert_rowid: None,
            columns: Vec::new(),
            rows: None,
            schema_version,
            shards: 0,
        }
    }
}

fn numbered(number: u32, error: Error) -> Error {
    Error { message: format!("statement {number}: {}", error.message), ..error }
}

fn unsupported(message: impl Into<String>) -> Error {
    Error::new(Reason::UnsupportedSql, message)
}

/// Held by a write until it is over, so that no schema change comes between its parts.
pub(crate) type Writing = Arc<OneWrite>;

/// What a write holds.
pub(crate) struct OneWrite {
    _writing: Shared,
    /// That it hands out rowids, as long as it has some: taken once, since who waits to have it alone comes before a second time.
    handing: tokio::sync::Mutex<Weak<Shared>>,
}

/// Waits while the schema changes.
async fn writing(cluster: &Cluster, deadline: Instant) -> Result<Writing> {
    let writing = timeout_at(deadline, cluster.writing()).await;
    let late = |_| Error::new(Reason::Deadline, "the deadline passed while the schema was being changed; try again");
    Ok(Arc::new(OneWrite { _writing: writing.map_err(late)??, handing: tokio::sync::Mutex::default() }))
}

/// Has one shard do something, all or none, in a transaction of its own. `held` is held until it is over, also when the client goes away.
async fn write_alone(cluster: &Cluster, request: WriteRequest, held: impl Send + 'static) -> Result<Vec<Done>> {
    // A shard that was just made is not in the snapshot that the statement was planned for.
    let topology = cluster.snapshot().topology;
    let node = topology.node_of(request.shard).ok_or_else(|| Error::internal("a shard has no node"))?.to_owned();
    let (nodes, deadline) = (Arc::clone(&cluster.nodes), request.deadline);
    let written = tokio::spawn(async move {
        let written = nodes.write(&node, request).await;
        release(held, written.as_ref().err(), deadline);
        written
    });
    written.await.map_err(|_| Error::broke_down())?
}

/// How much longer than its deadline a write may take that nobody hears of any more.
const DOUBT_MAX: Duration = Duration::from_secs(5);

/// Lets go of what a write held. One of which nobody knows whether it happened may still be on its way, until its deadline.
fn release(held: impl Send + 'static, failed: Option<&Error>, deadline: Instant) {
    if failed.is_some_and(|error| error.in_doubt) {
        tokio::spawn(async move {
            tokio::time::sleep_until(deadline + DOUBT_MAX).await;
            drop(held);
        });
    }
}

/// What kind of statement a text is.
fn kind(cluster: &Cluster, sql: &str) -> Result<WriteStatement> {
    if cluster.is_known_change(sql) {
        return Ok(WriteStatement::Change);
    }
    Ok(read_write(sql, &cluster.bounds())?)
}

/// Runs one statement that writes.
pub(crate) async fn execute(
    cluster: &Arc<Cluster>,
    sql: &str,
    parameters: Vec<(String, Value)>,
    deadline_ms: u32,
) -> Result<Executed> {
    match kind(cluster, sql)? {
        WriteStatement::Schema(_) if !parameters.is_empty() => {
            Err(Error::new(Reason::InvalidArgument, "a schema change takes no parameters"))
        }
        WriteStatement::Schema(statement) => ddl::change_schema(cluster, statement).await,
        WriteStatement::Change => change::change(cluster, sql, parameters, deadline_ms).await,
        WriteStatement::Other(word) => match word.as_str() {
            "SELECT" | "VALUES" => {
                Err(unsupported("this call runs statements that write; ask SELECT with the query call"))
            }
            "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" => Err(unsupported(
                "transactions are not supported by this call, which is atomic by itself; send several statements with the call for that",
            )),
            word => Err(unsupported(format!("{word} is not supported"))),
        },
    }
}
