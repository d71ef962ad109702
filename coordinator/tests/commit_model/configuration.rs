//! What is checked: bounded instances of the protocol.

use crate::rule::{Rule, Rules};

/// Shards of a configuration, at most.
pub(crate) const SHARDS_MAX: usize = 3;
/// Its transactions, and its requests.
pub(crate) const TRANSACTIONS_MAX: usize = 2;
/// Its attempts.
pub(crate) const ATTEMPTS_MAX: usize = 3;

/// Who takes part, and what may happen besides failures. Everything counts from 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Configuration {
    pub(crate) shards: usize,
    pub(crate) transactions: &'static [Transaction],
    /// The transaction of each attempt: a request as one coordinator drives it. A client that sends its request
    /// again, to whichever coordinator, makes another attempt; it need not wait for the first.
    pub(crate) attempts: &'static [usize],
    /// Local writes that each shard gets.
    pub(crate) writes: u8,
    /// Whether horizons move: the transactions become too old, and may be forgotten.
    pub(crate) ages: bool,
    pub(crate) rules: Rules,
}

/// A request with its content, of which only the shards matter here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transaction {
    pub(crate) request: usize,
    pub(crate) shards: &'static [usize],
}

/// Two requests at the same two shards, each sent once.
pub(crate) const ALONE: Configuration = Configuration {
    shards: 2,
    transactions: &[Transaction { request: 0, shards: &[0, 1] }, Transaction { request: 1, shards: &[0, 1] }],
    attempts: &[0, 1],
    writes: 0,
    ages: false,
    rules: Rules { without: None },
};

/// Two requests that meet at two of three shards.
pub(crate) const OVERLAP: Configuration = Configuration {
    shards: 3,
    transactions: &[Transaction { request: 0, shards: &[0, 1, 2] }, Transaction { request: 1, shards: &[1, 2] }],
    ..ALONE
};

/// The first of two requests is sent again.
pub(crate) const AGAIN: Configuration = Configuration { attempts: &[0, 0, 1], ..ALONE };

/// A request is sent again with other content.
pub(crate) const OTHER: Configuration = Configuration {
    shards: 3,
    transactions: &[Transaction { request: 0, shards: &[0, 1] }, Transaction { request: 0, shards: &[1, 2] }],
    ..ALONE
};

/// The shards have writers of their own.
pub(crate) const WRITERS: Configuration = Configuration { writes: 1, ..ALONE };

/// A request is sent again until it is too old, or later.
pub(crate) const AGES: Configuration = Configuration {
    transactions: &[Transaction { request: 0, shards: &[0, 1] }],
    attempts: &[0, 0],
    ages: true,
    ..ALONE
};

impl Configuration {
    /// The same without a rule.
    pub(crate) fn without(self, rule: Rule) -> Configuration {
        Configuration { rules: Rules { without: Some(rule) }, ..self }
    }
}
