//! What a coordinator is told when it starts.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How a coordinator runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder that holds catalog and topology; made when it is missing.
    pub data: PathBuf,
    /// The nodes of the cluster. Nodes may be added at a restart; one that holds shards may not be left out.
    pub nodes: Vec<NodeAddress>,
    /// Where a key goes that has no shard yet. Fixed when the cluster is made; a later start must say the same.
    pub placement: PlacementPolicy,
    /// Bounds on what a request may take.
    pub limits: Limits,
}

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddress {
    /// The node's name.
    pub id: String,
    /// `host:port`.
    pub address: String,
}

/// Where a key goes that has no shard yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacementPolicy {
    /// To a shard of its own, made and pinned when the key is first written.
    Own,
    /// To the ring's choice among this many shards.
    Ring {
        /// Shards on the ring.
        shards: u32,
    },
}

/// Bounds on what a request may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a statement.
    pub statement_bytes_max: usize,
    /// Tokens of a statement.
    pub statement_tokens_max: usize,
    /// Rows of an answer.
    pub result_rows_max: u64,
    /// Bytes of an answer's values.
    pub result_bytes_max: u64,
    /// Bytes of values held at one place while merging.
    pub merge_bytes_max: u64,
    /// Bytes of values that one query may fetch into a scratch.
    pub gather_bytes_max: u64,
    /// Rows that one query may fetch into a scratch.
    pub gather_rows_max: u64,
    /// Bytes of answers that are kept to be given again while nothing that they came from has changed; 0 keeps none.
    pub kept_bytes_max: u64,
    /// Queries that run at a time; more wait, and past as many again are refused.
    pub queries_max: usize,
    /// How long is remembered what became of requests that their clients have named.
    pub requests_kept_for: Duration,
    /// Milliseconds for a query that names no deadline.
    pub deadline_ms_default: u32,
    /// Milliseconds that a query may ask for.
    pub deadline_ms_max: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            statement_bytes_max: 32 * 1024,
            statement_tokens_max: 10_000,
            result_rows_max: u64::MAX,
            result_bytes_max: 4 << 30,
            merge_bytes_max: 512 << 20,
            gather_bytes_max: 256 << 20,
            gather_rows_max: 50_000_000,
            kept_bytes_max: 32 << 20,
            queries_max: 256,
            requests_kept_for: Duration::from_secs(30 * 24 * 3600),
            deadline_ms_default: 30_000,
            deadline_ms_max: 600_000,
        }
    }
}

impl fmt::Display for PlacementPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlacementPolicy::Own => f.write_str("own"),
            PlacementPolicy::Ring { shards } => write!(f, "ring of {shards}"),
        }
    }
}
