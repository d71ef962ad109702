//! How long each shard took for a fragment, when that was asked for.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;

/// What a shard took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShardTime {
    pub(crate) shard: u64,
    pub(crate) elapsed: Duration,
    /// Rows that it gave.
    pub(crate) rows: u64,
}

/// The times of all shards of a call.
#[derive(Debug, Default)]
pub(crate) struct Times(Mutex<BTreeMap<u64, (Duration, u64)>>);

impl Times {
    /// Counts one reading of a shard. One that is read anew, because it holds more than is read ahead, takes the time of both.
    pub(crate) fn add(&self, shard: u64, elapsed: Duration, rows: u64) {
        let mut times = self.0.lock();
        let (known, counted) = times.entry(shard).or_default();
        *known += elapsed;
        *counted = rows;
    }

    /// No more than `max` shards, the slowest first.
    pub(crate) fn slowest(self, max: usize) -> Vec<ShardTime> {
        let time = |(shard, (elapsed, rows))| ShardTime { shard, elapsed, rows };
        let mut times: Vec<ShardTime> = self.0.into_inner().into_iter().map(time).collect();
        times.sort_by_key(|time| std::cmp::Reverse(time.elapsed));
        times.truncate(max);
        times
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_come_first_and_readings_add_up() {
        let times = Times::default();
        for (shard, ms, rows) in [(1, 5, 10), (2, 3, 1), (3, 9, 2), (2, 4, 20)] {
            times.add(shard, Duration::from_millis(ms), rows);
        }
        let slowest: Vec<_> = times.slowest(2).into_iter().map(|time| (time.shard, time.rows)).collect();
        assert_eq!(slowest, [(3, 2), (2, 20)]);
    }
}
