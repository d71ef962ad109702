//! Values to and from SQLite.

use rusqlite::Statement;
use rusqlite::types::{ToSqlOutput, ValueRef as SqliteRef};
use souk_merge::{Value, ValueRef};

/// A value as a parameter.
pub(crate) fn to_sqlite(value: ValueRef<'_>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        ValueRef::Null => SqliteRef::Null,
        ValueRef::Integer(integer) => SqliteRef::Integer(integer),
        ValueRef::Real(real) => SqliteRef::Real(real),
        ValueRef::Text(bytes) => SqliteRef::Text(bytes),
        ValueRef::Blob(bytes) => SqliteRef::Blob(bytes),
    })
}

/// A value as SQLite gives it.
pub(crate) fn from_sqlite(value: SqliteRef<'_>) -> ValueRef<'_> {
    match value {
        SqliteRef::Null => ValueRef::Null,
        SqliteRef::Integer(integer) => ValueRef::Integer(integer),
        SqliteRef::Real(real) => ValueRef::Real(real),
        SqliteRef::Text(bytes) => ValueRef::Text(bytes),
        SqliteRef::Blob(bytes) => ValueRef::Blob(bytes),
    }
}

/// Binds as many of the parameters as the statement has.
pub(crate) fn bind(statement: &mut Statement<'_>, parameters: &[Value]) -> rusqlite::Result<()> {
    for (index, value) in (1..=statement.parameter_count()).zip(parameters) {
        statement.raw_bind_parameter(index, to_sqlite(value.as_ref()))?;
    }
    Ok(())
}
