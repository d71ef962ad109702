//! Where the rows of a running plan go.

use souk_merge::{Batch, BatchCopy};
use souk_proto::Reason;
use tokio::sync::mpsc;

use super::run::Event;
use crate::error::{Error, Result};

/// The way out, with its bounds.
pub(super) struct Output {
    to: To,
    rows: u64,
    bytes: u64,
    bounds: Bounds,
}

/// How much may go out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) rows_max: u64,
    pub(super) bytes_max: u64,
    /// What is bounded, and what helps.
    pub(super) what: &'static str,
    pub(super) help: &'static str,
    pub(super) reason: Reason,
}

enum To {
    Client(mpsc::Sender<Result<Event>>, BatchCopy),
    Held(Vec<Batch>),
}

impl Output {
    /// To whoever asked; what is no larger than `copied_max` bytes is copied.
    pub(super) fn client(sender: mpsc::Sender<Result<Event>>, bounds: Bounds, copied_max: u64) -> Output {
        Output { to: To::Client(sender, BatchCopy::new(copied_max)), rows: 0, bytes: 0, bounds }
    }

    /// A copy of all that went out; none when it was too much.
    pub(super) fn into_copy(self) -> Option<Vec<Batch>> {
        match self.to {
            To::Client(_, copy) => copy.into_batches(),
            To::Held(batches) => Some(batches),
        }
    }

    /// Kept for the next step.
    pub(super) fn held(bounds: Bounds) -> Output {
        Output { to: To::Held(Vec::new()), rows: 0, bytes: 0, bounds }
    }

    /// What was kept.
    pub(super) fn into_held(self) -> Vec<Batch> {
        match self.to {
            To::Held(batches) => batches,
            To::Client(..) => Vec::new(),
        }
    }

    /// Rows and bytes that went out.
    pub(super) fn sent(&self) -> (u64, u64) {
        (self.rows, self.bytes)
    }

    pub(super) async fn send(&mut self, batch: Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.rows += batch.rows() as u64;
        self.bytes += batch.byte_size() as u64;
        let Bounds { rows_max, bytes_max, what, help, reason } = self.bounds;
        let too_large =
            |unit: &str, max: u64| Err(Error::new(reason, format!("{what} has more than {max} {unit}; {help}")));
        if self.rows > rows_max {
            return too_large("rows", rows_max);
        }
        if self.bytes > bytes_max {
            return too_large("bytes", bytes_max);
        }
        match &mut self.to {
            To::Held(batches) => batches.push(batch),
            To::Client(sender, copy) => {
                copy.add(&batch);
                let gone = |_| Error::new(Reason::Cancelled, "the client is gone");
                sender.send(Ok(Event::Rows(batch))).await.map_err(gone)?;
            }
        }
        Ok(())
    }
}
