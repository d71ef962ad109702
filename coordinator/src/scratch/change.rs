//! Statements that change rows, run in a scratch over the rows of all shards; and which rows they left otherwise than they were.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};
use souk_merge::{Batch, Value, ValueRef};
use souk_proto::Reason;

use super::{Scratch, internal, rows};
use crate::error::{Error, Result};
use crate::sql::{TableInfo, quote};
use crate::values::{bind, from_sqlite, to_sqlite};

/// The rowid that was inserted last before a statement runs: what it is after one that inserted none.
const NONE_INSERTED: i64 = i64::MIN + 0x50_0C;

/// A table with all its rows, as [`crate::plan::stored_rows`] gives them.
pub(crate) struct StoredTable<'a> {
    pub(crate) table: &'a TableInfo,
    pub(crate) rows: Vec<Batch>,
    /// Where its rows are kept as they were, when statements may change it.
    pub(crate) kept: Option<Kept>,
}

/// A table's rows as they were: the rowid in the scratch, the rowid on the shard, the columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept(pub(crate) usize);

impl Kept {
    /// The table that holds them.
    fn name(self) -> String {
        format!("\"souk before {}\"", self.0)
    }
}

/// A statement to be run.
pub(crate) struct WholeStatement<'a> {
    pub(crate) text: &'a str,
    pub(crate) parameters: &'a [Value],
    /// Whether triggers fire.
    pub(crate) fires: bool,
    pub(crate) returned_bytes_max: u64,
}

/// What a statement did.
pub(crate) struct Ran {
    pub(crate) rows_affected: u64,
    /// Of the last row that it inserted.
    pub(crate) last_insert_rowid: Option<i64>,
    /// What it gives.
    pub(crate) returned: Option<Batch>,
    /// What ended it, when the rows that it had changed before stay changed.
    pub(crate) failed: Option<Error>,
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
    pub(crate) fn is_empty(&self) -> bool {
        self.deleted.is_empty() && self.updated.is_empty() && self.inserted.is_empty()
    }
}

impl Scratch<'_> {
    /// Fills tables, whatever foreign keys say.
    pub(crate) fn load(&mut self, tables: &[StoredTable<'_>]) -> Result<()> {
        for rows in tables.iter().flat_map(|table| &table.rows) {
            self.filled.bytes += rows.byte_size() as u64;
        }
        let connection = self.connection();
        let mark = "CREATE TABLE \"souk inserted\"(id INTEGER PRIMARY KEY)";
        connection.execute_batch(mark).map_err(|error| internal(&error))?;
        tables.iter().try_for_each(|table| match table.kept {
            Some(kept) => load_kept(connection, table, kept),
            None => load(connection, table),
        })
    }

    /// From now on the tables that count their rowids give none that is not above `rowid`.
    pub(crate) fn count_from(&self, table: &TableInfo, rowid: i64) -> Result<()> {
        let counted = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'";
        let connection = self.connection();
        let counts = connection.prepare(counted).and_then(|mut counted| counted.exists([]));
        if !counts.map_err(|error| internal(&error))? {
            return Ok(());
        }
        // What is noted of a table that does not count is not looked at.
        let name = &table.name;
        let kept = connection.execute("DELETE FROM sqlite_sequence WHERE name = ?1 AND seq < ?2", (name, rowid));
        let noted = kept.and_then(|_| {
            let note = "INSERT INTO sqlite_sequence(name, seq) SELECT ?1, ?2
                        WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)";
            connection.execute(note, (name, rowid))
        });
        noted.map(drop).map_err(|error| internal(&error))
    }

    /// Runs a statement over what is there.
    pub(crate) fn run(&self, statement: &WholeStatement<'_>) -> Result<Ran> {
        let connection = self.connection();
        let mark = format!("INSERT INTO \"souk inserted\" VALUES ({NONE_INSERTED}); DELETE FROM \"souk inserted\"");
        connection.execute_batch(&mark).map_err(|error| internal(&error))?;
        enforce(connection, true, statement.fires)?;
        let ran = run(connection, statement);
        enforce(connection, false, false)?;
        let inserted = connection.last_insert_rowid();
        let last_insert_rowid = Some(inserted).filter(|rowid| *rowid != NONE_INSERTED);
        let rows_affected = connection.changes();
        match ran {
            Ok(returned) => Ok(Ran { rows_affected, last_insert_rowid, returned, failed: None }),
            Err(Ended { error, may_keep: true }) if !connection.is_autocommit() => {
                Ok(Ran { rows_affected, last_insert_rowid, returned: None, failed: Some(error) })
            }
            Err(Ended { error, .. }) => Err(error),
        }
    }

    /// Rows that were changed so far, each as often as it was.
    pub(crate) fn changes(&self) -> u64 {
        self.connection().total_changes()
    }

    /// The rows of a table that are otherwise than they were when it was filled.
    pub(crate) fn changed(&self, table: &TableInfo, kept: Kept) -> Result<ChangedRows> {
        changed_rows(self.connection(), table, &kept.name())
    }
}

/// Whether a connection looks at CHECK and has foreign keys act, and whether it fires triggers. A pragma could not switch foreign keys within a transaction.
fn enforce(connection: &Connection, constraints: bool, triggers: bool) -> Result<()> {
    let set = connection.pragma_update(None, "ignore_check_constraints", !constraints);
    let set = set.and_then(|()| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, constraints));
    let set = set.and_then(|_| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, triggers));
    set.map(drop).map_err(|error| internal(&error))
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

/// Runs a statement; gives what it gives.
fn run(connection: &Connection, statement: &WholeStatement<'_>) -> std::result::Result<Option<Batch>, Ended> {
    let bytes_max = statement.returned_bytes_max;
    let parameters = statement.parameters;
    let mut statement = connection.prepare(statement.text)?;
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

/// Fills a table that may be changed, and keeps its rows as they were beside it.
fn load_kept(connection: &Connection, stored: &StoredTable<'_>, kept: Kept) -> Result<()> {
    let before = kept.name();
    let table = stored.table;
    let columns = names(table);
    let kept: Vec<String> = (0..columns.len()).map(|index| format!("c{index}")).collect();
    let (kept, names) = (kept.join(", "), columns.join(", "));
    let create = format!("CREATE TABLE {before}(id INTEGER PRIMARY KEY, at, {kept})");
    connection.execute_batch(&create).map_err(|error| internal(&error))?;
    // Of a sharded table without an INTEGER PRIMARY KEY they are numbered as they come.
    let keeps_rowid = table.rowid_alias.is_some() || (table.key().is_none() && !table.without_rowid);
    let places = vec!["?"; columns.len()].join(", ");
    let keep = format!("INSERT INTO {before} VALUES (?, ?, {places})");
    insert(connection, &keep, stored, |row| {
        let id = if keeps_rowid { row[0] } else { ValueRef::Null };
        [id].into_iter().chain(row.iter().copied()).collect()
    })?;
    let name = quote(&table.name);
    let fill = match table.rowid_name().filter(|_| table.rowid_alias.is_none()) {
        Some(rowid) => format!("INSERT INTO main.{name}({names}, {rowid}) SELECT {kept}, id FROM {before} ORDER BY id"),
        None => format!("INSERT INTO main.{name}({names}) SELECT {kept} FROM {before} ORDER BY id"),
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
fn changed_rows(connection: &Connection, table: &TableInfo, before: &str) -> Result<ChangedRows> {
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
            let index =
                format!("CREATE INDEX {} ON {before}({})", before.replace("before", "by key"), indexed.join(", "));
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
        "SELECT b.at, {was} FROM {before} AS b WHERE NOT EXISTS (SELECT 1 FROM main.{name} AS t WHERE {same_row})"
    );
    let other = format!(
        "SELECT b.at, {was}, {are} FROM {before} AS b CROSS JOIN main.{name} AS t ON {same_row} WHERE {differs}"
    );
    // That of a replicated table is part of what every shard has alike.
    let rowid = table.rowid_name().filter(|_| table.key().is_none() && table.rowid_alias.is_none());
    let rowid = rowid.map_or("NULL".to_owned(), |rowid| format!("t.{rowid}"));
    let new = format!(
        "SELECT {rowid}, {are} FROM main.{name} AS t WHERE NOT EXISTS (SELECT 1 FROM {before} AS b WHERE {same_row})"
    );
    Ok(ChangedRows {
        deleted: all(&gone, 1 + width)?,
        updated: all(&other, 1 + 2 * width)?,
        inserted: all(&new, 1 + width)?,
    })
}
