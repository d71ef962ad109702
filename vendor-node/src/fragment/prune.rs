//! Shards that need not be read: their statistics say that no row of theirs can matter.

use std::{
    cmp::Ordering,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use souk_merge::{Collation, MergeSpec, SortKey, Value, ValueRef, compare_by_key};

use super::{Fragment, Run};
use crate::{
    error::Fault,
    shard::{Query, RowView, Statement, quote},
    statistics::{ColumnAt, ColumnStatistics, Known, Statistics, StoredColumn, Summary, Test},
};

/// Rows that one fragment reads for summaries: some milliseconds. Shards beyond have theirs made by the next.
const ROWS_MAX: u32 = 1 << 17;

/// What a fragment's shards are measured by.
pub(super) struct Prune<'a> {
    statistics: &'a Statistics,
    needs: Vec<Needed<'a>>,
    lead: Option<Lead>,
    skipped: AtomicUsize,
    /// Rows that may yet be read for summaries.
    rows_left: AtomicU32,
}

/// A column, perhaps by the values of another of its table, and what is known of it.
struct Column {
    stored: StoredColumn,
    by: Option<String>,
    known: Arc<ColumnStatistics>,
}

/// What is needed of a column.
struct Needed<'a> {
    column: Column,
    /// All of them, with the hashes of their values.
    tests: Vec<(&'a Test, Vec<u32>)>,
}

/// The column that the first key of the order is, and how good it must be.
struct Lead {
    column: Column,
    /// Hashes of the values that the column has by which this one is summed up.
    among: Option<Vec<u32>>,
    key: SortKey,
    /// It is the only key: of equal rows the one of the earlier shard comes first.
    alone: bool,
    /// The first value and the position of a row behind which as many rows are known as are wanted.
    bar: Mutex<Option<(Value, u32)>>,
}

/// A shard of a fragment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) position: u32,
    pub(super) shard: u64,
}

/// The shards of a fragment by what is known of the lead.
pub(super) struct Ranked {
    /// The best first.
    pub(super) best: Vec<RankedPlace>,
    /// In their order.
    pub(super) unknown: Vec<Place>,
}

/// A shard and the best value that any of its rows may have.
pub(super) struct RankedPlace {
    pub(super) place: Place,
    first: Value,
}

impl<'a> Prune<'a> {
    pub(super) fn of(fragment: &'a Fragment, statistics: &'a Statistics) -> Prune<'a> {
        let Fragment { needs, lead, merge, schema_version, scope, .. } = fragment;
        let column = |stored: &StoredColumn, by: Option<&String>| {
            let (column, by) = (stored.clone(), by.cloned());
            let at = ColumnAt { schema_version: *schema_version, column: column.clone(), by: by.clone() };
            Column { stored: column, by, known: statistics.of(at) }
        };
        let hashes = |values: &[Value]| values.iter().map(|value| statistics.hash(value.as_ref())).collect();
        // In a scope a table is a view of the table: summaries would be of another's rows too.
        let is_on = scope.is_none() && statistics.is_on();
        let needs = if is_on { needs.as_slice() } else { &[] };
        let mut needed: Vec<Needed<'a>> = Vec::new();
        for need in needs {
            let values = if let Test::Among(values) = &need.test { values.as_slice() } else { &[] };
            let test = (&need.test, hashes(values));
            match needed.iter_mut().find(|known| known.column.stored == need.column) {
                Some(known) => known.tests.push(test),
                None => needed.push(Needed { column: column(&need.column, None), tests: vec![test] }),
            }
        }
        let lead = match (lead, merge) {
            (Some(lead), MergeSpec::Rows { order, limit: Some(_) }) if is_on => {
                let first = order.first().filter(|key| key.collation == Collation::Binary);
                let beside = needs.iter().find_map(|need| match &need.test {
                    Test::Among(values) if need.of_lead => Some((&need.column.column, hashes(values))),
                    _ => None,
                });
                let (by, among) = beside.unzip();
                let (column, alone) = (column(lead, by), order.len() == 1);
                first.map(|key| Lead { column, among, key: *key, alone, bar: Mutex::default() })
            }
            _ => None,
        };
        Prune { statistics, needs: needed, lead, skipped: AtomicUsize::new(0), rows_left: AtomicU32::new(ROWS_MAX) }
    }

    /// How many shards were not read.
    pub(super) fn skipped(&self) -> usize {
        self.skipped.load(Relaxed)
    }

    /// As many rows are known as are wanted, the worst of them with this first value, of the shard at this position.
    pub(super) fn raise(&self, (value, position): (ValueRef<'_>, u32)) {
        let Some(lead) = &self.lead else { return };
        let mut bar = lead.bar.lock();
        let better = |(known, at): &(Value, u32)| {
            compare_by_key(&lead.key, value, known.as_ref()).then(position.cmp(at)).is_lt()
        };
        if bar.as_ref().is_none_or(better) {
            *bar = Some((value.to_owned(), position));
        }
    }
}

impl Lead {
    /// The value that comes first of those that a shard's rows may have; none when it has no row.
    fn first<'s>(&self, summary: &'s Summary) -> Option<ValueRef<'s>> {
        match &self.among {
            Some(hashes) => summary.first_beside(hashes, &self.key),
            None => summary.first(&self.key),
        }
    }

    /// Whether no row can come before the bar in a shard whose best value this is.
    fn rules_out(&self, first: ValueRef<'_>, position: u32) -> bool {
        let bar = self.bar.lock();
        let Some((value, at)) = &*bar else { return false };
        match compare_by_key(&self.key, first, value.as_ref()) {
            Ordering::Less => false,
            Ordering::Equal => self.alone && position > *at,
            Ordering::Greater => true,
        }
    }
}

impl Run<'_> {
    /// Whether a shard can give no row.
    pub(super) fn skips(&self, shard: u64) -> bool {
        let prune = &self.prune;
        if prune.needs.is_empty() {
            return false;
        }
        let commits = self.shards.commits().count_of(shard);
        let skips = prune.needs.iter().any(|need| {
            let summary = self.summary(&need.column, shard, commits);
            summary.is_some_and(|summary| need.tests.iter().any(|(test, hashes)| !summary.may_pass(test, hashes)))
        });
        prune.skipped.fetch_add(usize::from(skips), Relaxed);
        skips
    }

    /// The shards in their order.
    pub(super) fn places(&self) -> Vec<Place> {
        (0..).zip(&self.fragment.shards).map(|(position, shard)| Place { position, shard: *shard }).collect()
    }

    /// The shards by what is known already; those without a row are left out.
    pub(super) fn rank(&self) -> Ranked {
        let mut unknown = self.places();
        let mut best = Vec::new();
        if let Some(lead) = &self.prune.lead {
            unknown.retain(|place| {
                let commits = self.shards.commits().count_of(place.shard);
                let Some(summary) = lead.column.known.summary(place.shard, commits) else { return true };
                match lead.first(&summary) {
                    Some(first) => best.push(RankedPlace { place: *place, first: first.to_owned() }),
                    None => self.leave_out(),
                }
                false
            });
            best.sort_by(|a, b| {
                let by_first = compare_by_key(&lead.key, a.first.as_ref(), b.first.as_ref());
                by_first.then(a.place.position.cmp(&b.place.position))
            });
        }
        Ranked { best, unknown }
    }

    /// Whether no row of a ranked shard can be among the first that are wanted; nor, then, one of a shard behind it.
    pub(super) fn leaves_behind(&self, RankedPlace { place, first }: &RankedPlace) -> bool {
        let lead = self.prune.lead.as_ref();
        let behind = lead.is_some_and(|lead| lead.rules_out(first.as_ref(), place.position));
        if behind {
            self.leave_out();
        }
        behind
    }

    /// Whether no row of a shard can be among the first that are wanted.
    pub(super) fn skips_behind_bar(&self, Place { position, shard }: Place) -> bool {
        let Some(lead) = &self.prune.lead else { return false };
        let commits = self.shards.commits().count_of(shard);
        let Some(summary) = self.summary(&lead.column, shard, commits) else { return false };
        let behind = lead.first(&summary).is_none_or(|first| lead.rules_out(first, position));
        if behind {
            self.leave_out();
        }
        behind
    }

    fn leave_out(&self) {
        self.prune.skipped.fetch_add(1, Relaxed);
    }

    /// The summary of a column, which is made when that is due.
    fn summary(&self, column: &Column, shard: u64, commits: u64) -> Option<Arc<Summary>> {
        match column.known.ask(shard, commits) {
            Known::Nothing => None,
            Known::Summary(summary) => Some(summary),
            Known::Due(_) if self.prune.rows_left.load(Relaxed) == 0 => None,
            Known::Due(rows_max) => match self.summarize(column, shard, rows_max) {
                Ok(Some(summary)) => {
                    let summary = Arc::new(summary);
                    column.known.keep(shard, commits, &summary);
                    Some(summary)
                }
                Ok(None) => {
                    column.known.has_more(shard, commits, rows_max);
                    None
                }
                Err(fault) => {
                    // The statement itself will say so.
                    tracing::debug!(shard, fault = fault.message, "a summary was not made");
                    None
                }
            },
        }
    }

    /// Reads a column; none when the table has more than so many rows.
    fn summarize(&self, column: &Column, shard: u64, rows_max: u32) -> Result<Option<Summary>, Fault> {
        let StoredColumn { table, column: name } = &column.stored;
        let table = quote(table);
        let other = column.by.as_ref().unwrap_or(name);
        // With the table's name: a word in quotes that is no column would be taken for a text.
        let sql = format!("SELECT {table}.{}, {table}.{} FROM {table} LIMIT ?1", quote(name), quote(other));
        let parameters = vec![Value::Integer(i64::from(rows_max) + 1)];
        let statement = Statement { sql, parameters };
        let mut builder = self.prune.statistics.summary();
        let mut rows = 0;
        let mut visit = |row: &RowView<'_>| {
            match column.by {
                Some(_) => builder.add_beside(row.value(1), row.value(0)),
                None => builder.add(row.value(0)),
            }
            rows += 1;
            Ok(if builder.is_too_large() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        let query = Query { statement: &statement, scope: None, schema: self.schema, ticket: &self.fragment.ticket };
        self.shards.with(shard, |open| open.read(&query, &mut visit))?;
        // Taken when they are known: threads that read at the same time may together take a little more.
        let left = self.prune.rows_left.load(Relaxed).saturating_sub(rows);
        self.prune.rows_left.store(left, Relaxed);
        Ok(if rows > rows_max { None } else { builder.finish() })
    }
}
