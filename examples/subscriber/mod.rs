//! What the example services share: events since the last run, then as they come; the cursor is kept in a file, so that nothing is missed. What was done when the process
//! ended may come again: events have ids.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use souk_proto::v1::{Event, SubscribeRequest, event_service_client::EventServiceClient};
use tonic::{
    Code, Status, Streaming,
    transport::{Channel, Endpoint},
};

/// How long is waited before the marketplace is asked again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often is looked whether the marketplace is still there, and how long it may take to say so: one that lost its power does not say that it is gone.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Has `handle` do something for each event of these patterns, for ever. `cursor` is the file that says how far that is.
pub(crate) async fn serve(
    address: &str,
    patterns: &[&str],
    cursor: &Path,
    handle: impl Fn(&Event),
) -> anyhow::Result<()> {
    let endpoint = Endpoint::from_shared(address.to_owned())?
        .http2_keep_alive_interval(LOOK_EVERY)
        .keep_alive_timeout(LOOK_MAX)
        .keep_alive_while_idle(true);
    let channel = endpoint.connect_lazy();
    loop {
        let ended = match subscribe(&channel, patterns, read(cursor)?).await {
            Ok(events) => listen(events, cursor, &handle).await?,
            Err(status) => status,
        };
        if is_final(&ended) {
            anyhow::bail!("{}", ended.message());
        }
        eprintln!("no events: {}; trying again", ended.message());
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

type Events = Streaming<souk_proto::v1::SubscribeResponse>;

async fn subscribe(channel: &Channel, patterns: &[&str], cursor: String) -> Result<Events, Status> {
    let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    let request = SubscribeRequest { patterns, cursor, ..SubscribeRequest::default() };
    Ok(EventServiceClient::new(channel.clone()).subscribe(request).await?.into_inner())
}

/// Handles events until no more come; why that is.
async fn listen(mut events: Events, cursor: &Path, handle: &impl Fn(&Event)) -> io::Result<Status> {
    loop {
        match events.message().await {
            Ok(Some(response)) => {
                if let Some(event) = &response.event {
                    handle(event);
                }
                // Only behind what it covers: what was not handled comes again.
                if !response.cursor.is_empty() {
                    write(cursor, &response.cursor)?;
                }
            }
            Ok(None) => return Ok(Status::unavailable("the marketplace ended")),
            Err(status) => return Ok(status),
        }
    }
}

/// Whether asking again is of no use: what was missed is not there any more, or nobody understands the question. Somebody has to look.
fn is_final(status: &Status) -> bool {
    matches!(status.code(), Code::OutOfRange | Code::InvalidArgument | Code::Unimplemented)
}

/// Nothing when there is no file yet: from now on.
fn read(cursor: &Path) -> io::Result<String> {
    match fs::read_to_string(cursor) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

/// Whole or not at all, when the power is cut too: an empty file would be a beginning anew, and what came in between would be missed.
fn write(cursor: &Path, text: &str) -> io::Result<()> {
    let mut new = cursor.as_os_str().to_owned();
    new.push(".new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, cursor)?;
    let folder = cursor.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
