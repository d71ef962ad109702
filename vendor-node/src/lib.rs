//! A vendor node: shards, their readers and writers, and the service. Placeholder signatures.

use std::{future::Future, path::PathBuf};

use tokio::net::TcpListener;

/// How a node runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's name, unique in its cluster. Kept in `data`: another name for the same folder is refused.
    pub id: String,
    /// The folder that holds the node's shards; made when it is missing.
    pub data: PathBuf,
    /// Threads that walk shards.
    pub threads: usize,
    /// Most shards held open at a time; none takes what the descriptor limit allows.
    pub open_shards_max: Option<usize>,
}

/// Why a node does not start or stops.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NodeError(pub String);

/// Serves a node on `listener` until `shutdown` resolves: finishes nothing new, ends what runs, closes every file.
pub async fn run(
    listener: TcpListener,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), NodeError> {
    let _ = (listener, settings);
    shutdown.await;
    Ok(())
}
