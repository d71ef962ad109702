//! What goes wrong, by what the caller must do about it.

use souk_proto::Reason;
use tonic::Status;

use crate::catalog::{DeclareError, StoreError};
use crate::plan::BindError;
use crate::sql::SqlError;

/// A failure with its stable reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// In a word that callers may rely on.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// It may have been done nevertheless, or still be on its way.
    pub in_doubt: bool,
}

/// The outcome of a stage.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Error {
        Error { reason, message: message.into(), in_doubt: false }
    }

    /// Nobody can say whether it was done; `message` says so.
    pub(crate) fn in_doubt(reason: Reason, message: impl Into<String>) -> Error {
        Error { in_doubt: true, ..Error::new(reason, message) }
    }

    /// A task that wrote broke down.
    pub(crate) fn broke_down() -> Error {
        Error::in_doubt(Reason::Internal, "the write broke down: whether it happened is unknown")
    }

    /// A promise between our own parts that was not kept.
    pub(crate) fn internal(message: impl Into<String>) -> Error {
        Error::new(Reason::Internal, message)
    }

    pub(crate) fn deadline() -> Error {
        Error::new(
            Reason::Deadline,
            "the deadline passed before the answer was complete; ask for less, or for more time",
        )
    }

    /// What a node answered, or why it did not.
    pub(crate) fn from_node(node: &str, status: &Status) -> Error {
        match (Reason::of(status), status.code()) {
            (Some(reason), _) => Error::new(reason, status.message()),
            (None, tonic::Code::DeadlineExceeded) => Error::deadline(),
            (None, tonic::Code::Cancelled) => Error::new(Reason::Cancelled, "the query was cancelled"),
            (None, _) => {
                Error::new(Reason::ShardUnavailable, format!("node `{node}` does not answer: {}", status.message()))
            }
        }
    }

    /// SQLite failed while it ran a statement at the coordinator.
    pub(crate) fn runtime(error: &rusqlite::Error) -> Error {
        match error {
            rusqlite::Error::SqliteFailure(code, _) if code.code == rusqlite::ErrorCode::OperationInterrupted => {
                Error::deadline()
            }
            rusqlite::Error::SqliteFailure(code, _) if code.code == rusqlite::ErrorCode::TooBig => {
                Error::new(Reason::TooLarge, "a value is larger than SQLite's limit")
            }
            rusqlite::Error::SqliteFailure(_, Some(message)) => Error::new(Reason::SqlRuntime, message.clone()),
            other => Error::new(Reason::SqlRuntime, other.to_string()),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        error.reason.status(error.message)
    }
}

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Error {
        let reason = match &error {
            SqlError::Syntax(_) | SqlError::Unparsed(_) => Reason::SqlSyntax,
            SqlError::NoSuchName(_) => Reason::NoSuchTable,
            SqlError::Runtime(_) => Reason::SqlRuntime,
            SqlError::Unsupported(_) => Reason::UnsupportedSql,
            SqlError::TooLarge { .. } => Reason::TooLarge,
            SqlError::Deadline => Reason::Deadline,
        };
        Error::new(reason, error.to_string())
    }
}

impl From<BindError> for Error {
    fn from(error: BindError) -> Error {
        let reason = match &error {
            BindError::SchemaInScope => Reason::UnsupportedSql,
            BindError::NoSpread => Reason::Internal,
            BindError::NoNode(_) => Reason::ShardUnavailable,
        };
        Error::new(reason, error.to_string())
    }
}

impl From<DeclareError> for Error {
    fn from(error: DeclareError) -> Error {
        let reason = match &error {
            DeclareError::Sqlite(error) => return Error::from(SqlError::from_sqlite_text(error)),
            DeclareError::Undeclared { .. } | DeclareError::NoKeyColumn { .. } => Reason::InvalidArgument,
            DeclareError::BadKey { .. } | DeclareError::UniqueWithoutKey { .. } => Reason::UnsupportedSql,
        };
        Error::new(reason, error.to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::internal(error.to_string())
    }
}

impl From<souk_merge::StateError> for Error {
    fn from(error: souk_merge::StateError) -> Error {
        let reason = match error {
            souk_merge::StateError::IntegerOverflow => Reason::SqlRuntime,
            _ => Reason::Internal,
        };
        Error::new(reason, error.to_string())
    }
}
