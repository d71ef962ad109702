//! The coordinator: the process that clients talk to.
//!
//! # The life of a query
//!
//! 1. `rpc`: gRPC in; a message becomes a call (`QueryRpc::query`).
//! 2. `session`: which limits and which deadline hold; calls the stages below (`Session::answer`, `Session::plan`), or gives what is kept
//!    and still holds (`answers`).
//! 3. `sql`: text to statement, believed only when SQLite agrees (`sql::prepare`).
//! 4. `catalog`: tables and topology, as one immutable snapshot (`Cluster::snapshot`).
//! 5. `analyze`: facts: pins, places, aggregates, types (`analyze::pins`, `analyze::place_of_body`).
//! 6. `plan`: a template a text (`plan::template`), bound to parameters and topology (`asked::asked`, `plan::bind`).
//! 7. `exec`: runs the plan over the nodes (`exec::run`), merging with the operators of `souk_merge`.
//! 8. Back out as a stream of batches, ended by the certificate (`rpc::query`).
//!
//! An application in the same process asks through [`Database`], and has its services served beside these ([`run`]).
//!
//! `write` changes it: schema changes, statements that change rows, bulk load; over several shards by a transaction (`commit`).

#[macro_use]
mod failpoint;

mod settings;

mod rpc;

mod answers;
mod session;

mod sql;

mod catalog;

mod analyze;

mod asked;
mod plan;

mod scratch;

mod exec;

mod commit;
mod write;

mod changes;
mod cluster;
mod error;
mod library;
mod locks;
mod serve;
mod status;
mod values;

pub use changes::Changes;
pub use error::{Error, Result};
pub use library::{Database, Outcome, Statement, Table};
pub use serve::{Opened, StartError, open, run};
pub use settings::{Limits, NodeAddress, PlacementPolicy, Settings};

#[cfg(test)]
mod fuzz;
