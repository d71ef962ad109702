//! What end-to-end tests share: a cluster in this process, and one plain SQLite beside it that says what is right.
//!
//! - `values`: literals, and values as people read them.
//! - `table`: tables with rows.
//! - `plain`: the plain SQLite.
//! - `node`, `cluster`: nodes and a coordinator over real gRPC.
//! - `split`: what of a statement decides the order of its rows.
//! - `expected`: the answer of the plain SQLite, with the rows that tie.
//! - `oracle`: the same rows on both sides, and the checks.
//! - `random`, `expression`, `generate`: seeded schemas, rows and queries.
//! - `changes`: what a statement that changes rows did on both sides.
//! - `shrink`, `shrink_write`: a smaller case that fails too.

// Each test target uses a part of this.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod values;

mod table;

mod plain;

mod node;

mod cluster;

mod split;

mod expected;

mod oracle;

mod changes;

mod expression;
mod generate;
mod random;
mod shrink;
mod shrink_write;

pub use changes::{Outcome, changed, replicas_difference, stored_rows};
pub use cluster::{Answer, Cluster, Failure, Load, Options};
pub use expected::Expected;
pub use expression::{Node, Places};
pub use generate::{
    Partition, Recombined, Scene, StoredRows, Write, WriteScene, case, partition, scene, write, write_scene,
};
pub use oracle::{LAYOUTS, Layout, Oracle, Verdict, compare};
pub use plain::{Change, Plain, Rows};
pub use random::Random;
pub use shrink::shrink;
pub use shrink_write::shrink_write;
pub use split::{Split, split};
pub use table::Table;
pub use values::{Params, blob, named, none, null, positional, real, same, show_row, show_rows, text, text_bytes};
