//! What the example services share: events since the last run, then as they come; the cursor is kept in a file, so that nothing is missed. What was done when the process
//! ended may come again: events have ids.

use std::{fs, io, path::Path, time::Duration};

use souk_proto::v1::{Event, SubscribeRequest, event_service_client::EventServiceClient};
use tonic::transport::Endpoint;

/// How long is waited before the marketplace is asked again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Has `handle` do something for each event of these patterns, for ever. `cursor` is the file that says how far that is.
pub(crate) async fn serve(
    address: &str,
    patterns: &[&str],
    cursor: &Path,
    handle: impl Fn(&Event),
) -> anyhow::Result<()> {
    let channel = Endpoint::from_shared(address.to_owned())?.connect_lazy();
    loop {
        let request = SubscribeRequest {
            patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
            cursor: read(cursor)?,
            ..SubscribeRequest::default()
        };
        let ended = match EventServiceClient::new(channel.clone()).subscribe(request).await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(response)) => {
                            if let Some(event) = &response.event {
                                handle(event);
                            }
                            if !response.cursor.is_empty() {
                                write(cursor, &response.cursor)?;
                            }
                        }
                        Ok(None) => break "it ended".to_owned(),
                        Err(status) => break status.message().to_owned(),
                    }
                }
            }
            // What was missed is not there any more: somebody has to look.
            Err(status) if status.code() == tonic::Code::OutOfRange => anyhow::bail!("{}", status.message()),
            Err(status) => status.message().to_owned(),
        };
        eprintln!("no events: {ended}; trying again");
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

fn read(cursor: &Path) -> io::Result<String> {
    match fs::read_to_string(cursor) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// Whole or not at all.
fn write(cursor: &Path, text: &str) -> io::Result<()> {
    let new = cursor.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, cursor)
}
