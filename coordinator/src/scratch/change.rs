//! A statement that changes rows, run in a scratch over the rows of all shards; and which rows it left otherwise than they were.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::hooks::Action;
use rusqlite::{Connection, ErrorCode};
use souk_merge::{Batch, Value, ValueRef};
use souk_proto::Reason;

use super::{Scratch, internal, rows};
use crate::error::{Error, Result};
use crate::sql::{TableInfo, quote};
use crate::values::{bind, from_sqlite, to_sqlite};

/// The rows of the table that is changed, as they were: the rowid in the scratch, the rowid on the shard, the columns.
const BEFORE: &str = "\"souk before\"";

/// A table with all its rows, as [`crate::plan::stored_rows`] gives them.
pub(crate) struct StoredTable<'a> {
    pub(crate) table: &'a TableInfo,
    pub(crate) rows: Vec<Batch>,
}

/// What a statement did.
pub(crate) struct Changed {
    pub(crate) rows_affected: u64,
    /// Of the last row that it inserted.
    pub(crate) last_insert_rowid: Option<i64>,
    /// What RETURNING gives.
    pub(crate) returned: Option<Batch>,
    /// What ended it, when the rows that it had changed before stay changed.
    pub(crate) failed: Option<Error>,
    pub(crate) rows: ChangedRows,
}

/// Rows that are otherwise than they were.
pub(crate) struct ChangedRows {
    /// The rowid on the shard and the columns, of rows that are gone.
    pub(crate) deleted: Batch,
    /// The same of rows that have other values, and then the columns as they are.
    pub(crate) updated: Batch,
    /// The rowid that every shard is to give, or NULL, and the columns of new rows.
    pub(crate) inserted: Batch,
}

impl ChangedRows {
    fn is_empty(&self) -> bool {
        self.deleted.is_empty() && self.updated.is_empty() && self.inserted.is_empty()
    }
}

impl Scratch<'_> {
    /// Runs `text`, which changes `target`, over the rows of all tables. Foreign keys and triggers are the shards' to see to.
    pub(crate) fn change(
        &mut self,
        target: &StoredTable<'_>,
        others: &[StoredTable<'_>],
        text: &str,
        parameters: &[Value],
        returned_bytes_max: u64,
    ) -> Result<Changed> {
        for rows in others.iter().chain([target]).flat_map(|table| &table.rows) {
            self.filled.bytes += rows.byte_size() as u64;
        }
        let connection = self.connection.as_mut().expect("a connection is taken out only by drop");
        others.iter().try_for_each(|other| load(connection, other))?;
        load_target(connection, target)?;
        ignore_checks(connection, false)?;
        let inserted: Arc<Mutex<Option<i64>>> = Arc::default();
        let seen = Arc::clone(&inserted);
        let hook = move |action: Action, _: &str, _: &str, rowid: i64| {
            if action == Action::SQLITE_INSERT {
                *seen.lock() = Some(rowid);
            }
        };
        connection.update_hook(Some(hook)).map_err(|error| internal(&error))?;
        let ran = run(connection, text, parameters, returned_bytes_max);
        connection.update_hook(None::<fn(Action, &str, &str, i64)>).map_err(|error| internal(&error))?;
        ignore_checks(connection, true)?;
        let last_insert_rowid = *inserted.lock();
        let rows_affected = connection.changes();
        let (returned, failed) = match ran {
            Ok(returned) => (returned, None),
            Err(Ended { error, may_keep: true }) if !connection.is_autocommit() => (None, Some(error)),
            Err(Ended { error, .. }) => return Err(error),
        };
        let rows = changed_rows(connection, target.table)?;
        match failed {
            Some(error) if rows.is_empty() => Err(error),
            failed => Ok(Changed { rows_affected, last_insert_rowid, returned, failed, rows }),
        }
    }
}

fn ignore_checks(connection: &Connection, ignored: bool) -> Result<()> {
    connection.pragma_update(None, "ignore_check_constraints", ignored).map_err(|error| internal(&error))
}

/// Why a statement ended before its end.
struct Ended {
    error: Error,
    /// Rows before the failing one may stay changed, as OR FAIL has it. Never when a value is of a wrong type: SQLite would undo the statement if it were not in a
    /// transaction, but does not write down how to undo it within one.
    may_keep: bool,
}

impl From<rusqlite::Error> for Ended {
    fn from(error: rusqlite::Error) -> Ended {
        let constraint = |error: &rusqlite::Error| Error::new(Reason::Constraint, Error::runtime(error).message);
        match &error {
            rusqlite::Error::SqliteFailure(code, _) if code.code == ErrorCode::ConstraintViolation => {
                let may_keep = code.extended_code != rusqlite::ffi::SQLITE_CONSTRAINT_DATATYPE;
                Ended { error: constraint(&error), may_keep }
            }
            rusqlite::Error::SqliteFailure(code, _) if code.code == ErrorCode::TypeMismatch => {
                Ended { error: constraint(&error), may_keep: false }
            }
            _ => Ended { error: Error::runtime(&error), may_keep: false },
        }
    }
}

/// Runs the statement; gives what RETURNING gives.
fn run(
    connection: &Connection,
    text: &str,
    parameters: &[Value],
    bytes_max: u64,
) -> std::result::Result<Option<Batch>, Ended> {
    let mut statement = connection.prepare(text)?;
    bind(&mut statement, parameters)?;
    let width = statement.column_count();
    let mut given: Option<Batch> = None;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let batch = given.get_or_insert_with(|| Batch::new(width));
        batch.push_row((0..width).map(|index| from_sqlite(row.get_ref_unwrap(index))));
        if batch.byte_size() as u64 > bytes_max {
            let error = Error::new(Reason::TooLarge, "the statement returns more than it may: return less");
            return Err(Ended { error, may_keep: false });
        }
    }
    Ok(given)
}

fn names(table: &TableInfo) -> Vec<String> {
    table.stored().map(|column| quote(&column.name)).collect()
}

/// Fills a table. The rowids of a replicated one are the same on every shard; those of a sharded one are numbers of its shard alone.
fn load(connection: &Connection, stored: &StoredTable<'_>) -> Result<()> {
    let table = stored.table;
    let mut columns = names(table);
    let rowid = table.rowid_name().filter(|_| table.key().is_none() && table.rowid_alias.is_none());
    columns.extend(rowid.map(str::to_owned));
    let width = columns.len();
    let places = vec!["?"; width].join(", ");
    let sql = format!("INSERT INTO main.{}({}) VALUES ({places})", quote(&table.name), columns.join(", "));
    insert(connection, &sql, stored, |row| {
        let mut values: Vec<ValueRef<'_>> = row[1..].to_vec();
        values.extend(rowid.map(|_| row[0]));
        values
    })
}

/// Fills the table that is changed, and keeps its rows as they were beside it.
fn load_target(connection: &Connection, stored: &StoredTable<'_>) -> Result<()> {
    let table = stored.table;
    let columns = names(table);
    let kept: Vec<String> = (0..columns.len()).map(|index| format!("c{index}")).collect();
    let (kept, names) = (kept.join(", "), columns.join(", "));
    let create = format!("CREATE TABLE {BEFORE}(id INTEGER PRIMARY KEY, at, {kept})");
    connection.execute_batch(&create).map_err(|error| internal(&error))?;
    // Of a sharded table without an INTEGER PRIMARY KEY they are numbered as they come.
    let keeps_rowid = table.rowid_alias.is_some() || (table.key().is_none() && !table.without_rowid);
    let places = vec!["?"; columns.len()].join(", ");
    let keep = format!("INSERT INTO {BEFORE} VALUES (?, ?, {places})");
    insert(connection, &keep, stored, |row| {
        let id = if keeps_rowid { row[0] } else { ValueRef::Null };
        [id].into_iter().chain(row.iter().copied()).collect()
    })?;
    let name = quote(&table.name);
    let fill = match table.rowid_name().filter(|_| table.rowid_alias.is_none()) {
        Some(rowid) => format!("INSERT INTO main.{name}({names}, {rowid}) SELECT {kept}, id FROM {BEFORE} ORDER BY id"),
        None => format!("INSERT INTO main.{name}({names}) SELECT {kept} FROM {BEFORE} ORDER BY id"),
    };
    connection.execute_batch(&fill).map_err(|error| apart(table, &error))
}

fn insert(
    connection: &Connection,
    sql: &str,
    stored: &StoredTable<'_>,
    values: impl for<'r> Fn(&[ValueRef<'r>]) -> Vec<ValueRef<'r>>,
) -> Result<()> {
    let mut insert = connection.prepare(sql).map_err(|error| internal(&error))?;
    for batch in &stored.rows {
        let mut cursor = batch.cursor();
        while cursor.advance() {
            let row: Vec<ValueRef<'_>> = cursor.values().collect();
            for (place, value) in (1..).zip(values(&row)) {
                insert.raw_bind_parameter(place, to_sqlite(value)).map_err(|error| internal(&error))?;
            }
            insert.raw_execute().map_err(|error| apart(stored.table, &error))?;
        }
    }
    Ok(())
}

fn apart(table: &TableInfo, error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => Error::new(
            Reason::Constraint,
            format!(
                "rows of `{}` on different shards could not be in one database: {error}; give them different keys",
                table.name
            ),
        ),
        _ => Error::runtime(error),
    }
}

/// What is otherwise than before. Values are compared with their types: 1 and 1.0 are not the same in a row.
fn changed_rows(connection: &Connection, table: &TableInfo) -> Result<ChangedRows> {
    let columns: Vec<&str> = table.stored().map(|column| column.name.as_str()).collect();
    let is = |column: &str| format!("t.{}", quote(column));
    let (was, are): (Vec<String>, Vec<String>) =
        columns.iter().enumerate().map(|(index, column)| (format!("b.c{index}"), is(column))).unzip();
    let same_row = match table.rowid_name() {
        Some(_) if let Some(alias) = table.rowid_alias => format!("b.id = {}", is(&table.columns[alias].name)),
        Some(rowid) => format!("b.id = t.{rowid}"),
        None => {
            let keys = table.stored().zip(&was).filter(|(column, _)| column.primary_key > 0);
            let keys: Vec<(&String, String)> = keys.map(|(column, was)| (was, is(&column.name))).collect();
            let indexed: Vec<&str> = keys.iter().map(|(was, _)| was.trim_start_matches("b.")).collect();
            let index = format!("CREATE INDEX \"souk before by key\" ON {BEFORE}({})", indexed.join(", "));
            connection.execute_batch(&index).map_err(|error| internal(&error))?;
            keys.iter().map(|(was, is)| format!("{was} = {is}")).collect::<Vec<_>>().join(" AND ")
        }
    };
    let with_types = |columns: &[String], unconverted: &str| {
        let column = |column: &String| format!("typeof({column}), ({unconverted}{column}) COLLATE BINARY");
        columns.iter().map(column).collect::<Vec<_>>().join(", ")
    };
    let differs = format!("({}) IS NOT ({})", with_types(&was, ""), with_types(&are, "+"));
    let name = quote(&table.name);
    let (was, are) = (was.join(", "), are.join(", "));
    let width = columns.len();
    let all = |sql: &str, width: usize| {
        let mut all = Batch::new(width);
        rows(connection, sql, &[], &mut |batch| {
            all.append(&batch);
            Ok(())
        })?;
        Ok::<_, Error>(all)
    };
    let gone = format!(
        "SELECT b.at, {was} FROM {BEFORE} AS b WHERE NOT EXISTS (SELECT 1 FROM main.{name} AS t WHERE {same_row})"
    );
    let other = format!(
        "SELECT b.at, {was}, {are} FROM {BEFORE} AS b CROSS JOIN main.{name} AS t ON {same_row} WHERE {differs}"
    );
    // That of a replicated table is part of what every shard has alike.
    let rowid = table.rowid_name().filter(|_| table.key().is_none() && table.rowid_alias.is_none());
    let rowid = rowid.map_or("NULL".to_owned(), |rowid| format!("t.{rowid}"));
    let new = format!(
        "SELECT {rowid}, {are} FROM main.{name} AS t WHERE NOT EXISTS (SELECT 1 FROM {BEFORE} AS b WHERE {same_row})"
    );
    Ok(ChangedRows {
        deleted: all(&gone, 1 + width)?,
        updated: all(&other, 1 + 2 * width)?,
        inserted: all(&new, 1 + width)?,
    })
}
