//! All rows in shard order, without holding them all.
//!
//! Helpers read a bounded window of shards ahead, each job no more than [`AHEAD_BYTES`]: what a job leaves unread is the next
//! job. What no helper has begun when its turn comes, the call's own thread reads. A shard that holds more is left alone and read by that thread too, row by row into the client's
//! hands: a client that does not read stops that cursor, and never a helper.

use std::{
    collections::VecDeque,
    ops::ControlFlow,
    ptr,
    sync::mpsc::{self, Receiver, SyncSender},
};

use parking_lot::Mutex;
use rayon::Scope;
use souk_proto::Reason;

use super::{Run, budget::Budget, buffer::Buffer, outlet::Outlet};
use crate::error::{Failure, Fault};

/// Bytes that one job reads ahead.
const AHEAD_BYTES: u64 = 1 << 20;

/// Most shards that one job reads. Handing a job over costs as much as reading some shards that give nothing.
const SHARDS_PER_JOB_MAX: usize = 64;

/// Jobs a core that a fragment is cut into, at least: none should wait long for another.
const JOBS_PER_CORE_MIN: usize = 4;

/// Jobs ahead of the shard that is being sent, a core.
const JOBS_AHEAD_PER_CORE: usize = 2;

/// What came of reading a shard ahead.
enum Ahead {
    Rows(Vec<souk_merge::Batch>),
    /// It holds more than is read ahead.
    TooLarge,
    Failed(Fault),
}

/// Sends all rows; gives the shards that failed.
pub(crate) fn stream(run: &Run<'_>, outlet: &mut Outlet<'_, '_>) -> Result<Vec<Failure>, Fault> {
    if let [shard] = run.fragment.shards[..] {
        return stream_one(run, shard, outlet);
    }
    let waiting = Waiting::default();
    run.walkers.scope(|scope| {
        let outcome = send_all(run, scope, &waiting, outlet);
        if outcome.is_err() {
            // The scope waits for the jobs ahead: they have nothing left to do.
            run.fragment.ticket.cancel();
        }
        outcome
    })
}

/// One shard is read by the call's own thread: to wake another would take longer than most such statements do.
fn stream_one(run: &Run<'_>, shard: u64, outlet: &mut Outlet<'_, '_>) -> Result<Vec<Failure>, Fault> {
    let sent = read_ahead(run, &[shard]).into_iter().try_for_each(|ahead| send(run, shard, ahead, outlet));
    sent.map_or_else(|fault| Ok(vec![run.forgive(shard, fault)?]), |()| Ok(Vec::new()))
}

fn send_all<'s>(
    run: &'s Run<'s>,
    scope: &Scope<'s>,
    waiting: &'s Waiting<'s>,
    outlet: &mut Outlet<'_, '_>,
) -> Result<Vec<Failure>, Fault> {
    let mut failed = Vec::new();
    let cores = run.walkers.cores();
    let shards = run.fragment.shards.len().div_ceil(cores * JOBS_PER_CORE_MIN).clamp(1, SHARDS_PER_JOB_MAX);
    let mut jobs = run.fragment.shards.chunks(shards);
    let mut ahead: VecDeque<Job<'s>> = VecDeque::new();
    let window = JOBS_AHEAD_PER_CORE * cores;
    loop {
        let room = window.saturating_sub(ahead.len());
        ahead.extend(jobs.by_ref().take(room).map(|shards| waiting.add(shards)));
        let Some(job) = ahead.pop_front() else {
            return Ok(failed);
        };
        if !waiting.is_empty() {
            run.walkers.help(scope, |_| waiting.work_off(run));
        }
        let shards = job.shards;
        let outcomes = job.outcomes(run, waiting)?;
        let (read, left) = shards.split_at(outcomes.len());
        if !left.is_empty() {
            ahead.push_front(waiting.add_first(left));
        }
        for (shard, ahead) in read.iter().zip(outcomes) {
            if let Err(fault) = send(run, *shard, ahead, outlet) {
                failed.push(run.forgive(*shard, fault)?);
            }
        }
    }
}

/// Jobs that nobody has begun, those first whose rows are sent first.
#[derive(Default)]
struct Waiting<'s>(Mutex<VecDeque<Task<'s>>>);

/// A job as whoever does it sees it.
struct Task<'s> {
    shards: &'s [u64],
    outcomes: SyncSender<Vec<Ahead>>,
}

/// A job as whoever waits for it sees it.
struct Job<'s> {
    shards: &'s [u64],
    /// Of the first of them, of one at least.
    outcomes: Receiver<Vec<Ahead>>,
}

impl<'s> Waiting<'s> {
    fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    fn add(&self, shards: &'s [u64]) -> Job<'s> {
        let (task, job) = task(shards);
        self.0.lock().push_back(task);
        job
    }

    fn add_first(&self, shards: &'s [u64]) -> Job<'s> {
        let (task, job) = task(shards);
        self.0.lock().push_front(task);
        job
    }

    /// Does one job after the other.
    fn work_off(&self, run: &Run<'_>) {
        while let Some(task) = self.take() {
            // Nobody waits for it any more once the call has failed.
            let _ = task.outcomes.send(read_ahead(run, task.shards));
        }
    }

    fn take(&self) -> Option<Task<'s>> {
        self.0.lock().pop_front()
    }

    /// Takes the job of these shards back when nobody has begun it; no other waits before it.
    fn take_back(&self, shards: &[u64]) -> bool {
        let mut waiting = self.0.lock();
        let is_first = waiting.front().is_some_and(|task| ptr::eq(task.shards, shards));
        if is_first {
            waiting.pop_front();
        }
        is_first
    }
}

fn task(shards: &[u64]) -> (Task<'_>, Job<'_>) {
    let (sender, outcomes) = mpsc::sync_channel(1);
    (Task { shards, outcomes: sender }, Job { shards, outcomes })
}

impl Job<'_> {
    fn outcomes(self, run: &Run<'_>, waiting: &Waiting<'_>) -> Result<Vec<Ahead>, Fault> {
        if waiting.take_back(self.shards) {
            let _walking = run.walkers.enter();
            return Ok(read_ahead(run, self.shards));
        }
        self.outcomes.recv().map_err(|_| Fault::internal("a thread that read shards died"))
    }
}

/// What came of the first shards, until they hold as much as a job may.
fn read_ahead(run: &Run<'_>, shards: &[u64]) -> Vec<Ahead> {
    let budget = Budget::new(AHEAD_BYTES);
    let mut held = Vec::new();
    let mut outcomes = Vec::with_capacity(shards.len());
    let mut bytes = 0;
    for shard in shards {
        // Counted here too: the budget is not told of every few bytes.
        if bytes >= AHEAD_BYTES {
            break;
        }
        let last = match outcomes.last() {
            Some(Ahead::Rows(batches)) => batches.last(),
            _ => None,
        };
        match Buffer::read_like(last, run, *shard, &budget) {
            Ok(buffer) => {
                let (batches, share) = buffer.into_batches();
                bytes += batches.iter().map(|batch| batch.byte_size() as u64).sum::<u64>();
                held.push(share);
                outcomes.push(Ahead::Rows(batches));
            }
            Err(fault) if fault.reason == Reason::TooLarge => {
                // Alone it may yet fit.
                if outcomes.is_empty() {
                    outcomes.push(Ahead::TooLarge);
                }
                break;
            }
            Err(fault) => outcomes.push(Ahead::Failed(fault)),
        }
    }
    outcomes
}

fn send(run: &Run<'_>, shard: u64, ahead: Ahead, outlet: &mut Outlet<'_, '_>) -> Result<(), Fault> {
    match ahead {
        Ahead::Failed(fault) => Err(fault),
        Ahead::Rows(batches) => batches.into_iter().try_for_each(|batch| outlet.push_batch(batch)),
        Ahead::TooLarge if run.fragment.partial => send_whole(run, shard, outlet),
        Ahead::TooLarge => run.read(shard, &mut |row| {
            outlet.push_row(row)?;
            Ok(ControlFlow::Continue(()))
        }),
    }
}

/// All rows of a shard or none: when shards may fail, none of their rows may have been sent before.
fn send_whole(run: &Run<'_>, shard: u64, outlet: &mut Outlet<'_, '_>) -> Result<(), Fault> {
    let budget = Budget::new(run.fragment.bytes_max);
    let (batches, _held) = Buffer::read(run, shard, u64::MAX, &budget)?.into_batches();
    batches.into_iter().try_for_each(|batch| outlet.push_batch(batch))
}
