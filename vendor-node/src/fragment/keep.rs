//! An answer from what is kept, and what is kept of an answer.
//!
//! An answer that is asked for the first time is kept whole. When it is asked for again and a shard has committed since, what each
//! shard gives is kept too, where the merge allows it: from then on only shards that have committed are read. Not where statistics rule
//! most shards out: that costs no more, and what each shard gives need not be read first.

use std::time::{Duration, Instant};

use souk_merge::{Batch, BatchCopy, MergeSpec};

use super::{
    Run, Sink,
    budget::too_large,
    merge,
    refresh::{Refreshed, refresh},
};
use crate::{
    error::{Failure, Fault},
    kept::{Answer, ByShard, Question},
};

/// An answer of one shard that took less is not kept: to find it would cost as much.
const WORTH_KEEPING: Duration = Duration::from_millis(1);

/// Gives the answer; the shards that failed, and how many were not read.
pub(crate) fn answer(run: &Run<'_>, sink: &mut Sink<'_>) -> Result<(Vec<Failure>, usize), Fault> {
    let question = if run.kept.is_on() { Question::of(run.fragment) } else { None };
    let Some(question) = question else { return Ok((merge(run, sink)?, 0)) };
    let shards = &run.fragment.shards;
    match run.kept.last(&question) {
        Some(last) if run.shards.commits().stand_still(shards, &last.seen) => {
            give(run, &last, sink)?;
            Ok((Vec::new(), shards.len()))
        }
        Some(last) if last.by_shard == ByShard::TooLarge => Ok((anew(run, question, ByShard::TooLarge, sink)?, 0)),
        Some(last) if merges_small(&run.fragment.merge) && !last.was_pruned => match refresh(run, &last, sink)? {
            Some(Refreshed { answer, kept }) => {
                if let Some(answer) = answer {
                    run.kept.keep(question, answer);
                }
                Ok((Vec::new(), kept))
            }
            None => Ok((anew(run, question, ByShard::TooLarge, sink)?, 0)),
        },
        Some(_) | None => Ok((anew(run, question, ByShard::Unknown, sink)?, 0)),
    }
}

/// Whether shards give little: groups, or the first rows of an order.
fn merges_small(merge: &MergeSpec) -> bool {
    match merge {
        MergeSpec::Groups { .. } => true,
        MergeSpec::Rows { order, limit } => !order.is_empty() && limit.is_some(),
    }
}

fn give(run: &Run<'_>, answer: &Answer, sink: &mut Sink<'_>) -> Result<(), Fault> {
    let bytes: usize = answer.batches.iter().map(Batch::byte_size).sum();
    if bytes as u64 > run.fragment.bytes_max {
        return Err(too_large(run.fragment.bytes_max));
    }
    answer.batches.iter().try_for_each(|batch| {
        run.fragment.ticket.check()?;
        sink(batch.clone())
    })
}

/// Reads every shard; `by_shard` is what is known of keeping what each gives.
fn anew(run: &Run<'_>, question: Question, by_shard: ByShard, sink: &mut Sink<'_>) -> Result<Vec<Failure>, Fault> {
    let started = Instant::now();
    let seen = run.shards.commits().see(&run.fragment.shards);
    let mut copy = BatchCopy::new(run.kept.share_max() as u64);
    let failed = merge(run, &mut |batch| {
        copy.add(&batch);
        sink(batch)
    })?;
    let worth = run.fragment.shards.len() > 1 || started.elapsed() >= WORTH_KEEPING;
    if let (true, true, Some(batches)) = (worth, failed.is_empty(), copy.into_batches()) {
        let was_pruned = 2 * run.prune.skipped() > run.fragment.shards.len();
        run.kept.keep(question, Answer { seen, batches, by_shard, was_pruned });
    }
    Ok(failed)
}
