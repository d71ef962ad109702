//! How often each shard has committed since the node started. The node is the only writer: while a number stands still, so does
//! the shard, open or not.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;

/// The commits of all shards of a node.
#[derive(Debug)]
pub(crate) struct Commits {
    /// Another number in each process: counters begin anew.
    start: u64,
    /// Of all shards together.
    all: Arc<AtomicU64>,
    /// A shard that was never written to or opened is not among them, and has none.
    by_shard: RwLock<HashMap<u64, Arc<ShardCommits>>>,
}

/// The commits of one shard.
#[derive(Debug)]
pub(crate) struct ShardCommits {
    count: AtomicU64,
    all: Arc<AtomicU64>,
    /// Whether a commit failed of which nobody can say whether it happened: the log may yet bring it when it is read again.
    in_doubt: AtomicBool,
}

/// What some shards had committed at a moment, or a little before: what is read from then on is as new as this, or newer.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Of all shards of the node together. Later, when that moment is known to have been the same for these shards.
    all: AtomicU64,
    of_each: Box<[u64]>,
}

/// How some shards stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) start: u64,
    /// Commits of all shards of the node together.
    pub(crate) all: u64,
    /// Commits of the shards together: counters only grow.
    pub(crate) sum: u64,
}

impl Default for Commits {
    fn default() -> Commits {
        Commits { start: RandomState::new().hash_one(0), all: Arc::default(), by_shard: RwLock::default() }
    }
}

impl Commits {
    /// How shards stand now, or stood a little before: what is read from then on is as new as this, or newer.
    pub(crate) fn state(&self, shards: &[u64]) -> State {
        // First: a commit in between is then one that was not seen.
        let all = self.all.load(Ordering::Acquire);
        State { start: self.start, all, sum: self.sum(shards) }
    }

    /// Whether none of the shards has committed since they stood so.
    pub(crate) fn hold(&self, shards: &[u64], state: &State) -> bool {
        let State { start, all, sum } = *state;
        start == self.start && (all == self.all.load(Ordering::Acquire) || sum == self.sum(shards))
    }

    /// The process's own number, and the commits of all its shards.
    pub(crate) fn moment(&self) -> (u64, u64) {
        (self.start, self.all.load(Ordering::Acquire))
    }

    fn sum(&self, shards: &[u64]) -> u64 {
        self.of_each(shards).iter().sum()
    }

    /// The counter of a shard.
    pub(crate) fn of(&self, shard: u64) -> Arc<ShardCommits> {
        if let Some(known) = self.by_shard.read().get(&shard) {
            return Arc::clone(known);
        }
        let (count, in_doubt) = (AtomicU64::new(0), AtomicBool::new(false));
        let new = || Arc::new(ShardCommits { count, all: Arc::clone(&self.all), in_doubt });
        Arc::clone(self.by_shard.write().entry(shard).or_insert_with(new))
    }

    /// How often a shard has committed.
    pub(crate) fn count_of(&self, shard: u64) -> u64 {
        self.by_shard.read().get(&shard).map_or(0, |commits| commits.count())
    }

    /// What these shards have committed now.
    pub(crate) fn see(&self, shards: &[u64]) -> Seen {
        // First: a commit in between is then one that was not seen.
        let all = AtomicU64::new(self.all.load(Ordering::Acquire));
        Seen { all, of_each: self.of_each(shards) }
    }

    fn of_each(&self, shards: &[u64]) -> Box<[u64]> {
        let by_shard = self.by_shard.read();
        shards.iter().map(|shard| by_shard.get(shard).map_or(0, |commits| commits.count())).collect()
    }

    /// Whether none of the shards, the same as were seen, has committed since.
    pub(crate) fn stand_still(&self, shards: &[u64], seen: &Seen) -> bool {
        let all = self.all.load(Ordering::Acquire);
        if all == seen.all.load(Ordering::Acquire) {
            return true;
        }
        let still = self.of_each(shards) == seen.of_each;
        if still {
            seen.all.store(all, Ordering::Release);
        }
        still
    }
}

impl ShardCommits {
    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// A commit failed, and whether it happened is unknown.
    pub(crate) fn doubt(&self) {
        self.in_doubt.store(true, Ordering::Release);
    }

    /// The shard is about to be opened.
    pub(crate) fn reopen(&self) {
        if self.in_doubt.load(Ordering::Acquire) {
            self.add();
        }
    }

    /// One more, or perhaps one more: before anybody is told of it.
    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Ordering::Release);
        self.all.fetch_add(1, Ordering::Release);
    }
}

impl Seen {
    /// Of the shard at this position.
    pub(crate) fn of_position(&self, position: usize) -> u64 {
        self.of_each[position]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_holds_until_one_of_its_shards_commits() {
        let commits = Commits::default();
        let state = commits.state(&[1, 2]);
        assert!(commits.hold(&[1, 2], &state));
        commits.of(3).add();
        assert!(commits.hold(&[1, 2], &state), "another shard's commit");
        commits.of(2).add();
        assert!(!commits.hold(&[1, 2], &state));
        assert!(!Commits::default().hold(&[1, 2], &state), "of another process");
    }

    #[test]
    fn shards_stand_still_until_one_of_them_commits() {
        let commits = Commits::default();
        let seen = commits.see(&[1, 2]);
        assert!(commits.stand_still(&[1, 2], &seen));
        commits.of(3).add();
        assert!(commits.stand_still(&[1, 2], &seen), "another shard's commit");
        assert!(commits.stand_still(&[1, 2], &seen), "known at once the second time");
        commits.of(2).add();
        assert!(!commits.stand_still(&[1, 2], &seen));
        let later = commits.see(&[1, 2]);
        assert_eq!((later.of_position(0), later.of_position(1)), (0, 1));
        assert!(commits.stand_still(&[1, 2], &later) && !commits.stand_still(&[1, 2], &seen));
    }
}
