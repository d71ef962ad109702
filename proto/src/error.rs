//! The stable reasons of errors, and how they travel: `google.rpc.Status` with an `ErrorInfo`.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The `domain` of every `ErrorInfo`.
const DOMAIN: &str = "souk";

/// When to try again what found no room.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Why something failed, in a word that clients may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// SQLite does not accept the text.
    SqlSyntax,
    /// The catalog has no such table, view or column.
    NoSuchTable,
    /// Valid SQL that souk refuses; the message names the construct.
    UnsupportedSql,
    /// A request that makes no sense: more than one statement, parameters that do not fit, a bad value.
    InvalidArgument,
    /// SQLite failed while it ran the statement: integer overflow, malformed JSON.
    SqlRuntime,
    /// A shard, or the node that serves it, does not answer.
    ShardUnavailable,
    /// A shard's file is missing, foreign or corrupt.
    ShardDamaged,
    /// Time ran out.
    Deadline,
    /// The client went away.
    Cancelled,
    /// What would have to be fetched is over its bound.
    GatherTooLarge,
    /// An answer that was to be verified is not that of the most naive plan.
    VerifyFailed,
    /// The node knows a newer topology.
    StaleTopology,
    /// Coordinator and shard are at different schema numbers.
    SchemaMismatch,
    /// A node's SQLite differs from the coordinator's.
    NodeMismatch,
    /// A row breaks a constraint of its table.
    Constraint,
    /// A statement changed another number of rows, or gave others, than was expected.
    Expectation,
    /// A request has the name of another.
    RequestIdReused,
    /// A statement, a result or a value is over its bound.
    TooLarge,
    /// No room now; try again after the delay given.
    Overloaded,
    /// The marketplace has no such vendor, product or order.
    NotFound,
    /// It is there already, with other content.
    AlreadyExists,
    /// What an order or a table is now does not allow it.
    WrongState,
    /// A cursor points behind what is kept: begin anew.
    OutOfRange,
    /// A fault of souk itself.
    Internal,
}

impl Reason {
    const ALL: [Reason; 24] = [
        Reason::SqlSyntax,
        Reason::NoSuchTable,
        Reason::UnsupportedSql,
        Reason::InvalidArgument,
        Reason::SqlRuntime,
        Reason::ShardUnavailable,
        Reason::ShardDamaged,
        Reason::Deadline,
        Reason::Cancelled,
        Reason::GatherTooLarge,
        Reason::VerifyFailed,
        Reason::StaleTopology,
        Reason::SchemaMismatch,
        Reason::NodeMismatch,
        Reason::Constraint,
        Reason::Expectation,
        Reason::RequestIdReused,
        Reason::TooLarge,
        Reason::Overloaded,
        Reason::NotFound,
        Reason::AlreadyExists,
        Reason::WrongState,
        Reason::OutOfRange,
        Reason::Internal,
    ];

    /// The word, as it stands in `ErrorInfo.reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::SqlSyntax => "SQL_SYNTAX",
            Reason::NoSuchTable => "NO_SUCH_TABLE",
            Reason::UnsupportedSql => "UNSUPPORTED_SQL",
            Reason::InvalidArgument => "INVALID_ARGUMENT",
            Reason::SqlRuntime => "SQL_RUNTIME",
            Reason::ShardUnavailable => "SHARD_UNAVAILABLE",
            Reason::ShardDamaged => "SHARD_DAMAGED",
            Reason::Deadline => "DEADLINE",
            Reason::Cancelled => "CANCELLED",
            Reason::GatherTooLarge => "GATHER_TOO_LARGE",
            Reason::VerifyFailed => "VERIFY_FAILED",
            Reason::StaleTopology => "STALE_TOPOLOGY",
            Reason::SchemaMismatch => "SCHEMA_MISMATCH",
            Reason::NodeMismatch => "NODE_MISMATCH",
            Reason::Constraint => "CONSTRAINT",
            Reason::Expectation => "EXPECTATION",
            Reason::RequestIdReused => "REQUEST_ID_REUSED",
            Reason::TooLarge => "TOO_LARGE",
            Reason::Overloaded => "OVERLOADED",
            Reason::NotFound => "NOT_FOUND",
            Reason::AlreadyExists => "ALREADY_EXISTS",
            Reason::WrongState => "WRONG_STATE",
            Reason::OutOfRange => "OUT_OF_RANGE",
            Reason::Internal => "INTERNAL",
        }
    }

    /// The reason with this word.
    pub fn from_word(word: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// The gRPC status that goes with it.
    pub fn code(self) -> Code {
        match self {
            Reason::SqlSyntax | Reason::InvalidArgument | Reason::SqlRuntime => Code::InvalidArgument,
            Reason::NoSuchTable | Reason::NotFound => Code::NotFound,
            Reason::UnsupportedSql => Code::Unimplemented,
            Reason::RequestIdReused | Reason::AlreadyExists => Code::AlreadyExists,
            Reason::OutOfRange => Code::OutOfRange,
            Reason::ShardUnavailable => Code::Unavailable,
            Reason::ShardDamaged => Code::DataLoss,
            Reason::Deadline => Code::DeadlineExceeded,
            Reason::Cancelled => Code::Cancelled,
            Reason::GatherTooLarge | Reason::TooLarge | Reason::Overloaded => Code::ResourceExhausted,
            Reason::StaleTopology | Reason::Expectation => Code::Aborted,
            Reason::SchemaMismatch | Reason::NodeMismatch | Reason::Constraint | Reason::WrongState => {
                Code::FailedPrecondition
            }
            Reason::Internal | Reason::VerifyFailed => Code::Internal,
        }
    }

    /// A gRPC status with this reason; of one that goes away by itself with the delay after which it is worth trying again (`RetryInfo`).
    pub fn status(self, message: impl Into<String>) -> Status {
        let mut details = ErrorDetails::with_error_info(self.as_str(), DOMAIN, HashMap::<String, String>::new());
        if self == Reason::Overloaded {
            details.set_retry_info(Some(RETRY_AFTER));
        }
        Status::with_error_details(self.code(), message, details)
    }

    /// The reason that a status carries; none when it did not come from souk.
    pub fn of(status: &Status) -> Option<Reason> {
        let info = status.get_details_error_info()?;
        if info.domain == DOMAIN { Reason::from_word(&info.reason) } else { None }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_the_wire() {
        for reason in Reason::ALL {
            let status = reason.status("why");
            assert_eq!(Reason::of(&status), Some(reason));
            assert_eq!(status.message(), "why");
            let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
            assert_eq!(delay, (reason == Reason::Overloaded).then_some(RETRY_AFTER));
        }
        assert_eq!(Reason::of(&Status::internal("not ours")), None);
    }
}
