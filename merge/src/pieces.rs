//! Batches cut into pieces, column by column.

use std::ops::Range;

use crate::{Batch, Column, batch::Position};

/// Cuts a batch into pieces from its front on. A row is never looked at by itself.
#[derive(Debug)]
pub struct Pieces<'a> {
    batch: &'a Batch,
    /// The first row that is left.
    row: usize,
    /// Where its cells are, for each column.
    positions: Vec<Position>,
}

impl<'a> Pieces<'a> {
    /// Nothing is cut off yet.
    pub fn new(batch: &'a Batch) -> Pieces<'a> {
        Pieces { batch, row: 0, positions: vec![Position::default(); batch.width()] }
    }

    /// Leaves out the next `count` rows, or as many as are left.
    pub fn skip(&mut self, count: usize) {
        let rows = self.next_rows(count);
        for (column, position) in self.batch.columns().iter().zip(&mut self.positions) {
            *position = position.after(column, rows.clone());
        }
    }

    /// The next `count` rows, or as many as are left.
    pub fn take(&mut self, count: usize) -> Batch {
        let rows = self.next_rows(count);
        let mut cut = |(column, position): (&Column, &mut Position)| {
            let start = std::mem::replace(position, position.after(column, rows.clone()));
            copy(column, rows.clone(), start, *position)
        };
        let columns = self.batch.columns().iter().zip(&mut self.positions).map(&mut cut).collect();
        Batch::of(columns, rows.len())
    }

    fn next_rows(&mut self, count: usize) -> Range<usize> {
        let start = self.row;
        self.row += count.min(self.batch.rows() - start);
        start..self.row
    }
}

impl Position {
    /// The position behind some rows, of which this is the position of the first.
    fn after(self, column: &Column, rows: Range<usize>) -> Position {
        let mut counts = [0usize; 5];
        column.kinds[rows].iter().for_each(|kind| counts[usize::from(*kind)] += 1);
        let length = self.length + counts[3] + counts[4];
        let data: usize = column.lengths[self.length..length].iter().map(|length| *length as usize).sum();
        Position { integer: self.integer + counts[1], real: self.real + counts[2], length, data: self.data + data }
    }
}

fn copy(column: &Column, rows: Range<usize>, start: Position, end: Position) -> Column {
    Column {
        kinds: column.kinds[rows].to_vec(),
        integers: column.integers[start.integer..end.integer].to_vec(),
        reals: column.reals[start.real..end.real].to_vec(),
        data: column.data[start.data..end.data].to_vec(),
        lengths: column.lengths[start.length..end.length].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::*;

    proptest! {
        #[test]
        fn pieces_are_the_rows_between_the_cuts(
            rows in rows(2, 30),
            counts in prop::collection::vec((any::<bool>(), 0usize..12), 0..8),
        ) {
            let batch = batch_of(2, &rows);
            let mut pieces = Pieces::new(&batch);
            let mut left = rows.as_slice();
            for (taken, count) in counts {
                let (next, later) = left.split_at(count.min(left.len()));
                left = later;
                if taken {
                    prop_assert_eq!(pieces.take(count), batch_of(2, next));
                } else {
                    pieces.skip(count);
                }
            }
        }
    }
}
