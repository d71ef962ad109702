//! Merges whose state is small: each thread folds consecutive shards into one partial, and neighbours are merged, so that
//! the result is that of the shards in their order, however they were split. For the first rows of an order that is so in whatever
//! order shards are read: those of which the best value is known are read best first, since what they give rules out others.

use std::ops::ControlFlow;

use souk_merge::{Batch, Collation, Groups, SortKey, StateError, StateKind, Top, ValueRef};
use souk_proto::Reason;

use super::{
    Run,
    budget::{Budget, Held},
    outlet::Outlet,
    prune::{Place, Ranked},
};
use crate::{
    error::{Failure, Fault},
    shard::RowView,
    walkers::Walk,
};

/// Shards read best first before other threads are asked to help: what is wanted mostly lies in fewer.
const BEST_ALONE: usize = 64;

/// A merge in progress.
pub(crate) trait Partial: Send + Sized {
    /// Takes a row of the shard at `position`; `Break` when no later row of that shard matters.
    fn take(&mut self, position: u32, row: &RowView<'_>) -> Result<ControlFlow<()>, Fault>;
    /// Takes what came of one or more shards when they were folded alone; `position` is theirs among such.
    fn take_batch(&mut self, position: u32, batch: &Batch) -> Result<(), Fault>;
    /// Takes over what came of later shards.
    fn merge(&mut self, later: Self) -> Result<(), Fault>;
    /// Behind which row nothing matters any more, by the first key of its order and its shard's position.
    fn bar(&self) -> Option<(ValueRef<'_>, u32)> {
        None
    }
    /// Bytes held, roughly.
    fn byte_size(&self) -> usize;
    /// The merged rows.
    fn into_batch(self) -> Batch;
}

/// Folds all shards of a run; gives the shards that failed.
pub(crate) fn fold<P: Partial>(
    run: &Run<'_>,
    empty: impl Fn() -> P + Sync,
    outlet: &mut Outlet<'_, '_>,
) -> Result<Vec<Failure>, Fault> {
    let budget = Budget::new(run.fragment.bytes_max);
    let start = || Folded { partial: empty(), failed: Vec::new(), held: budget.holder() };
    let folded = fold_places(run, &run.places(), &start)?;
    outlet.push_batch(folded.partial.into_batch())?;
    Ok(folded.failed)
}

/// The first rows of an order; gives the shards that failed.
pub(crate) fn fold_top(
    run: &Run<'_>,
    order: &[SortKey],
    limit: u64,
    outlet: &mut Outlet<'_, '_>,
) -> Result<Vec<Failure>, Fault> {
    let budget = Budget::new(run.fragment.bytes_max);
    let start = || Folded { partial: TopRows::new(order, limit), failed: Vec::new(), held: budget.holder() };
    let Ranked { best, mut unknown } = run.rank();
    let mut best = best.into_iter();
    let mut folded = start();
    for ranked in best.by_ref().take(BEST_ALONE) {
        if run.leaves_behind(&ranked) {
            // And all that are ranked behind it, which the filter below drops one by one.
            break;
        }
        folded = folded.take_shard(run, ranked.place, &start)?;
    }
    unknown.extend(best.filter(|ranked| !run.leaves_behind(ranked)).map(|ranked| ranked.place));
    if !unknown.is_empty() {
        folded = folded.merge(fold_places(run, &unknown, &start)?)?;
    }
    outlet.push_batch(folded.partial.into_batch())?;
    Ok(folded.failed)
}

fn fold_places<'b, P: Partial>(
    run: &Run<'_>,
    places: &[Place],
    start: &(impl Fn() -> Folded<'b, P> + Sync),
) -> Result<Folded<'b, P>, Fault> {
    run.walkers.walk(places.len(), &FoldPlaces { run, places, start })
}

struct FoldPlaces<'a, S> {
    run: &'a Run<'a>,
    places: &'a [Place],
    start: &'a S,
}

impl<'b, P: Partial, S: Fn() -> Folded<'b, P> + Sync> Walk for FoldPlaces<'_, S> {
    type Part = Folded<'b, P>;
    type Error = Fault;

    fn start(&self) -> Folded<'b, P> {
        (self.start)()
    }

    fn take(&self, folded: Folded<'b, P>, place: usize) -> Result<Folded<'b, P>, Fault> {
        let place = self.places[place];
        if self.run.skips_behind_bar(place) { Ok(folded) } else { folded.take_shard(self.run, place, self.start) }
    }

    fn merge(&self, folded: Folded<'b, P>, later: Folded<'b, P>) -> Result<Folded<'b, P>, Fault> {
        folded.merge(later)
    }
}

/// What came of some consecutive shards.
struct Folded<'b, P> {
    partial: P,
    failed: Vec<Failure>,
    held: Held<'b>,
}

impl<'b, P: Partial> Folded<'b, P> {
    fn take_shard(
        mut self,
        run: &Run<'_>,
        Place { position, shard }: Place,
        start: &impl Fn() -> Folded<'b, P>,
    ) -> Result<Folded<'b, P>, Fault> {
        if !run.fragment.partial {
            self.read(run, position, shard)?;
            return Ok(self);
        }
        // A shard that fails half way must leave nothing behind.
        let mut own = start();
        match own.read(run, position, shard) {
            Ok(()) => self.merge(own),
            Err(fault) => {
                self.failed.push(run.forgive(shard, fault)?);
                Ok(self)
            }
        }
    }

    fn read(&mut self, run: &Run<'_>, position: u32, shard: u64) -> Result<(), Fault> {
        run.read(shard, &mut |row| {
            let flow = self.partial.take(position, row)?;
            self.held.set(self.partial.byte_size())?;
            Ok(flow)
        })?;
        if let Some(bar) = self.partial.bar() {
            run.prune.raise(bar);
        }
        Ok(())
    }

    fn merge(mut self, later: Folded<'b, P>) -> Result<Folded<'b, P>, Fault> {
        self.partial.merge(later.partial)?;
        self.failed.extend(later.failed);
        drop(later.held);
        self.held.set(self.partial.byte_size())?;
        Ok(self)
    }
}

/// The first rows of an order.
pub(crate) struct TopRows<'a> {
    order: &'a [SortKey],
    limit: u64,
    /// None until a row says how wide rows are.
    top: Option<Top>,
}

impl<'a> TopRows<'a> {
    pub(crate) fn new(order: &'a [SortKey], limit: u64) -> TopRows<'a> {
        TopRows { order, limit, top: None }
    }
}

impl Partial for TopRows<'_> {
    fn take(&mut self, position: u32, row: &RowView<'_>) -> Result<ControlFlow<()>, Fault> {
        let top = self.top.get_or_insert_with(|| Top::new(self.order.to_vec(), self.limit, row.width()));
        Ok(if top.offer(position, |column| row.value(column)) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    }

    fn take_batch(&mut self, position: u32, batch: &Batch) -> Result<(), Fault> {
        let mut rows = batch.cursor();
        while rows.advance() {
            let top = self.top.get_or_insert_with(|| Top::new(self.order.to_vec(), self.limit, batch.width()));
            if !top.offer(position, |column| rows.value(column)) {
                break;
            }
        }
        Ok(())
    }

    fn bar(&self) -> Option<(ValueRef<'_>, u32)> {
        self.top.as_ref().and_then(Top::bar)
    }

    fn merge(&mut self, later: Self) -> Result<(), Fault> {
        match (&mut self.top, later.top) {
            (Some(top), Some(later)) => top.merge(later),
            (top @ None, later) => *top = later,
            (Some(_), None) => {}
        }
        Ok(())
    }

    fn byte_size(&self) -> usize {
        self.top.as_ref().map_or(0, Top::byte_size)
    }

    fn into_batch(self) -> Batch {
        self.top.map_or_else(|| Batch::new(0), Top::into_batch)
    }
}

/// Groups in the order of first appearance.
pub(crate) struct Grouped(Groups);

impl Grouped {
    pub(crate) fn new(keys: &[Collation], states: &[StateKind]) -> Grouped {
        Grouped(Groups::new(keys.to_vec(), states.to_vec()))
    }
}

impl Partial for Grouped {
    fn take(&mut self, _position: u32, row: &RowView<'_>) -> Result<ControlFlow<()>, Fault> {
        self.0.fold_row(row.values()).map_err(state_fault)?;
        Ok(ControlFlow::Continue(()))
    }

    fn take_batch(&mut self, _position: u32, batch: &Batch) -> Result<(), Fault> {
        let mut rows = batch.cursor();
        while rows.advance() {
            self.0.fold_row(rows.values()).map_err(state_fault)?;
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<(), Fault> {
        self.0.merge(later.0).map_err(state_fault)
    }

    fn byte_size(&self) -> usize {
        self.0.byte_size()
    }

    fn into_batch(self) -> Batch {
        self.0.into_batch()
    }
}

fn state_fault(error: StateError) -> Fault {
    match error {
        StateError::IntegerOverflow => Fault::new(Reason::SqlRuntime, error.to_string()),
        StateError::Malformed => Fault::invalid(format!("{error}: the fragment's columns are not those of its merge")),
    }
}
