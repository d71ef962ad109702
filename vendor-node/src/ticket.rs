//! How a call is ended before it is done: its time is up, nobody awaits it, or the node stops.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use souk_proto::Reason;

use crate::error::Fault;

/// The longest that a call may run, whatever it asks for.
const CALL_TIME_MAX: Duration = Duration::from_secs(3600);

/// What every step of a call looks at to know whether to go on.
#[derive(Debug)]
pub(crate) struct Ticket {
    deadline: Instant,
    cancelled: AtomicBool,
    /// Too much was written to a shard while the call read it.
    outrun: AtomicBool,
    stopping: Arc<AtomicBool>,
}

impl Ticket {
    /// A ticket for a call with `time_left`; `stopping` is the node's.
    pub(crate) fn new(time_left: Duration, stopping: Arc<AtomicBool>) -> Ticket {
        let deadline = Instant::now() + time_left.min(CALL_TIME_MAX);
        Ticket { deadline, cancelled: AtomicBool::new(false), outrun: AtomicBool::new(false), stopping }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Nobody awaits the call any more.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// The call keeps a shard's log from starting anew, and the log is full.
    pub(crate) fn outrun(&self) {
        self.outrun.store(true, Ordering::Relaxed);
    }

    /// Whether the call must end now.
    pub(crate) fn is_over(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
            || self.stopping.load(Ordering::Relaxed)
            || self.outrun.load(Ordering::Relaxed)
            || Instant::now() >= self.deadline
    }

    /// An error when the call must end now.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.is_over() { Err(self.fault()) } else { Ok(()) }
    }

    /// Why the call ends.
    pub(crate) fn fault(&self) -> Fault {
        if self.cancelled.load(Ordering::Relaxed) {
            Fault::new(Reason::Cancelled, "the call was cancelled")
        } else if self.stopping.load(Ordering::Relaxed) {
            Fault::new(Reason::ShardUnavailable, "the node is stopping: ask again when it is back")
        } else if self.outrun.load(Ordering::Relaxed) {
            let message = "more was written to a shard than its log holds while the call read it: ask again";
            Fault::new(Reason::Overloaded, message)
        } else {
            Fault::new(Reason::Deadline, "time ran out: narrow the statement or allow more time")
        }
    }
}
