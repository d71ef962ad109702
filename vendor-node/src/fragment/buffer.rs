//! The rows of one shard, held in batches.

use std::ops::ControlFlow;

use souk_merge::Batch;

use super::{
    Run,
    budget::{Budget, Held},
    outlet::{BATCH_BYTES, BATCH_ROWS},
};
use crate::error::Fault;

/// Rows of one shard, and their share of the call's budget.
pub(crate) struct Buffer<'a> {
    batches: Vec<Batch>,
    rows: u64,
    /// Bytes of all batches but the last.
    full_bytes: usize,
    held: Held<'a>,
}

impl<'a> Buffer<'a> {
    /// The rows of a shard, no more than `rows_max`.
    pub(crate) fn read(run: &Run<'_>, shard: u64, rows_max: u64, budget: &'a Budget) -> Result<Buffer<'a>, Fault> {
        Buffer::read_into(Vec::new(), run, shard, rows_max, budget)
    }

    /// All rows of a shard, of which there are probably as many as in `last`.
    pub(crate) fn read_like(
        last: Option<&Batch>,
        run: &Run<'_>,
        shard: u64,
        budget: &'a Budget,
    ) -> Result<Buffer<'a>, Fault> {
        Buffer::read_into(last.map(Batch::like).into_iter().collect(), run, shard, u64::MAX, budget)
    }

    fn read_into(
        batches: Vec<Batch>,
        run: &Run<'_>,
        shard: u64,
        rows_max: u64,
        budget: &'a Budget,
    ) -> Result<Buffer<'a>, Fault> {
        let mut buffer = Buffer { batches, rows: 0, full_bytes: 0, held: budget.holder() };
        if rows_max == 0 {
            return Ok(buffer);
        }
        run.read(shard, &mut |row| {
            let batch = buffer.open_batch(row.width());
            batch.push_row(row.values());
            let last_bytes = batch.byte_size();
            buffer.rows += 1;
            buffer.held.set(buffer.full_bytes + last_bytes)?;
            Ok(if buffer.rows == rows_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(buffer)
    }

    fn open_batch(&mut self, width: usize) -> &mut Batch {
        let full = self.batches.last().filter(|last| last.rows() >= BATCH_ROWS || last.byte_size() >= BATCH_BYTES);
        if let Some(full) = full {
            self.full_bytes += full.byte_size();
            self.batches.push(Batch::new(width));
        } else if self.batches.is_empty() {
            self.batches.push(Batch::new(width));
        }
        self.batches.last_mut().expect("one was pushed when there was none")
    }

    /// How many rows.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The batches, and what holds their bytes in the budget until it is dropped.
    pub(crate) fn into_batches(self) -> (Vec<Batch>, Held<'a>) {
        (self.batches, self.held)
    }
}
