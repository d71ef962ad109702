//! What the steps of a plan took, as plain data: the executor fills it in, `explain` prints it.

use std::collections::BTreeMap;
use std::time::Duration;

/// Shards that are named of each fragment.
pub(crate) const SLOWEST_MAX: usize = 3;

/// A step of a plan, seen from the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A subquery that is answered first; behind it come its own steps.
    First(usize),
    /// A fragment, or the text of a route.
    Part(usize),
    /// The filling of a scratch's table.
    Load(usize),
    /// The rows of the answer.
    Finish,
    /// What is run when a step fails; behind it come its own steps.
    Otherwise,
}

/// What a step took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    /// Rows that came out of it.
    pub(crate) rows: u64,
    /// Bytes of their values.
    pub(crate) bytes: u64,
    pub(crate) elapsed: Duration,
    /// Shards that were not read, since what they had given before still holds.
    pub(crate) kept: u32,
    /// Shards that were not read, since their statistics rule them out.
    pub(crate) skipped: u32,
    /// The shards that took longest, the slowest first.
    pub(crate) slowest: Vec<ShardTime>,
}

/// The time of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardTime {
    pub(crate) shard: u64,
    pub(crate) node: String,
    pub(crate) elapsed: Duration,
    pub(crate) rows: u64,
}

impl Measured {
    /// Adds what another call of the same step took after this one.
    pub(crate) fn then(&mut self, later: Measured) {
        self.elapsed += later.elapsed;
        self.beside(Measured { elapsed: Duration::ZERO, ..later });
    }

    /// Adds what another call of the same step took at the same time.
    pub(crate) fn beside(&mut self, other: Measured) {
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.kept += other.kept;
        self.skipped += other.skipped;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.slowest.extend(other.slowest);
        self.slowest.sort_by_key(|time| std::cmp::Reverse(time.elapsed));
        self.slowest.truncate(SLOWEST_MAX);
    }
}

/// What every step took. The whole plan is the empty path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measurements(BTreeMap<Vec<Place>, Measured>);

impl Measurements {
    pub(crate) fn add(&mut self, path: &[Place], measured: Measured) {
        self.0.entry(path.to_vec()).or_default().then(measured);
    }

    /// None of a step that did not run.
    pub(crate) fn get(&self, path: &[Place]) -> Option<&Measured> {
        self.0.get(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(ms: u64, shards: &[(u64, u64)]) -> Measured {
        let time = |&(shard, ms)| ShardTime { shard, node: "n".into(), elapsed: Duration::from_millis(ms), rows: 1 };
        let slowest = shards.iter().map(time).collect();
        Measured { rows: 1, bytes: 10, elapsed: Duration::from_millis(ms), kept: 2, skipped: 0, slowest }
    }

    #[test]
    fn calls_at_the_same_time_take_the_longest_and_later_ones_add_up() {
        let mut call = measured(5, &[(1, 4), (2, 1)]);
        call.beside(measured(7, &[(3, 6), (4, 2)]));
        let mut all = Measurements::default();
        all.add(&[Place::Part(0)], call);
        all.add(&[Place::Part(0)], measured(10, &[(9, 3)]));
        let total = all.get(&[Place::Part(0)]).expect("it ran");
        assert_eq!((total.rows, total.bytes, total.elapsed), (3, 30, Duration::from_millis(17)));
        assert_eq!(total.slowest.iter().map(|time| time.shard).collect::<Vec<_>>(), [3, 1, 9]);
        assert_eq!(all.get(&[Place::Finish]), None);
    }
}
