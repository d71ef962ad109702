//! Nodes and a coordinator in this process, spoken to over gRPC.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use souk_coordinator::{Limits, PlacementPolicy};
use souk_merge::{Batch, Value, ValueRef};
use souk_proto::{Reason, v1};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Status};
use v1::cluster_service_client::ClusterServiceClient;
use v1::query_response::Part;
use v1::query_service_client::QueryServiceClient;
use v1::write_service_client::WriteServiceClient;

use super::node::{listen, start_node, stop_of};
use super::values::Params;

/// How long nodes and a coordinator may take to end.
const GOODBYE: Duration = Duration::from_secs(20);

/// A running cluster; it ends when this is dropped.
pub struct Cluster {
    queries: QueryServiceClient<Channel>,
    writes: WriteServiceClient<Channel>,
    status: ClusterServiceClient<Channel>,
    /// All shards, as long as nothing was written since.
    shards: Cell<Option<u32>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    runtime: Runtime,
    /// Removed with the cluster, when the cluster made it.
    folder: Option<TempDir>,
}

/// A whole answer, its certificate checked.
#[derive(Debug, Clone)]
pub struct Answer {
    pub names: Vec<String>,
    /// Empty for an expression.
    pub declared: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    pub certificate: v1::Certificate,
}

/// An error as a client sees it.
#[derive(Debug, Clone)]
pub struct Failure {
    /// None when the error does not come from souk.
    pub reason: Option<Reason>,
    pub code: Code,
    pub message: String,
}

/// What a request may say beyond its text.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub shard_key: Option<Value>,
    pub query: v1::QueryOptions,
}

/// What became of a load.
#[derive(Debug, Clone, Default)]
pub struct Load {
    pub loaded: u64,
    pub rejected: Vec<v1::RejectedRow>,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure { reason: Reason::of(&status), code: status.code(), message: status.message().to_owned() }
    }
}

impl Cluster {
    /// Starts `nodes` nodes and a coordinator with default limits.
    pub fn start(nodes: usize, placement: PlacementPolicy) -> Cluster {
        Cluster::start_with(nodes, placement, Limits::default())
    }

    pub fn start_with(nodes: usize, placement: PlacementPolicy, limits: Limits) -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        let mut cluster = Cluster::start_in(folder.path(), nodes, placement, limits);
        cluster.folder = Some(folder);
        cluster
    }

    /// As [`Cluster::start_with`], in a folder that the caller keeps: what a cluster left there is there again.
    pub fn start_in(folder: &Path, nodes: usize, placement: PlacementPolicy, limits: Limits) -> Cluster {
        Cluster::start_keeping(folder, nodes, placement, limits, souk_vendor_node::KEPT_BYTES_MAX)
    }

    /// Starts a cluster whose nodes keep no answers: for measuring what it takes to make them.
    pub fn start_forgetful(nodes: usize, placement: PlacementPolicy) -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        let limits = Limits { kept_bytes_max: 0, ..Limits::default() };
        let mut cluster = Cluster::start_keeping(folder.path(), nodes, placement, limits, 0);
        cluster.folder = Some(folder);
        cluster
    }

    fn start_keeping(
        folder: &Path,
        nodes: usize,
        placement: PlacementPolicy,
        limits: Limits,
        kept_bytes_max: u64,
    ) -> Cluster {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        let address = runtime.block_on(async {
            let mut addresses = Vec::new();
            for index in 0..nodes {
                let (address, task) =
                    start_node(format!("node-{}", index + 1), folder, kept_bytes_max, stop_of(stopped.clone())).await;
                addresses.push(address);
                tasks.push(task);
            }
            let data = folder.join("coordinator");
            let settings = souk_coordinator::Settings { data, nodes: addresses, placement, limits };
            let (listener, address) = listen().await;
            let shutdown = stop_of(stopped.clone());
            let opened = souk_coordinator::open(settings).expect("a coordinator");
            let run = async move {
                souk_coordinator::run(opened, Routes::default(), listener, shutdown).await.expect("a coordinator")
            };
            // The first to end.
            tasks.insert(0, tokio::spawn(run));
            address
        });
        let channel = {
            let _inside = runtime.enter();
            Channel::from_shared(format!("http://{address}")).expect("an address").connect_lazy()
        };
        Cluster {
            queries: QueryServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX),
            writes: WriteServiceClient::new(channel.clone()),
            status: ClusterServiceClient::new(channel),
            shards: Cell::new(None),
            stop,
            tasks,
            runtime,
            folder: None,
        }
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Runs one statement that writes.
    pub fn execute(&self, sql: &str, params: &Params) -> Result<v1::ExecuteResponse, Failure> {
        self.shards.set(None);
        let request =
            v1::ExecuteRequest { sql: sql.to_owned(), parameters: parameters(params), ..v1::ExecuteRequest::default() };
        let mut client = self.writes.clone();
        Ok(self.wait(async move { client.execute(request).await })?.into_inner())
    }

    /// Runs statements that happen together or not at all.
    pub fn transact(&self, request: v1::TransactRequest) -> Result<v1::TransactResponse, Failure> {
        self.shards.set(None);
        let mut client = self.writes.clone();
        Ok(self.wait(async move { client.transact(request).await })?.into_inner())
    }

    /// What became of a transaction that had a name.
    pub fn get_transaction(&self, request_id: &str) -> Result<Option<v1::TransactResponse>, Failure> {
        let request = v1::GetTransactionRequest { request_id: request_id.to_owned() };
        let mut client = self.writes.clone();
        Ok(self.wait(async move { client.get_transaction(request).await })?.into_inner().done)
    }

    /// Loads rows in columnar batches of at most 500.
    pub fn load(&self, table: &str, columns: &[String], rows: &[Vec<Value>]) -> Result<Load, Failure> {
        self.shards.set(None);
        let requests: Vec<v1::LoadRequest> = rows
            .chunks(500)
            .enumerate()
            .map(|(index, chunk)| v1::LoadRequest {
                table: table.to_owned(),
                columns: columns.to_vec(),
                batch: Some(batch_of(columns.len(), chunk).into()),
                first_row: index as u64 * 500,
            })
            .collect();
        let mut client = self.writes.clone();
        self.wait(async move {
            let mut responses = client.load(tokio_stream::iter(requests)).await?.into_inner();
            let mut load = Load::default();
            while let Some(response) = responses.message().await? {
                load.loaded = response.loaded;
                load.rejected.extend(response.rejected);
            }
            Ok(load)
        })
    }

    pub fn query(&self, sql: &str, params: &Params) -> Result<Answer, Failure> {
        self.query_with(sql, params, Options::default())
    }

    pub fn query_with(&self, sql: &str, params: &Params, options: Options) -> Result<Answer, Failure> {
        let partial = options.query.failure_mode == v1::FailureMode::Partial as i32;
        let request = v1::QueryRequest {
            sql: sql.to_owned(),
            parameters: parameters(params),
            shard_key: options.shard_key.as_ref().map(v1::Value::from),
            options: Some(options.query),
        };
        let mut client = self.queries.clone();
        let answer = self.wait(async move {
            let mut parts = client.query(request).await?.into_inner();
            let mut reader = Reader::default();
            while let Some(response) = parts.message().await? {
                reader.read(response.part.expect("each response has a part"));
            }
            Ok::<_, Failure>(reader.answer())
        })?;
        self.check_certificate(sql, &answer, partial);
        Ok(answer)
    }

    /// Runs statements that write at the same time.
    pub fn execute_together(&self, statements: &[String]) -> Vec<Result<v1::ExecuteResponse, Failure>> {
        self.shards.set(None);
        let execute = |sql: &String| {
            let (mut client, request) =
                (self.writes.clone(), v1::ExecuteRequest { sql: sql.clone(), ..v1::ExecuteRequest::default() });
            async move { client.execute(request).await.map(tonic::Response::into_inner).map_err(Failure::from) }
        };
        self.runtime.block_on(futures::future::join_all(statements.iter().map(execute)))
    }

    pub fn explain(&self, sql: &str, params: &Params) -> Result<v1::ExplainResponse, Failure> {
        self.explain_with(v1::ExplainRequest {
            sql: sql.to_owned(),
            parameters: parameters(params),
            ..v1::ExplainRequest::default()
        })
    }

    pub fn explain_with(&self, request: v1::ExplainRequest) -> Result<v1::ExplainResponse, Failure> {
        let mut client = self.queries.clone();
        Ok(self.wait(async move { client.explain(request).await })?.into_inner())
    }

    pub fn status(&self) -> v1::GetStatusResponse {
        let mut client = self.status.clone();
        self.wait(async move { client.get_status(v1::GetStatusRequest {}).await }).expect("a status").into_inner()
    }

    fn check_certificate(&self, sql: &str, answer: &Answer, partial: bool) {
        let certificate = &answer.certificate;
        let failed = certificate.failed.len() as u32;
        assert_eq!(
            certificate.asked,
            certificate.answered + failed,
            "{sql}: asked = answered + failed: {certificate:?}"
        );
        assert!(partial || failed == 0, "{sql}: failures though partial answers were not allowed: {certificate:?}");
        assert_eq!(certificate.rows, answer.rows.len() as u64, "{sql}: rows of the certificate");
        assert!(
            ["route", "scatter", "gather", "explain"].contains(&certificate.plan.as_str()),
            "{sql}: plan `{}`",
            certificate.plan
        );
        let shards = self.shards.get().unwrap_or_else(|| self.status().shards);
        self.shards.set(Some(shards));
        assert_eq!(
            certificate.asked + certificate.pruned,
            shards,
            "{sql}: asked + pruned = all shards: {certificate:?}"
        );
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        let tasks = std::mem::take(&mut self.tasks);
        let all = async {
            for task in tasks {
                task.await.expect("no task panics");
            }
        };
        let ended = self.runtime.block_on(async { timeout(GOODBYE, all).await });
        if !std::thread::panicking() {
            ended.expect("nodes and coordinator end when they are told to");
        }
    }
}

fn parameters(params: &Params) -> Vec<v1::Parameter> {
    params.iter().map(|(name, value)| v1::Parameter { name: name.clone(), value: Some(value.into()) }).collect()
}

fn batch_of(width: usize, rows: &[Vec<Value>]) -> Batch {
    let mut batch = Batch::new(width);
    for row in rows {
        batch.push_row(row.iter().map(Value::as_ref).collect::<Vec<ValueRef<'_>>>());
    }
    batch
}

/// Reads a stream and insists on its shape: a header, rows, the certificate.
#[derive(Default)]
struct Reader {
    header: Option<v1::Header>,
    rows: Vec<Vec<Value>>,
    certificate: Option<v1::Certificate>,
}

impl Reader {
    fn read(&mut self, part: Part) {
        assert!(self.certificate.is_none(), "nothing follows the certificate");
        assert_eq!(self.header.is_none(), matches!(part, Part::Header(_)), "one header, first");
        match part {
            Part::Header(header) => self.header = Some(header),
            Part::Batch(batch) => self.rows.extend(Batch::try_from(batch).expect("a batch").into_rows()),
            Part::Rows(rows) => self.rows.extend(
                rows.rows
                    .into_iter()
                    .map(|row| row.values.into_iter().map(|value| Value::try_from(value).expect("a value")).collect()),
            ),
            Part::Certificate(certificate) => self.certificate = Some(certificate),
        }
    }

    fn answer(self) -> Answer {
        let columns = self.header.expect("a header").columns;
        let width = columns.len();
        assert!(self.rows.iter().all(|row| row.len() == width), "each row is as wide as the header");
        let (names, declared) = columns.into_iter().map(|column| (column.name, column.declared_type)).unzip();
        let certificate = self.certificate.expect("an answer ends with its certificate");
        Answer { names, declared, rows: self.rows, certificate }
    }
}
