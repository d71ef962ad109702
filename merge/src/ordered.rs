//! The k-way merge: placeholder signatures.

use crate::{Batch, SortKey};

/// Merges sources that are each sorted by the same order; ties go to the lower source.
#[derive(Debug)]
pub struct OrderedMerge {}

/// What a merge wants or gives next.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Push the next batch of this source, or end it.
    Need(usize),
    /// The next rows.
    Rows(Batch),
    /// There are no more rows.
    Done,
}

/// A source whose rows are not in the order that it promised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("source {source_index} is not sorted")]
pub struct Unsorted {
    /// The source, from 0.
    pub source_index: usize,
}

impl OrderedMerge {
    /// A merge of `sources` sources of `width` columns that gives batches of at most `rows_per_batch` rows,
    /// and `limit` rows in all.
    pub fn new(
        _order: Vec<SortKey>,
        _sources: usize,
        _width: usize,
        _limit: Option<u64>,
        _rows_per_batch: usize,
    ) -> OrderedMerge {
        OrderedMerge {}
    }
    /// The next batch of a source.
    pub fn push(&mut self, _source: usize, _batch: Batch) -> Result<(), Unsorted> {
        Ok(())
    }
    /// A source has no more batches.
    pub fn end(&mut self, _source: usize) {}
    /// What comes next.
    pub fn step(&mut self) -> Result<Step, Unsorted> {
        Ok(Step::Done)
    }
}
