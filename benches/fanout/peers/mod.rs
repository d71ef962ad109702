//! Peers: other systems that answer the same queries over as many partitions of the same rows, when they are installed.
//!
//! 1. [`Kind`]: which there are; [`start`] runs them on the loopback interface, with its data beside that of the other contenders.
//! 2. `schema`, `dialect`: tables and queries as a peer takes them.
//! 3. `folder`, `server`: its data and its process.
//! 4. `postgres`, `mariadb`: each peer: its settings, its data, its client.
//!
//! Their clients are optional dependencies: all but this file needs the feature `peers`.

#[cfg(feature = "peers")]
mod dialect;
#[cfg(feature = "peers")]
mod folder;
#[cfg(feature = "peers")]
mod mariadb;
#[cfg(feature = "peers")]
mod postgres;
#[cfg(feature = "peers")]
mod schema;
#[cfg(feature = "peers")]
mod server;

use clap::ValueEnum;
use souk_merge::{Batch, Value};

use crate::{data::Data, queries::Query};

/// A system that can be measured beside souk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// PostgreSQL: partitions are foreign tables over postgres_fdw
    Postgres,
    /// MariaDB: partitions are tables of the engine Spider
    Mariadb,
}

impl Kind {
    /// What it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Postgres => "postgres",
            Kind::Mariadb => "mariadb",
        }
    }
}

/// A running peer, which stops when it is dropped.
pub(crate) struct Peer {
    pub(crate) about: About,
    client: Box<dyn Client>,
}

/// What a peer is and how it is set up, for the report.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) kind: Kind,
    /// As the server says.
    pub(crate) version: String,
    /// One group of settings a line.
    pub(crate) setup: Vec<String>,
}

/// A connection that answers queries in the order of their rows.
trait Client {
    /// Asks and takes all rows.
    fn ask(&self, query: &Query, parameters: &[Value]) -> anyhow::Result<Batch>;
}

impl Peer {
    /// Asks and takes all rows.
    pub(crate) fn ask(&self, query: &Query, parameters: &[Value]) -> anyhow::Result<Vec<Batch>> {
        Ok(vec![self.client.ask(query, parameters)?])
    }
}

/// Sees that each peer can be started, before anything takes its time.
pub(crate) fn ensure_installed(kinds: &[Kind]) -> anyhow::Result<()> {
    kinds.iter().try_for_each(|kind| ensure_one(*kind))
}

/// Starts each peer, with its rows loaded.
pub(crate) fn start(kinds: &[Kind], data: &Data) -> anyhow::Result<Vec<Peer>> {
    kinds.iter().map(|kind| start_one(*kind, data)).collect()
}

#[cfg(feature = "peers")]
fn ensure_one(kind: Kind) -> anyhow::Result<()> {
    match kind {
        Kind::Postgres => postgres::ensure_installed(),
        Kind::Mariadb => mariadb::ensure_installed(),
    }
}

#[cfg(feature = "peers")]
fn start_one(kind: Kind, data: &Data) -> anyhow::Result<Peer> {
    use anyhow::Context as _;

    let started = match kind {
        Kind::Postgres => postgres::start(data),
        Kind::Mariadb => mariadb::start(data),
    };
    started.with_context(|| format!("cannot start the peer `{}`", kind.name()))
}

#[cfg(not(feature = "peers"))]
fn ensure_one(kind: Kind) -> anyhow::Result<()> {
    let name = kind.name();
    anyhow::bail!("the feature `peers` is not built: cargo bench --bench fanout --features peers -- --peers {name}")
}

#[cfg(not(feature = "peers"))]
fn start_one(kind: Kind, _: &Data) -> anyhow::Result<Peer> {
    ensure_one(kind).and_then(|()| anyhow::bail!("no peer is built"))
}
