//! An answer from what the shards gave that have not committed since, and from the others anew.

use std::sync::Arc;

use rayon::prelude::*;
use souk_merge::{Batch, MergeSpec};

use super::{
    Run, Sink,
    budget::{Budget, Held},
    fold::{Grouped, Partial, SHARDS_PER_JOB_MIN, TopRows},
    keep::Copy,
    outlet::Outlet,
};
use crate::{
    commits::Seen,
    error::Fault,
    kept::{Answer, ByShard, Question},
};

/// Gives the answer and keeps it in place of the last one; how many shards were not read.
pub(super) fn refresh(run: &Run<'_>, question: Question, last: &Answer, sink: &mut Sink<'_>) -> Result<usize, Fault> {
    let seen = run.shards.commits().see(&run.fragment.shards);
    let mut copy = Copy::new(run.kept.share_max());
    let mut sink = |batch| sink(copy.take(batch));
    let mut outlet = Outlet::new(&mut sink, run.fragment.bytes_max);
    let known = |position| known(last, &seen, position);
    let Gathered { by_shard, kept } = match &run.fragment.merge {
        MergeSpec::Groups { keys, states } => gather(run, || Grouped::new(keys, states), known, &mut outlet)?,
        MergeSpec::Rows { order, limit } => {
            let limit = limit.unwrap_or(u64::MAX);
            gather(run, || TopRows::new(order, limit), known, &mut outlet)?
        }
    };
    outlet.finish()?;
    let bytes: usize = by_shard.iter().map(|batch| batch.byte_size()).sum();
    let by_shard = if bytes > run.kept.share_max() { ByShard::TooLarge } else { ByShard::Known(by_shard.into()) };
    if let Some(batches) = copy.batches {
        run.kept.keep(question, Answer { seen, batches, by_shard });
    }
    Ok(kept)
}

/// What the shard at this position gave, if that still holds.
fn known(last: &Answer, seen: &Seen, position: usize) -> Option<Arc<Batch>> {
    match &last.by_shard {
        ByShard::Known(batches) if last.seen.of_position(position) == seen.of_position(position) => {
            Some(Arc::clone(&batches[position]))
        }
        _ => None,
    }
}

/// What all shards gave.
struct Gathered {
    by_shard: Vec<Arc<Batch>>,
    /// How many of them were not read.
    kept: usize,
}

fn gather<P: Partial>(
    run: &Run<'_>,
    empty: impl Fn() -> P + Sync,
    known: impl Fn(usize) -> Option<Arc<Batch>> + Sync,
    outlet: &mut Outlet<'_, '_>,
) -> Result<Gathered, Fault> {
    let budget = Budget::new(run.fragment.bytes_max);
    let start = || Folded { partial: empty(), by_shard: Vec::new(), bytes: 0, kept: 0, held: budget.holder() };
    let folded = run.pool.install(|| {
        let shards = run.fragment.shards.par_iter().enumerate().with_min_len(SHARDS_PER_JOB_MIN);
        let folded = shards.try_fold(start, |folded, (position, shard)| match known(position) {
            Some(batch) => folded.take(run, position, batch, true),
            None => {
                let batch = alone(run, empty(), position, *shard)?;
                folded.take(run, position, Arc::new(batch), false)
            }
        });
        folded.try_reduce(start, Folded::merge)
    })?;
    outlet.push_batch(folded.partial.into_batch())?;
    Ok(Gathered { by_shard: folded.by_shard, kept: folded.kept })
}

/// What one shard gives.
fn alone<P: Partial>(run: &Run<'_>, mut partial: P, position: usize, shard: u64) -> Result<Batch, Fault> {
    let position = place(position)?;
    run.read(shard, &mut |row| partial.take(position, row))?;
    Ok(partial.into_batch())
}

fn place(position: usize) -> Result<u32, Fault> {
    u32::try_from(position).map_err(|_| Fault::invalid("more than 2^32 shards"))
}

/// What came of some consecutive shards.
struct Folded<'b, P> {
    partial: P,
    by_shard: Vec<Arc<Batch>>,
    /// Of `by_shard`.
    bytes: usize,
    kept: usize,
    held: Held<'b>,
}

impl<P: Partial> Folded<'_, P> {
    fn take(mut self, run: &Run<'_>, position: usize, batch: Arc<Batch>, is_kept: bool) -> Result<Self, Fault> {
        run.fragment.ticket.check()?;
        self.partial.take_batch(place(position)?, &batch)?;
        self.kept += usize::from(is_kept);
        self.bytes += batch.byte_size();
        self.by_shard.push(batch);
        self.held.set(self.bytes + self.partial.byte_size())?;
        Ok(self)
    }

    fn merge(mut self, later: Self) -> Result<Self, Fault> {
        let Folded { partial, by_shard, bytes, kept, held } = later;
        self.partial.merge(partial)?;
        self.by_shard.extend(by_shard);
        self.bytes += bytes;
        self.kept += kept;
        drop(held);
        self.held.set(self.bytes + self.partial.byte_size())?;
        Ok(self)
    }
}
