//! The steps of all parties.

use stateright::{Model, Property};

use crate::configuration::{ATTEMPTS_MAX, Configuration, SHARDS_MAX};
use crate::coordinator::Attempt;
use crate::ledger::{Ledger, Row};
use crate::message::{Decision, Message, Network, Outcome, Vote};
use crate::properties::properties;
use crate::rule::Rule;
use crate::shard::Shard;

/// All parties, and the network. What a configuration does not use stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) attempts: [Attempt; ATTEMPTS_MAX],
    pub(crate) shards: [Shard; SHARDS_MAX],
    pub(crate) ledger: Ledger,
    pub(crate) network: Network,
}

/// A step of one party.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A coordinator gets a client's request, and sends Prepare.
    Begin { attempt: usize },
    /// It has every vote, and wishes for the commit.
    WishCommit { attempt: usize },
    /// It was refused or lost patience, and wishes for the abort.
    WishAbort { attempt: usize },
    /// It gets the ledger's answer, and tells the client.
    Tell { attempt: usize, outcome: Outcome },
    /// It crashes or gives up.
    Lose { attempt: usize },
    /// A shard gets Prepare.
    Prepare { transaction: usize, shard: usize },
    /// A shard gets Prepare, and the statements fail.
    Fail { transaction: usize, shard: usize },
    /// A shard gets Apply or Release.
    Follow { transaction: usize, shard: usize, outcome: Outcome },
    /// A shard breaks its promise.
    Break { shard: usize },
    /// A shard gets a local write.
    Write { shard: usize },
    /// A shard moves its horizon.
    MoveShardHorizon { shard: usize },
    /// A shard cleans up.
    ShardForgets { transaction: usize, shard: usize },
    /// The ledger gets a wish.
    Decide { transaction: usize, wish: Decision },
    /// The ledger moves its horizon.
    MoveLedgerHorizon,
    /// The ledger cleans up.
    LedgerForgets { request: usize },
}

impl Model for Configuration {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut network = Network::default();
        for transaction in 0..self.transactions.len() {
            // Whoever recovers may ask at any time, so the question is always under way.
            network.send(Message::Decide { transaction, wish: Decision::Abort });
        }
        let attempts = [Attempt::Waiting; ATTEMPTS_MAX];
        vec![State { attempts, shards: Default::default(), ledger: Ledger::default(), network }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for attempt in 0..self.attempts.len() {
            self.coordinator_actions(state, attempt, actions);
        }
        for transaction in 0..self.transactions.len() {
            self.deliveries(state, transaction, actions);
        }
        for shard in 0..self.shards {
            self.shard_actions(state, shard, actions);
        }
        if self.ages {
            actions.push(Action::MoveLedgerHorizon);
            actions.extend((0..self.transactions.len()).map(|request| Action::LedgerForgets { request }));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = *last;
        self.step(&mut next, action);
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Configuration>> {
        properties(self)
    }
}

/// Which steps are possible.
impl Configuration {
    fn coordinator_actions(&self, state: &State, attempt: usize, actions: &mut Vec<Action>) {
        let transaction = self.attempts[attempt];
        match state.attempts[attempt] {
            Attempt::Waiting => actions.push(Action::Begin { attempt }),
            Attempt::Preparing => {
                if self.all_voted(state, transaction, Vote::Prepared) || !self.rules.hold(Rule::CommitNeedsAll) {
                    actions.push(Action::WishCommit { attempt });
                }
                actions.extend([Action::WishAbort { attempt }, Action::Lose { attempt }]);
            }
            Attempt::Deciding => {
                let outcomes = state.network.outcomes(transaction);
                actions.extend(outcomes.map(|outcome| Action::Tell { attempt, outcome }));
                actions.push(Action::Lose { attempt });
            }
            Attempt::Told(_) | Attempt::Lost => {}
        }
    }

    fn deliveries(&self, state: &State, transaction: usize, actions: &mut Vec<Action>) {
        for wish in [Decision::Commit, Decision::Abort] {
            if state.network.has(Message::Decide { transaction, wish }) {
                actions.push(Action::Decide { transaction, wish });
            }
        }
        for &shard in self.transactions[transaction].shards {
            if state.network.has(Message::Prepare { transaction, shard }) {
                actions.push(Action::Prepare { transaction, shard });
                if !state.shards[shard].is_bound(transaction) {
                    actions.push(Action::Fail { transaction, shard });
                }
            }
            let outcomes = state.network.outcomes(transaction);
            actions.extend(outcomes.map(|outcome| Action::Follow { transaction, shard, outcome }));
        }
    }

    fn shard_actions(&self, state: &State, shard: usize, actions: &mut Vec<Action>) {
        if state.shards[shard].writes < self.writes {
            actions.push(Action::Write { shard });
        }
        if !self.rules.hold(Rule::IntentIsPromise) {
            actions.push(Action::Break { shard });
        }
        if self.ages {
            actions.push(Action::MoveShardHorizon { shard });
            let transactions = 0..self.transactions.len();
            actions.extend(transactions.map(|transaction| Action::ShardForgets { transaction, shard }));
        }
    }

    /// Whether each shard of a transaction has sent this vote.
    pub(crate) fn all_voted(&self, state: &State, transaction: usize, vote: Vote) -> bool {
        let mut shards = self.transactions[transaction].shards.iter();
        shards.all(|&shard| state.network.has(Message::Vote { transaction, shard, vote }))
    }
}

/// What they do.
impl Configuration {
    fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::Begin { attempt } => self.begin(state, attempt),
            Action::WishCommit { attempt } => self.wish_commit(state, attempt),
            Action::WishAbort { attempt } => self.wish_abort(state, attempt),
            Action::Tell { attempt, outcome } => self.tell(state, attempt, outcome),
            Action::Lose { attempt } => state.attempts[attempt] = Attempt::Lost,
            Action::Prepare { transaction, shard } => {
                let vote = state.shards[shard].prepare(transaction, self.rules);
                state.network.send(Message::Vote { transaction, shard, vote });
            }
            Action::Fail { transaction, shard } => {
                state.network.send(Message::Vote { transaction, shard, vote: Vote::Refused });
            }
            Action::Follow { transaction, shard, outcome } => {
                if state.shards[shard].follow(transaction, outcome, self.rules) {
                    state.network.send(Message::Applied { transaction, shard });
                }
            }
            Action::Break { shard } => state.shards[shard].intent = None,
            Action::Write { shard } => state.shards[shard].write(self.rules),
            Action::MoveShardHorizon { shard } => state.shards[shard].too_old = true,
            Action::ShardForgets { transaction, shard } => state.shards[shard].forget(transaction, self.rules),
            Action::Decide { transaction, wish } => self.decide(state, transaction, wish),
            Action::MoveLedgerHorizon => state.ledger.too_old = true,
            Action::LedgerForgets { request } => self.ledger_forgets(state, request),
        }
    }

    fn begin(&self, state: &mut State, attempt: usize) {
        let transaction = self.attempts[attempt];
        state.attempts[attempt] = Attempt::Preparing;
        for &shard in self.transactions[transaction].shards {
            state.network.send(Message::Prepare { transaction, shard });
        }
    }

    fn wish_commit(&self, state: &mut State, attempt: usize) {
        let (transaction, outcome) = (self.attempts[attempt], Outcome::Committed);
        state.attempts[attempt] = Attempt::Deciding;
        state.network.send(Message::Decide { transaction, wish: Decision::Commit });
        if !self.rules.hold(Rule::ShardsHearTheLedger) {
            state.network.send(Message::Outcome { transaction, outcome });
        }
        if !self.rules.hold(Rule::ClientHearsTheLedger) {
            state.attempts[attempt] = Attempt::Told(outcome);
        }
    }

    fn wish_abort(&self, state: &mut State, attempt: usize) {
        let (transaction, outcome) = (self.attempts[attempt], Outcome::Aborted);
        let refused = self.all_voted(state, transaction, Vote::Refused);
        if !self.rules.hold(Rule::AbortIsDecided) || (refused && !self.rules.hold(Rule::RefusalIsDecided)) {
            state.attempts[attempt] = Attempt::Told(outcome);
            state.network.send(Message::Outcome { transaction, outcome });
        } else {
            state.attempts[attempt] = Attempt::Deciding;
            state.network.send(Message::Decide { transaction, wish: Decision::Abort });
        }
    }

    fn tell(&self, state: &mut State, attempt: usize, outcome: Outcome) {
        state.attempts[attempt] = match outcome {
            Outcome::TooOld if !self.rules.hold(Rule::TooOldIsUnknown) => Attempt::Told(Outcome::Aborted),
            Outcome::Committed | Outcome::Aborted | Outcome::Other | Outcome::TooOld => Attempt::Told(outcome),
        }
    }

    /// The answer goes to whoever asked, and everyone it may be passed on to.
    fn decide(&self, state: &mut State, transaction: usize, wish: Decision) {
        let request = self.transactions[transaction].request;
        if let Some(outcome) = state.ledger.decide(request, transaction, wish, self.rules) {
            state.network.send(Message::Outcome { transaction, outcome });
        }
    }

    fn ledger_forgets(&self, state: &mut State, request: usize) {
        let followed = match state.ledger.rows[request] {
            Some(Row::Commit { transaction }) => {
                let mut shards = self.transactions[transaction].shards.iter();
                shards.all(|&shard| state.network.has(Message::Applied { transaction, shard }))
            }
            Some(Row::Abort) | None => true,
        };
        state.ledger.forget(request, followed, self.rules);
    }

    /// Where a state ends when nothing more fails: what was under way is lost, the coordinators have restarted, and
    /// each shard that has an intent asks the ledger and follows.
    pub(crate) fn healed(&self, state: &State) -> State {
        let mut healed = State { network: Network::default(), ..*state };
        for shard in 0..self.shards {
            if let Some(intent) = healed.shards[shard].intent {
                let transaction = intent.transaction;
                self.step(&mut healed, Action::Decide { transaction, wish: Decision::Abort });
                let answer = healed.network.outcomes(transaction).next();
                if let Some(outcome) = answer {
                    self.step(&mut healed, Action::Follow { transaction, shard, outcome });
                }
            }
        }
        healed
    }
}
