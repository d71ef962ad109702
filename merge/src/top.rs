//! The first n rows of an order.

use std::{cmp::Ordering, collections::BinaryHeap, sync::Arc};

use crate::{Batch, SortKey, Value, ValueRef, order::compare_rows};

/// Keeps the first `limit` rows of an order; ties go to the lower source, then to the earlier row.
///
/// A heap whose root is the worst row kept: a row that does not come before it costs one comparison and no allocation.
#[derive(Debug)]
pub struct Top {
    order: Arc<[SortKey]>,
    limit: u64,
    width: usize,
    rows: BinaryHeap<Row>,
    /// Rows offered so far: the place of the next among those of its source.
    arrivals: u64,
    byte_size: usize,
}

/// A row kept; greater is worse.
#[derive(Debug)]
struct Row {
    order: Arc<[SortKey]>,
    source: u32,
    arrival: u64,
    values: Box<[Value]>,
}

impl Top {
    /// No rows of `width` columns yet. An empty order keeps the first rows by source.
    ///
    /// Every key of the order must name one of the columns: see [`crate::MergeSpec::check`].
    pub fn new(order: Vec<SortKey>, limit: u64, width: usize) -> Top {
        Top { order: order.into(), limit, width, rows: BinaryHeap::new(), arrivals: 0, byte_size: 0 }
    }

    /// Offers a row by what it holds in a column; only of a row that enters are all columns read. False: neither this
    /// row nor any later row of a source that is sorted by the order can enter. True says only that the row entered; a
    /// later one may still push it out.
    pub fn offer<'r>(&mut self, source: u32, row: impl Fn(usize) -> ValueRef<'r>) -> bool {
        let arrival = self.arrivals;
        self.arrivals += 1;
        let enters = match self.rows.peek() {
            _ if self.limit > self.rows.len() as u64 => true,
            Some(worst) => {
                let ordering = compare_rows(&self.order, &row, |column| worst.values[column].as_ref());
                ordering.then((source, arrival).cmp(&(worst.source, worst.arrival))).is_lt()
            }
            None => false,
        };
        if enters {
            let values = (0..self.width).map(|column| row(column).to_owned()).collect();
            self.insert(Row { order: Arc::clone(&self.order), source, arrival, values });
        }
        enters
    }

    /// The first value and the source of the worst row kept: no row behind it can enter any more. None while any row can.
    pub fn bar(&self) -> Option<(ValueRef<'_>, u32)> {
        let (first, worst) = (self.order.first()?, self.rows.peek()?);
        let full = self.limit <= self.rows.len() as u64;
        full.then(|| (worst.values[first.column].as_ref(), worst.source))
    }

    /// Takes the rows of another over; their sources must differ.
    pub fn merge(&mut self, other: Top) {
        self.arrivals = self.arrivals.max(other.arrivals);
        for row in other.rows {
            self.insert(row);
        }
    }

    /// Bytes held, roughly: kept while rows come in, so asking is free.
    pub fn byte_size(&self) -> usize {
        self.byte_size
    }

    /// The rows, in order.
    pub fn into_batch(self) -> Batch {
        let mut batch = Batch::new(self.width);
        for row in self.rows.into_sorted_vec() {
            batch.push_row(row.values.iter().map(Value::as_ref));
        }
        batch
    }

    /// Adds a row and drops the worst one when there is one too many.
    fn insert(&mut self, row: Row) {
        self.byte_size += row.byte_size();
        self.rows.push(row);
        if self.rows.len() as u64 > self.limit {
            let worst = self.rows.pop();
            self.byte_size -= worst.map_or(0, |row| row.byte_size());
        }
    }
}

impl Row {
    fn byte_size(&self) -> usize {
        let heap: usize = self.values.iter().map(|value| value.as_ref().heap_bytes()).sum();
        size_of::<Row>() + size_of_val(&*self.values) + heap
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Row) -> Ordering {
        compare_rows(&self.order, |column| self.values[column].as_ref(), |column| other.values[column].as_ref())
            .then_with(|| (self.source, self.arrival).cmp(&(other.source, other.arrival)))
    }
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Row) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Row {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Collation, testing::*};

    fn ascending() -> Vec<SortKey> {
        vec![SortKey { column: 0, descending: false, nulls_last: false, collation: Collation::Binary }]
    }

    fn offer(top: &mut Top, source: u32, row: &[Value]) -> bool {
        top.offer(source, |column| row[column].as_ref())
    }

    #[test]
    fn ties_go_to_the_lower_source_and_then_to_the_earlier_row() {
        let mut top = Top::new(ascending(), 3, 2);
        let rows =
            [(2, 0), (1, 1), (1, 2), (0, 3)].map(|(source, tag)| (source, [Value::Real(1.0), Value::Integer(tag)]));
        for (source, row) in &rows {
            assert!(offer(&mut top, *source, row));
        }
        let tags: Vec<Value> = top.into_batch().into_rows().into_iter().map(|row| row[1].clone()).collect();
        assert_eq!(tags, [Value::Integer(3), Value::Integer(1), Value::Integer(2)]);
    }

    #[test]
    fn a_sorted_source_stops_at_the_first_row_that_cannot_enter() {
        let mut top = Top::new(ascending(), 2, 1);
        assert!(offer(&mut top, 0, &[Value::Integer(5)]));
        assert!(offer(&mut top, 0, &[Value::Integer(6)]));
        assert!(!offer(&mut top, 0, &[Value::Integer(6)]), "a tie within the source comes later");
        assert!(!offer(&mut top, 1, &[Value::Integer(6)]), "a tie of a higher source comes later");
        assert!(offer(&mut top, 1, &[Value::Integer(1)]));
        assert!(!offer(&mut top, 1, &[Value::Integer(6)]));
    }

    #[test]
    fn a_limit_of_zero_keeps_nothing() {
        let mut top = Top::new(vec![], 0, 1);
        assert!(!offer(&mut top, 0, &[Value::Null]));
        assert_eq!(top.into_batch(), Batch::new(1));
    }

    #[test]
    fn bytes_are_those_of_the_rows_kept() {
        let mut top = Top::new(ascending(), 1, 1);
        assert_eq!(top.byte_size(), 0);
        offer(&mut top, 0, &[Value::text("bbb")]);
        let long = top.byte_size();
        offer(&mut top, 0, &[Value::text("a")]);
        assert_eq!(top.byte_size(), long - 2);
    }

    /// What a stable sort of all rows by the order gives, cut off.
    fn sorted(order: &[SortKey], sources: &[Vec<Vec<Value>>], limit: u64) -> Vec<Vec<Value>> {
        let mut rows = sources.concat();
        rows.sort_by(|a, b| compare_rows(order, |column| a[column].as_ref(), |column| b[column].as_ref()));
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        rows
    }

    proptest! {
        #[test]
        fn any_tree_over_any_split_is_a_stable_sort(
            rows in rows(3, 30),
            order in order(),
            limit in prop_oneof![0u64..12, Just(u64::MAX)],
            cuts in cuts(),
            choices in cuts(),
        ) {
            let sources = split(&rows, &cuts);
            let pieces = sources.iter().enumerate().map(|(source, rows)| {
                let mut top = Top::new(order.clone(), limit, 3);
                rows.iter().for_each(|row| { offer(&mut top, source as u32, row); });
                top
            }).collect();
            let tree = merge_tree(pieces, &choices, Top::merge);
            prop_assert_eq!(tree.into_batch().into_rows(), sorted(&order, &sources, limit));
        }

        #[test]
        fn sources_may_come_in_any_order_and_stop_when_told(
            rows in rows(3, 30),
            order in order(),
            limit in 0u64..12,
            cuts in cuts(),
            backwards: bool,
        ) {
            let sort = |rows: &Vec<_>| sorted(&order, std::slice::from_ref(rows), u64::MAX);
            let sources: Vec<_> = split(&rows, &cuts).iter().map(sort).collect();
            let mut top = Top::new(order.clone(), limit, 3);
            let mut numbers: Vec<usize> = (0..sources.len()).collect();
            if backwards {
                numbers.reverse();
            }
            for source in numbers {
                let _ = sources[source].iter().all(|row| offer(&mut top, source as u32, row));
            }
            prop_assert_eq!(top.into_batch().into_rows(), sorted(&order, &sources, limit));
        }
    }
}
