//! A delivery service: for each order that is placed, says what is to be fetched where.
//!
//!     cargo run --example delivery -- http://HOST:PORT [CURSOR_FILE]

mod subscriber;

use std::path::PathBuf;

use anyhow::Context as _;
use souk_proto::v1::Event;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("say where the marketplace listens: delivery http://HOST:PORT")?;
    let cursor = PathBuf::from(arguments.next().unwrap_or_else(|| "delivery.cursor".to_owned()));
    subscriber::serve(&address, &["order.placed", "order.cancelled"], &cursor, deliver).await
}

fn deliver(event: &Event) {
    let told: serde_json::Value = serde_json::from_str(&event.data).unwrap_or_default();
    let order = told["order_id"].as_str().unwrap_or("?");
    match event.kind.as_str() {
        "order.placed" => {
            let pieces: i64 =
                told["items"].as_array().into_iter().flatten().filter_map(|item| item["quantity"].as_i64()).sum();
            println!("fetch {pieces} pieces from {} for {} (order {order})", event.vendor_id, event.customer);
        }
        _ => println!("leave what {} has for {} (order {order})", event.vendor_id, event.customer),
    }
}
