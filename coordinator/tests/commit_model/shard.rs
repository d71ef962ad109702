//! A shard. All that it knows is in its file, so a crash takes nothing from it.

use crate::configuration::TRANSACTIONS_MAX;
use crate::message::{Outcome, Vote};
use crate::rule::{Rule, Rules};
use crate::set::Set;

/// What a shard's file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Shard {
    /// What it has promised to apply.
    pub(crate) intent: Option<Intent>,
    /// Transactions that it remembers to have applied.
    pub(crate) done: Set,
    /// How often its data shows each transaction's effect.
    pub(crate) applied: [u8; TRANSACTIONS_MAX],
    /// Local writes that its data shows.
    pub(crate) writes: u8,
    /// Its horizon is past every transaction's birth.
    pub(crate) too_old: bool,
}

/// A promise, which fences the shard's writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Intent {
    pub(crate) transaction: usize,
    /// The data's version when the statements were checked.
    pub(crate) version: u8,
}

impl Shard {
    /// Counts the changes of the data.
    pub(crate) fn version(&self) -> u8 {
        self.applied.iter().sum::<u8>() + self.writes
    }

    /// Whether this is the transaction of its intent.
    pub(crate) fn holds(&self, transaction: usize) -> bool {
        self.intent.is_some_and(|intent| intent.transaction == transaction)
    }

    /// Whether it must vote "prepared".
    pub(crate) fn is_bound(&self, transaction: usize) -> bool {
        self.holds(transaction) || self.done.contains(transaction)
    }

    /// Prepare, of statements that would succeed.
    pub(crate) fn prepare(&mut self, transaction: usize, rules: Rules) -> Vote {
        if self.is_bound(transaction) {
            return Vote::Prepared;
        }
        let fenced = self.intent.is_some() && rules.hold(Rule::OneIntent);
        if fenced || (self.too_old && rules.hold(Rule::OldIsNotPrepared)) {
            return Vote::Refused;
        }
        self.intent = Some(Intent { transaction, version: self.version() });
        Vote::Prepared
    }

    /// Apply or Release. Says whether the transaction is applied.
    pub(crate) fn follow(&mut self, transaction: usize, outcome: Outcome, rules: Rules) -> bool {
        let commit = outcome == Outcome::Committed;
        if self.holds(transaction) {
            if commit {
                self.apply(transaction, rules);
            } else {
                self.intent = None;
            }
        }
        // What it neither holds nor remembers, it has applied and forgotten: no commit misses a shard.
        commit
    }

    fn apply(&mut self, transaction: usize, rules: Rules) {
        let crashes = self.applied[transaction] == 0 && !rules.hold(Rule::ApplyIsOneStep);
        self.applied[transaction] += 1;
        if crashes {
            return;
        }
        self.intent = None;
        if rules.hold(Rule::RemembersDone) {
            self.done.insert(transaction);
        }
    }

    /// A local write; it changes nothing if the shard is fenced.
    pub(crate) fn write(&mut self, rules: Rules) {
        let fenced = self.intent.is_some() && rules.hold(Rule::FencedWriter);
        self.writes += u8::from(!fenced);
    }

    /// Forgets that a transaction is done, if it may.
    pub(crate) fn forget(&mut self, transaction: usize, rules: Rules) {
        if self.too_old || !rules.hold(Rule::DoneOutlivesPrepare) {
            self.done.remove(transaction);
        }
    }
}
