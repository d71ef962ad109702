//! What a running plan accounts for: the shards that are missing from its answer, and what each step took when that was asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use souk_merge::Batch;
use tokio::time::Instant;

use super::nodes::{Reading, ShardFailure};
use super::source::Source;
use crate::plan::{Measured, Measurements, Place};

/// Of one plan, or of one part of it.
pub(super) struct Account {
    /// Shards missing from the answer, each once.
    failed: BTreeMap<u64, ShardFailure>,
    kept: u32,
    skipped: u32,
    /// What was read; none when the same could read otherwise the next time.
    readings: Option<Vec<Reading>>,
    pub(super) trace: Trace,
}

/// What a certificate says that is known before there is an answer.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) plan: &'static str,
    pub(crate) asked: u32,
    pub(crate) pruned: u32,
    pub(crate) schema_version: u64,
    pub(crate) topology_epoch: u64,
    pub(crate) started: Instant,
}

/// What is said at the end of an answer.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// The shards that are missing from it.
    pub(crate) failed: Vec<ShardFailure>,
    /// Readings of shards that were spared, since what they had given before still holds.
    pub(crate) kept: u32,
    /// Readings that were spared, since statistics ruled the shard out.
    pub(crate) skipped: u32,
    /// What was read: as long as it stands so the answer is the same. None when that cannot be said.
    pub(crate) readings: Option<Vec<Reading>>,
}

impl Account {
    pub(super) fn new(trace: Trace) -> Account {
        Account { failed: BTreeMap::new(), kept: 0, skipped: 0, readings: Some(Vec::new()), trace }
    }

    /// The account of a step, which is [taken over](Account::take) when it is done.
    pub(super) fn of(&self, place: Place) -> Account {
        Account::new(self.trace.at(place))
    }

    pub(super) fn take(&mut self, step: Account) {
        self.failed.extend(step.failed);
        self.kept += step.kept;
        self.skipped += step.skipped;
        self.add_readings(step.readings);
    }

    /// Notes what one call of every node of a step came to.
    pub(super) fn note(&mut self, sources: &[Source]) {
        let failures = sources.iter().flat_map(|source| &source.failed);
        self.failed.extend(failures.map(|failure| (failure.shard, failure.clone())));
        self.kept += sources.iter().map(|source| source.kept).sum::<u32>();
        self.skipped += sources.iter().map(|source| source.skipped).sum::<u32>();
        self.add_readings(sources.iter().map(Source::reading).collect());
        let measured = sources.iter().filter_map(|source| source.measured.clone());
        let call = measured.reduce(|mut call, other| {
            call.beside(other);
            call
        });
        if let Some(call) = call {
            self.trace.add(call);
        }
    }

    fn add_readings(&mut self, more: Option<Vec<Reading>>) {
        self.readings = self.readings.take().zip(more).map(|(mut readings, more)| {
            readings.extend(more);
            readings
        });
    }

    pub(super) fn into_ending(self) -> Ending {
        let Account { failed, kept, skipped, readings, trace: _ } = self;
        Ending { failed: failed.into_values().collect(), kept, skipped, readings }
    }
}

/// Where measurements go. Off, which is the default, nothing is measured.
#[derive(Clone, Default)]
pub(crate) struct Trace {
    to: Option<Arc<Mutex<Measurements>>>,
    path: Vec<Place>,
}

impl Trace {
    pub(crate) fn on() -> Trace {
        Trace { to: Some(Arc::default()), path: Vec::new() }
    }

    /// What was measured so far.
    pub(crate) fn measurements(&self) -> Measurements {
        self.to.as_ref().map(|to| to.lock().clone()).unwrap_or_default()
    }

    pub(super) fn is_on(&self) -> bool {
        self.to.is_some()
    }

    /// The trace of a step.
    fn at(&self, place: Place) -> Trace {
        let Some(to) = &self.to else { return Trace::default() };
        let path = self.path.iter().copied().chain([place]).collect();
        Trace { to: Some(Arc::clone(to)), path }
    }

    pub(super) fn add(&self, measured: Measured) {
        if let Some(to) = &self.to {
            to.lock().add(&self.path, measured);
        }
    }

    /// Measures a step from now on.
    pub(super) fn watch(&self, place: Place) -> Watch {
        let trace = self.at(place);
        let started = trace.is_on().then(Instant::now);
        Watch { trace, started, waited: Duration::ZERO, measured: Measured::default() }
    }
}

/// A step that is being measured.
pub(super) struct Watch {
    trace: Trace,
    started: Option<Instant>,
    waited: Duration,
    measured: Measured,
}

impl Watch {
    /// Waits for others, whose time it is.
    pub(super) fn wait<T>(&mut self, others: impl FnOnce() -> T) -> T {
        let began = self.started.map(|_| Instant::now());
        let done = others();
        self.waited += began.map(|began| began.elapsed()).unwrap_or_default();
        done
    }

    pub(super) fn count(&mut self, batch: &Batch) {
        self.measured.rows += batch.rows() as u64;
        self.measured.bytes += batch.byte_size() as u64;
    }

    pub(super) fn end(self) {
        if let Some(started) = self.started {
            let elapsed = started.elapsed().saturating_sub(self.waited);
            self.trace.add(Measured { elapsed, ..self.measured });
        }
    }
}
