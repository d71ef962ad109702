//! An answer from what the shards gave that have not committed since, and from the others anew.
//!
//! Shards are merged in blocks, and blocks into the answer. Only shards that have committed are read, and only their blocks are merged
//! again: what a commit costs depends little on how many shards there are.

use std::sync::Arc;

use rayon::prelude::*;
use souk_merge::{Batch, MergeSpec};

use super::{
    Run, Sink,
    budget::{Budget, Held},
    fold::{Grouped, Partial, TopRows},
    keep::Copy,
    outlet::Outlet,
};
use crate::{
    commits::Seen,
    error::Fault,
    kept::{Answer, Block, ByShard, Question},
};

/// Shards of a block: about the root of how many a node may have, so that merging one again and merging all blocks cost alike.
const BLOCK_SHARDS: usize = 16;

/// Gives the answer and keeps it in place of the last one; how many shards were not read.
pub(super) fn refresh(run: &Run<'_>, question: Question, last: &Answer, sink: &mut Sink<'_>) -> Result<usize, Fault> {
    let seen = run.shards.commits().see(&run.fragment.shards);
    let mut copy = Copy::new(run.kept.share_max());
    let mut sink = |batch| sink(copy.take(batch));
    let mut outlet = Outlet::new(&mut sink, run.fragment.bytes_max);
    let Gathered { blocks, kept, bytes } = match &run.fragment.merge {
        MergeSpec::Groups { keys, states } => gather(run, &|| Grouped::new(keys, states), last, &seen, &mut outlet)?,
        MergeSpec::Rows { order, limit } => {
            let limit = limit.unwrap_or(u64::MAX);
            gather(run, &|| TopRows::new(order, limit), last, &seen, &mut outlet)?
        }
    };
    outlet.finish()?;
    let by_shard = if bytes > run.kept.share_max() { ByShard::TooLarge } else { ByShard::Known(blocks.into()) };
    if let Some(batches) = copy.batches {
        run.kept.keep(question, Answer { seen, batches, by_shard });
    }
    Ok(kept)
}

/// What all shards gave.
struct Gathered {
    blocks: Vec<Arc<Block>>,
    bytes: usize,
    /// How many shards were not read.
    kept: usize,
}

fn gather<P: Partial>(
    run: &Run<'_>,
    empty: &(impl Fn() -> P + Sync),
    last: &Answer,
    seen: &Seen,
    outlet: &mut Outlet<'_, '_>,
) -> Result<Gathered, Fault> {
    let budget = Budget::new(run.fragment.bytes_max);
    let refreshed: Vec<Refreshed<'_>> = run.pool.install(|| {
        let blocks = run.fragment.shards.par_chunks(BLOCK_SHARDS).enumerate();
        let refresh = |(number, shards): (usize, &[u64])| {
            let first = number * BLOCK_SHARDS;
            Places { run, first, shards, last, seen }.refresh(empty, &budget)
        };
        blocks.map(refresh).collect::<Result<_, Fault>>()
    })?;
    let mut all = empty();
    for (number, refreshed) in refreshed.iter().enumerate() {
        run.fragment.ticket.check()?;
        let number = u32::try_from(number).map_err(|_| Fault::invalid("more than 2^32 blocks of shards"))?;
        all.take_batch(number, &refreshed.block.merged)?;
    }
    outlet.push_batch(all.into_batch())?;
    let kept = refreshed.iter().map(|refreshed| refreshed.kept).sum();
    let blocks: Vec<Arc<Block>> = refreshed.into_iter().map(|refreshed| refreshed.block).collect();
    Ok(Gathered { bytes: blocks.iter().map(|block| block.byte_size()).sum(), blocks, kept })
}

/// A block as it is now.
struct Refreshed<'b> {
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
    fn refresh<'b, P: Partial>(&self, empty: &impl Fn() -> P, budget: &'b Budget) -> Result<Refreshed<'b>, Fault> {
        let known: Vec<Option<&Arc<Batch>>> = (0..self.shards.len()).map(|place| self.known(place)).collect();
        let kept = known.iter().flatten().count();
        let block = match self.block() {
            Some(block) if kept == self.shards.len() => Arc::clone(block),
            _ => Arc::new(self.merge(empty, &known)?),
        };
        let mut held = budget.holder();
        held.set(block.byte_size())?;
        Ok(Refreshed { block, kept, _held: held })
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

    fn merge<P: Partial>(&self, empty: &impl Fn() -> P, known: &[Option<&Arc<Batch>>]) -> Result<Block, Fault> {
        let mut merged = empty();
        let mut by_shard = Vec::with_capacity(self.shards.len());
        for ((place, shard), known) in (0u32..).zip(self.shards).zip(known) {
            self.run.fragment.ticket.check()?;
            let batch = match known {
                Some(batch) => Arc::clone(batch),
                None => Arc::new(self.read(*shard, empty())?),
            };
            merged.take_batch(place, &batch)?;
            by_shard.push(batch);
        }
        Ok(Block { merged: merged.into_batch(), by_shard: by_shard.into() })
    }

    /// What one shard gives.
    fn read<P: Partial>(&self, shard: u64, mut partial: P) -> Result<Batch, Fault> {
        self.run.read(shard, &mut |row| partial.take(0, row))?;
        Ok(partial.into_batch())
    }
}
