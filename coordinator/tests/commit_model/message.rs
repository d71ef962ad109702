//! What parties say to each other.

use crate::set::Set;

/// A message. `transaction` and `shard` count from 0, the transactions as the configuration lists them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Message {
    /// A coordinator asks a shard to prepare.
    Prepare { transaction: usize, shard: usize },
    /// A shard's answer.
    Vote { transaction: usize, shard: usize, vote: Vote },
    /// Somebody asks the ledger what stands, and what to write if nothing does. Whoever recovers asks with Abort.
    Decide { transaction: usize, wish: Decision },
    /// The ledger's answer, passed on to the client, and to the shards as Apply or Release.
    Outcome { transaction: usize, outcome: Outcome },
    /// A shard has applied.
    Applied { transaction: usize, shard: usize },
}

/// A shard's answer to Prepare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vote {
    /// It has the intent, or has applied it already.
    Prepared,
    /// It has neither: it is fenced, or the statements fail there.
    Refused,
}

/// What can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Decision {
    /// Every shard applies.
    Commit,
    /// No shard applies.
    Abort,
}

/// What the ledger says of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// It is committed.
    Committed,
    /// Its request is aborted.
    Aborted,
    /// Its request is committed with other content, so this transaction is aborted.
    Other,
    /// Nothing stands and nothing will: it is too old. Long ago anything may have stood.
    TooOld,
}

/// The network: every message ever sent. Any of them may arrive now, again, later, before others, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Network(Set);

impl Network {
    pub(crate) fn send(&mut self, message: Message) {
        self.0.insert(message.number());
    }

    pub(crate) fn has(self, message: Message) -> bool {
        self.0.contains(message.number())
    }

    /// What was said of a transaction.
    pub(crate) fn outcomes(self, transaction: usize) -> impl Iterator<Item = Outcome> {
        let outcomes = [Outcome::Committed, Outcome::Aborted, Outcome::Other, Outcome::TooOld];
        outcomes.into_iter().filter(move |&outcome| self.has(Message::Outcome { transaction, outcome }))
    }
}

impl Message {
    /// Another one for each message: eight numbers a kind, four a transaction.
    fn number(self) -> usize {
        let (kind, transaction, shard) = match self {
            Message::Prepare { transaction, shard } => (0, transaction, shard),
            Message::Vote { transaction, shard, vote: Vote::Prepared } => (1, transaction, shard),
            Message::Vote { transaction, shard, vote: Vote::Refused } => (2, transaction, shard),
            Message::Applied { transaction, shard } => (3, transaction, shard),
            Message::Decide { transaction, wish } => (4, transaction, wish as usize),
            Message::Outcome { transaction, outcome } => (5, transaction, outcome as usize),
        };
        kind * 8 + transaction * 4 + shard
    }
}
