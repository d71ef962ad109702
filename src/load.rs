//! A bulk load: messages in, progress out.

use souk_proto::v1::{LoadRequest, LoadResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    client::Client,
    failure::{Failure, status_text},
};

/// Messages that may wait for the network: enough to keep it busy.
pub(crate) const QUEUE_MESSAGES: usize = 4;
/// Rows of a message.
pub(crate) const MESSAGE_ROWS: usize = 4_000;

/// Sends every request and hands every response to `each`; gives the rows that are durable at the end.
pub(crate) async fn load(
    client: &Client,
    requests: mpsc::Receiver<LoadRequest>,
    mut each: impl FnMut(LoadResponse) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut loaded = 0;
    let failed = |loaded: u64, status: &tonic::Status| {
        Failure::failed(format!("{} (the load broke off; {loaded} rows are known to be durable)", status_text(status)))
    };
    let stream = client.write().load(ReceiverStream::new(requests)).await;
    let mut responses = stream.map_err(|status| failed(loaded, &status))?.into_inner();
    while let Some(response) = responses.message().await.map_err(|status| failed(loaded, &status))? {
        loaded = response.loaded;
        each(response)?;
    }
    Ok(loaded)
}
