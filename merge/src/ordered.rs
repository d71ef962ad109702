//! The k-way merge of sorted batches.
//!
//! A tournament over the sources: each inner node of a complete binary tree holds which of its two children comes
//! first, so the root is the source of the next row. When a source moves on, only the nodes above it are played again:
//! log2(k) comparisons a row.
//!
//! ```text
//!            1: 2              rows 7 9   3 4   1 8   ended
//!          /      \            source 0   1     2     3
//!      2: 1        3: 2
//!     /    \      /    \
//!    4: 0  5: 1  6: 2  7: 3
//! ```
//!
//! A source that has no row yet comes before all others, so it is asked for first; one that has ended comes after all.

use std::{cmp::Ordering, collections::VecDeque};

use crate::{
    Batch, BatchCursor, SortKey, Value, ValueRef,
    order::{compare_rows, sort_prefix},
};

/// Merges sources that are each sorted by the same order; ties go to the lower source.
///
/// Push and pull, without I/O: call [`OrderedMerge::step`] and do what it says. Without an order the sources follow
/// one another.
#[derive(Debug)]
pub struct OrderedMerge {
    order: Vec<SortKey>,
    width: usize,
    rows_per_batch: usize,
    /// Rows still wanted.
    remaining: Option<u64>,
    sources: Vec<Source>,
    /// The tournament: node 1 is the root, the children of node n are 2n and 2n + 1, the leaves are the last half.
    winners: Vec<usize>,
    /// What each leaf plays with first.
    fronts: Vec<Front>,
    output: Batch,
    /// The last row given, while `output` is empty.
    given: Option<Vec<Value>>,
}

#[derive(Debug, Default)]
struct Source {
    /// On a row, if there is one.
    current: Option<BatchCursor>,
    /// Batches after the current one.
    queued: VecDeque<Batch>,
    /// Whether no more batches will be pushed.
    ended: bool,
}

/// A source in the tournament, in the order in which they come. A source without a row goes first, for its row may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Front {
    Waiting,
    /// The prefix of its row by the first key: rows with equal ones are compared.
    Row(u64),
    Ended,
}

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
    ///
    /// Every key of the order must name one of the columns: see [`crate::MergeSpec::check`].
    pub fn new(
        order: Vec<SortKey>,
        sources: usize,
        width: usize,
        limit: Option<u64>,
        rows_per_batch: usize,
    ) -> OrderedMerge {
        let leaves = sources.next_power_of_two();
        let mut merge = OrderedMerge {
            order,
            width,
            rows_per_batch: rows_per_batch.max(1),
            remaining: limit,
            sources: (0..sources).map(|_| Source::default()).collect(),
            winners: (0..2 * leaves).map(|node| node.saturating_sub(leaves)).collect(),
            fronts: vec![Front::Ended; leaves],
            output: Batch::new(width),
            given: None,
        };
        for source in 0..sources {
            merge.fronts[source] = merge.front(source);
        }
        (1..leaves).rev().for_each(|node| merge.play(node));
        merge
    }

    /// The next batch of a source; it may come before it is needed, and it may be empty.
    ///
    /// # Errors
    ///
    /// [`Unsorted`] when its first row comes before one that the source gave.
    ///
    /// # Panics
    ///
    /// When there is no such source, or the batch has not as many columns as the merge.
    pub fn push(&mut self, source: usize, batch: Batch) -> Result<(), Unsorted> {
        assert_eq!(batch.width(), self.width, "a batch has as many columns as its merge");
        let state = &mut self.sources[source];
        debug_assert!(!state.ended, "no batch comes after the end of its source");
        state.queued.push_back(batch);
        match state.current {
            None => self.advance(source),
            Some(_) => Ok(()),
        }
    }

    /// A source has no more batches.
    ///
    /// # Panics
    ///
    /// When there is no such source.
    pub fn end(&mut self, source: usize) {
        self.sources[source].ended = true;
        self.replay(source);
    }

    /// What comes next.
    ///
    /// # Errors
    ///
    /// [`Unsorted`] when the next row of a source comes before one that it gave. The merge cannot go on then.
    pub fn step(&mut self) -> Result<Step, Unsorted> {
        loop {
            if self.remaining == Some(0) {
                return Ok(self.last_rows());
            }
            if self.output.rows() >= self.rows_per_batch {
                return Ok(Step::Rows(self.take_output()));
            }
            let winner = self.winners[1];
            match self.sources.get(winner) {
                Some(Source { current: Some(row), .. }) => {
                    self.output.push_row(row.values());
                    self.remaining = self.remaining.map(|remaining| remaining - 1);
                    self.advance(winner)?;
                }
                Some(Source { ended: false, .. }) => return Ok(Step::Need(winner)),
                Some(Source { ended: true, .. }) | None => return Ok(self.last_rows()),
            }
        }
    }

    fn last_rows(&mut self) -> Step {
        if self.output.is_empty() { Step::Done } else { Step::Rows(self.take_output()) }
    }

    /// The output, of which the last row is remembered to check those that follow.
    fn take_output(&mut self) -> Batch {
        self.given = Some((0..self.width).map(|column| self.output.last_value(column).to_owned()).collect());
        std::mem::replace(&mut self.output, Batch::new(self.width))
    }

    /// Moves a source to its next row, over empty batches, and finds its place.
    fn advance(&mut self, source: usize) -> Result<(), Unsorted> {
        let state = &mut self.sources[source];
        while !state.current.as_mut().is_some_and(BatchCursor::advance) {
            state.current = state.queued.pop_front().map(Batch::into_cursor);
            if state.current.is_none() {
                break;
            }
        }
        self.replay(source);
        self.check_order(source)
    }

    /// No row may come before the last one put out. A source moves on only when the last row put out is its own (or
    /// none is yet), so that row is the one it must not come before.
    fn check_order(&self, source: usize) -> Result<(), Unsorted> {
        let Some(row) = &self.sources[source].current else { return Ok(()) };
        let ordering = match &self.given {
            _ if !self.output.is_empty() => self.compare_to(row, |column| self.output.last_value(column)),
            Some(given) => self.compare_to(row, |column| given[column].as_ref()),
            None => Ordering::Greater,
        };
        if ordering.is_lt() { Err(Unsorted { source_index: source }) } else { Ok(()) }
    }

    fn compare_to<'a>(&'a self, row: &'a BatchCursor, other: impl Fn(usize) -> ValueRef<'a>) -> Ordering {
        compare_rows(&self.order, |column| row.value(column), other)
    }

    /// Plays the nodes above a source again.
    fn replay(&mut self, source: usize) {
        self.fronts[source] = self.front(source);
        let mut node = (self.winners.len() / 2 + source) / 2;
        while node > 0 {
            self.play(node);
            node /= 2;
        }
    }

    /// The left one of two sources is the lower and wins ties.
    fn play(&mut self, node: usize) {
        let (left, right) = (self.winners[2 * node], self.winners[2 * node + 1]);
        let ordering = self.fronts[left].cmp(&self.fronts[right]).then_with(|| self.compare_current(left, right));
        self.winners[node] = if ordering.is_gt() { right } else { left };
    }

    fn compare_current(&self, left: usize, right: usize) -> Ordering {
        match (self.current(left), self.current(right)) {
            (Some(left), Some(right)) => self.compare_to(left, |column| right.value(column)),
            _ => Ordering::Equal,
        }
    }

    fn current(&self, source: usize) -> Option<&BatchCursor> {
        self.sources.get(source)?.current.as_ref()
    }

    /// Without an order a source that waits matters only in its turn.
    fn front(&self, source: usize) -> Front {
        match (&self.sources[source], self.order.first()) {
            (Source { current: None, ended: true, .. }, _) => Front::Ended,
            (_, None) => Front::Row(0),
            (Source { current: Some(row), .. }, Some(key)) => Front::Row(sort_prefix(key, row.value(key.column))),
            (Source { current: None, ended: false, .. }, Some(_)) => Front::Waiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Collation, testing::*};

    fn ascending() -> Vec<SortKey> {
        vec![SortKey { column: 0, descending: false, nulls_last: false, collation: Collation::Binary }]
    }

    fn integers(integers: &[i64]) -> Batch {
        batch_of(1, &integers.iter().map(|integer| vec![Value::Integer(*integer)]).collect::<Vec<_>>())
    }

    /// Answers each need with the source's next batch; all batches that the merge gives.
    fn run(mut merge: OrderedMerge, mut sources: Vec<VecDeque<Batch>>) -> Result<Vec<Batch>, Unsorted> {
        let mut given = Vec::new();
        loop {
            match merge.step()? {
                Step::Need(source) => match sources[source].pop_front() {
                    Some(batch) => merge.push(source, batch)?,
                    None => merge.end(source),
                },
                Step::Rows(batch) => given.push(batch),
                Step::Done => return Ok(given),
            }
        }
    }

    fn check(sources: &[&[&[i64]]], limit: Option<u64>, rows_per_batch: usize, expected: Result<&[&[i64]], usize>) {
        let merge = OrderedMerge::new(ascending(), sources.len(), 1, limit, rows_per_batch);
        let batches = sources.iter().map(|source| source.iter().map(|batch| integers(batch)).collect()).collect();
        let expected = expected.map(|batches| batches.iter().map(|batch| integers(batch)).collect());
        assert_eq!(run(merge, batches), expected.map_err(|source_index| Unsorted { source_index }));
    }

    #[test]
    fn batches_are_full_but_for_the_last() {
        check(&[&[&[1, 4], &[7]], &[&[2, 5, 8]], &[&[], &[3], &[6]]], None, 3, Ok(&[&[1, 2, 3], &[4, 5, 6], &[7, 8]]));
        check(&[&[&[1]]], None, 0, Ok(&[&[1]]));
        check(&[], None, 3, Ok(&[]));
        check(&[&[], &[&[]]], None, 3, Ok(&[]));
    }

    #[test]
    fn any_number_of_sources_fills_its_tree() {
        let expected: Vec<i64> = (0..9).collect();
        for sources in 1..=9 {
            let merge = OrderedMerge::new(ascending(), sources, 1, None, 16);
            let mut rows = vec![Vec::new(); sources];
            expected.iter().for_each(|row| rows[*row as usize % sources].push(*row));
            let batches = rows.iter().map(|rows| VecDeque::from([integers(rows)])).collect();
            assert_eq!(run(merge, batches), Ok(vec![integers(&expected)]), "{sources} sources");
        }
    }

    #[test]
    fn a_limit_ends_the_merge_without_asking_for_more() {
        check(&[&[&[1, 4]], &[&[2, 5]]], Some(3), 2, Ok(&[&[1, 2], &[4]]));
        check(&[&[&[1, 4]], &[&[2, 5]]], Some(0), 2, Ok(&[]));
        let mut merge = OrderedMerge::new(ascending(), 1, 1, Some(1), 8);
        assert_eq!(merge.push(0, integers(&[1])), Ok(()));
        assert_eq!(merge.step(), Ok(Step::Rows(integers(&[1]))));
        assert_eq!(merge.step(), Ok(Step::Done));
    }

    #[test]
    fn rows_come_out_as_soon_as_a_batch_is_full() {
        let mut merge = OrderedMerge::new(ascending(), 2, 1, None, 2);
        assert_eq!(merge.step(), Ok(Step::Need(0)));
        assert_eq!(merge.push(0, integers(&[1, 2])), Ok(()));
        assert_eq!(merge.step(), Ok(Step::Need(1)));
        assert_eq!(merge.push(1, integers(&[9])), Ok(()));
        assert_eq!(merge.step(), Ok(Step::Rows(integers(&[1, 2]))));
        assert_eq!(merge.step(), Ok(Step::Need(0)));
    }

    #[test]
    fn a_source_that_is_not_sorted_is_named() {
        check(&[&[&[1, 2]], &[&[3, 1]]], None, 8, Err(1));
        check(&[&[&[5], &[4]], &[&[9]]], None, 8, Err(0));
        check(&[&[&[5], &[4]], &[&[9]]], None, 1, Err(0));
        check(&[&[&[5, 4]], &[&[9]]], None, 1, Err(0));
    }

    #[test]
    fn without_an_order_sources_follow_one_another_and_are_asked_in_turn() {
        let mut merge = OrderedMerge::new(vec![], 2, 1, None, 2);
        assert_eq!(merge.step(), Ok(Step::Need(0)));
        assert_eq!(merge.push(0, integers(&[9, 1])), Ok(()));
        assert_eq!(merge.step(), Ok(Step::Rows(integers(&[9, 1]))));
        assert_eq!(merge.push(1, integers(&[5])), Ok(()));
        assert_eq!(merge.step(), Ok(Step::Need(0)));
        merge.end(0);
        assert_eq!(merge.step(), Ok(Step::Need(1)));
        merge.end(1);
        assert_eq!(merge.step(), Ok(Step::Rows(integers(&[5]))));
        assert_eq!(merge.step(), Ok(Step::Done));
    }

    fn sort(order: &[SortKey], rows: &mut [Vec<Value>]) {
        rows.sort_by(|a, b| compare_rows(order, |column| a[column].as_ref(), |column| b[column].as_ref()));
    }

    /// Each source sorted and cut into batches, some of them empty.
    fn batches(order: &[SortKey], sources: &[Vec<Vec<Value>>], cuts: &[prop::sample::Index]) -> Vec<VecDeque<Batch>> {
        let batches = sources.iter().map(|rows| {
            let mut rows = rows.clone();
            sort(order, &mut rows);
            split(&rows, cuts).iter().map(|rows| batch_of(3, rows)).collect()
        });
        batches.collect()
    }

    fn rows_of(batches: Vec<Batch>) -> Vec<Vec<Value>> {
        batches.into_iter().flat_map(Batch::into_rows).collect()
    }

    proptest! {
        #[test]
        fn a_merge_is_a_stable_sort(
            rows in rows(3, 40),
            order in order(),
            limit in prop::option::of(0u64..40),
            rows_per_batch in 1usize..9,
            cuts in cuts(),
            batch_cuts in cuts(),
        ) {
            let sources = split(&rows, &cuts);
            let merge = OrderedMerge::new(order.clone(), sources.len(), 3, limit, rows_per_batch);
            let given = run(merge, batches(&order, &sources, &batch_cuts)).expect("the sources are sorted");
            prop_assert!(given.iter().rev().skip(1).all(|batch| batch.rows() == rows_per_batch));
            let mut expected = rows;
            sort(&order, &mut expected);
            expected.truncate(limit.map_or(usize::MAX, |limit| limit as usize));
            prop_assert_eq!(rows_of(given), expected);
        }

        #[test]
        fn merges_of_merges_are_one_merge(
            rows in rows(3, 40),
            order in order(),
            cuts in cuts(),
            middle: prop::sample::Index,
        ) {
            let sources = split(&rows, &cuts);
            let merge = |sources: Vec<VecDeque<Batch>>| {
                let merge = OrderedMerge::new(order.clone(), sources.len(), 3, None, 4);
                run(merge, sources).expect("the sources are sorted")
            };
            let all = batches(&order, &sources, &[]);
            let mut left = batches(&order, &sources, &[]);
            let right = left.split_off(middle.index(left.len() + 1));
            let nodes = vec![merge(left).into(), merge(right).into()];
            prop_assert_eq!(rows_of(merge(nodes)), rows_of(merge(all)));
        }

        #[test]
        fn a_step_down_in_any_source_is_found(
            rows in rows(3, 40),
            order in order(),
            cuts in cuts(),
            batch_cuts in cuts(),
        ) {
            let sources = split(&rows, &cuts);
            let steps_down = |pair: &[Vec<Value>]| {
                compare_rows(&order, |column| pair[1][column].as_ref(), |column| pair[0][column].as_ref()).is_lt()
            };
            let unsorted = sources.iter().any(|rows| rows.windows(2).any(steps_down));
            let merge = OrderedMerge::new(order, sources.len(), 3, None, 4);
            let batches = |rows: &Vec<_>| split(rows, &batch_cuts).iter().map(|rows| batch_of(3, rows)).collect();
            prop_assert_eq!(run(merge, sources.iter().map(batches).collect()).is_err(), unsorted);
        }
    }
}
