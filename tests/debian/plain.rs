//! One plain SQLite with all rows.

use rusqlite::{Connection, params_from_iter, types::ValueRef};
use souk_merge::Value;

use crate::source::Rows;

/// Column names and rows.
pub(crate) struct Answer {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
}

pub(crate) struct Plain(Connection);

impl Plain {
    /// Runs the schema without souk's own table options.
    pub(crate) fn new(schema: &str) -> Plain {
        let connection = Connection::open_in_memory().unwrap();
        let schema = schema.replace(", SHARD KEY (vendor_id)", "").replace(", REPLICATED", "");
        connection.execute_batch(&schema).unwrap();
        Plain(connection)
    }

    pub(crate) fn integer_columns(&self, table: &str) -> Vec<String> {
        let sql = "SELECT name FROM pragma_table_info(?1) WHERE type = 'INTEGER'";
        let mut statement = self.0.prepare(sql).unwrap();
        statement.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    pub(crate) fn insert(&self, table: &str, rows: &Rows) {
        let places = vec!["?"; rows.columns.len()].join(", ");
        let sql = format!("INSERT INTO {table} ({}) VALUES ({places})", rows.columns.join(", "));
        let transaction = self.0.unchecked_transaction().unwrap();
        let mut statement = transaction.prepare(&sql).unwrap();
        for row in &rows.values {
            statement.execute(params_from_iter(row.iter().map(parameter))).unwrap();
        }
        drop(statement);
        transaction.commit().unwrap();
    }

    pub(crate) fn count(&self, table: &str) -> u32 {
        self.0.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    }

    pub(crate) fn query(&self, sql: &str) -> Answer {
        let mut statement = self.0.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).unwrap();
        let mut values = Vec::new();
        while let Some(row) = rows.next().unwrap_or_else(|error| panic!("{sql}: {error}")) {
            values.push((0..columns.len()).map(|index| value(row.get_ref(index).unwrap())).collect());
        }
        drop(rows);
        Answer { columns, rows: values }
    }
}

fn parameter(value: &Value) -> rusqlite::types::Value {
    match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Integer(integer) => (*integer).into(),
        Value::Real(real) => (*real).into(),
        Value::Text(text) => String::from_utf8(text.to_vec()).unwrap().into(),
        Value::Blob(blob) => blob.to_vec().into(),
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(text) => Value::Text(text.into()),
        ValueRef::Blob(blob) => Value::Blob(blob.into()),
    }
}
