//! The answers are the same, or nothing is measured.

use std::cmp::Ordering;

use anyhow::ensure;
use souk_merge::{Batch, Collation, Value, compare_values};

use crate::{
    contenders::Contenders,
    naive::Naive,
    queries::{Merge, Parameters, Query, Serial},
    rows::Size,
};

/// Times that a query with parameters is compared.
const PARAMETERS_COMPARED: u64 = 20;

/// How far two sums of reals may be apart, of their size: SQLite's own depends on the order of the rows.
const REAL_TOLERANCE: f64 = 1e-12;

/// Compares the answers of souk, of the walks and of peers with that of one SQLite.
pub(crate) fn check(
    query: &'static Query,
    size: Size,
    contenders: &Contenders<'_>,
    serial: &Serial,
) -> anyhow::Result<()> {
    let times = if query.parameters == Parameters::None { 1 } else { PARAMETERS_COMPARED };
    let naive = contenders.naive.as_ref().map(Naive::connect).transpose()?;
    for run in 0..times {
        let parameters = query.parameters(size, run, serial);
        let expected = rows(contenders.one.ask(query, &parameters)?);
        ensure!(!expected.is_empty(), "{}: {parameters:?} finds nothing", query.name);
        let answer = contenders.souk.connect()?.ask(query.sql, &parameters)?.batches;
        compare(query, "souk", &expected, rows(answer), query.order)?;
        let order = query.order.filter(|_| is_top(query));
        let answer = naive.as_ref().map(|naive| naive.ask(query, &parameters)).transpose()?;
        if let Some(answer) = answer.flatten() {
            compare(query, "a call a shard", &expected, rows(answer), order)?;
        }
        if matches!(query.merge, Merge::None) {
            continue;
        }
        for (name, walk) in [("the floor", &contenders.floor), ("the loop", &contenders.walk)] {
            compare(query, name, &expected, rows(walk.ask(query, &parameters)?), order)?;
        }
        for peer in &contenders.peers {
            compare(query, peer.about.kind.name(), &expected, rows(peer.ask(query, &parameters)?), query.order)?;
        }
    }
    Ok(())
}

/// The answer has the same rows as before, to the last bit.
pub(crate) fn unchanged(query: &Query, before: Vec<Batch>, now: Vec<Batch>) -> anyhow::Result<()> {
    let [before, now] = [before, now].map(|batches| {
        let mut rows = rows(batches);
        rows.sort_by(|a, b| compare_rows(a, b));
        rows
    });
    ensure!(before == now, "{}: souk's answer has changed", query.name);
    Ok(())
}

fn rows(batches: Vec<Batch>) -> Vec<Vec<Value>> {
    batches.into_iter().flat_map(Batch::into_rows).collect()
}

fn is_top(query: &Query) -> bool {
    matches!(query.merge, Merge::Top { .. })
}

/// The rows are the same, and in the same order as far as the query says. Of rows that tie for the last place of a
/// LIMIT, any may be there.
fn compare(
    query: &Query,
    who: &str,
    expected: &[Vec<Value>],
    mut found: Vec<Vec<Value>>,
    order: Option<usize>,
) -> anyhow::Result<()> {
    let mut expected = expected.to_vec();
    let name = query.name;
    ensure!(expected.len() == found.len(), "{name}: {who} gives {} rows of {}", found.len(), expected.len());
    if let Some(column) = order {
        for (expected, found) in expected.iter().zip(&found) {
            ensure!(is_close(&expected[column], &found[column]), "{name}: {who} gives {found:?} for {expected:?}");
        }
        if let (true, Some(last)) = (is_top(query), expected.last().map(|row| row[column].clone())) {
            expected.retain(|row| row[column] != last);
            found.retain(|row| row[column] != last);
        }
    }
    expected.sort_by(|a, b| compare_rows(a, b));
    found.sort_by(|a, b| compare_rows(a, b));
    for (expected, found) in expected.iter().zip(&found) {
        let same = expected.iter().zip(found).all(|(a, b)| is_close(a, b));
        ensure!(same, "{name}: {who} gives {found:?} for {expected:?}");
    }
    Ok(())
}

fn compare_rows(a: &[Value], b: &[Value]) -> Ordering {
    let ordering = a.iter().zip(b).map(|(a, b)| compare_values(a.as_ref(), b.as_ref(), Collation::Binary));
    ordering.fold(Ordering::Equal, Ordering::then)
}

fn is_close(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Real(a), Value::Real(b)) => (a - b).abs() <= REAL_TOLERANCE * a.abs().max(b.abs()),
        (a, b) => a == b,
    }
}
