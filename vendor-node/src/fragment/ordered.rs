//! All rows, merged in order: every shard's rows are held, then merged on the way out.

use souk_merge::{Batch, OrderedMerge, SortKey, Step, Unsorted};

use super::{
    Run,
    budget::Budget,
    buffer::Buffer,
    outlet::{BATCH_ROWS, Outlet},
};
use crate::error::{Failure, Fault};

/// Sends all rows in order; gives the shards that failed.
pub(crate) fn ordered(run: &Run<'_>, order: &[SortKey], outlet: &mut Outlet<'_, '_>) -> Result<Vec<Failure>, Fault> {
    let budget = Budget::new(run.fragment.bytes_max);
    let read = |place: usize| {
        let shard = run.fragment.shards[place];
        Ok(match Buffer::read(run, shard, u64::MAX, &budget) {
            Ok(buffer) => Ok((shard, buffer.into_batches())),
            Err(fault) => Err(run.forgive(shard, fault)?),
        })
    };
    let outcomes: Vec<Result<_, Failure>> = run.walkers.map(run.fragment.shards.len(), read)?;

    let mut failed = Vec::new();
    let mut sources = Vec::new();
    let mut held = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok((_, (batches, _))) if batches.is_empty() => {}
            Ok((shard, (batches, bytes))) => {
                sources.push((shard, batches));
                held.push(bytes);
            }
            Err(failure) => failed.push(failure),
        }
    }
    merge(run, order, sources, outlet)?;
    Ok(failed)
}

fn merge(
    run: &Run<'_>,
    order: &[SortKey],
    sources: Vec<(u64, Vec<Batch>)>,
    outlet: &mut Outlet<'_, '_>,
) -> Result<(), Fault> {
    let Some(width) = sources.first().map(|(_, batches)| batches[0].width()) else {
        return Ok(());
    };
    let (shards, sources): (Vec<u64>, Vec<Vec<Batch>>) = sources.into_iter().unzip();
    let unsorted = |error: Unsorted| {
        let shard = shards[error.source_index];
        Fault::invalid(format!(
            "shard {shard} gives rows that are not in the order of the merge: sort the fragment alike"
        ))
    };
    let mut merge = OrderedMerge::new(order.to_vec(), sources.len(), width, None, BATCH_ROWS);
    let mut sources: Vec<_> = sources.into_iter().map(Vec::into_iter).collect();
    loop {
        run.fragment.ticket.check()?;
        match merge.step().map_err(unsorted)? {
            Step::Need(source) => match sources[source].next() {
                Some(batch) => merge.push(source, batch).map_err(unsorted)?,
                None => merge.end(source),
            },
            Step::Rows(batch) => outlet.push_batch(batch)?,
            Step::Done => return Ok(()),
        }
    }
}
