//! One plain SQLite that holds every row.

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Statement, ToSql};
use souk_merge::Value;

use super::values::Params;

pub struct Plain(Connection);

/// What a statement gave.
#[derive(Debug, Clone)]
pub struct Rows {
    pub names: Vec<String>,
    pub declared: Vec<String>,
    pub rows: Vec<Vec<Value>>,
}

impl Plain {
    pub fn new() -> Plain {
        let connection = Connection::open_in_memory().expect("a database in memory");
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false).expect("a setting that the build has");
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false).expect("a setting that the build has");
        Plain(connection)
    }

    pub fn execute(&self, sql: &str) {
        self.try_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// As [`Plain::execute`]; SQLite's words when it refuses the statement.
    pub fn try_execute(&self, sql: &str) -> Result<(), String> {
        self.0.execute_batch(sql).map_err(|error| error.to_string())
    }

    /// Inserts one row; SQLite's words when it refuses it.
    pub fn insert(&self, table: &str, columns: &[String], row: &[Value]) -> Result<(), String> {
        let marks = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT INTO {table}({}) VALUES ({marks})", columns.join(", "));
        let mut statement = self.0.prepare_cached(&sql).map_err(|error| error.to_string())?;
        for (index, value) in row.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, Bound(value)).map_err(|error| error.to_string())?;
        }
        statement.raw_execute().map(|_| ()).map_err(|error| error.to_string())
    }

    /// The answer; SQLite's words when it has none.
    pub fn query(&self, sql: &str, params: &Params) -> Result<Rows, String> {
        let mut statement = self.0.prepare(sql).map_err(|error| error.to_string())?;
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

    /// The columns that rows are loaded into: those that nothing computes.
    pub fn stored_columns(&self, table: &str) -> Vec<String> {
        let mut statement =
            self.0.prepare("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0").expect("a pragma");
        let names = statement.query_map([table], |row| row.get(0)).expect("a table");
        names.collect::<Result<_, _>>().expect("names")
    }

    pub fn names(&self, sql: &str) -> Result<Vec<String>, String> {
        let statement = self.0.prepare(sql).map_err(|error| error.to_string())?;
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
