//! Two-phase commit over shards, checked in every state that it can reach. The model is the protocol's specification.
//!
//! # The rules
//!
//! Behind each stand the [`Rule`]s that a test leaves out, one at a time, to see what goes wrong.
//!
//! **Names**
//!
//! 1. A transaction is named by its request's id and a digest of its content: the shards, and what each is to do,
//!    with all that a coordinator filled in. A request sent again is the same transaction, at any coordinator; with
//!    other content it is another transaction of that request. `CommitNamesContent`
//!
//! **Shard**
//!
//! 2. *Prepare*: check the statements, store them durably as an intent, vote. A shard has one intent at most, and
//!    while it has one, nothing else changes its data: others are refused. `OneIntent`, `FencedWriter`
//! 3. An intent is a promise: nothing but the ledger's word ends it. `IntentIsPromise`
//! 4. *Apply*: the effect, the end of the intent and a memory that it is done, in one local transaction. For what is
//!    done, Prepare writes nothing and votes "prepared". `ApplyIsOneStep`, `RemembersDone`
//! 5. *Release*: the end of the intent, if there is one. It is not remembered: a late Prepare makes an intent again,
//!    which asks, and is released again.
//!
//! **Ledger**
//!
//! 6. One row a request, by compare and set: the first decision stands, and is the answer to each later wish. A
//!    commit names its transaction, so that all others of the request are aborted by it. `FirstDecisionStands`,
//!    `CommitNamesContent`
//! 7. Anyone may ask at any time. To ask is to wish for the abort: where no row is, the question writes it before it
//!    is answered. `AskingDecides`, `AskingIsAnswered`
//!
//! **Coordinator**
//!
//! 8. It wishes for the commit only when every shard has voted "prepared", and for the abort when it likes.
//!    `CommitNeedsAll`
//! 9. Shards and client hear what the ledger answered, nothing else. Without an answer the client hears "unknown",
//!    and may send its request again. `ShardsHearTheLedger`, `ClientHearsTheLedger`, `RefusalIsDecided`
//! 10. One exception: a coordinator that made up the request's id itself, so that nobody else can drive the
//!     transaction, may release and say "not done" without asking. It then never wishes for the commit.
//!     `AbortIsDecided`
//!
//! **Age.** A name tells when its request was born. The ledger and each shard keep a *horizon*, a durable time that
//! only moves on: what was born before it is too old there. Horizons move when each party likes, so no clock is
//! trusted.
//!
//! 11. A shard does not prepare what is too old, and forgets what is done only then. `OldIsNotPrepared`,
//!     `DoneOutlivesPrepare`
//! 12. The ledger decides nothing that is too old: where no row is, it writes none and answers "too old". A shard
//!     takes it for the abort, a client hears "unknown". `OldIsNotDecided`, `TooOldIsUnknown`
//! 13. The ledger drops a row only when it is too old, and a commit's only when every shard has said that it applied.
//!     `RowOutlivesDecide`, `RowOutlivesIntents`
//!
//! # What can happen
//!
//! - The network is the set of all messages ever sent. Any of them may arrive at any time, again and again, in any
//!   order, or never: loss, delay, duplication and reordering without bound.
//! - Who crashes takes no further step, or none for a while. That needs no step of its own: in every state, each
//!   party may be the one that takes none of the next. Shards and the ledger keep everything in files and restart as
//!   they were; a coordinator keeps nothing, and its attempts are lost.
//! - Patience is not modelled either: recovery, a wish for the abort and a repeated request may come at any time.
//! - A coordinator does not collect votes, it finds them in the network, even those that another attempt at the same
//!   transaction was sent. That allows more than can happen.
//! - The ledger may be in a coordinator's process or behind a network: the first is the second without failures.
//! - From each state, [`Configuration::healed`] goes on without failures: there everything must end as it should.
//!
//! # The files
//!
//! - `rule`: the rules by name.
//! - `configuration`: what is checked.
//! - `message`: what is said, and the network.
//! - `shard`, `ledger`, `coordinator`: the parties.
//! - `model`: their steps.
//! - `properties`: what holds in every state, and what must be reached.
//! - `set`: a set of small numbers.

mod configuration;
mod coordinator;
mod ledger;
mod message;
mod model;
mod properties;
mod rule;
mod set;
mod shard;

use std::time::Instant;

use configuration::{AGAIN, AGES, ALONE, Configuration, OTHER, OVERLAP, WRITERS};
use properties::{ANSWERS, APPLIED_ONCE, CHECKED, DECIDED_ONCE, HEALS, ONLY_COMMITS, WHOLE};
use rule::Rule;
use stateright::{Checker, HasDiscoveries, Model};

/// Visits every state, depth first since that keeps less in memory.
fn check(name: &str, configuration: Configuration) {
    let start = Instant::now();
    let checker = configuration.checker().spawn_dfs().join();
    let (states, steps) = (checker.unique_state_count(), checker.state_count());
    println!("{name}: {states} states, {steps} steps, {:.1} s", start.elapsed().as_secs_f64());
    checker.assert_properties();
}

#[test]
fn requests_overlap() {
    check("requests overlap", OVERLAP);
}

#[test]
fn request_is_sent_again() {
    check("a request is sent again", AGAIN);
}

#[test]
fn request_is_sent_with_other_content() {
    check("a request is sent with other content", OTHER);
}

#[test]
fn shards_have_other_writers() {
    check("shards have other writers", WRITERS);
}

#[test]
fn requests_age() {
    check("requests age", AGES);
}

#[test]
fn abort_needs_no_row_if_nobody_else_drives_it() {
    check("aborts without rows", ALONE.without(Rule::AbortIsDecided));
}

/// What goes wrong without a rule, and where.
const NEEDED: [(Rule, Configuration, &str); 20] = [
    (Rule::CommitNamesContent, OTHER, ONLY_COMMITS),
    (Rule::OneIntent, ALONE, WHOLE),
    (Rule::FencedWriter, WRITERS, CHECKED),
    (Rule::IntentIsPromise, ALONE, WHOLE),
    (Rule::ApplyIsOneStep, ALONE, APPLIED_ONCE),
    (Rule::RemembersDone, ALONE, APPLIED_ONCE),
    (Rule::FirstDecisionStands, ALONE, DECIDED_ONCE),
    (Rule::AskingDecides, ALONE, WHOLE),
    (Rule::AskingIsAnswered, ALONE, HEALS),
    (Rule::CommitNeedsAll, ALONE, WHOLE),
    (Rule::ShardsHearTheLedger, ALONE, ONLY_COMMITS),
    (Rule::ClientHearsTheLedger, ALONE, ANSWERS),
    (Rule::RefusalIsDecided, AGAIN, ANSWERS),
    (Rule::AbortIsDecided, AGAIN, ANSWERS),
    (Rule::OldIsNotPrepared, AGES, APPLIED_ONCE),
    (Rule::DoneOutlivesPrepare, AGES, APPLIED_ONCE),
    (Rule::OldIsNotDecided, AGES, WHOLE),
    (Rule::TooOldIsUnknown, AGES, ANSWERS),
    (Rule::RowOutlivesDecide, AGES, DECIDED_ONCE),
    (Rule::RowOutlivesIntents, AGES, WHOLE),
];

#[test]
fn each_rule_is_needed() {
    for (rule, configuration, property) in NEEDED {
        let found = HasDiscoveries::AnyOf([property].into());
        let checker = configuration.without(rule).checker().finish_when(found).spawn_bfs().join();
        let steps = checker.assert_any_discovery(property).into_actions();
        println!("without {rule:?} it is not so that {property}: {steps:?}");
    }
}
