//! Columns that an INSERT leaves out and whose default is an expression: it is evaluated here, so that every shard, and every run of the
//! statement, has the same value. A default that is a literal is the shard's to give.

use souk_merge::{Batch, Value, ValueRef};

use super::Changing;
use crate::error::Result;
use crate::sql::{ColumnInfo, TableInfo};

impl Changing<'_> {
    /// The columns and rows with those defaults.
    pub(super) fn with_defaults(
        &self,
        table: &TableInfo,
        mut columns: Vec<String>,
        rows: Batch,
    ) -> Result<(Vec<String>, Batch)> {
        let is_given = |column: &ColumnInfo| columns.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
        let computed = |column: &&ColumnInfo| !column.generated && !column.hidden && !is_given(column);
        let missing = table.columns.iter().filter(computed);
        let missing: Vec<(&str, &str)> = missing
            .filter_map(|column| Some((column.name.as_str(), expression(column.default.as_deref()?)?)))
            .collect();
        if missing.is_empty() {
            return Ok((columns, rows));
        }
        let evaluator = &self.cluster.evaluator;
        // The time is one for the whole statement, whatever else is one for each row.
        let (mut fixed, mut all) = (Vec::new(), Batch::new(rows.width() + missing.len()));
        for (_, expression) in &missing {
            fixed.push(if is_time(expression) { Some(evaluator.value(expression, &[])?) } else { None });
        }
        let mut cursor = rows.cursor();
        while cursor.advance() {
            let mut more = Vec::with_capacity(missing.len());
            for ((_, expression), fixed) in missing.iter().zip(&fixed) {
                more.push(match fixed {
                    Some(value) => value.clone(),
                    None => evaluator.value(expression, &[])?,
                });
            }
            let given: Vec<ValueRef<'_>> = cursor.values().collect();
            all.push_row(given.into_iter().chain(more.iter().map(Value::as_ref)));
        }
        columns.extend(missing.iter().map(|(name, _)| (*name).to_owned()));
        Ok((columns, all))
    }
}

/// A default as an expression, unless it is a literal.
fn expression(default: &str) -> Option<&str> {
    (is_time(default) || default.contains('(')).then_some(default)
}

fn is_time(default: &str) -> bool {
    ["CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"].iter().any(|time| default.trim().eq_ignore_ascii_case(time))
}
