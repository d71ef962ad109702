//! Every answer is compared with that of one plain SQLite that holds the same rows.

#[path = "../support/mod.rs"]
mod support;

mod invariance;
