//! Nodes and a coordinator in this process, with a shard for each vendor.

use std::{future::Future, path::Path};

use souk_coordinator::{Limits, NodeAddress, PlacementPolicy};
use souk_merge::{Batch, Value};
use souk_proto::v1::{
    Certificate, ExecuteRequest, GetStatusRequest, LoadRequest, QueryRequest,
    cluster_service_client::ClusterServiceClient, query_response::Part, query_service_client::QueryServiceClient,
    write_service_client::WriteServiceClient,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tonic::{
    service::Routes,
    transport::{Channel, Endpoint},
};

use crate::{
    node::{listen, start_node, stop_of},
    source::Rows,
};

/// Rows of a message.
const MESSAGE_ROWS: usize = 4_000;

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) certificate: Certificate,
}

pub(crate) struct Cluster {
    queries: QueryServiceClient<Channel>,
    writes: WriteServiceClient<Channel>,
    status: ClusterServiceClient<Channel>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    _folder: TempDir,
}

impl Cluster {
    pub(crate) async fn start(nodes: usize) -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        let mut addresses = Vec::new();
        for number in 1..=nodes {
            let shutdown = stop_of(stopped.clone());
            let kept_bytes_max = souk_vendor_node::KEPT_BYTES_MAX;
            let (address, task) = start_node(format!("n{number}"), folder.path(), kept_bytes_max, shutdown).await;
            tasks.push(task);
            addresses.push(address);
        }
        let (listener, address) = listen().await;
        tasks.push(tokio::spawn(coordinator(listener, addresses, folder.path(), stop_of(stopped))));
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let queries = QueryServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
        Cluster {
            queries,
            writes: WriteServiceClient::new(channel.clone()),
            status: ClusterServiceClient::new(channel),
            stop,
            tasks,
            _folder: folder,
        }
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let request = ExecuteRequest { sql: sql.to_owned(), ..ExecuteRequest::default() };
        self.writes.clone().execute(request).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Loads all rows; every one must be taken.
    pub(crate) async fn load(&self, table: &str, rows: &Rows) {
        let messages = rows.values.chunks(MESSAGE_ROWS).enumerate().map(|(number, chunk)| LoadRequest {
            table: table.to_owned(),
            columns: rows.columns.clone(),
            batch: Some(batch(rows.columns.len(), chunk).into()),
            first_row: (number * MESSAGE_ROWS) as u64,
        });
        let messages: Vec<LoadRequest> = messages.collect();
        let mut responses = self.writes.clone().load(tokio_stream::iter(messages)).await.unwrap().into_inner();
        let mut loaded = 0;
        while let Some(response) = responses.message().await.unwrap() {
            assert_eq!(response.rejected, [], "rejected rows of {table}");
            loaded = response.loaded;
        }
        assert_eq!(loaded, rows.values.len() as u64, "loaded rows of {table}");
    }

    pub(crate) async fn query(&self, sql: &str) -> Result<Answer, String> {
        let request = QueryRequest { sql: sql.to_owned(), ..QueryRequest::default() };
        let failed = |status: tonic::Status| format!("{:?}: {}", souk_proto::Reason::of(&status), status.message());
        let mut stream = self.queries.clone().query(request).await.map_err(failed)?.into_inner();
        let mut columns = Vec::new();
        let mut rows = Vec::new();
        let mut certificate = None;
        while let Some(response) = stream.message().await.map_err(failed)? {
            match response.part.unwrap() {
                Part::Header(header) => columns = header.columns.into_iter().map(|column| column.name).collect(),
                Part::Batch(batch) => rows.extend(Batch::try_from(batch).unwrap().into_rows()),
                Part::Rows(_) => return Err("rows came where batches were asked for".to_owned()),
                Part::Certificate(last) => certificate = Some(last),
            }
        }
        let certificate = certificate.ok_or("the answer has no certificate")?;
        Ok(Answer { columns, rows, certificate })
    }

    pub(crate) async fn shards(&self) -> u32 {
        self.status.clone().get_status(GetStatusRequest {}).await.unwrap().into_inner().shards
    }

    /// Stops all parts and waits for them.
    pub(crate) async fn stop(self) {
        self.stop.send(true).unwrap();
        drop((self.queries, self.writes, self.status));
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

fn batch(width: usize, rows: &[Vec<Value>]) -> Batch {
    let mut batch = Batch::new(width);
    for row in rows {
        batch.push_row(row.iter().map(Value::as_ref));
    }
    batch
}

fn coordinator(
    listener: TcpListener,
    nodes: Vec<NodeAddress>,
    folder: &Path,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let data = folder.join("coordinator");
    let placement = PlacementPolicy::Own;
    let settings = souk_coordinator::Settings { data, nodes, placement, limits: Limits::default() };
    async move {
        souk_coordinator::run(souk_coordinator::open(settings).unwrap(), Routes::default(), listener, shutdown)
            .await
            .unwrap()
    }
}
