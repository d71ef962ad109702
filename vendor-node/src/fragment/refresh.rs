//! An answer from what the shards gave that have not committed since, and from the others anew.
//!
//! Shards are merged in blocks, and blocks into the answer. Only shards that have committed are read, and only their blocks are merged
//! again: what a commit costs depends little on how many shards there are.

use std::sync::Arc;

use souk_merge::{Batch, BatchCopy, MergeSpec};
use souk_proto::Reason;

use super::{
    Run, Sink,
    budget::{Budget, Held},
    fold::{Grouped, Partial, TopRows},
    outlet::Outlet,
};
use crate::{
    commits::Seen,
    error::Fault,
    kept::{Answer, Block, ByShard},
};

/// Shards of a block: about the root of how many a node may have, so that merging one again and merging all blocks cost alike.
const BLOCK_SHARDS: usize = 16;

/// An answer that was given.
pub(super) struct Refreshed {
    /// To be kept, unless it takes too much.
    pub(super) answer: Option<Answer>,
    /// How many shards were not read.
    pub(super) kept: usize,
}

/// Gives the answer; none, and nothing is given, when what the shards give is too much to be kept.
pub(super) fn refresh(run: &Run<'_>, last: &Answer, sink: &mut Sink<'_>) -> Result<Option<Refreshed>, Fault> {
    let seen = run.shards.commits().see(&run.fragment.shards);
    let gathered = match &run.fragment.merge {
        MergeSpec::Groups { keys, states } => gather(run, &|| Grouped::new(keys, states), last, &seen),
        MergeSpec::Rows { order, limit } => {
            gather(run, &|| TopRows::new(order, limit.unwrap_or(u64::MAX)), last, &seen)
        }
    };
    let Gathered { merged, blocks, kept } = match gathered {
        Ok(gathered) => gathered,
        Err(fault) if fault.reason == Reason::TooLarge => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let mut copy = BatchCopy::new(run.kept.share_max() as u64);
    let mut sink = |batch| {
        copy.add(&batch);
        sink(batch)
    };
    let mut outlet = Outlet::new(&mut sink, run.fragment.bytes_max);
    outlet.push_batch(merged)?;
    outlet.finish()?;
    // Counted here too: the budget is not told of every few bytes.
    let bytes: usize = blocks.iter().map(|block| block.byte_size()).sum();
    let by_shard = if bytes > run.kept.share_max() { ByShard::TooLarge } else { ByShard::Known(blocks.into()) };
    let answer = copy.into_batches().map(|batches| Answer { seen, batches, by_shard, was_pruned: false });
    Ok(Some(Refreshed { answer, kept }))
}

/// What all shards gave.
struct Gathered {
    merged: Batch,
    blocks: Vec<Arc<Block>>,
    /// How many shards were not read.
    kept: usize,
}

fn gather<P: Partial>(
    run: &Run<'_>,
    empty: &(impl Fn() -> P + Sync),
    last: &Answer,
    seen: &Seen,
) -> Result<Gathered, Fault> {
    // What cannot be kept is not worth holding: without it the shards' rows would be merged as they come.
    let budget = Budget::new(run.fragment.bytes_max.min(run.kept.share_max() as u64));
    let shards = &run.fragment.shards;
    let refresh = |number: usize| {
        let first = number * BLOCK_SHARDS;
        let shards = &shards[first..shards.len().min(first + BLOCK_SHARDS)];
        Places { run, first, shards, last, seen }.refresh(empty, &budget)
    };
    let current: Vec<Current<'_>> = run.walkers.map(shards.len().div_ceil(BLOCK_SHARDS), refresh)?;
    let mut all = empty();
    let mut held = budget.holder();
    for (number, current) in (0u32..).zip(&current) {
        run.fragment.ticket.check()?;
        all.take_batch(number, &current.block.merged)?;
        held.set(all.byte_size())?;
    }
    let kept = current.iter().map(|current| current.kept).sum();
    let blocks = current.into_iter().map(|current| current.block).collect();
    Ok(Gathered { merged: all.into_batch(), blocks, kept })
}

/// A block as it is now.
struct Current<'b> {
    block: Arc<Block>,
    /// How many of its shards were not read.
    kept: usize,
    _held: Held<'b>,
}

/// Some neighbouring shards of a fragment, and what is known of them.
struct Places<'a> {
    run: &'a Run<'a>,
    /// The position of the first.
    first: usize,
    shards: &'a [u64],
    last: &'a Answer,
    seen: &'a Seen,
}

impl Places<'_> {
    fn refresh<'b, P: Partial>(&self, empty: &impl Fn() -> P, budget: &'b Budget) -> Result<Current<'b>, Fault> {
        let known: Vec<Option<&Arc<Batch>>> = (0..self.shards.len()).map(|place| self.known(place)).collect();
        let kept = known.iter().flatten().count();
        let mut held = budget.holder();
        let block = match self.block() {
            Some(block) if kept == self.shards.len() => Arc::clone(block),
            _ => Arc::new(self.merge(empty, &known, &mut held)?),
        };
        held.set(block.byte_size())?;
        Ok(Current { block, kept, _held: held })
    }

    /// The block as it was.
    fn block(&self) -> Option<&Arc<Block>> {
        match &self.last.by_shard {
            ByShard::Known(blocks) => blocks.get(self.first / BLOCK_SHARDS),
            ByShard::Unknown | ByShard::TooLarge => None,
        }
    }

    /// What a shard gave, if that still holds.
    fn known(&self, place: usize) -> Option<&Arc<Batch>> {
        let position = self.first + place;
        let stands_still = self.last.seen.of_position(position) == self.seen.of_position(position);
        self.block().filter(|_| stands_still).map(|block| &block.by_shard[place])
    }

    fn merge<P: Partial>(
        &self,
        empty: &impl Fn() -> P,
        known: &[Option<&Arc<Batch>>],
        held: &mut Held<'_>,
    ) -> Result<Block, Fault> {
        let mut merged = empty();
        let mut by_shard: Vec<Arc<Batch>> = Vec::with_capacity(self.shards.len());
        let mut bytes = 0;
        for ((place, shard), known) in (0u32..).zip(self.shards).zip(known) {
            self.run.fragment.ticket.check()?;
            let batch = match known {
                Some(batch) => Arc::clone(batch),
                None => Arc::new(self.read(*shard, empty(), bytes + merged.byte_size(), held)?),
            };
            merged.take_batch(place, &batch)?;
            bytes += batch.byte_size();
            held.set(bytes + merged.byte_size())?;
            by_shard.push(batch);
        }
        let mut merged = merged.into_batch();
        merged.shrink_to_fit();
        Ok(Block { merged, by_shard: by_shard.into() })
    }

    /// What one shard gives, beside so many bytes that are held already.
    fn read<P: Partial>(&self, shard: u64, mut partial: P, bytes: usize, held: &mut Held<'_>) -> Result<Batch, Fault> {
        self.run.read(shard, &mut |row| {
            let flow = partial.take(0, row)?;
            held.set(bytes + partial.byte_size())?;
            Ok(flow)
        })?;
        let mut batch = partial.into_batch();
        batch.shrink_to_fit();
        Ok(batch)
    }
}
