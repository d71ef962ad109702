//! Real processes, killed and started again.
#![allow(missing_docs, clippy::unwrap_used)]

mod client;
mod cluster;
#[path = "../support/loud.rs"]
mod loud;
mod service;

mod command;
mod coordinators;
mod disk;
mod folders;
mod killed;
mod listeners;
mod orders;
mod power;
mod python;
mod schemathesis;
mod transactions;
