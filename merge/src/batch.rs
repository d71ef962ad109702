//! Rows in columns: how rows travel between node, coordinator and client.

use std::borrow::Borrow;

use crate::{Value, ValueRef};

/// The storage class of a cell, as a byte of [`Column::kinds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ValueKind {
    /// Takes nothing.
    Null = 0,
    /// Takes the next integer.
    Integer = 1,
    /// Takes the next real.
    Real = 2,
    /// Takes the next length and as many bytes.
    Text = 3,
    /// Takes the next length and as many bytes.
    Blob = 4,
}

/// One column of a batch. Cells are read in order, each from where its kind says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    /// One [`ValueKind`] a row.
    pub kinds: Vec<u8>,
    /// The integers, in row order.
    pub integers: Vec<i64>,
    /// The reals, in row order.
    pub reals: Vec<f64>,
    /// All texts and blobs, one after the other.
    pub data: Vec<u8>,
    /// The length in bytes of each text or blob.
    pub lengths: Vec<u32>,
}

/// Rows, column by column. Every column holds the same number of cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    columns: Vec<Column>,
    rows: usize,
    /// What all columns hold: counted as cells come, for it is asked after every row.
    bytes: usize,
}

/// A batch whose parts do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} of a batch is malformed: {what}")]
pub struct BatchError {
    /// The column, from 0.
    pub column: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl Column {
    /// Adds a cell; gives the bytes that it takes.
    pub(crate) fn push(&mut self, value: ValueRef<'_>) -> usize {
        let (kind, bytes) = match value {
            _ if value.is_null() => (ValueKind::Null, 0),
            ValueRef::Null => (ValueKind::Null, 0),
            ValueRef::Integer(integer) => {
                self.integers.push(integer);
                (ValueKind::Integer, 8)
            }
            ValueRef::Real(real) => {
                self.reals.push(real);
                (ValueKind::Real, 8)
            }
            ValueRef::Text(bytes) => (ValueKind::Text, self.push_bytes(bytes)),
            ValueRef::Blob(bytes) => (ValueKind::Blob, self.push_bytes(bytes)),
        };
        self.kinds.push(kind as u8);
        1 + bytes
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> usize {
        let length = u32::try_from(bytes.len()).expect("SQLite values are under 2 GiB");
        self.lengths.push(length);
        self.data.extend_from_slice(bytes);
        4 + bytes.len()
    }

    /// No cells, and room for as many as another column has.
    fn like(other: &Column) -> Column {
        let Column { kinds, integers, reals, data, lengths } = other;
        Column {
            kinds: Vec::with_capacity(kinds.len()),
            integers: Vec::with_capacity(integers.len()),
            reals: Vec::with_capacity(reals.len()),
            data: Vec::with_capacity(data.len()),
            lengths: Vec::with_capacity(lengths.len()),
        }
    }

    /// Adds all cells of another column.
    fn append(&mut self, more: &Column) {
        let Column { kinds, integers, reals, data, lengths } = more;
        self.kinds.extend_from_slice(kinds);
        self.integers.extend_from_slice(integers);
        self.reals.extend_from_slice(reals);
        self.data.extend_from_slice(data);
        self.lengths.extend_from_slice(lengths);
    }

    /// Bytes held: one a cell, and what the cells take.
    fn byte_size(&self) -> usize {
        self.kinds.len() + 8 * (self.integers.len() + self.reals.len()) + 4 * self.lengths.len() + self.data.len()
    }

    fn check(&self, column: usize, rows: usize) -> Result<(), BatchError> {
        let fail = |what| Err(BatchError { column, what });
        if self.kinds.len() != rows {
            return fail("not one kind a row");
        }
        let mut counts = [0usize; 5];
        for kind in &self.kinds {
            match counts.get_mut(*kind as usize) {
                Some(count) => *count += 1,
                None => return fail("unknown kind"),
            }
        }
        if counts[1] != self.integers.len() || counts[2] != self.reals.len() {
            return fail("not one number for each numeric kind");
        }
        if counts[3] + counts[4] != self.lengths.len() {
            return fail("not one length for each text or blob");
        }
        if self.lengths.iter().map(|length| *length as usize).sum::<usize>() != self.data.len() {
            return fail("lengths do not add up to the data");
        }
        if self.reals.iter().any(|real| real.is_nan()) {
            return fail("a real is NaN, which SQLite holds as NULL");
        }
        Ok(())
    }
}

impl Batch {
    /// No rows of `width` columns.
    pub fn new(width: usize) -> Batch {
        Batch { columns: vec![Column::default(); width], rows: 0, bytes: 0 }
    }

    /// No rows, and room for what another batch holds: shards give much alike.
    pub fn like(other: &Batch) -> Batch {
        Batch { columns: other.columns.iter().map(Column::like).collect(), rows: 0, bytes: 0 }
    }

    /// A batch from its columns, checked: kinds, counts and lengths fit together, so that no read of it can fail.
    ///
    /// # Errors
    ///
    /// [`BatchError`] names the first column that does not fit; rows of no columns are refused as column 0.
    pub fn from_columns(columns: Vec<Column>, rows: usize) -> Result<Batch, BatchError> {
        if columns.is_empty() && rows > 0 {
            return Err(BatchError { column: 0, what: "there are rows but no columns" });
        }
        for (index, column) in columns.iter().enumerate() {
            column.check(index, rows)?;
        }
        Ok(Batch::of(columns, rows))
    }

    /// A batch of columns that fit together.
    pub(crate) fn of(columns: Vec<Column>, rows: usize) -> Batch {
        let bytes = columns.iter().map(Column::byte_size).sum();
        Batch { columns, rows, bytes }
    }

    /// The columns.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns, by value.
    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes held by all cells: kept while cells come in, so asking is free.
    pub fn byte_size(&self) -> usize {
        self.bytes
    }

    /// Adds a row, which must give exactly [`Batch::width`] values. A NaN becomes NULL, as in SQLite.
    ///
    /// # Panics
    ///
    /// When the row gives fewer values.
    pub fn push_row<'a>(&mut self, row: impl IntoIterator<Item = ValueRef<'a>>) {
        let mut row = row.into_iter();
        for column in &mut self.columns {
            self.bytes += column.push(row.next().expect("a row has as many values as its batch has columns"));
        }
        debug_assert!(row.next().is_none(), "a row has no more values than its batch has columns");
        self.rows += 1;
    }

    /// Adds all rows of another batch, column by column.
    ///
    /// # Panics
    ///
    /// When the other has not as many columns.
    pub fn append(&mut self, more: &Batch) {
        assert_eq!(more.width(), self.width(), "rows are added to rows of as many columns");
        for (column, more) in self.columns.iter_mut().zip(&more.columns) {
            column.append(more);
        }
        self.rows += more.rows;
        self.bytes += more.bytes;
    }

    /// Adds columns at the end, each of exactly [`Batch::rows`] cells.
    pub(crate) fn push_columns(&mut self, columns: Vec<Column>) {
        for column in columns {
            debug_assert_eq!(column.kinds.len(), self.rows, "a column has one value a row");
            self.bytes += column.byte_size();
            self.columns.push(column);
        }
    }

    /// The last row's value in `column`.
    pub(crate) fn last_value(&self, column: usize) -> ValueRef<'_> {
        let Column { kinds, integers, reals, data, lengths } = &self.columns[column];
        let bytes = || &data[data.len() - lengths[lengths.len() - 1] as usize..];
        match kinds[self.rows - 1] {
            1 => ValueRef::Integer(integers[integers.len() - 1]),
            2 => ValueRef::Real(reals[reals.len() - 1]),
            3 => ValueRef::Text(bytes()),
            4 => ValueRef::Blob(bytes()),
            _ => ValueRef::Null,
        }
    }

    /// Keeps the first `width` columns.
    pub fn truncate_columns(&mut self, width: usize) {
        self.columns.truncate(width);
        self.bytes = self.columns.iter().map(Column::byte_size).sum();
    }

    /// Gives back room that no cell takes: for batches that are kept.
    pub fn shrink_to_fit(&mut self) {
        for Column { kinds, integers, reals, data, lengths } in &mut self.columns {
            kinds.shrink_to_fit();
            integers.shrink_to_fit();
            reals.shrink_to_fit();
            data.shrink_to_fit();
            lengths.shrink_to_fit();
        }
    }

    /// A cursor before the first row of a batch that stays where it is.
    pub fn cursor(&self) -> BatchCursor<&Batch> {
        let positions = vec![Position::default(); self.width()];
        BatchCursor { batch: self, row: 0, started: false, positions }
    }

    /// A cursor before the first row.
    pub fn into_cursor(self) -> BatchCursor {
        let positions = vec![Position::default(); self.width()];
        BatchCursor { batch: self, row: 0, started: false, positions }
    }

    /// All rows as owned values: for tests and small results.
    pub fn into_rows(self) -> Vec<Vec<Value>> {
        let mut rows = Vec::with_capacity(self.rows);
        let mut cursor = self.into_cursor();
        while cursor.advance() {
            rows.push(cursor.values().map(ValueRef::to_owned).collect());
        }
        rows
    }
}

/// Where the next cell of a column lies.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Position {
    pub(crate) integer: usize,
    pub(crate) real: usize,
    pub(crate) length: usize,
    pub(crate) data: usize,
}

/// Reads a batch row by row, without copying a cell: one of its own, or one that is lent.
#[derive(Debug)]
pub struct BatchCursor<B = Batch> {
    batch: B,
    row: usize,
    started: bool,
    positions: Vec<Position>,
}

impl<B: Borrow<Batch>> BatchCursor<B> {
    /// Moves to the next row; false when there is none.
    pub fn advance(&mut self) -> bool {
        let batch = self.batch.borrow();
        if self.started && self.row < batch.rows {
            for (position, column) in self.positions.iter_mut().zip(&batch.columns) {
                match column.kinds[self.row] {
                    1 => position.integer += 1,
                    2 => position.real += 1,
                    3 | 4 => {
                        position.data += column.lengths[position.length] as usize;
                        position.length += 1;
                    }
                    _ => {}
                }
            }
            self.row += 1;
        }
        self.started = true;
        self.row < batch.rows
    }

    /// The current row's value in `column`.
    ///
    /// # Panics
    ///
    /// When there is no current row or no such column.
    pub fn value(&self, column: usize) -> ValueRef<'_> {
        let cells = &self.batch.borrow().columns[column];
        let position = self.positions[column];
        let bytes = || {
            let length = cells.lengths[position.length] as usize;
            &cells.data[position.data..position.data + length]
        };
        match cells.kinds[self.row] {
            1 => ValueRef::Integer(cells.integers[position.integer]),
            2 => ValueRef::Real(cells.reals[position.real]),
            3 => ValueRef::Text(bytes()),
            4 => ValueRef::Blob(bytes()),
            _ => ValueRef::Null,
        }
    }

    /// The current row's values. Panics as [`BatchCursor::value`].
    pub fn values(&self) -> impl Iterator<Item = ValueRef<'_>> {
        (0..self.batch.borrow().width()).map(|column| self.value(column))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::*;

    fn check_refused(column: Column, rows: usize, what: &str) {
        let refused = Batch::from_columns(vec![column], rows).expect_err(what);
        assert_eq!((refused.column, refused.what), (0, what));
    }

    #[test]
    fn columns_that_do_not_fit_are_refused() {
        let column = |kinds: &[u8]| Column { kinds: kinds.to_vec(), ..Column::default() };
        check_refused(column(&[0]), 2, "not one kind a row");
        check_refused(column(&[5]), 1, "unknown kind");
        check_refused(column(&[1]), 1, "not one number for each numeric kind");
        check_refused(column(&[3]), 1, "not one length for each text or blob");
        let short = Column { lengths: vec![2], data: vec![0], ..column(&[3]) };
        check_refused(short, 1, "lengths do not add up to the data");
        let nan = Column { reals: vec![f64::NAN], ..column(&[2]) };
        check_refused(nan, 1, "a real is NaN, which SQLite holds as NULL");
        assert!(Batch::from_columns(vec![], usize::MAX).is_err());
        assert!(Batch::from_columns(vec![], 0).is_ok());
    }

    #[test]
    fn a_nan_becomes_null() {
        let mut batch = Batch::new(1);
        batch.push_row([ValueRef::Real(f64::NAN)]);
        assert_eq!(batch.into_rows(), [[Value::Null]]);
    }

    proptest! {
        #[test]
        fn rows_come_back_through_columns(rows in rows(3, 20)) {
            let batch = batch_of(3, &rows);
            if let Some(last) = rows.last() {
                for (column, value) in last.iter().enumerate() {
                    prop_assert_eq!(batch.last_value(column), value.as_ref());
                }
            }
            let again = Batch::from_columns(batch.clone().into_columns(), rows.len());
            prop_assert_eq!(again.as_ref(), Ok(&batch));
            prop_assert_eq!(batch.into_rows(), rows);
        }

        #[test]
        fn batches_appended_are_the_batch_of_all_rows(rows in rows(3, 20), cuts in cuts()) {
            let mut all = Batch::new(3);
            split(&rows, &cuts).iter().for_each(|piece| all.append(&batch_of(3, piece)));
            prop_assert_eq!(all, batch_of(3, &rows));
        }

        #[test]
        fn bytes_are_those_of_the_columns_left(rows in rows(3, 20), width in 0usize..4) {
            let mut batch = batch_of(3, &rows);
            batch.truncate_columns(width);
            let again = Batch::from_columns(batch.clone().into_columns(), if width == 0 { 0 } else { rows.len() });
            prop_assert_eq!(again.map(|again| again.byte_size()), Ok(batch.byte_size()));
        }

        #[test]
        fn columns_that_pass_the_check_read_without_panic(
            kinds in prop::collection::vec(0u8..5, 0..6),
            integers in prop::collection::vec(any::<i64>(), 0..3),
            reals in prop::collection::vec(any::<f64>(), 0..3),
            lengths in prop::collection::vec(0u32..3, 0..3),
            data in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let rows = kinds.len();
            if let Ok(batch) = Batch::from_columns(vec![Column { kinds, integers, reals, data, lengths }], rows) {
                prop_assert_eq!(batch.into_rows().len(), rows);
            }
        }
    }
}
