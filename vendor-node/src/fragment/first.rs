//! The first rows in shard order: a few shards at a time, until there are enough.

use super::{Run, budget::Budget, buffer::Buffer, outlet::Outlet};
use crate::error::{Failure, Fault};

/// Most shards read at a time. The first shard is read alone, then two, then four: rows that are found soon cost one
/// shard, rows that are rare cost little more than all shards at once.
const SHARDS_AT_A_TIME_MAX: usize = 64;

/// Sends the first `limit` rows; gives the shards that failed. Shards that were not needed count as answered.
pub(crate) fn first(run: &Run<'_>, limit: u64, outlet: &mut Outlet<'_, '_>) -> Result<Vec<Failure>, Fault> {
    let budget = Budget::new(run.fragment.bytes_max);
    let mut failed = Vec::new();
    let mut wanted = limit;
    let mut rest = run.fragment.shards.as_slice();
    let mut count = 1;
    while wanted > 0 && !rest.is_empty() {
        let (now, later) = rest.split_at(count.min(rest.len()));
        let read = |place: usize| Ok((now[place], Buffer::read(run, now[place], wanted, &budget)));
        let outcomes = run.walkers.map(now.len(), read)?;
        for (shard, outcome) in outcomes {
            match outcome {
                // What later shards would have said is not asked for.
                _ if wanted == 0 => break,
                Ok(buffer) => wanted -= send(buffer, wanted, outlet)?,
                Err(fault) => failed.push(run.forgive(shard, fault)?),
            }
        }
        rest = later;
        count = (count * 2).min(SHARDS_AT_A_TIME_MAX);
    }
    Ok(failed)
}

/// Sends no more than `wanted` rows; gives how many.
fn send(buffer: Buffer<'_>, wanted: u64, outlet: &mut Outlet<'_, '_>) -> Result<u64, Fault> {
    let count = buffer.rows().min(wanted);
    let mut slice = souk_merge::Slice::new(0, Some(count));
    let (batches, _held) = buffer.into_batches();
    for batch in batches {
        outlet.push_batch(slice.apply(batch))?;
    }
    Ok(count)
}
