//! The ledger: where transactions are decided, and nowhere else.

use crate::configuration::TRANSACTIONS_MAX;
use crate::message::{Decision, Outcome};
use crate::rule::{Rule, Rules};
use crate::set::Set;

/// What the ledger's file holds, and its past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Ledger {
    /// What stands, by request.
    pub(crate) rows: [Option<Row>; TRANSACTIONS_MAX],
    /// Its horizon is past every transaction's birth.
    pub(crate) too_old: bool,
    /// Transactions ever committed. This and the next are for the properties: no party looks at them.
    pub(crate) committed: Set,
    /// Requests ever aborted.
    pub(crate) aborted: Set,
}

/// What stands of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Row {
    /// This transaction is committed, any other is aborted.
    Commit { transaction: usize },
    /// All are aborted.
    Abort,
}

impl Ledger {
    /// Compare and set, durable before it is answered.
    pub(crate) fn decide(
        &mut self,
        request: usize,
        transaction: usize,
        wish: Decision,
        rules: Rules,
    ) -> Option<Outcome> {
        let asked = wish == Decision::Abort;
        match self.rows[request] {
            Some(row) if rules.hold(Rule::FirstDecisionStands) => Some(row.outcome(transaction, rules)),
            None if self.too_old && rules.hold(Rule::OldIsNotDecided) => Some(Outcome::TooOld),
            None if asked && !rules.hold(Rule::AskingIsAnswered) => None,
            None if asked && !rules.hold(Rule::AskingDecides) => Some(Outcome::Aborted),
            Some(_) | None => Some(self.write(request, transaction, wish).outcome(transaction, rules)),
        }
    }

    fn write(&mut self, request: usize, transaction: usize, decision: Decision) -> Row {
        let row = match decision {
            Decision::Commit => {
                self.committed.insert(transaction);
                Row::Commit { transaction }
            }
            Decision::Abort => {
                self.aborted.insert(request);
                Row::Abort
            }
        };
        self.rows[request] = Some(row);
        row
    }

    /// Drops a request's row, if it may.
    pub(crate) fn forget(&mut self, request: usize, followed: bool, rules: Rules) {
        let decided = self.too_old || !rules.hold(Rule::RowOutlivesDecide);
        if decided && (followed || !rules.hold(Rule::RowOutlivesIntents)) {
            self.rows[request] = None;
        }
    }
}

impl Row {
    /// What it means for one of the request's transactions.
    fn outcome(self, asked: usize, rules: Rules) -> Outcome {
        match self {
            Row::Commit { transaction } if transaction == asked => Outcome::Committed,
            Row::Commit { .. } if rules.hold(Rule::CommitNamesContent) => Outcome::Other,
            Row::Commit { .. } => Outcome::Committed,
            Row::Abort => Outcome::Aborted,
        }
    }
}
