//! What holds in every state, and what must be reached.

use stateright::Property;

use crate::configuration::Configuration;
use crate::coordinator::Attempt;
use crate::message::{Outcome, Vote};
use crate::model::State;
use crate::shard::Shard;

pub(crate) const WHOLE: &str = "a commit misses no shard";
pub(crate) const ONLY_COMMITS: &str = "only commits are applied";
pub(crate) const APPLIED_ONCE: &str = "a transaction is applied once";
pub(crate) const DECIDED_ONCE: &str = "a request is decided once";
pub(crate) const ANSWERS: &str = "clients hear what is decided";
pub(crate) const CHECKED: &str = "what was checked stays so";
pub(crate) const HEALS: &str = "everything heals";
pub(crate) const FREE: &str = "nothing but an intent blocks a shard";

pub(crate) fn properties(configuration: &Configuration) -> Vec<Property<Configuration>> {
    let mut properties = vec![
        Property::always(WHOLE, whole),
        Property::always(ONLY_COMMITS, only_commits),
        Property::always(APPLIED_ONCE, applied_once),
        Property::always(DECIDED_ONCE, decided_once),
        Property::always(ANSWERS, answers),
        Property::always(CHECKED, checked),
        Property::always(HEALS, heals),
        Property::always(FREE, free),
        Property::sometimes("a client hears done before any shard applies", done_before_applied),
        Property::sometimes("a commit is recovered", commit_recovered),
        Property::sometimes("an abort of what all had prepared is recovered", abort_recovered),
        Property::sometimes("a shard holds what its client knows to be aborted", late_intent),
    ];
    if configuration.shares_a_request() {
        properties.push(Property::sometimes("a client hears of other content", other_content));
    }
    if configuration.ages {
        properties.push(Property::sometimes("a commit is forgotten", commit_forgotten));
        properties.push(Property::sometimes("a client is too late", too_late));
    }
    properties
}

/// Each shard of a commit has applied it or holds it.
fn whole(model: &Configuration, state: &State) -> bool {
    model.all().filter(|&transaction| state.committed(transaction)).all(|transaction| {
        let mut shards = model.shards_of(state, transaction);
        shards.all(|shard| shard.holds(transaction) || shard.applied[transaction] > 0)
    })
}

fn only_commits(model: &Configuration, state: &State) -> bool {
    let mut others = model.all().filter(|&transaction| !state.committed(transaction));
    others.all(|transaction| model.applied(state, transaction, 0))
}

fn applied_once(_: &Configuration, state: &State) -> bool {
    state.shards.iter().all(|shard| shard.applied.iter().all(|&times| times <= 1))
}

/// A request is aborted, or one of its transactions is committed, or neither, for all time.
fn decided_once(model: &Configuration, state: &State) -> bool {
    model.all().all(|transaction| {
        let aborts = state.ledger.aborted.contains(model.transactions[transaction].request);
        model.commits(state, transaction) + usize::from(aborts) <= 1
    })
}

/// What a client was told of its request is so, and stays so.
fn answers(model: &Configuration, state: &State) -> bool {
    model.attempts.iter().zip(state.attempts).all(|(&transaction, attempt)| match attempt {
        Attempt::Told(Outcome::Committed) => state.committed(transaction),
        Attempt::Told(Outcome::Aborted) => model.commits(state, transaction) == 0,
        Attempt::Told(Outcome::Other) => !state.committed(transaction) && model.commits(state, transaction) > 0,
        Attempt::Told(Outcome::TooOld) | Attempt::Waiting | Attempt::Preparing | Attempt::Deciding | Attempt::Lost => {
            true
        }
    })
}

/// Since an intent's statements were checked, nothing has changed the data.
fn checked(_: &Configuration, state: &State) -> bool {
    let mut shards = state.shards.iter();
    shards.all(|shard| shard.intent.is_none_or(|intent| intent.version == shard.version()))
}

/// No shard holds an intent in the end, and each transaction is applied everywhere once or nowhere, as decided.
fn heals(model: &Configuration, state: &State) -> bool {
    let healed = model.healed(state);
    healed.shards.iter().all(|shard| shard.intent.is_none())
        && model.all().all(|transaction| {
            let times = u8::from(healed.committed(transaction));
            model.applied(&healed, transaction, times)
        })
}

/// A shard without an intent takes a local write, and prepares anything that is not too old.
fn free(model: &Configuration, state: &State) -> bool {
    state.shards.iter().filter(|shard| shard.intent.is_none()).all(|shard| {
        let mut written = *shard;
        written.write(model.rules);
        let prepares = |transaction| { *shard }.prepare(transaction, model.rules) == Vote::Prepared;
        written.writes > shard.writes && (shard.too_old || model.all().all(prepares))
    })
}

fn done_before_applied(model: &Configuration, state: &State) -> bool {
    model.told(state, Outcome::Committed).any(|transaction| model.applied(state, transaction, 0))
}

fn commit_recovered(model: &Configuration, state: &State) -> bool {
    model.lost(state).any(|transaction| model.applied(state, transaction, 1))
}

fn abort_recovered(model: &Configuration, state: &State) -> bool {
    model.lost(state).any(|transaction| {
        let released = model.shards_of(state, transaction).all(|shard| !shard.holds(transaction));
        released && !state.committed(transaction) && model.all_voted(state, transaction, Vote::Prepared)
    })
}

fn late_intent(model: &Configuration, state: &State) -> bool {
    let mut aborted = model.told(state, Outcome::Aborted);
    aborted.any(|transaction| model.shards_of(state, transaction).any(|shard| shard.holds(transaction)))
}

fn commit_forgotten(model: &Configuration, state: &State) -> bool {
    let forgotten = |transaction| model.shards_of(state, transaction).all(|shard| !shard.is_bound(transaction));
    let mut committed = model.all().filter(|&transaction| state.committed(transaction));
    committed.any(|transaction| {
        state.ledger.rows[model.transactions[transaction].request].is_none() && forgotten(transaction)
    })
}

fn too_late(model: &Configuration, state: &State) -> bool {
    model.told(state, Outcome::TooOld).next().is_some()
}

fn other_content(model: &Configuration, state: &State) -> bool {
    model.told(state, Outcome::Other).next().is_some()
}

impl State {
    /// Whether a transaction was ever committed.
    fn committed(&self, transaction: usize) -> bool {
        self.ledger.committed.contains(transaction)
    }
}

impl Configuration {
    fn all(&self) -> std::ops::Range<usize> {
        0..self.transactions.len()
    }

    fn shards_of<'s>(&self, state: &'s State, transaction: usize) -> impl Iterator<Item = &'s Shard> + use<'s> {
        self.transactions[transaction].shards.iter().map(|&shard| &state.shards[shard])
    }

    /// Whether each shard of a transaction has applied it this often.
    fn applied(&self, state: &State, transaction: usize, times: u8) -> bool {
        self.shards_of(state, transaction).all(|shard| shard.applied[transaction] == times)
    }

    /// Whether two transactions are of one request.
    fn shares_a_request(&self) -> bool {
        !self.transactions.is_sorted_by(|one, next| one.request < next.request)
    }

    /// How many transactions of this one's request were ever committed.
    fn commits(&self, state: &State, transaction: usize) -> usize {
        let same = |of: &usize| self.transactions[*of].request == self.transactions[transaction].request;
        self.all().filter(same).filter(|&of| state.committed(of)).count()
    }

    /// Transactions of which a client was told this.
    fn told(&self, state: &State, outcome: Outcome) -> impl Iterator<Item = usize> {
        let attempts = self.attempts.iter().zip(state.attempts);
        attempts.filter(move |(_, attempt)| *attempt == Attempt::Told(outcome)).map(|(of, _)| *of)
    }

    /// Transactions whose every attempt is lost.
    fn lost(&self, state: &State) -> impl Iterator<Item = usize> {
        self.all().filter(|transaction| {
            let mut attempts = self.attempts.iter().zip(state.attempts).filter(|(of, _)| *of == transaction);
            attempts.all(|(_, attempt)| attempt == Attempt::Lost)
        })
    }
}
