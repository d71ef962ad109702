//! The marketplace over a cluster in this process.
#![allow(missing_docs, clippy::unwrap_used)]

mod carts;
mod cluster;
mod events;
mod http;
mod late;
#[path = "../support/node.rs"]
mod node;
mod orders;
mod schedules;
