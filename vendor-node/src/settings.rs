//! How a node runs.

use std::path::PathBuf;

use crate::NodeError;

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
    /// Most bytes of answers that are kept to be given again while no shard of theirs has changed; 0 keeps none.
    pub kept_bytes_max: u64,
}

/// What a node keeps of answers when nobody says otherwise.
pub const KEPT_BYTES_MAX: u64 = 32 << 20;

impl Settings {
    pub(crate) fn check(&self) -> Result<(), NodeError> {
        if self.id.is_empty() {
            return Err(NodeError::Setting { name: "id", wanted: "a name" });
        }
        if self.threads == 0 {
            return Err(NodeError::Setting { name: "threads", wanted: "at least 1" });
        }
        if self.open_shards_max == Some(0) {
            return Err(NodeError::Setting { name: "open_shards_max", wanted: "at least 1" });
        }
        Ok(())
    }
}
