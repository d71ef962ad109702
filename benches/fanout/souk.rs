//! souk, as a client sees it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use souk_merge::{Batch, Value};
use souk_proto::v1::{
    GetStatusRequest, GetStatusResponse, Parameter, QueryRequest, cluster_service_client::ClusterServiceClient,
    query_response::Part, query_service_client::QueryServiceClient,
};
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

use crate::load;

/// Bytes that may be on the way before the reader has to catch up.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Bytes of a message that is accepted.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Where souk is.
pub(crate) struct Souk<'a> {
    runtime: &'a Runtime,
    endpoint: Endpoint,
}

/// A connection to the coordinator, and the thread that works for it. It lives only while it is used: nobody answers its
/// pings while others are measured.
pub(crate) struct Connection<'a> {
    runtime: &'a Runtime,
    client: Client,
}

/// A connection to the coordinator.
#[derive(Clone)]
pub(crate) struct Client(Channel);

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) batches: Vec<Batch>,
    /// `route`, `scatter` or `gather`.
    pub(crate) plan: String,
    /// Until the first rows were there, or the end of an answer without any.
    pub(crate) first: Duration,
    /// What the coordinator took, as its certificate says.
    pub(crate) at_coordinator: Duration,
}

impl Souk<'_> {
    /// A coordinator at `host:port`.
    pub(crate) fn at<'a>(runtime: &'a Runtime, address: &str) -> anyhow::Result<Souk<'a>> {
        Ok(Souk { runtime, endpoint: endpoint(address)? })
    }

    /// Connects.
    pub(crate) fn connect(&self) -> anyhow::Result<Connection<'_>> {
        let client = Client(self.runtime.block_on(self.endpoint.connect())?);
        Ok(Connection { runtime: self.runtime, client })
    }
}

/// How `host:port` is spoken to.
pub(crate) fn endpoint(address: &str) -> anyhow::Result<Endpoint> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES))
}

/// What is sent to ask.
pub(crate) fn request(sql: &str, parameters: &[Value]) -> QueryRequest {
    let parameters = parameters.iter().map(|value| Parameter { name: String::new(), value: Some(value.into()) });
    QueryRequest { sql: sql.to_owned(), parameters: parameters.collect(), ..QueryRequest::default() }
}

impl Connection<'_> {
    /// Asks and takes the whole answer.
    pub(crate) fn ask(&self, sql: &str, parameters: &[Value]) -> anyhow::Result<Answer> {
        self.runtime.block_on(self.client.ask(sql, parameters))
    }

    /// Loads rows into a table.
    pub(crate) fn load(&self, table: &str, columns: &[&str], batch: Batch) -> anyhow::Result<u64> {
        self.runtime.block_on(self.client.load(table, columns, batch))
    }

    /// What the coordinator says of its cluster.
    pub(crate) fn status(&self) -> anyhow::Result<GetStatusResponse> {
        let mut client = ClusterServiceClient::new(self.client.0.clone());
        Ok(self.runtime.block_on(client.get_status(GetStatusRequest {}))?.into_inner())
    }
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(endpoint: &Endpoint) -> anyhow::Result<Client> {
        Ok(Client(endpoint.connect().await?))
    }

    /// Loads rows into a table.
    pub(crate) async fn load(&self, table: &str, columns: &[&str], batch: Batch) -> anyhow::Result<u64> {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        load::load(self.0.clone(), tokio_stream::once(load::request(table, columns, batch, 0))).await
    }

    /// Asks and takes the whole answer.
    pub(crate) async fn ask(&self, sql: &str, parameters: &[Value]) -> anyhow::Result<Answer> {
        let started = Instant::now();
        let mut client = QueryServiceClient::new(self.0.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let mut responses = client.query(request(sql, parameters)).await?.into_inner();
        let (mut batches, mut first, mut certificate) = (Vec::new(), None, None);
        while let Some(response) = responses.message().await? {
            match response.part.context("a response holds something")? {
                Part::Batch(batch) => {
                    first.get_or_insert_with(|| started.elapsed());
                    batches.push(Batch::try_from(batch)?);
                }
                Part::Certificate(last) => certificate = Some(last),
                Part::Header(_) | Part::Rows(_) => {}
            }
        }
        let certificate = certificate.context("the answer has no certificate")?;
        ensure!(certificate.answered == certificate.asked, "not all shards answered: {certificate:?}");
        let first = first.unwrap_or_else(|| started.elapsed());
        let at_coordinator = Duration::from_micros(certificate.elapsed_us);
        Ok(Answer { batches, plan: certificate.plan, first, at_coordinator })
    }
}
