//! Why a node does not start, and why a call fails.

use std::{fmt, io, path::PathBuf};

use souk_proto::Reason;
use tonic::Status;

/// Why a node does not start, or stops before it is told to.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The operating system refused something in the node's folder.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite refused the node's own file.
    #[error("cannot use `{path}`")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Another process owns the folder.
    #[error("the folder `{0}` is in use by another process: stop it, or give this node a folder of its own")]
    InUse(PathBuf),
    /// The folder was made by a node with another name.
    #[error(
        "the folder `{folder}` belongs to node `{owner}`, not to `{id}`: start it as `{owner}`, or use another folder"
    )]
    OtherNode {
        /// The folder.
        folder: PathBuf,
        /// The name kept in it.
        owner: String,
        /// The name in the settings.
        id: String,
    },
    /// The node's own file was not made by souk.
    #[error("`{0}` is not a souk node's file: use an empty folder, or restore the file")]
    Foreign(PathBuf),
    /// A setting that makes no sense.
    #[error("setting `{name}` must be {wanted}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it has to be.
        wanted: &'static str,
    },
    /// The threads that walk shards could not be started.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The reflection service refused the descriptors.
    #[error("cannot serve reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The server broke down.
    #[error("the server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

/// Why a call fails: a stable reason, and words that name the thing.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Fault {
        Fault { reason, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Fault {
        Fault::new(Reason::InvalidArgument, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Fault {
        Fault::new(Reason::Internal, message)
    }

    /// Whether this shard is at fault, so that a partial answer may leave it out. Anything else is the call's own.
    pub(crate) fn is_of_shard(&self) -> bool {
        matches!(self.reason, Reason::ShardDamaged | Reason::ShardUnavailable | Reason::SchemaMismatch)
    }

    pub(crate) fn status(self) -> Status {
        self.reason.status(self.message)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.reason, self.message)
    }
}

/// A shard that did not do its part of a call.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) shard: u64,
    pub(crate) fault: Fault,
}
