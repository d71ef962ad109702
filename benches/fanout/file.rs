//! An SQLite file, opened and asked as fast as a process can that has it for itself: the connection, its statements and its read
//! transaction are kept, and nothing is planned twice.

use std::{ops::ControlFlow, path::Path};

use rusqlite::{
    Connection, OpenFlags,
    config::DbConfig,
    types::{ToSqlOutput, ValueRef as SqlValue},
};
use souk_merge::{Batch, Value, ValueRef};

use crate::source::Rows;

/// Statements kept a connection: all queries'.
const STATEMENTS_KEPT: usize = 16;

/// Opens a file and begins to read.
pub(crate) fn open(file: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // Locks and the log's index in the process: fewer descriptors, and no lock is ever asked for.
    let connection = Connection::open_with_flags_and_vfs(file, flags, "unix-excl")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Without it every new value of a parameter plans the statement anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch("BEGIN")?;
    Ok(connection)
}

/// Runs a statement and gives each row to `take`.
pub(crate) fn visit(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    take: &mut dyn FnMut(&[ValueRef<'_>]) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, parameters)?;
    let width = statement.column_count();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let mut values = [ValueRef::Null; 8];
        for (column, value) in values[..width].iter_mut().enumerate() {
            *value = from_sqlite(row.get_ref(column)?);
        }
        if take(&values[..width])?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Runs a statement and takes all rows.
pub(crate) fn collect(connection: &Connection, sql: &str, parameters: &[Value]) -> anyhow::Result<Batch> {
    let mut all = None;
    visit(connection, sql, parameters, &mut |row| {
        all.get_or_insert_with(|| Batch::new(row.len())).push_row(row.iter().copied());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(all.unwrap_or_else(|| Batch::new(0)))
}

/// Inserts rows into a table.
pub(crate) fn insert(connection: &Connection, rows: Rows) -> anyhow::Result<()> {
    let Rows { table, columns, batch } = rows;
    let marks = vec!["?"; columns.len()].join(", ");
    let sql = format!("INSERT INTO {table}({}) VALUES ({marks})", columns.join(", "));
    let mut insert = connection.prepare_cached(&sql)?;
    for row in batch.into_rows() {
        bind(&mut insert, &row)?;
        insert.raw_execute()?;
    }
    Ok(())
}

fn bind(statement: &mut rusqlite::Statement<'_>, parameters: &[Value]) -> rusqlite::Result<()> {
    parameters.iter().zip(1..).try_for_each(|(value, index)| statement.raw_bind_parameter(index, to_sqlite(value)))
}

fn to_sqlite(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value.as_ref() {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(integer) => SqlValue::Integer(integer),
        ValueRef::Real(real) => SqlValue::Real(real),
        ValueRef::Text(bytes) => SqlValue::Text(bytes),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes),
    })
}

fn from_sqlite(value: SqlValue<'_>) -> ValueRef<'_> {
    match value {
        SqlValue::Null => ValueRef::Null,
        SqlValue::Integer(integer) => ValueRef::Integer(integer),
        SqlValue::Real(real) => ValueRef::Real(real),
        SqlValue::Text(bytes) => ValueRef::Text(bytes),
        SqlValue::Blob(bytes) => ValueRef::Blob(bytes),
    }
}
