//! Indices of a scratch: only those that the text will use, and only after the rows are there.

use std::collections::HashSet;

use rusqlite::Connection;

use super::internal;
use crate::error::{Error, Result};
use crate::plan::{Fill, ScratchTable};

/// The root page of `sqlite_schema`.
const SCHEMA_ROOT: i64 = 1;

/// An index of a table that is filled.
struct Index {
    root: i64,
    name: String,
    sql: String,
}

/// Drops the indices of the tables that are filled; gives the statements that make those that `sql` uses again. They come
/// back with the rollback.
pub(super) fn put_off(connection: &Connection, tables: &[ScratchTable], sql: &str) -> Result<Vec<String>> {
    let indices = indices(connection, tables).map_err(|error| internal(&error))?;
    if indices.is_empty() {
        return Ok(Vec::new());
    }
    let Some(opened) = opened(connection, sql).map_err(|error| Error::runtime(&error))? else { return Ok(Vec::new()) };
    for index in &indices {
        let drop = format!("DROP INDEX {}", quote(&index.name));
        connection.execute_batch(&drop).map_err(|error| internal(&error))?;
    }
    Ok(indices.into_iter().filter(|index| opened.contains(&index.root)).map(|index| index.sql).collect())
}

fn indices(connection: &Connection, tables: &[ScratchTable]) -> rusqlite::Result<Vec<Index>> {
    let filled = tables.iter().filter(|table| matches!(table.fill, Fill::Table(_)));
    let filled: HashSet<&str> = filled.map(|table| table.name.as_str()).collect();
    let mut list = connection.prepare_cached(
        "SELECT rootpage, name, sql, tbl_name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
    )?;
    let mut rows = list.query([])?;
    let mut indices = Vec::new();
    while let Some(row) = rows.next()? {
        if filled.contains(row.get_ref(3)?.as_str()?) {
            indices.push(Index { root: row.get(0)?, name: row.get(1)?, sql: row.get(2)? });
        }
    }
    Ok(indices)
}

/// The root pages that a statement's program reads; none when it may look at the schema, which must be whole then.
fn opened(connection: &Connection, sql: &str) -> rusqlite::Result<Option<HashSet<i64>>> {
    let mut program = connection.prepare(&format!("EXPLAIN {sql}"))?;
    let mut rows = program.raw_query();
    let mut opened = HashSet::new();
    while let Some(row) = rows.next()? {
        match row.get_ref(1)?.as_str()? {
            // A table function may be one that tells of the schema.
            "VOpen" => return Ok(None),
            "OpenRead" => drop(opened.insert(row.get(3)?)),
            _ => {}
        }
    }
    Ok(if opened.contains(&SCHEMA_ROOT) { None } else { Some(opened) })
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
