//! The shards walked in this process, without a network between asking and answering: by one thread, which is *the loop*, or by
//! as many as the machine has processors, which is *the floor*: no service over these files could be faster by much.
//!
//! Each thread begins with a part of its own, whose pages are then in the caches of its processor, and goes on with what others have
//! left. Shards are taken a few at a time, and an answer waits only for threads that have taken any: one that the system lets begin
//! late costs nothing.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use anyhow::{Context as _, anyhow};
use souk_merge::{Batch, Value, ValueRef};

use crate::{
    file,
    partial::Partial,
    queries::{Merge, Query},
    shards::Shards,
};

/// Shards that a thread takes at a time.
const SHARDS_TAKEN: usize = 8;

/// Shards and the threads that walk them. The asking thread is one of them.
pub(crate) struct Walk {
    shards: Arc<Shards>,
    helpers: Vec<mpsc::Sender<Job>>,
}

/// A query on its way through the shards.
#[derive(Clone)]
struct Job {
    query: &'static Query,
    parameters: Arc<[Value]>,
    /// Shards taken so far, of the part of each thread.
    taken: Arc<[AtomicUsize]>,
    answers: mpsc::Sender<anyhow::Result<Walked>>,
}

/// What a thread has.
struct Walked {
    partial: Partial,
    /// The shards behind it.
    shards: usize,
}

impl Walk {
    /// Starts the threads, which end when this is dropped.
    pub(crate) fn over(shards: &Arc<Shards>, threads: usize) -> Walk {
        Walk { shards: Arc::clone(shards), helpers: (1..threads).map(|part| start_helper(shards, part)).collect() }
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.shards.count()
    }

    /// Asks each shard and merges by hand.
    pub(crate) fn ask(&self, query: &'static Query, parameters: &[Value]) -> anyhow::Result<Vec<Batch>> {
        if let Merge::OneShard = query.merge {
            let place = self.shards.place(parameters)?;
            return Ok(vec![self.shards.with(place, |shard| file::collect(shard, query.shard_sql, parameters))?]);
        }
        let (answers, others) = mpsc::channel();
        let taken = (0..=self.helpers.len()).map(|_| AtomicUsize::new(0)).collect();
        let job = Job { query, parameters: parameters.into(), taken, answers };
        for helper in &self.helpers {
            helper.send(job.clone()).map_err(|_| anyhow!("a thread of the floor is gone"))?;
        }
        let Walked { mut partial, mut shards } = job.walk(&self.shards, 0)?;
        // Without the sender in it, a thread that is gone is noticed.
        drop(job);
        while shards < self.shards.count() {
            let other = others.recv().context("a thread of the floor is gone")??;
            partial.merge(other.partial)?;
            shards += other.shards;
        }
        partial.finish()
    }
}

fn start_helper(shards: &Arc<Shards>, part: usize) -> mpsc::Sender<Job> {
    let (sender, jobs) = mpsc::channel::<Job>();
    let shards = Arc::clone(shards);
    thread::spawn(move || {
        for job in jobs {
            // Nobody listens any more when others walked all shards, or one failed.
            let _ = job.answers.send(job.walk(&shards, part));
        }
    });
    sender
}

impl Job {
    /// Takes shards until none is left, at first those of a part.
    fn walk(&self, shards: &Shards, first: usize) -> anyhow::Result<Walked> {
        let mut walked = Walked { partial: Partial::new(self.query.merge), shards: 0 };
        let parts = self.taken.len();
        for part in (first..parts).chain(0..first) {
            let places = shards.count() * part / parts..shards.count() * (part + 1) / parts;
            while let Some(places) = take(&self.taken[part], places.clone()) {
                self.visit(shards, places, &mut walked)?;
            }
        }
        walked.partial.settle();
        Ok(walked)
    }

    fn visit(&self, shards: &Shards, places: Range<usize>, walked: &mut Walked) -> anyhow::Result<()> {
        for place in places {
            let mut take = |row: &[ValueRef<'_>]| walked.partial.take(place as u32, row);
            let sql = self.query.shard_sql;
            shards.with(place, |shard| file::visit(shard, sql, &self.parameters, &mut take))?;
            walked.shards += 1;
        }
        Ok(())
    }
}

/// The next few of a part's places, until all are taken.
fn take(taken: &AtomicUsize, places: Range<usize>) -> Option<Range<usize>> {
    let first = places.start + taken.fetch_add(SHARDS_TAKEN, Ordering::Relaxed);
    (first < places.end).then(|| first..places.end.min(first + SHARDS_TAKEN))
}
