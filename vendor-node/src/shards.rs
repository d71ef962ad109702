//! The shards that are open now: opened on first use, closed least recently used first.

use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use rayon::prelude::*;

use crate::{
    commits::Commits,
    error::Fault,
    folder::Folder,
    shard::{Intent, OpenConnections, Shard, Trouble},
};

/// Descriptors that a connection to a shard takes: the file and its log.
const DESCRIPTORS_PER_CONNECTION: u64 = 2;

/// Descriptors left to the rest of the process: sockets, the node's own files, and connections opened while a bound was
/// being looked at.
const DESCRIPTORS_RESERVED: u64 = 256;

/// How often a shard that could not be opened is tried again after others were closed.
const OPEN_ATTEMPTS: usize = 4;

/// The share of the open shards that is closed when the system has no descriptor left: one in so many.
const CLOSED_UNDER_PRESSURE: usize = 4;

/// The open shards of a node.
pub(crate) struct Shards {
    folder: Arc<Folder>,
    held: Mutex<LruCache<u64, Arc<Shard>>>,
    open: Arc<OpenConnections>,
    commits: Commits,
    shards_max: usize,
    connections_max: usize,
}

impl Shards {
    /// No shard open; at most `shards_max` later, and no more than the process has descriptors for.
    pub(crate) fn new(folder: Arc<Folder>, shards_max: Option<usize>) -> Shards {
        Shards {
            folder,
            held: Mutex::new(LruCache::unbounded()),
            open: Arc::default(),
            commits: Commits::default(),
            shards_max: shards_max.unwrap_or(usize::MAX),
            connections_max: connections_max(),
        }
    }

    /// How many shards are open: for a moment more than the bound, when more than that are in use.
    pub(crate) fn count(&self) -> usize {
        self.held.lock().len()
    }

    /// Bytes of pages that idle readers hold.
    pub(crate) fn page_cache_bytes(&self) -> u64 {
        // Under the lock: a shard that is held meanwhile could not be closed.
        self.held.lock().iter().map(|(_, shard)| shard.page_cache_bytes()).sum()
    }

    /// The open shards that wait for the word of a transaction.
    pub(crate) fn fences(&self) -> Vec<(u64, Intent)> {
        let held = self.held.lock();
        held.iter().filter_map(|(id, shard)| Some((*id, shard.fence()?))).collect()
    }

    /// What shards have committed, open or not.
    pub(crate) fn commits(&self) -> &Commits {
        &self.commits
    }

    /// Does something with a shard. When its file cannot be opened for want of descriptors, others are closed first.
    pub(crate) fn with<T>(&self, id: u64, mut run: impl FnMut(&Shard) -> Result<T, Trouble>) -> Result<T, Fault> {
        let shard = self.get(id);
        let mut attempts = 1;
        loop {
            match run(&shard) {
                Ok(outcome) => return Ok(outcome),
                Err(Trouble::Fault(fault)) => return Err(fault),
                Err(Trouble::NoDescriptors(fault)) if attempts == OPEN_ATTEMPTS => return Err(fault),
                Err(Trouble::NoDescriptors(_)) => self.close_some(),
            }
            attempts += 1;
        }
    }

    fn get(&self, id: u64) -> Arc<Shard> {
        let mut held = self.held.lock();
        let open = || Arc::new(Shard::new(self.folder.place(id), &self.open, self.commits.of(id)));
        let shard = Arc::clone(held.get_or_insert(id, open));
        let mut count = held.len().saturating_sub(self.shards_max);
        if self.open.count() >= self.connections_max {
            // One for what is about to be opened, one to get back below the bound.
            count = count.max(2);
        }
        let surplus = take_unused(&mut held, count);
        drop(held);
        // Closing may write the log into the file: not under the lock.
        drop(surplus);
        shard
    }

    fn close_some(&self) {
        let count = self.count().div_ceil(CLOSED_UNDER_PRESSURE);
        let closed = take_unused(&mut self.held.lock(), count);
        tracing::warn!(closed = closed.len(), "no descriptor left: shards were closed");
    }

    /// Forgets a shard, which closes it once nobody uses it.
    pub(crate) fn close(&self, id: u64) {
        let closed = self.held.lock().pop(&id);
        drop(closed);
    }

    /// Closes every shard; their logs are written into their files.
    pub(crate) fn close_all(&self) {
        let mut held = self.held.lock();
        let mut closed = Vec::with_capacity(held.len());
        while let Some((_, shard)) = held.pop_lru() {
            closed.push(shard);
        }
        drop(held);
        closed.into_par_iter().for_each(drop);
    }
}

/// Takes so many of the least recently used shards that nobody uses. Under the lock nobody else can begin to.
///
/// Used shards are never taken: two of the same file would not end each other's snapshots, nor know each other's log.
fn take_unused(held: &mut LruCache<u64, Arc<Shard>>, count: usize) -> Vec<Arc<Shard>> {
    let unused = held.iter().rev().filter(|(_, shard)| Arc::strong_count(shard) == 1).map(|(id, _)| *id);
    let unused: Vec<u64> = unused.take(count).collect();
    unused.iter().filter_map(|id| held.pop(id)).collect()
}

fn connections_max() -> usize {
    // Raising the limit may be refused; what counts is what is allowed then.
    let allowed = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(DESCRIPTORS_RESERVED);
    let connections = allowed.saturating_sub(DESCRIPTORS_RESERVED) / DESCRIPTORS_PER_CONNECTION;
    usize::try_from(connections).unwrap_or(usize::MAX).max(1)
}
