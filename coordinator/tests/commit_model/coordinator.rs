//! A coordinator's attempt at a transaction. It is in memory only.

use crate::message::Outcome;

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Attempt {
    /// The client has not sent its request yet.
    Waiting,
    /// Prepare is sent to every shard.
    Preparing,
    /// A wish is sent to the ledger.
    Deciding,
    /// The client was told: "done", "not done", "done with other content", or "unknown, since too old".
    Told(Outcome),
    /// The coordinator has crashed or given up: the client was told "unknown", or hears nothing.
    Lost,
}
