//! The first n rows of an order: placeholder signatures.

use crate::{Batch, SortKey, ValueRef};

/// Keeps the first `limit` rows of an order; ties go to the lower source, then to the earlier row.
#[derive(Debug)]
pub struct Top {}

impl Top {
    /// No rows of `width` columns yet. An empty order keeps the first rows by source.
    pub fn new(_order: Vec<SortKey>, _limit: u64, _width: usize) -> Top {
        Top {}
    }
    /// Offers a row. False: neither this row nor any later row of a source that is sorted by the order can enter.
    pub fn offer(&mut self, _source: u32, _row: &[ValueRef<'_>]) -> bool {
        false
    }
    /// Takes the rows of another over; their sources must differ.
    pub fn merge(&mut self, _other: Top) {}
    /// Bytes held, roughly.
    pub fn byte_size(&self) -> usize {
        0
    }
    /// The rows, in order.
    pub fn into_batch(self) -> Batch {
        Batch::new(0)
    }
}
