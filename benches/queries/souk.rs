//! souk, as a client sees it.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use souk_merge::{Batch, Value};
use souk_proto::v1::{
    GetStatusRequest, Parameter, QueryRequest, cluster_service_client::ClusterServiceClient, query_response::Part,
    query_service_client::QueryServiceClient,
};
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

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

/// A connection to the coordinator. It lives only while it is used: nobody answers its pings while others are measured.
pub(crate) struct Connection<'a> {
    runtime: &'a Runtime,
    channel: Channel,
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) batches: Vec<Batch>,
    /// What the coordinator took, as its certificate says.
    pub(crate) at_coordinator: Duration,
}

impl Souk<'_> {
    /// A coordinator at `host:port`.
    pub(crate) fn at<'a>(runtime: &'a Runtime, address: &str) -> anyhow::Result<Souk<'a>> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        Ok(Souk { runtime, endpoint })
    }

    /// Connects.
    pub(crate) fn connect(&self) -> anyhow::Result<Connection<'_>> {
        Ok(Connection { runtime: self.runtime, channel: self.runtime.block_on(self.endpoint.connect())? })
    }
}

impl Connection<'_> {
    /// Asks and takes the whole answer.
    pub(crate) fn ask(&self, sql: &str, parameters: &[Value]) -> anyhow::Result<Answer> {
        let parameters = parameters.iter().map(|value| Parameter { name: String::new(), value: Some(value.into()) });
        let request = QueryRequest { sql: sql.to_owned(), parameters: parameters.collect(), ..QueryRequest::default() };
        self.runtime.block_on(self.answer(request))
    }

    async fn answer(&self, request: QueryRequest) -> anyhow::Result<Answer> {
        let mut client = QueryServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let mut responses = client.query(request).await?.into_inner();
        let mut batches = Vec::new();
        let mut certificate = None;
        while let Some(response) = responses.message().await? {
            match response.part.context("a response holds something")? {
                Part::Batch(batch) => batches.push(Batch::try_from(batch)?),
                Part::Certificate(last) => certificate = Some(last),
                Part::Header(_) | Part::Rows(_) => {}
            }
        }
        let certificate = certificate.context("the answer has no certificate")?;
        ensure!(certificate.answered == certificate.asked, "not all shards answered: {certificate:?}");
        Ok(Answer { batches, at_coordinator: Duration::from_micros(certificate.elapsed_us) })
    }

    /// Shards that the nodes hold open.
    pub(crate) fn shards_open(&self) -> anyhow::Result<u32> {
        let mut client = ClusterServiceClient::new(self.channel.clone());
        let status = self.runtime.block_on(client.get_status(GetStatusRequest {}))?.into_inner();
        Ok(status.nodes.iter().map(|node| node.shards_open).sum())
    }
}
