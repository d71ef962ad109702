//! One plain SQLite that holds every row.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement, ToSql};
use souk_merge::Value;

use super::values::Params;

pub struct Plain {
    connection: Connection,
    /// Looks at a running statement that are left before it is interrupted.
    looks: Arc<AtomicU64>,
}

/// Steps of SQLite's machine between two looks.
const STEPS_PER_LOOK: i32 = 10_000;
/// Looks at a statement that may take long: some seconds.
const LOOKS_MAX: u64 = 10_000;

/// The last rowid before a statement runs: what it is after one that inserted none.
const NONE_INSERTED: i64 = -8_100_100_100_100_100_100;

/// What a statement gave.
#[derive(Debug, Clone)]
pub struct Rows {
    pub names: Vec<String>,
    pub declared: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

/// What RETURNING gives, how many rows were changed, and the last rowid that was inserted.
pub type Change = (Rows, u64, Option<i64>);

impl Plain {
    pub fn new() -> Plain {
        let mut connection = Connection::open_in_memory().expect("a database in memory");
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false).expect("a setting that the build has");
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false).expect("a setting that the build has");
        let looks = Arc::new(AtomicU64::new(u64::MAX));
        let left = Arc::clone(&looks);
        let is_over = move || left.fetch_sub(1, Ordering::Relaxed) == 0;
        connection.progress_handler(STEPS_PER_LOOK, Some(is_over)).expect("a handler");
        connection.execute_batch("CREATE TEMP TABLE \"none inserted\"(id INTEGER PRIMARY KEY)").expect("a table");
        Plain { connection, looks }
    }

    pub fn execute(&self, sql: &str) {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// As [`Plain::execute`]; SQLite's words when it refuses the statement.
    pub fn try_execute(&self, sql: &str) -> Result<(), String> {
        self.connection.execute_batch(sql).map_err(|error| error.to_string())
    }

    /// Inserts one row; SQLite's words when it refuses it.
    pub fn insert(&self, table: &str, columns: &[String], row: &[Value]) -> Result<(), String> {
        let marks = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT INTO {table}({}) VALUES ({marks})", columns.join(", "));
        let mut statement = self.connection.prepare_cached(&sql).map_err(|error| error.to_string())?;
        for (index, value) in row.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, Bound(value)).map_err(|error| error.to_string())?;
        }
        statement.raw_execute().map(|_| ()).map_err(|error| error.to_string())
    }

    /// As [`Plain::query`]; none when the statement does not end in a time that a test can wait for.
    pub fn query_in_time(&self, sql: &str, params: &Params) -> Option<Result<Rows, String>> {
        self.in_time(|| self.query(sql, params))
    }

    /// As [`Plain::change`]; none when the statement does not end in a time that a test can wait for.
    pub fn change_in_time(&self, sql: &str, params: &Params) -> Option<Result<Change, String>> {
        self.in_time(|| self.change(sql, params))
    }

    fn in_time<T>(&self, run: impl FnOnce() -> Result<T, String>) -> Option<Result<T, String>> {
        self.looks.store(LOOKS_MAX, Ordering::Relaxed);
        let answer = run();
        self.looks.store(u64::MAX, Ordering::Relaxed);
        (answer.as_ref().err().map(String::as_str) != Some("interrupted")).then_some(answer)
    }

    /// The answer; SQLite's words when it has none.
    pub fn query(&self, sql: &str, params: &Params) -> Result<Rows, String> {
        let mut statement = self.connection.prepare(sql).map_err(|error| error.to_string())?;
        bind(&mut statement, params)?;
        let (names, declared) = statement
            .columns()
            .map(|column| (column.name().to_owned(), column.decl_type().unwrap_or_default().to_owned()))
            .unzip();
        let width = statement.column_count();
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(|error| error.to_string())? {
            all.push((0..width).map(|column| value(row.get_ref(column).expect("a column of the statement"))).collect());
        }
        Ok(Rows { names, declared, rows: all })
    }

    /// Changes rows: what RETURNING gives, how many rows were changed, and the rowid of the last that was inserted; none when none was.
    ///
    /// Rows that a foreign key's action or a trigger changes are not counted, as SQLite does not.
    pub fn change(&self, sql: &str, params: &Params) -> Result<Change, String> {
        let mark = format!("INSERT INTO \"none inserted\" VALUES ({NONE_INSERTED}); DELETE FROM \"none inserted\"");
        self.execute(&mark);
        let before = self.connection.total_changes();
        let rows = self.query(sql, params)?;
        let inserted = Some(self.connection.last_insert_rowid()).filter(|rowid| *rowid != NONE_INSERTED);
        // What foreign keys and triggers do beside it is in the total alone.
        let changed = if self.connection.total_changes() > before { self.connection.changes() } else { 0 };
        Ok((rows, changed, inserted))
    }

    /// The columns that rows are loaded into: those that nothing computes.
    pub fn stored_columns(&self, table: &str) -> Vec<String> {
        let mut statement =
            self.connection.prepare("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0").expect("a pragma");
        let names = statement.query_map([table], |row| row.get(0)).expect("a table");
        names.collect::<Result<_, _>>().expect("names")
    }

    pub fn names(&self, sql: &str) -> Result<Vec<String>, String> {
        let statement = self.connection.prepare(sql).map_err(|error| error.to_string())?;
        Ok(statement.column_names().map(str::to_owned).collect())
    }
}

/// Binds what the statement has a place for.
fn bind(statement: &mut Statement<'_>, params: &Params) -> Result<(), String> {
    for (position, (name, value)) in params.iter().enumerate() {
        let index = match name.as_str() {
            "" => Some(position + 1).filter(|index| *index <= statement.parameter_count()),
            name => statement.parameter_index(name).map_err(|error| error.to_string())?,
        };
        if let Some(index) = index {
            statement.raw_bind_parameter(index, Bound(value)).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Real(real) => ValueRef::Real(*real),
            Value::Text(bytes) => ValueRef::Text(bytes),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(bytes) => Value::Text(bytes.into()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.into()),
    }
}
