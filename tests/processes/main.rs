//! Real processes, killed and started again.
#![allow(missing_docs, clippy::unwrap_used)]

mod client;
mod cluster;
mod service;

mod command;
mod disk;
mod folders;
mod killed;
mod orders;
mod power;
mod python;
mod schemathesis;
mod transactions;
