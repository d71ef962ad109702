//! Requests that wait for a shard's writer. Whoever gets the writer runs all that wait in one transaction; while that waits for the
//! disk, the next gather.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use parking_lot::Mutex;
use souk_merge::{Batch, Value};
use souk_proto::Expectation;

use crate::{error::Fault, ticket::Ticket};

/// Requests that wait at most.
const WAITING_MAX: usize = 1024;

/// Bytes of their values at most.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Requests in one transaction at most.
const TOGETHER_MAX: usize = 256;

/// A statement that writes.
#[derive(Debug)]
pub(crate) struct WriteStatement {
    pub(crate) sql: String,
    /// Run once for each row, whose values are bound in front; once without.
    pub(crate) rows: Option<Batch>,
    pub(crate) parameters: Vec<Value>,
    /// When it is not met, all is undone.
    pub(crate) expectation: Option<Expectation>,
    /// By which failures name it; 0 when they do not.
    pub(crate) number: u32,
    /// From here on foreign keys speak at the end of the request.
    pub(crate) defers_foreign_keys: bool,
    /// When there are any: for the whole request foreign keys neither speak nor act, and at its end those of these tables must hold.
    pub(crate) foreign_keys_checked: Vec<String>,
}

/// What a statement did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) rows_affected: u64,
    /// Of the last row that it inserted.
    pub(crate) last_insert_rowid: Option<i64>,
    /// What it gives; none when there is no row.
    pub(crate) rows: Option<Batch>,
}

/// Statements that happen together or not at all.
#[derive(Debug)]
pub(crate) struct WriteRequest {
    pub(crate) statements: Vec<WriteStatement>,
    /// The schema number that they were planned for.
    pub(crate) schema_version: u64,
    /// More bytes returned undo all.
    pub(crate) bytes_max: u64,
    pub(crate) ticket: Arc<Ticket>,
}

/// A request in the queue, and what became of it.
pub(crate) struct Waiting {
    pub(super) request: WriteRequest,
    bytes: usize,
    outcome: Mutex<Option<Result<Vec<Done>, Fault>>>,
}

/// The queue in front of a writer.
#[derive(Default)]
pub(super) struct Queue(Mutex<Line>);

#[derive(Default)]
struct Line {
    waiting: VecDeque<Arc<Waiting>>,
    bytes: usize,
}

impl Waiting {
    /// What became of it, once.
    pub(super) fn take(&self) -> Option<Result<Vec<Done>, Fault>> {
        self.outcome.lock().take()
    }

    /// Until when it waits.
    pub(super) fn until(&self) -> Instant {
        self.request.ticket.deadline()
    }

    /// What it looks at to know whether to go on.
    pub(super) fn ticket(&self) -> &Ticket {
        &self.request.ticket
    }

    /// Whether what became of it is known.
    pub(super) fn is_settled(&self) -> bool {
        self.outcome.lock().is_some()
    }

    /// Says what became of it, unless that was said before.
    pub(super) fn settle(&self, outcome: Result<Vec<Done>, Fault>) {
        self.outcome.lock().get_or_insert(outcome);
    }
}

impl Queue {
    /// Puts a request at the end; none when the queue is full.
    pub(super) fn push(&self, request: WriteRequest) -> Option<Arc<Waiting>> {
        let bytes = request.byte_size();
        let mut line = self.0.lock();
        let is_full = line.waiting.len() >= WAITING_MAX || line.bytes + bytes > WAITING_BYTES_MAX;
        if is_full && !line.waiting.is_empty() {
            return None;
        }
        let waiting = Arc::new(Waiting { request, bytes, outcome: Mutex::default() });
        line.bytes += bytes;
        line.waiting.push_back(Arc::clone(&waiting));
        Some(waiting)
    }

    /// Takes the first requests.
    pub(super) fn take(&self) -> Vec<Arc<Waiting>> {
        let mut line = self.0.lock();
        let count = line.waiting.len().min(TOGETHER_MAX);
        let taken: Vec<_> = line.waiting.drain(..count).collect();
        line.bytes -= taken.iter().map(|waiting| waiting.bytes).sum::<usize>();
        taken
    }

    /// Takes one request back.
    pub(super) fn withdraw(&self, withdrawn: &Arc<Waiting>) {
        let mut line = self.0.lock();
        let before = line.waiting.len();
        line.waiting.retain(|waiting| !Arc::ptr_eq(waiting, withdrawn));
        if line.waiting.len() < before {
            line.bytes -= withdrawn.bytes;
        }
    }
}

impl WriteRequest {
    fn byte_size(&self) -> usize {
        let of_statement = |statement: &WriteStatement| {
            let values: usize = statement.parameters.iter().map(|value| value.as_ref().heap_bytes()).sum();
            statement.sql.len() + values + statement.rows.as_ref().map_or(0, Batch::byte_size)
        };
        self.statements.iter().map(of_statement).sum()
    }
}
