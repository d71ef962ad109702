//! A vendor node: a process that owns many SQLite files, one a shard, and serves them to coordinators over gRPC.
//!
//! The life of a call:
//!
//! 1. [`open`] takes the folder and [`run`] listens; `rpc` turns the message into a call and moves it off tokio's threads.
//! 2. `node::Node` checks it against the folder's schema log and picks what to do; from here on all is synchronous.
//! 3. `fragment` gives the answer that is `kept`, when the `commits` of its shards stand still; else it reads shards on the
//!    call's thread, with `walkers` while cores are idle, and merges their rows into one answer.
//! 4. `shards` opens what is not open, and closes what was not used for longest.
//! 5. `shard` lends a reader with a snapshot of the shard as it is now, or its one writer.
//! 6. Rows go back as a stream of batches; its end is the summary of the shards that answered and failed.
//!
//! Never here: parsing of SQL, knowledge of other nodes, of shard keys or of where a row belongs.

#[macro_use]
mod failpoint;

mod error;
mod settings;

mod rpc;
mod server;

mod node;
mod ticket;
mod walkers;

mod fragment;
mod kept;
mod shards;
mod statistics;

mod commits;
mod folder;
mod schema;
mod shard;

mod raw;

pub use error::NodeError;
pub use server::{Opened, open, run};
pub use settings::{KEPT_BYTES_MAX, Settings};
