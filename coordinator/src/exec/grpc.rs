//! Nodes over gRPC.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt as _};
use souk_merge::Batch;
use souk_proto::{Identity, Reason, v1};
use tokio::time::Instant;
use tonic::service::{Interceptor, interceptor::InterceptedService};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use super::nodes::{
    Done, Fence, FragmentPart, FragmentRequest, InsertRequest, Inserted, Moment, NodeDescription, Nodes,
    PrepareRequest, Reading, RejectedRow, ShardFailure, ShardStatement, ShardsState, Summary, Vote, WriteRequest,
};

use crate::error::{Error, Result};
use crate::plan::{BoundNeed, Scope, ShardTime, Stored, Test};
use crate::settings::NodeAddress;

type Client = v1::shard_service_client::ShardServiceClient<InterceptedService<Channel, Meant>>;

/// A message from a node is at most this large, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// HTTP/2 windows: what a node may send ahead, in bytes.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection whose peer answers no ping in this time is dead.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long a node waits for a commit before it says that there was none.
const COMMITS_WAIT_MS: u32 = 1000;

/// Connections to all nodes, made on first use.
pub(crate) struct GrpcNodes {
    nodes: HashMap<String, Arc<Node>>,
    build: Build,
}

struct Node {
    id: String,
    client: Client,
    /// Whether the node behind the connection was found to be built as we are. Asked again after a failure.
    checked: AtomicBool,
}

/// Says with each call which node and which build of SQLite is meant. A connection is made anew without anybody noticing, and another node may
/// listen there by then: it refuses the call.
#[derive(Clone)]
struct Meant(Arc<Identity>);

impl Interceptor for Meant {
    fn call(&mut self, request: tonic::Request<()>) -> std::result::Result<tonic::Request<()>, tonic::Status> {
        Ok(self.0.address(request))
    }
}

/// How SQLite is built.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Build {
    sqlite_version: String,
    compile_options: Vec<String>,
}

impl Build {
    fn own() -> rusqlite::Result<Build> {
        let connection = rusqlite::Connection::open_in_memory()?;
        let mut options = connection
            .prepare("PRAGMA compile_options")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<String>>>()?;
        options.retain(|option| !option.starts_with("COMPILER="));
        options.sort();
        Ok(Build { sqlite_version: rusqlite::version().to_owned(), compile_options: options })
    }
}

impl GrpcNodes {
    /// Nothing is connected yet.
    pub(crate) fn new(addresses: &[NodeAddress]) -> std::result::Result<GrpcNodes, String> {
        let build = Build::own().map_err(|error| error.to_string())?;
        let node = |address: &NodeAddress| {
            let endpoint = Endpoint::from_shared(format!("http://{}", address.address))
                .map_err(|error| format!("the address of node `{}`: {error}", address.id))?
                .connect_timeout(CONNECT_TIMEOUT)
                .tcp_nodelay(true)
                .initial_stream_window_size(STREAM_WINDOW_BYTES)
                .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
                .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
                .keep_alive_timeout(KEEPALIVE_TIMEOUT);
            let identity = Identity::new(&address.id, &build.sqlite_version, &build.compile_options);
            let meant = Meant(Arc::new(identity));
            let client = Client::new(InterceptedService::new(endpoint.connect_lazy(), meant))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX);
            let node = Node { id: address.id.clone(), client, checked: AtomicBool::new(false) };
            Ok((address.id.clone(), Arc::new(node)))
        };
        Ok(GrpcNodes { nodes: addresses.iter().map(node).collect::<std::result::Result<_, String>>()?, build })
    }

    fn node(&self, id: &str) -> Result<Arc<Node>> {
        let node = self.nodes.get(id).cloned();
        node.ok_or_else(|| Error::new(Reason::ShardUnavailable, format!("node `{id}` has no address")))
    }

    async fn checked(&self, id: &str) -> Result<Arc<Node>> {
        let node = self.node(id)?;
        if !node.checked.load(Ordering::Acquire) {
            node.check(&self.build).await?;
        }
        Ok(node)
    }
}

impl Node {
    fn failed(&self, status: &tonic::Status) -> Error {
        self.checked.store(false, Ordering::Release);
        Error::from_node(&self.id, status)
    }

    async fn check(&self, build: &Build) -> Result<v1::DescribeResponse> {
        let response = self.client.clone().describe(v1::DescribeRequest {}).await;
        let described = response.map_err(|status| self.failed(&status))?.into_inner();
        let mismatch = |what: String| Err(Error::new(Reason::NodeMismatch, what));
        if described.node != self.id {
            return mismatch(format!("node `{}` answers as `{}`: check the addresses", self.id, described.node));
        }
        let theirs = Build {
            sqlite_version: described.sqlite_version.clone(),
            compile_options: described.compile_options.clone(),
        };
        if theirs != *build {
            return mismatch(format!(
                "node `{}` runs SQLite {} with other options than this coordinator's {}: build both alike",
                self.id, theirs.sqlite_version, build.sqlite_version
            ));
        }
        self.checked.store(true, Ordering::Release);
        Ok(described)
    }
}

impl GrpcNodes {
    async fn schema(&self, node: &str, request: v1::ApplySchemaRequest) -> Result<Vec<ShardFailure>> {
        let node = self.checked(node).await?;
        let response = node.client.clone().apply_schema(request).await.map_err(|status| node.failed(&status))?;
        Ok(response.into_inner().failed.into_iter().map(|failure| failure_from_wire(&node.id, failure)).collect())
    }
}

#[async_trait]
impl Nodes for GrpcNodes {
    fn run_fragment(&self, node: &str, request: FragmentRequest) -> BoxStream<'static, Result<FragmentPart>> {
        let found = self.node(node);
        let build = self.build.clone();
        let opened = async move {
            let node = found?;
            if !node.checked.load(Ordering::Acquire) {
                node.check(&build).await?;
            }
            let width = request.shards.len();
            let response = node.client.clone().run_fragment(fragment_to_wire(request)?).await;
            let stream = response.map_err(|status| node.failed(&status))?.into_inner();
            let parts = stream.map(move |message| match message {
                Ok(response) => parts_from_wire(&node.id, response, width),
                Err(status) => Err(node.failed(&status)),
            });
            let one_by_one = |parts: Result<Vec<FragmentPart>>| match parts {
                Ok(parts) => parts.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            Ok::<_, Error>(parts.flat_map(move |parts| stream::iter(one_by_one(parts))))
        };
        stream::once(opened)
            .flat_map(|opened| match opened {
                Ok(parts) => parts.boxed(),
                Err(error) => stream::once(async { Err(error) }).boxed(),
            })
            .boxed()
    }

    async fn create_shards(&self, node: &str, shards: &[u64], schema: &[String]) -> Result<()> {
        let node = self.checked(node).await?;
        let request = v1::CreateShardsRequest { shards: shards.to_vec(), schema: schema_to_wire(schema) };
        node.client.clone().create_shards(request).await.map_err(|status| node.failed(&status))?;
        Ok(())
    }

    async fn apply_schema(&self, node: &str, schema: &[String]) -> Result<Vec<ShardFailure>> {
        self.schema(node, v1::ApplySchemaRequest { schema: schema_to_wire(schema), trial: false }).await
    }

    async fn try_schema(&self, node: &str, schema: &[String]) -> Result<Vec<ShardFailure>> {
        self.schema(node, v1::ApplySchemaRequest { schema: schema_to_wire(schema), trial: true }).await
    }

    async fn hold(&self, node: &str, readings: &[&Reading], schema_version: u64) -> Result<bool> {
        let node = self.checked(node).await?;
        let reading = |reading: &&Reading| {
            let ShardsState { start, node_commits, commits } = reading.state;
            let state = Some(v1::ShardsState { start, node_commits, commits });
            v1::Reading { shards: reading.shards.to_vec(), state }
        };
        let request = v1::HoldRequest { schema_version, readings: readings.iter().map(reading).collect() };
        let response = node.client.clone().hold(request).await.map_err(|status| node.failed(&status))?;
        Ok(response.into_inner().holds)
    }

    async fn await_commits(&self, node: &str, (start, commits): Moment) -> Result<Moment> {
        let node = self.checked(node).await?;
        let request = v1::AwaitCommitsRequest { start, commits, wait_ms: COMMITS_WAIT_MS };
        let response = node.client.clone().await_commits(request).await.map_err(|status| node.failed(&status))?;
        let v1::AwaitCommitsResponse { start, commits } = response.into_inner();
        Ok((start, commits))
    }

    async fn insert_rows(&self, node: &str, request: InsertRequest) -> Result<Inserted> {
        let node = self.checked(node).await?;
        let response = node.client.clone().insert_rows(inserts_to_wire(request)).await;
        let response = response.map_err(|status| node.failed(&status))?.into_inner();
        let rejected = response.rejected.into_iter().map(|row| RejectedRow {
            shard: row.shard,
            table: row.table as usize,
            row: row.row as usize,
            reason: Reason::from_word(&row.reason).unwrap_or(Reason::Internal),
            message: row.message,
        });
        Ok(Inserted {
            rejected: rejected.collect(),
            failed: response.failed.into_iter().map(|failure| failure_from_wire(&node.id, failure)).collect(),
        })
    }

    async fn write(&self, node: &str, request: WriteRequest) -> Result<Vec<Done>> {
        failpoint!("write-unsent");
        let node = self.checked(node).await?;
        let asked = request.statements.len();
        let response = node.client.clone().write(write_to_wire(request)?).await;
        let response = response.map_err(|status| in_doubt(&node.id, node.failed(&status), &status))?;
        failpoint!(doubt "write-unheard");
        done_from_wire(&node.id, response.into_inner(), asked)
    }

    async fn prepare(&self, node: &str, request: PrepareRequest) -> Result<Vec<Vote>> {
        failpoint!("prepare-unsent");
        let node = self.checked(node).await?;
        let asked: Vec<usize> = request.shards.iter().map(|shard| shard.statements.len()).collect();
        let request = v1::PrepareRequest {
            transaction: request.name.as_bytes().to_vec(),
            deadline_ms: left_ms(request.deadline)?,
            shards: request.shards.into_iter().map(write_to_wire).collect::<Result<_>>()?,
        };
        let response = node.client.clone().prepare(request).await.map_err(|status| node.failed(&status))?;
        failpoint!("votes-unheard");
        let votes = response.into_inner().votes;
        if votes.len() != asked.len() {
            return Err(unaccounted(&node.id));
        }
        votes.into_iter().zip(asked).map(|(vote, asked)| vote_from_wire(&node.id, vote, asked)).collect()
    }

    async fn resolve(&self, node: &str, name: Uuid, commit: bool, shards: &[u64]) -> Result<Vec<ShardFailure>> {
        failpoint!("word-unsent");
        let node = self.checked(node).await?;
        let request = v1::ResolveRequest { transaction: name.as_bytes().to_vec(), commit, shards: shards.to_vec() };
        let response = node.client.clone().resolve(request).await.map_err(|status| node.failed(&status))?;
        failpoint!("word-unconfirmed");
        Ok(response.into_inner().failed.into_iter().map(|failure| failure_from_wire(&node.id, failure)).collect())
    }

    async fn list_fences(&self, node: &str) -> Result<Vec<Fence>> {
        let node = self.checked(node).await?;
        let response = node.client.clone().list_fences(v1::ListFencesRequest {}).await;
        let fences = response.map_err(|status| node.failed(&status))?.into_inner().fences;
        failpoint!("fences-unheard");
        let fence = |fence: v1::Fence| {
            let name = Uuid::from_slice(&fence.transaction);
            let name = name.map_err(|_| Error::internal(format!("node `{}` names no transaction", node.id)))?;
            Ok(Fence { shard: fence.shard, name, age: Duration::from_millis(fence.age_ms) })
        };
        fences.into_iter().map(fence).collect()
    }

    async fn describe(&self, node: &str) -> Result<NodeDescription> {
        let node = self.node(node)?;
        let described = node.check(&self.build).await?;
        Ok(NodeDescription {
            sqlite_version: described.sqlite_version,
            shards_open: described.shards_open,
            memory_bytes: described.memory_bytes,
            kept_bytes: described.kept_bytes,
            page_cache_bytes: described.page_cache_bytes,
            schema_version: described.schema_version,
            shards_held: u32::try_from(described.shards.len()).unwrap_or(u32::MAX),
            shards_at_schema: described.shards_at_schema,
            shards_tried: described.shards_tried,
        })
    }
}

fn schema_to_wire(schema: &[String]) -> Vec<v1::SchemaChange> {
    (1..).zip(schema).map(|(version, sql)| v1::SchemaChange { version, sql: sql.clone() }).collect()
}

fn fragment_to_wire(request: FragmentRequest) -> Result<v1::RunFragmentRequest> {
    let deadline_ms = left_ms(request.deadline)?;
    Ok(v1::RunFragmentRequest {
        shards: request.shards.to_vec(),
        sql: request.sql,
        parameters: request.parameters.iter().map(v1::Value::from).collect(),
        merge: Some((&request.merge).into()),
        schema_version: request.schema_version,
        deadline_ms,
        bytes_max: request.bytes_max,
        scope: request.scope.as_ref().map(scope_to_wire),
        failure_mode: match request.partial {
            true => v1::FailureMode::Partial.into(),
            false => v1::FailureMode::Unspecified.into(),
        },
        slowest_max: u32::try_from(request.slowest_max).unwrap_or(u32::MAX),
        keep: request.keep,
        needs: request.needs.iter().map(need_to_wire).collect(),
        lead: request.lead.as_ref().map(column_to_wire),
    })
}

fn need_to_wire(need: &BoundNeed) -> v1::Need {
    let test = match &need.test {
        Test::Among(values) => {
            v1::need::Test::Among(v1::Values { values: values.iter().map(v1::Value::from).collect() })
        }
        Test::AtLeast(bound) => v1::need::Test::AtLeast(bound.into()),
        Test::AtMost(bound) => v1::need::Test::AtMost(bound.into()),
    };
    v1::Need { column: Some(column_to_wire(&need.column)), test: Some(test), of_lead: need.of_lead }
}

fn column_to_wire(stored: &Stored) -> v1::StoredColumn {
    v1::StoredColumn { table: stored.table.clone(), column: stored.column.clone() }
}

fn scope_to_wire(scope: &Scope) -> v1::Scope {
    let table = |table: &crate::plan::ShardedTable| v1::ScopedTable {
        table: table.name.clone(),
        key_column: table.key_column.clone(),
    };
    v1::Scope { tables: scope.tables.iter().map(table).collect(), key: Some((&scope.key).into()) }
}

/// The parts of a message: a summary may bring the last rows.
fn parts_from_wire(node: &str, response: v1::RunFragmentResponse, shards: usize) -> Result<Vec<FragmentPart>> {
    match response.part {
        Some(v1::run_fragment_response::Part::Batch(batch)) => Ok(vec![batch_from_wire(node, batch)?]),
        Some(v1::run_fragment_response::Part::Summary(mut summary)) => {
            let last = summary.last.take().map(|batch| batch_from_wire(node, batch)).transpose()?;
            let summary = FragmentPart::Summary(summary_from_wire(node, summary, shards)?);
            Ok(last.into_iter().chain([summary]).collect())
        }
        None => Err(Error::internal(format!("node `{node}` sent an empty message"))),
    }
}

fn summary_from_wire(node: &str, summary: v1::FragmentSummary, shards: usize) -> Result<Summary> {
    let v1::FragmentSummary { answered, failed, slowest, kept, skipped, state, last: _ } = summary;
    let failed: Vec<_> = failed.into_iter().map(|failure| failure_from_wire(node, failure)).collect();
    if answered as usize + failed.len() != shards {
        return Err(Error::internal(format!("node `{node}` did not account for every shard it was asked for")));
    }
    let slowest = slowest.into_iter().map(|time| ShardTime {
        shard: time.shard,
        node: node.to_owned(),
        elapsed: Duration::from_micros(time.elapsed_us),
        rows: time.rows,
    });
    let state =
        state.map(|v1::ShardsState { start, node_commits, commits }| ShardsState { start, node_commits, commits });
    Ok(Summary { answered, failed, slowest: slowest.collect(), kept, skipped, state })
}

fn batch_from_wire(node: &str, batch: v1::Batch) -> Result<FragmentPart> {
    let batch = Batch::try_from(batch);
    let malformed = |error| Error::internal(format!("node `{node}` sent a malformed batch: {error}"));
    batch.map(FragmentPart::Batch).map_err(malformed)
}

fn failure_from_wire(node: &str, failure: v1::ShardFailure) -> ShardFailure {
    ShardFailure {
        shard: failure.shard,
        node: node.to_owned(),
        reason: Reason::from_word(&failure.reason).unwrap_or(Reason::Internal),
        message: failure.message,
    }
}

/// A call that broke off may have happened.
fn in_doubt(node: &str, error: Error, status: &tonic::Status) -> Error {
    if Reason::of(status).is_some() {
        return error;
    }
    let message = format!("whether the statement happened is unknown, read before trying again: {}", error.message);
    let reason = if status.code() == tonic::Code::Unavailable { Reason::ShardUnavailable } else { error.reason };
    tracing::warn!("node `{node}`: {message}");
    Error::in_doubt(reason, message)
}

fn unaccounted(node: &str) -> Error {
    Error::internal(format!("node `{node}` did not account for everything that it was given"))
}

/// What each of so many statements did.
fn done_from_wire(node: &str, response: v1::WriteResponse, asked: usize) -> Result<Vec<Done>> {
    if response.outcomes.len() != asked {
        return Err(unaccounted(node));
    }
    let done = |outcome: v1::StatementOutcome| {
        let v1::StatementOutcome { rows_affected, last_insert_rowid, rows } = outcome;
        let malformed = |error| Error::internal(format!("node `{node}` sent a malformed batch: {error}"));
        let rows = rows.map(Batch::try_from).transpose().map_err(malformed)?;
        Ok(Done { rows_affected, last_insert_rowid, rows })
    };
    response.outcomes.into_iter().map(done).collect()
}

fn vote_from_wire(node: &str, vote: v1::Vote, asked: usize) -> Result<Vote> {
    match vote.kind {
        Some(v1::vote::Kind::Prepared(done)) => Ok(Vote::Prepared(done_from_wire(node, done, asked)?)),
        Some(v1::vote::Kind::Nothing(done)) => Ok(Vote::Nothing(done_from_wire(node, done, asked)?)),
        Some(v1::vote::Kind::Refused(failure)) => {
            let ShardFailure { reason, message, .. } = failure_from_wire(node, failure);
            Ok(Vote::Refused(Error::new(reason, message)))
        }
        None => Err(unaccounted(node)),
    }
}

/// Milliseconds until a deadline, which must not have passed.
fn left_ms(deadline: Instant) -> Result<u32> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::deadline());
    }
    Ok(u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1))
}

fn write_to_wire(request: WriteRequest) -> Result<v1::WriteRequest> {
    let deadline_ms = left_ms(request.deadline)?;
    let statement = |statement: ShardStatement| v1::ShardStatement {
        sql: statement.sql,
        rows: statement.rows.map(v1::Batch::from),
        parameters: statement.parameters.iter().map(v1::Value::from).collect(),
        expectation: statement.expectation.map(Into::into),
        number: statement.number,
        defers_foreign_keys: statement.defers_foreign_keys,
        foreign_keys_checked: statement.foreign_keys_checked,
    };
    Ok(v1::WriteRequest {
        shard: request.shard,
        schema_version: request.schema_version,
        deadline_ms,
        bytes_max: request.bytes_max,
        statements: request.statements.into_iter().map(statement).collect(),
    })
}

fn inserts_to_wire(request: InsertRequest) -> v1::InsertRowsRequest {
    let shards = request.shards.into_iter().map(|shard| v1::ShardInserts {
        shard: shard.shard,
        tables: shard
            .tables
            .into_iter()
            .map(|table| v1::TableInserts {
                table: table.table,
                columns: table.columns,
                batch: Some(table.batch.into()),
            })
            .collect(),
    });
    v1::InsertRowsRequest {
        shards: shards.collect(),
        schema_version: request.schema_version,
        keep_going: request.keep_going,
    }
}
