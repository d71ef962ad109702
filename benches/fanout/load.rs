//! Rows for souk, through its public interface.

use anyhow::ensure;
use souk_merge::Batch;
use souk_proto::v1::{LoadRequest, write_service_client::WriteServiceClient};
use tokio_stream::Stream;
use tonic::transport::Channel;

/// Sends rows and waits until they are durable; gives how many.
pub(crate) async fn load(
    channel: Channel,
    requests: impl Stream<Item = LoadRequest> + Send + 'static,
) -> anyhow::Result<u64> {
    let mut responses = WriteServiceClient::new(channel).load(requests).await?.into_inner();
    let mut loaded = 0;
    while let Some(response) = responses.message().await? {
        ensure!(response.rejected.is_empty(), "rejected: {:?}", response.rejected.first());
        loaded = response.loaded;
    }
    Ok(loaded)
}

/// Rows for one table.
pub(crate) fn request(table: &str, columns: Vec<String>, batch: Batch, first_row: u64) -> LoadRequest {
    LoadRequest { table: table.to_owned(), columns, batch: Some(batch.into()), first_row }
}
