//! OFFSET and LIMIT over a stream of batches.

use crate::{Batch, Pieces};

/// Drops the first `offset` rows of a stream and keeps no more than `limit` of the rest.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Rows still to be dropped.
    offset: u64,
    /// Rows still to be kept.
    limit: Option<u64>,
}

impl Slice {
    /// A slice at the front of its stream.
    pub fn new(offset: u64, limit: Option<u64>) -> Slice {
        Slice { offset, limit }
    }

    /// What stays of the next batch. A batch that stays whole is not copied.
    pub fn apply(&mut self, batch: Batch) -> Batch {
        let rows = batch.rows() as u64;
        let dropped = self.offset.min(rows);
        let kept = self.limit.unwrap_or(u64::MAX).min(rows - dropped);
        self.offset -= dropped;
        self.limit = self.limit.map(|limit| limit - kept);
        if kept == rows { batch } else { copy(&batch, dropped, kept) }
    }

    /// Whether nothing will stay of any later batch.
    pub fn is_done(&self) -> bool {
        self.limit == Some(0)
    }
}

fn copy(batch: &Batch, dropped: u64, kept: u64) -> Batch {
    let mut pieces = Pieces::new(batch);
    // Neither is more than the rows of the batch.
    pieces.skip(dropped as usize);
    pieces.take(kept as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::*;

    #[test]
    fn a_limit_of_zero_is_done_at_once() {
        assert!(Slice::new(3, Some(0)).is_done());
        assert!(!Slice::new(3, None).is_done());
        assert!(!Slice::new(0, Some(1)).is_done());
    }

    proptest! {
        #[test]
        fn slices_of_batches_are_the_slice_of_all_rows(
            rows in rows(2, 30),
            cuts in cuts(),
            offset in 0u64..40,
            limit in prop::option::of(0u64..40),
        ) {
            let mut slice = Slice::new(offset, limit);
            let mut kept = Vec::new();
            for rows in split(&rows, &cuts) {
                kept.extend(slice.apply(batch_of(2, &rows)).into_rows());
            }
            let limit = limit.map_or(usize::MAX, |limit| limit as usize);
            prop_assert_eq!(slice.is_done(), kept.len() == limit);
            let expected: Vec<_> = rows.into_iter().skip(offset as usize).take(limit).collect();
            prop_assert_eq!(kept, expected);
        }
    }
}
