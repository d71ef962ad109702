//! What a statement must come to, else nothing is done.

use crate::v1::{shard_statement, transact_statement};

/// What is expected of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// So many rows are inserted, updated or deleted.
    Changes(u64),
    /// Rows are given, or none.
    GivesRows(bool),
}

impl Expectation {
    /// Why it is not met by a statement that changed so many rows and gave some, or none; nothing when it is.
    pub fn unmet(self, changed: u64, gives_rows: bool) -> Option<String> {
        match self {
            Expectation::Changes(expected) if expected != changed => {
                Some(format!("the statement changes {changed} rows, expected were {expected}"))
            }
            Expectation::GivesRows(true) if !gives_rows => {
                Some("the statement gives no rows, some were expected".into())
            }
            Expectation::GivesRows(false) if gives_rows => Some("the statement gives rows, none were expected".into()),
            Expectation::Changes(_) | Expectation::GivesRows(_) => None,
        }
    }
}

impl From<Expectation> for shard_statement::Expectation {
    fn from(expectation: Expectation) -> shard_statement::Expectation {
        match expectation {
            Expectation::Changes(rows) => shard_statement::Expectation::Changes(rows),
            Expectation::GivesRows(some) => shard_statement::Expectation::GivesRows(some),
        }
    }
}

impl From<shard_statement::Expectation> for Expectation {
    fn from(expectation: shard_statement::Expectation) -> Expectation {
        match expectation {
            shard_statement::Expectation::Changes(rows) => Expectation::Changes(rows),
            shard_statement::Expectation::GivesRows(some) => Expectation::GivesRows(some),
        }
    }
}

impl From<transact_statement::Expectation> for Expectation {
    fn from(expectation: transact_statement::Expectation) -> Expectation {
        match expectation {
            transact_statement::Expectation::Changes(rows) => Expectation::Changes(rows),
            transact_statement::Expectation::GivesRows(some) => Expectation::GivesRows(some),
        }
    }
}
