//! A notifier: writes to customers when something becomes of their orders, and to vendors when something runs out.
//!
//!     cargo run --example notifier -- http://HOST:PORT [CURSOR_FILE]

mod subscriber;

use std::path::PathBuf;

use anyhow::Context as _;
use souk_proto::v1::Event;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("say where the marketplace listens: notifier http://HOST:PORT")?;
    let cursor = PathBuf::from(arguments.next().unwrap_or_else(|| "notifier.cursor".to_owned()));
    subscriber::serve(&address, &["order.*", "inventory.low"], &cursor, notify).await
}

fn notify(event: &Event) {
    let Event { vendor_id, customer, kind, data, .. } = event;
    match kind.strip_prefix("order.") {
        Some(state) => println!("to {customer}: your order from {vendor_id} is {state}"),
        None => println!("to {vendor_id}: there is little left: {data}"),
    }
}
