//! The connection to a coordinator.

use std::time::Duration;

use clap::Args;
use souk_proto::v1::{
    cluster_service_client::ClusterServiceClient, query_service_client::QueryServiceClient,
    write_service_client::WriteServiceClient,
};
use tonic::transport::{Channel, Endpoint};

use crate::failure::Failure;

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that may be on the way before the reader has to catch up; the default of 64 KiB stalls large answers.
const WINDOW_BYTES: u32 = 4 << 20;
/// Bytes of a message that is accepted. Frames are about 1 MiB, but one SQLite value may take 1 GB.
const MESSAGE_BYTES_MAX: usize = (1 << 30) + (1 << 20);

/// Which coordinator to talk to.
#[derive(Debug, Clone, Args)]
pub(crate) struct Address {
    /// The coordinator
    #[arg(long, env = "SOUK_ADDR", value_name = "URL", default_value = "http://127.0.0.1:7070")]
    pub(crate) addr: String,
}

/// A connection to a coordinator; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    channel: Channel,
}

impl Client {
    /// Connects to `address`, an `http://` URL or just `host:port`.
    pub(crate) async fn connect(address: &str) -> Result<Client, Failure> {
        let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let endpoint = Endpoint::from_shared(url.clone())
            .map_err(|error| Failure::Usage(format!("`{address}` is no address: {error}; say http://HOST:PORT")))?
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5));
        let channel = endpoint.connect().await.map_err(|error| {
            let cause = innermost(&error);
            Failure::failed(format!(
                "cannot reach a coordinator at `{url}`: {cause}; is it running? name it with --addr"
            ))
        })?;
        Ok(Client { channel })
    }

    /// Reading.
    pub(crate) fn query(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Writing.
    pub(crate) fn write(&self) -> WriteServiceClient<Channel> {
        WriteServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Looking at the cluster.
    pub(crate) fn cluster(&self) -> ClusterServiceClient<Channel> {
        ClusterServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

/// The innermost cause: the transport's own text is only `transport error`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
