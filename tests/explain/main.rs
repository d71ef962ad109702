//! How answers are explained and verified.
//!
//! - `shop`: the tables that the plans are of.
//! - `blessed`: files that hold what the tests found, rewritten with `SOUK_BLESS=1`.
//! - `plans`: the whole text of many plans, in `plans.txt`.
//! - `queries`: the page `docs/queries.md`, a line for each shape of a statement.
//! - `gathered`: the page `docs/queries-gathered.md`.
//! - `asked`: EXPLAIN as a call and as SQL, with and without a run.
//! - `verify`: answers that are given twice.

#[path = "../support/mod.rs"]
mod support;

mod asked;
mod blessed;
mod gathered;
mod plans;
mod queries;
mod shop;
mod verify;
