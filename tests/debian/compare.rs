//! Whether an answer is the right one: types and bits, and the order where the query decides it.

use souk_merge::Value;

use crate::{cluster, plain, script::Query};

/// How far a sum of reals may be off, relative to itself: the order of its terms decides the last digits.
const SUM_TOLERANCE: f64 = 1e-12;

/// The certificate accounts for every shard and every row.
pub(crate) fn certificate(answer: &cluster::Answer, query: &Query, shards: u32) -> Result<(), String> {
    let certificate = &answer.certificate;
    let whole = certificate.failed.is_empty()
        && certificate.answered == certificate.asked
        && certificate.asked + certificate.pruned == shards
        && certificate.rows == answer.rows.len() as u64
        && query.asks.is_none_or(|asks| asks == certificate.asked);
    if whole { Ok(()) } else { Err(format!("the certificate does not add up over {shards} shards: {certificate:?}")) }
}

/// The columns have SQLite's names.
pub(crate) fn columns(expected: &plain::Answer, answer: &cluster::Answer) -> Result<(), String> {
    if expected.columns == answer.columns {
        return Ok(());
    }
    Err(format!("columns {:?}, expected {:?}", answer.columns, expected.columns))
}

/// The rows are the same.
pub(crate) fn rows(mut expected: Vec<Vec<Value>>, mut rows: Vec<Vec<Value>>, query: &Query) -> Result<(), String> {
    if expected.len() != rows.len() {
        return Err(format!("{} rows, expected {}", rows.len(), expected.len()));
    }
    if !query.ordered {
        sort(&mut expected);
        sort(&mut rows);
    }
    let same = |a: &Value, b: &Value| a == b || query.sums_reals && nearly(a, b);
    for (number, (row, right)) in rows.iter().zip(&expected).enumerate() {
        if row.len() != right.len() || !row.iter().zip(right).all(|(a, b)| same(a, b)) {
            return Err(format!("row {} is {}\nexpected {}", number + 1, show(row), show(right)));
        }
    }
    Ok(())
}

/// Any order will do, as long as equal rows meet.
fn sort(rows: &mut [Vec<Value>]) {
    rows.sort_by_cached_key(|row| show(row));
}

fn nearly(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Real(a), Value::Real(b)) => (a - b).abs() <= SUM_TOLERANCE * a.abs().max(b.abs()),
        _ => false,
    }
}

fn show(row: &[Value]) -> String {
    let shown = row.iter().map(|value| match value {
        Value::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
        other => format!("{other:?}"),
    });
    shown.collect::<Vec<_>>().join(" | ")
}
