//! Where a shard lies, and how SQLite's errors become faults that say so.

use std::{fmt, path::PathBuf, sync::Arc};

use rusqlite::ffi::ErrorCode;
use souk_proto::Reason;

use crate::error::Fault;

/// A shard, the node that serves it and its file.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) shard: u64,
    pub(crate) node: Arc<str>,
    pub(crate) file: PathBuf,
}

/// What SQLite was asked to do when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Opening or reading the node's own rows.
    Open,
    /// Compiling a statement.
    Prepare,
    /// Running a statement.
    Run,
}

/// Why a shard could not do something now.
pub(crate) enum Trouble {
    /// The file is there and cannot be opened, mostly for want of descriptors: close other shards and try again.
    NoDescriptors(Fault),
    /// Anything else.
    Fault(Fault),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Fault(fault)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "shard {} on node `{}`", self.shard, self.node)
    }
}

impl Place {
    /// The file is not what it must be.
    pub(crate) fn damaged(&self, what: impl fmt::Display) -> Fault {
        let file = self.file.display();
        Fault::new(Reason::ShardDamaged, format!("{self}: `{file}` {what}: restore it from a backup"))
    }

    /// A fault of this shard's.
    pub(crate) fn fault(&self, reason: Reason, what: impl fmt::Display) -> Fault {
        Fault::new(reason, format!("{self}: {what}"))
    }

    /// What an error of SQLite means. SQLite's own words for what the statement did, ours around the rest.
    pub(crate) fn sqlite(&self, phase: Phase, error: &rusqlite::Error) -> Fault {
        let message = words(error);
        match code(error) {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                self.damaged(format!("is damaged ({message})"))
            }
            Some(ErrorCode::CannotOpen) if self.is_missing() => self.damaged("is missing"),
            Some(ErrorCode::TooBig) => Fault::new(Reason::TooLarge, message),
            Some(ErrorCode::AuthorizationForStatementDenied) => Fault::new(Reason::UnsupportedSql, message),
            Some(ErrorCode::ConstraintViolation) => Fault::new(Reason::Constraint, message),
            Some(ErrorCode::OutOfMemory) => self.fault(Reason::Overloaded, "out of memory: try again later"),
            Some(ErrorCode::Unknown | ErrorCode::TypeMismatch | ErrorCode::ParameterOutOfRange) => {
                statement(phase, message)
            }
            Some(_) => {
                self.fault(Reason::ShardUnavailable, format!("{message}: look at the node's disk and try again"))
            }
            None => statement(phase, message),
        }
    }

    /// What an error means that came while a connection was opened.
    pub(crate) fn opening(&self, error: &rusqlite::Error) -> Trouble {
        let fault = self.sqlite(Phase::Open, error);
        match code(error) {
            Some(ErrorCode::CannotOpen) if !self.is_missing() => Trouble::NoDescriptors(fault),
            _ => Trouble::Fault(fault),
        }
    }

    /// Whether there is no file at all.
    fn is_missing(&self) -> bool {
        matches!(self.file.try_exists(), Ok(false))
    }
}

/// What is wrong with the statement itself.
fn statement(phase: Phase, message: String) -> Fault {
    let missing =
        ["no such table", "no such column", "has no column named"].iter().any(|words| message.contains(words));
    match phase {
        Phase::Open => Fault::internal(message),
        // Of a function that the authorizer denies SQLite says so in words alone.
        Phase::Prepare if message.starts_with("not authorized") => Fault::new(Reason::UnsupportedSql, message),
        Phase::Prepare if missing => Fault::new(Reason::NoSuchTable, message),
        Phase::Prepare => Fault::new(Reason::SqlSyntax, message),
        Phase::Run => Fault::new(Reason::SqlRuntime, message),
    }
}

/// The result code, without its extension.
pub(crate) fn code(error: &rusqlite::Error) -> Option<ErrorCode> {
    match error {
        rusqlite::Error::SqlInputError { error, .. } | rusqlite::Error::SqliteFailure(error, _) => Some(error.code),
        _ => None,
    }
}

/// SQLite's words, without the statement's text around them.
pub(crate) fn words(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}
