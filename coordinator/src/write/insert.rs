//! INSERT ... VALUES. The rows are computed here, once, and then routed by their key.

use std::sync::Arc;

use souk_merge::{Batch, Value};
use souk_proto::Reason;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Executed;
use super::load::{LoadRows, Loader};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::session::order_parameters;
use crate::sql::offset_of;

/// What stands before VALUES.
#[derive(Debug, PartialEq, Eq)]
struct Into {
    table: String,
    /// Empty: all columns, in order.
    columns: Vec<String>,
    /// The place of VALUES among the tokens.
    values: usize,
}

/// Runs one INSERT whose rows go to one shard.
pub(super) async fn insert(
    cluster: &Arc<Cluster>,
    text: &str,
    tokens: &[TokenWithSpan],
    parameters: Vec<(String, Value)>,
) -> Result<Executed> {
    let into = parse(tokens)?;
    let start = offset_of(text, tokens[into.values].span.start).unwrap_or(0);
    let values = &text[start..];
    let parameters = order_parameters(&cluster.evaluator.parameter_names(values)?, parameters)?;
    let rows = cluster.evaluator.rows(values, &parameters)?;
    let columns = columns(cluster, &into)?;
    let mut batch = Batch::new(columns.len());
    for row in &rows {
        if row.len() != columns.len() {
            let message = format!("{} values for {} columns", row.len(), columns.len());
            return Err(Error::new(Reason::SqlSyntax, message));
        }
        batch.push_row(row.iter().map(Value::as_ref));
    }
    let mut loader = Loader::new(Arc::clone(cluster), false);
    loader.push(LoadRows { table: into.table, columns, batch, first_row: 0 }).await?;
    if loader.shards_pending()? > 1 {
        let message = "an INSERT whose rows go to several shards is not supported, since it would not be atomic; \
                       insert them key by key, or with the load call";
        return Err(Error::new(Reason::UnsupportedSql, message));
    }
    let loaded = loader.flush().await?;
    if let Some(rejected) = loaded.rejected.into_iter().next() {
        return Err(Error::new(rejected.reason, rejected.message));
    }
    let schema_version = cluster.snapshot().catalog.version;
    Ok(Executed { rows_affected: rows.len() as u64, schema_version, shards: loaded.shards as u32 })
}

fn columns(cluster: &Cluster, into: &Into) -> Result<Vec<String>> {
    if !into.columns.is_empty() {
        return Ok(into.columns.clone());
    }
    let snapshot = cluster.snapshot();
    let table = snapshot.catalog.schema.table(&into.table);
    let table = table.ok_or_else(|| Error::new(Reason::NoSuchTable, format!("no such table: {}", into.table)))?;
    let columns = table.columns.iter().filter(|column| !column.generated && !column.hidden);
    Ok(columns.map(|column| column.name.clone()).collect())
}

/// `INSERT INTO table [(columns)] VALUES ...` without anything behind the rows.
fn parse(tokens: &[TokenWithSpan]) -> Result<Into> {
    let unsupported = |what: &str| Err(Error::new(Reason::UnsupportedSql, format!("{what} is not supported")));
    let word = |index: usize| match tokens.get(index).map(|token| &token.token) {
        Some(Token::Word(word)) => Some(word.value.as_str()),
        _ => None,
    };
    let is = |index: usize, expected: &str| word(index).is_some_and(|word| word.eq_ignore_ascii_case(expected));
    if !is(1, "INTO") {
        return unsupported("INSERT OR ...");
    }
    let mut at = 2;
    if is(at, "main") && tokens.get(at + 1).is_some_and(|token| token.token == Token::Period) {
        at += 2;
    }
    let Some(table) = word(at) else { return Err(Error::new(Reason::SqlSyntax, "INSERT INTO names no table")) };
    at += 1;
    let mut columns = Vec::new();
    if tokens.get(at).is_some_and(|token| token.token == Token::LParen) {
        while tokens.get(at).is_some_and(|token| token.token != Token::RParen) {
            at += 1;
            columns.extend(word(at).map(str::to_owned));
            at += 1;
        }
        at += 1;
    }
    if !is(at, "VALUES") {
        return unsupported("an INSERT without VALUES");
    }
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(at + 1) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::Word(_) if depth == 0 && is(index, "ON") => return unsupported("ON CONFLICT"),
            Token::Word(_) if depth == 0 && is(index, "RETURNING") => return unsupported("RETURNING"),
            Token::Word(_) if depth == 0 => return unsupported("a compound after VALUES"),
            _ => {}
        }
    }
    Ok(Into { table: table.to_owned(), columns, values: at })
}
