//! The way out: rows go to the sink in batches of a sensible size.

use souk_merge::{Batch, Pieces};

use super::{Sink, budget::too_large};
use crate::{error::Fault, shard::RowView};

/// Rows after which a batch is sent.
pub(crate) const BATCH_ROWS: usize = 4096;

/// Bytes after which a batch is sent: with its last row it may be larger.
pub(crate) const BATCH_BYTES: usize = 1 << 20;

/// Rows that are cheaper to copy into the batch that waits than to send on their own.
const FEW_ROWS: usize = 1024;

/// Bytes of such rows at most.
const FEW_BYTES: usize = BATCH_BYTES / 4;

/// Sends rows in batches, and counts their bytes.
pub(crate) struct Outlet<'a, 's> {
    sink: &'a mut Sink<'s>,
    waiting: Option<Batch>,
    sent_bytes: u64,
    bytes_max: u64,
}

impl<'a, 's> Outlet<'a, 's> {
    pub(crate) fn new(sink: &'a mut Sink<'s>, bytes_max: u64) -> Outlet<'a, 's> {
        Outlet { sink, waiting: None, sent_bytes: 0, bytes_max }
    }

    /// Sends the row that a statement is at.
    pub(crate) fn push_row(&mut self, row: &RowView<'_>) -> Result<(), Fault> {
        let waiting = self.waiting.get_or_insert_with(|| Batch::new(row.width()));
        waiting.push_row(row.values());
        self.send_if_full()
    }

    /// Sends a batch, split or put together as need be.
    pub(crate) fn push_batch(&mut self, batch: Batch) -> Result<(), Fault> {
        if batch.rows() <= BATCH_ROWS {
            return self.push_piece(batch);
        }
        let mut pieces = Pieces::new(&batch);
        (0..batch.rows().div_ceil(BATCH_ROWS)).try_for_each(|_| self.push_piece(pieces.take(BATCH_ROWS)))
    }

    /// Sends no more than [`BATCH_ROWS`] rows.
    fn push_piece(&mut self, piece: Batch) -> Result<(), Fault> {
        if piece.is_empty() {
            return Ok(());
        }
        // A batch that its last row made full is a little larger, and is not taken apart for that.
        if piece.byte_size() > 2 * BATCH_BYTES {
            return self.push_each(piece);
        }
        if piece.rows() > FEW_ROWS || piece.byte_size() > FEW_BYTES {
            self.send_waiting()?;
            return self.send(piece);
        }
        self.put_to_waiting(piece)
    }

    /// Sends rows that are too many bytes for one batch, each where it fits.
    fn push_each(&mut self, rows: Batch) -> Result<(), Fault> {
        let width = rows.width();
        let mut cursor = rows.into_cursor();
        while cursor.advance() {
            self.waiting.get_or_insert_with(|| Batch::new(width)).push_row(cursor.values());
            self.send_if_full()?;
        }
        Ok(())
    }

    /// Puts few rows to those that wait, which are sent first when there is no room for both.
    fn put_to_waiting(&mut self, few: Batch) -> Result<(), Fault> {
        let has_room = |waiting: &Batch| {
            waiting.rows() + few.rows() <= BATCH_ROWS && waiting.byte_size() + few.byte_size() <= BATCH_BYTES
        };
        if !self.waiting.as_ref().is_none_or(has_room) {
            self.send_waiting()?;
        }
        match &mut self.waiting {
            Some(waiting) => waiting.append(&few),
            None => self.waiting = Some(few),
        }
        self.send_if_full()
    }

    /// Sends what waits.
    pub(crate) fn finish(mut self) -> Result<(), Fault> {
        self.send_waiting()
    }

    fn send_if_full(&mut self) -> Result<(), Fault> {
        match &self.waiting {
            Some(waiting) if waiting.rows() >= BATCH_ROWS || waiting.byte_size() >= BATCH_BYTES => self.send_waiting(),
            _ => Ok(()),
        }
    }

    fn send_waiting(&mut self) -> Result<(), Fault> {
        match self.waiting.take() {
            Some(waiting) => self.send(waiting),
            None => Ok(()),
        }
    }

    fn send(&mut self, batch: Batch) -> Result<(), Fault> {
        self.sent_bytes += batch.byte_size() as u64;
        if self.sent_bytes > self.bytes_max {
            return Err(too_large(self.bytes_max));
        }
        if batch.is_empty() { Ok(()) } else { (self.sink)(batch) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use souk_merge::{Value, ValueRef};
    use souk_proto::Reason;

    use super::*;

    fn batch(rows: i64) -> Batch {
        let mut batch = Batch::new(1);
        (0..rows).for_each(|row| batch.push_row([ValueRef::Integer(row)]));
        batch
    }

    fn sent(given: Vec<Batch>, bytes_max: u64) -> Result<Vec<Batch>, Fault> {
        let mut sent = Vec::new();
        let mut sink = |batch| {
            sent.push(batch);
            Ok(())
        };
        let mut outlet = Outlet::new(&mut sink, bytes_max);
        given.into_iter().try_for_each(|batch| outlet.push_batch(batch))?;
        outlet.finish()?;
        Ok(sent)
    }

    #[test]
    fn small_batches_are_put_together_and_large_ones_split() {
        let sizes = |given| sent(given, u64::MAX).unwrap().iter().map(Batch::rows).collect::<Vec<_>>();
        assert_eq!(sizes(vec![batch(3), batch(4)]), [7]);
        assert_eq!(sizes(vec![batch(3), batch(3000), batch(5)]), [3, 3000, 5]);
        assert_eq!(sizes(vec![batch(10_000)]), [4096, 4096, 1808]);
        assert_eq!(sizes(vec![batch(0)]), [0_usize; 0]);
        assert_eq!(sizes(vec![batch(900); 5]), [3600, 900]);
        assert_eq!(sizes(vec![batch(1024); 5]), [4096, 1024]);
    }

    #[test]
    fn batches_are_of_a_sensible_number_of_bytes() {
        let wide = |rows: usize, bytes: usize| {
            let mut batch = Batch::new(1);
            (0..rows).for_each(|_| batch.push_row([ValueRef::Blob(&vec![0; bytes])]));
            batch
        };
        let rows = |given| sent(given, u64::MAX).unwrap().iter().map(Batch::rows).collect::<Vec<_>>();
        assert_eq!(rows(vec![wide(11, 100_000)]), [11]);
        assert_eq!(rows(vec![wide(30, 100_000)]), [11, 11, 8]);
        assert_eq!(rows(vec![wide(2, 100_000); 13]), [10, 10, 6]);
        assert_eq!(rows(vec![batch(2), wide(3, 3 << 20)]), [3, 1, 1]);
    }

    #[test]
    fn the_order_of_rows_stays() {
        let rows = sent(vec![batch(3), batch(9000), batch(2)], u64::MAX).unwrap();
        let rows: Vec<Vec<Value>> = rows.into_iter().flat_map(Batch::into_rows).collect();
        let wanted = [3, 9000, 2].into_iter().flat_map(|count| (0..count).map(|row| vec![Value::Integer(row)]));
        assert_eq!(rows, wanted.collect::<Vec<_>>());
    }

    #[test]
    fn more_bytes_than_allowed_end_the_call() {
        assert_eq!(sent(vec![batch(1000)], 100).unwrap_err().reason, Reason::TooLarge);
    }
}
