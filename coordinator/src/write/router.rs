//! Rows to shards, by the value in the key's column.

use std::collections::BTreeMap;

use souk_merge::{Batch, Value};
use souk_proto::Reason;

use crate::catalog::{Snapshot, ring_key};
use crate::error::{Error, Result};
use crate::sql::{Affinity, ColumnInfo, Distribution, Evaluator, TableInfo};

/// Rows of one table, and where they came from.
#[derive(Debug)]
pub(super) struct RoutedRows {
    pub(super) batch: Batch,
    /// The caller's number of each row.
    pub(super) numbers: Vec<u64>,
}

/// Where rows go.
#[derive(Debug)]
pub(super) enum Routed {
    /// By canonical key; and the rows that cannot have a key, with the reason.
    ByKey { keys: BTreeMap<Vec<u8>, RoutedRows>, refused: Vec<(u64, String)> },
    /// To every shard.
    Everywhere(RoutedRows),
}

/// The table of this name and the place of its key among `columns`, checked.
pub(super) fn target<'a>(snapshot: &'a Snapshot, table: &str, columns: &[String]) -> Result<&'a TableInfo> {
    let info = snapshot.catalog.schema.table(table);
    let info = info.ok_or_else(|| Error::new(Reason::NoSuchTable, format!("no such table: {table}")))?;
    let wrong = |message: String| Err(Error::new(Reason::InvalidArgument, message));
    for (index, column) in columns.iter().enumerate() {
        match info.column(column) {
            None => return wrong(format!("table `{table}` has no column `{column}`")),
            Some(place) if info.columns[place].generated => {
                return wrong(format!("column `{column}` of `{table}` is computed and cannot be written"));
            }
            Some(_) if columns[..index].iter().any(|known| known.eq_ignore_ascii_case(column)) => {
                return wrong(format!("column `{column}` is named twice"));
            }
            Some(_) => {}
        }
    }
    if let Some(key) = info.key()
        && place_of(&key.name, columns).is_none()
    {
        return wrong(format!("rows for `{table}` need its shard key `{}`", key.name));
    }
    Ok(info)
}

fn place_of(name: &str, columns: &[String]) -> Option<usize> {
    columns.iter().position(|column| column.eq_ignore_ascii_case(name))
}

/// Splits a batch whose rows are numbered from `first`.
pub(super) fn route(
    table: &TableInfo,
    columns: &[String],
    batch: Batch,
    first: u64,
    evaluator: &Evaluator,
) -> Result<Routed> {
    let numbers = first..first + batch.rows() as u64;
    let Distribution::Sharded { key } = table.distribution else {
        return Ok(Routed::Everywhere(RoutedRows { batch, numbers: numbers.collect() }));
    };
    let key = &table.columns[key];
    let place = place_of(&key.name, columns).ok_or_else(|| Error::internal("a batch without its key"))?;
    let width = batch.width();
    let mut keys: BTreeMap<Vec<u8>, RoutedRows> = BTreeMap::new();
    let mut refused = Vec::new();
    let mut cursor = batch.into_cursor();
    for number in numbers {
        cursor.advance();
        let stored = evaluator.stored(cursor.value(place).to_owned(), key.affinity)?;
        if let Some(reason) = refuse_key(&stored, key) {
            refused.push((number, reason));
            continue;
        }
        let canonical = ring_key(stored.as_ref()).canonical_bytes();
        let rows =
            keys.entry(canonical).or_insert_with(|| RoutedRows { batch: Batch::new(width), numbers: Vec::new() });
        rows.batch.push_row(cursor.values());
        rows.numbers.push(number);
    }
    Ok(Routed::ByKey { keys, refused })
}

/// The canonical key of each row.
pub(super) fn keys(evaluator: &Evaluator, table: &TableInfo, columns: &[String], rows: &Batch) -> Result<Vec<Vec<u8>>> {
    let keys = match route(table, columns, rows.clone(), 0, evaluator)? {
        Routed::Everywhere(_) => return Err(Error::internal("the rows of a sharded table go everywhere")),
        Routed::ByKey { refused, .. } if !refused.is_empty() => {
            let (_, message) = refused.into_iter().next().unwrap_or_default();
            return Err(Error::new(Reason::Constraint, message));
        }
        Routed::ByKey { keys, .. } => keys,
    };
    let mut by_row = vec![Vec::new(); rows.rows()];
    for (key, routed) in keys {
        for number in routed.numbers {
            by_row[number as usize].clone_from(&key);
        }
    }
    Ok(by_row)
}

/// The first number that is no 64-bit integer.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// A number that no integer column can hold would be kept as a rounded real: equal keys would part.
fn refuse_key(stored: &Value, key: &ColumnInfo) -> Option<String> {
    match stored {
        Value::Real(real) if key.affinity == Affinity::Integer && real.is_finite() && real.abs() >= TWO_TO_63 => {
            Some(format!("{real} is out of the range of the shard key `{}`", key.name))
        }
        _ => None,
    }
}
