//! Columns that an INSERT leaves out and whose default is an expression: it is evaluated here, so that every shard, and every run of the
//! statement, has the same value. So is that of the shard key, which says where the row goes. Another default that is a literal is the shard's to give.

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
        let key = table.key().map(|key| key.name.as_str());
        let value = |column: &'_ ColumnInfo| match column.default.as_deref() {
            default if key == Some(column.name.as_str()) => Some(default.map_or("NULL".to_owned(), as_expression)),
            default => expression(default?).map(str::to_owned),
        };
        let missing: Vec<(&str, String)> =
            missing.filter_map(|column| Some((column.name.as_str(), value(column)?))).collect();
        if missing.is_empty() {
            return Ok((columns, rows));
        }
        let evaluator = &self.cluster.evaluator;
        // One for the whole statement, the time too; what is chance is another for each row.
        let (mut fixed, mut all) = (Vec::new(), Batch::new(rows.width() + missing.len()));
        for (_, expression) in &missing {
            fixed.push(if is_chance(expression) { None } else { Some(evaluator.value(expression, &[])?) });
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

/// Whether REPLACE may put the value of an expression in the place of a NULL, each shard its own.
pub(super) fn replaces_with_expressions(table: &TableInfo) -> bool {
    table
        .columns
        .iter()
        .any(|column| column.not_null && column.default.as_deref().is_some_and(|default| expression(default).is_some()))
}

/// A default as an expression, unless it is a literal.
fn expression(default: &str) -> Option<&str> {
    (!is_literal(default.trim())).then_some(default)
}

/// A number, a text, a blob, or one of the words that are values.
fn is_literal(default: &str) -> bool {
    let is_word = ["NULL", "TRUE", "FALSE"].iter().any(|word| default.eq_ignore_ascii_case(word));
    let unsigned = default.trim_start_matches(['+', '-', ' ']);
    let is_number =
        !unsigned.is_empty() && unsigned.chars().all(|character| character.is_ascii_digit() || character == '.');
    let quoted = default.strip_prefix(['x', 'X']).unwrap_or(default);
    let inner = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let is_text = inner.is_some_and(|inner| !inner.replace("\'\'", "").contains('\''));
    is_word || is_number || is_text || is_name(default)
}

/// A default as an expression of the same value.
fn as_expression(default: &str) -> String {
    match is_name(default.trim()) {
        true => format!("'{}'", default.trim().trim_matches('"').replace("\"\"", "\"").replace('\'', "''")),
        false => default.to_owned(),
    }
}

/// A name that stands for itself, as a text; not the words that are functions.
fn is_name(default: &str) -> bool {
    let clock = ["CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"];
    let is_clock = clock.iter().any(|word| default.eq_ignore_ascii_case(word));
    let bare = default.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && default.chars().all(|character| character.is_alphanumeric() || character == '_' || character == '$');
    let inner = default.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    !is_clock && (bare || inner.is_some_and(|inner| !inner.replace("\"\"", "").contains('"')))
}

fn is_chance(default: &str) -> bool {
    default.to_ascii_uppercase().contains("RANDOM")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_the_shards_to_give() {
        for literal in ["7", "-1.5", "'it''s'", "''", "x'00ff'", "NULL", "true", "+ 3", "active", "\"as is\""] {
            assert!(is_literal(literal), "{literal}");
        }
        for computed in [
            "CURRENT_TIMESTAMP",
            "'on ' || CURRENT_DATE",
            "1 + 1",
            "datetime('now')",
            "'a' || 'b'",
            "-random()",
            "-",
            "1e3",
        ] {
            assert!(!is_literal(computed), "{computed}");
        }
    }
}
