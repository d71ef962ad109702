//! The seam to the nodes: gRPC in production, something faulty in tests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use souk_merge::{Batch, MergeSpec, Value};
use souk_proto::{Expectation, Reason};
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::plan::{BoundNeed, Scope, ShardTime, Stored};

/// What a coordinator asks of nodes. Every error names the node.
#[async_trait]
pub(crate) trait Nodes: Send + Sync {
    /// Runs a fragment on some of a node's shards. Dropping the stream cancels the work.
    fn run_fragment(&self, node: &str, request: FragmentRequest) -> BoxStream<'static, Result<FragmentPart>>;
    /// Makes the files of new shards at the schema that `schema` leads to.
    async fn create_shards(&self, node: &str, shards: &[u64], schema: &[String]) -> Result<()>;
    /// Hands the whole schema log over; the failures of single shards.
    async fn apply_schema(&self, node: &str, schema: &[String]) -> Result<Vec<ShardFailure>>;
    /// Has every shard of a node try it and undo it; those that could not.
    async fn try_schema(&self, node: &str, schema: &[String]) -> Result<Vec<ShardFailure>>;
    /// Whether shards of a node are as they were, at this schema.
    async fn hold(&self, node: &str, readings: &[&Reading], schema_version: u64) -> Result<bool>;
    /// Waits, for a second or so, until some shard of a node has committed since a moment; the moment of then.
    async fn await_commits(&self, node: &str, since: Moment) -> Result<Moment>;
    /// Inserts rows, one transaction a shard.
    async fn insert_rows(&self, node: &str, request: InsertRequest) -> Result<Inserted>;
    /// Runs statements on a shard, all or none.
    async fn write(&self, node: &str, request: WriteRequest) -> Result<Vec<Done>>;
    /// Asks shards to prepare their parts of a transaction; a vote a shard.
    async fn prepare(&self, node: &str, request: PrepareRequest) -> Result<Vec<Vote>>;
    /// Tells shards the word of a transaction; those that have not done as told.
    async fn resolve(&self, node: &str, name: Uuid, commit: bool, shards: &[u64]) -> Result<Vec<ShardFailure>>;
    /// The shards that wait for the word of a transaction.
    async fn list_fences(&self, node: &str) -> Result<Vec<Fence>>;
    /// Who a node is, checked to be built as the coordinator is.
    async fn describe(&self, node: &str) -> Result<NodeDescription>;
}

/// When something was, in commits of a node: its start's number, and how many there were since. The default is no moment.
pub(crate) type Moment = (u64, u64);

/// A statement for shards of a node.
#[derive(Debug, Clone)]
pub(crate) struct FragmentRequest {
    pub(crate) shards: Arc<[u64]>,
    pub(crate) sql: String,
    pub(crate) parameters: Arc<Vec<Value>>,
    pub(crate) merge: MergeSpec,
    pub(crate) schema_version: u64,
    pub(crate) deadline: Instant,
    pub(crate) bytes_max: u64,
    pub(crate) scope: Option<Scope>,
    /// What a shard must hold to give any row.
    pub(crate) needs: Vec<BoundNeed>,
    /// The column that the first key of the merge's order is.
    pub(crate) lead: Option<Stored>,
    /// Whether shards may fail one by one.
    pub(crate) partial: bool,
    /// When not 0, each shard is measured, and so many of the slowest are named.
    pub(crate) slowest_max: usize,
    /// Whether the rows are the same as long as the shards stand still.
    pub(crate) keep: bool,
}

/// A part of a node's answer; the summary comes last.
#[derive(Debug)]
pub(crate) enum FragmentPart {
    Batch(Batch),
    Summary(Summary),
}

/// Which shards a node answered for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) answered: u32,
    pub(crate) failed: Vec<ShardFailure>,
    /// When they were asked for.
    pub(crate) slowest: Vec<ShardTime>,
    /// Shards that were not read, since what they had given before still holds.
    pub(crate) kept: u32,
    /// Shards that were not read, since their statistics rule them out.
    pub(crate) skipped: u32,
    /// How the shards stood before any was read, when the answer is the same as long as they stand so.
    pub(crate) state: Option<ShardsState>,
}

/// How some shards stand. Its numbers mean nothing but to their node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShardsState {
    pub(crate) start: u64,
    pub(crate) node_commits: u64,
    pub(crate) commits: u64,
}

/// Shards of a node that were read, and how they stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) node: String,
    pub(crate) shards: Arc<[u64]>,
    pub(crate) state: ShardsState,
}

/// A shard that could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardFailure {
    pub(crate) shard: u64,
    pub(crate) node: String,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// Rows for shards of a node.
#[derive(Debug)]
pub(crate) struct InsertRequest {
    pub(crate) shards: Vec<ShardRows>,
    pub(crate) schema_version: u64,
    /// Whether a row that is refused leaves its shard's other rows in place.
    pub(crate) keep_going: bool,
}

/// Rows for one shard.
#[derive(Debug)]
pub(crate) struct ShardRows {
    pub(crate) shard: u64,
    pub(crate) tables: Vec<TableRows>,
}

/// Rows for one table of a shard.
#[derive(Debug)]
pub(crate) struct TableRows {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
    pub(crate) batch: Batch,
}

/// What became of inserted rows.
#[derive(Debug, Default)]
pub(crate) struct Inserted {
    pub(crate) rejected: Vec<RejectedRow>,
    /// Shards of which no row was written.
    pub(crate) failed: Vec<ShardFailure>,
}

/// A row that its shard refused.
#[derive(Debug)]
pub(crate) struct RejectedRow {
    pub(crate) shard: u64,
    /// Index into the shard's tables.
    pub(crate) table: usize,
    /// Place in the batch.
    pub(crate) row: usize,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// Statements for a shard.
#[derive(Debug)]
pub(crate) struct WriteRequest {
    pub(crate) shard: u64,
    pub(crate) schema_version: u64,
    /// Until the commit begins.
    pub(crate) deadline: Instant,
    pub(crate) bytes_max: u64,
    pub(crate) statements: Vec<ShardStatement>,
}

/// Parts of a transaction.
#[derive(Debug)]
pub(crate) struct PrepareRequest {
    pub(crate) name: Uuid,
    pub(crate) shards: Vec<WriteRequest>,
    pub(crate) deadline: Instant,
}

/// What a shard says of its part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Vote {
    Prepared(Vec<Done>),
    /// There was nothing to do, and it waits for no word.
    Nothing(Vec<Done>),
    Refused(Error),
}

/// A shard that waits for the word of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fence {
    pub(crate) shard: u64,
    pub(crate) name: Uuid,
    pub(crate) age: Duration,
}

/// A statement that writes.
#[derive(Debug, Clone)]
pub(crate) struct ShardStatement {
    pub(crate) sql: String,
    /// Run once for each row, whose values are bound in front.
    pub(crate) rows: Option<Batch>,
    pub(crate) parameters: Vec<Value>,
    /// When it is not met, all is undone.
    pub(crate) expectation: Option<Expectation>,
    /// By which failures name it; 0 when they do not.
    pub(crate) number: u32,
    /// From here on foreign keys speak at the end of the request: rows may name such that come behind them.
    pub(crate) defers_foreign_keys: bool,
    /// When there are any: for the whole request foreign keys neither speak nor act, and at its end those of these tables must hold.
    pub(crate) foreign_keys_checked: Vec<String>,
}

impl ShardStatement {
    /// Run once.
    pub(crate) fn once(sql: String, parameters: Vec<Value>) -> ShardStatement {
        ShardStatement {
            sql,
            rows: None,
            parameters,
            expectation: None,
            number: 0,
            defers_foreign_keys: false,
            foreign_keys_checked: Vec::new(),
        }
    }

    /// Run for each row.
    pub(crate) fn of_rows(sql: String, rows: Batch) -> ShardStatement {
        ShardStatement { rows: Some(rows), ..ShardStatement::once(sql, Vec::new()) }
    }
}

/// What a statement did.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Done {
    pub(crate) rows_affected: u64,
    /// Of the last row that it inserted.
    pub(crate) last_insert_rowid: Option<i64>,
    /// What it gave.
    pub(crate) rows: Option<Batch>,
}

/// A node as it describes itself.
#[derive(Debug, Clone)]
pub(crate) struct NodeDescription {
    pub(crate) sqlite_version: String,
    pub(crate) shards_open: u32,
    pub(crate) memory_bytes: u64,
    /// Of these, answers that are kept.
    pub(crate) kept_bytes: u64,
    /// Of these, shards' pages that idle readers hold.
    pub(crate) page_cache_bytes: u64,
    /// The last schema change that it was given.
    pub(crate) schema_version: u64,
    /// Shards that have files there; those that are known to be at that number, and that have tried the change that is being tried.
    pub(crate) shards_held: u32,
    pub(crate) shards_at_schema: u32,
    pub(crate) shards_tried: u32,
}
