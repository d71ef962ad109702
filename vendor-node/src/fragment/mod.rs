//! A fragment: one statement over many shards, and one answer.
//!
//! - [`budget`]: how many bytes may be held.
//! - [`buffer`]: the rows of one shard, held.
//! - [`outlet`]: the way out, in batches.
//! - [`fold`]: partials that are folded over the shards: the first rows of an order, and groups.
//! - [`first`]: the first rows in shard order.
//! - [`stream`]: all rows in shard order.
//! - [`ordered`]: all rows, merged in order.
//! - [`prune`]: shards that need not be read.
//! - [`keep`]: an answer from what is kept, and what is kept of an answer.
//! - [`refresh`]: an answer from what the shards gave that stand still, and from the others anew.
//! - [`times`]: how long each shard took.

mod budget;
mod buffer;
mod first;
mod fold;
mod keep;
mod ordered;
mod outlet;
mod prune;
mod refresh;
mod stream;
mod times;

use std::{sync::Arc, time::Instant};

use souk_merge::{Batch, MergeSpec};

use crate::{
    commits::State,
    error::{Failure, Fault},
    kept::Kept,
    schema::SchemaLog,
    shard::{Query, RowView, Scope, Statement, Visit},
    shards::Shards,
    statistics::{Need, Statistics, StoredColumn},
    ticket::Ticket,
    walkers::Walkers,
};
use fold::Grouped;
use outlet::Outlet;
use prune::Prune;
use times::Times;

pub(crate) use times::ShardTime;

/// A statement for some of the node's shards, and how to merge their answers.
pub(crate) struct Fragment {
    /// In the order in which ties are broken and rows are concatenated.
    pub(crate) shards: Vec<u64>,
    pub(crate) statement: Statement,
    pub(crate) merge: MergeSpec,
    /// The schema number that the statement was planned for.
    pub(crate) schema_version: u64,
    /// More bytes of values held or sent than this end the call.
    pub(crate) bytes_max: u64,
    /// When set, the statement sees only this key's rows.
    pub(crate) scope: Option<Arc<Scope>>,
    /// Shards that fail are left out and reported.
    pub(crate) partial: bool,
    /// The statement gives the same rows as long as the shards stand still.
    pub(crate) keep: bool,
    /// What a shard must hold to give any row.
    pub(crate) needs: Vec<Need>,
    /// The column that the first key of the merge's order is.
    pub(crate) lead: Option<StoredColumn>,
    /// When not 0, each shard is measured, and so many of the slowest are named.
    pub(crate) slowest_max: usize,
    pub(crate) ticket: Arc<Ticket>,
}

/// answered + failed = the shards of the fragment.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) answered: usize,
    /// Of these, how many were not read, since what they had given before still holds.
    pub(crate) kept: usize,
    /// Of these, how many were not read, since their statistics rule them out.
    pub(crate) skipped: usize,
    pub(crate) failed: Vec<Failure>,
    /// How the shards stood before any was read, when the answer is the same as long as they stand so.
    pub(crate) state: Option<State>,
    /// The slowest first, when they were asked for.
    pub(crate) slowest: Vec<ShardTime>,
}

/// Where rows go; may wait for whoever takes them.
pub(crate) type Sink<'a> = dyn FnMut(Batch) -> Result<(), Fault> + 'a;

/// A fragment that runs, and what it runs on.
pub(crate) struct Run<'a> {
    pub(crate) fragment: &'a Fragment,
    pub(crate) schema: &'a SchemaLog,
    pub(crate) shards: &'a Shards,
    pub(crate) kept: &'a Kept,
    pub(crate) walkers: &'a Walkers,
    prune: Prune<'a>,
    /// None when nobody asked for them.
    times: Option<Times>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        fragment: &'a Fragment,
        schema: &'a SchemaLog,
        shards: &'a Shards,
        kept: &'a Kept,
        statistics: &'a Statistics,
        walkers: &'a Walkers,
    ) -> Run<'a> {
        let times = (fragment.slowest_max > 0).then(Times::default);
        Run { fragment, schema, shards, kept, walkers, prune: Prune::of(fragment, statistics), times }
    }
}

/// Runs a fragment and gives the merged rows to `sink`, on the caller's thread.
pub(crate) fn run(run: Run<'_>, sink: &mut Sink<'_>) -> Result<Summary, Fault> {
    let Fragment { shards, keep, partial, .. } = run.fragment;
    let state = (*keep && !partial).then(|| run.shards.commits().state(shards));
    let (failed, kept) = keep::answer(&run, sink)?;
    let skipped = run.prune.skipped();
    let slowest = run.times.map(|times| times.slowest(run.fragment.slowest_max)).unwrap_or_default();
    Ok(Summary { answered: shards.len() - failed.len(), kept, skipped, failed, state, slowest })
}

/// Gives the shards that failed.
fn merge(run: &Run<'_>, sink: &mut Sink<'_>) -> Result<Vec<Failure>, Fault> {
    let mut outlet = Outlet::new(sink, run.fragment.bytes_max);
    let failed = match &run.fragment.merge {
        MergeSpec::Groups { keys, states } => fold::fold(run, || Grouped::new(keys, states), &mut outlet)?,
        MergeSpec::Rows { order, limit: Some(limit) } if order.is_empty() => first::first(run, *limit, &mut outlet)?,
        MergeSpec::Rows { order, limit: Some(limit) } => fold::fold_top(run, order, *limit, &mut outlet)?,
        MergeSpec::Rows { order, limit: None } if order.is_empty() => stream::stream(run, &mut outlet)?,
        MergeSpec::Rows { order, limit: None } => ordered::ordered(run, order, &mut outlet)?,
    };
    outlet.finish()?;
    Ok(failed)
}

impl Run<'_> {
    /// Runs the statement on one shard, unless that would give nothing.
    fn read(&self, shard: u64, visit: &mut Visit<'_>) -> Result<(), Fault> {
        if self.skips(shard) {
            return Ok(());
        }
        let Some(times) = &self.times else { return self.visit_rows(shard, visit) };
        let (started, mut rows) = (Instant::now(), 0);
        let outcome = self.visit_rows(shard, &mut |row| {
            rows += 1;
            visit(row)
        });
        times.add(shard, started.elapsed(), rows);
        outcome
    }

    fn visit_rows(&self, shard: u64, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let Fragment { statement, scope, ticket, merge, .. } = self.fragment;
        let mut checked = |row: &RowView<'_>| {
            merge.check(row.width()).map_err(|error| Fault::invalid(error.to_string()))?;
            visit(row)
        };
        let query = Query { statement, scope: scope.as_ref(), schema: self.schema, ticket };
        self.shards.with(shard, |open| open.read(&query, &mut checked))
    }

    /// A shard's failure, when the answer may do without the shard; else the end of the call.
    fn forgive(&self, shard: u64, fault: Fault) -> Result<Failure, Fault> {
        if self.fragment.partial && fault.is_of_shard() { Ok(Failure { shard, fault }) } else { Err(fault) }
    }
}
