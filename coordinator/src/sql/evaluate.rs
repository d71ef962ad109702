//! Expressions without tables, evaluated by SQLite: keys, limits, the rows of an INSERT, the time.

use parking_lot::Mutex;
use rusqlite::Connection;
use souk_merge::Value;

use super::SqlError;
use super::schema::Affinity;
use crate::values::{bind, from_sqlite};

/// A database with nothing in it but one row to convert values with.
pub(crate) struct Evaluator {
    connection: Mutex<Connection>,
}

impl Evaluator {
    pub(crate) fn new() -> rusqlite::Result<Evaluator> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(
            "CREATE TABLE stored (integer INTEGER, real REAL, numeric NUMERIC, text TEXT, blob BLOB);
             INSERT INTO stored DEFAULT VALUES;",
        )?;
        Ok(Evaluator { connection: Mutex::new(connection) })
    }

    /// The rows of a query over no tables.
    pub(crate) fn rows(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Vec<Value>>, SqlError> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(sql).map_err(SqlError::from_sqlite)?;
        bind(&mut statement, parameters).map_err(SqlError::from_sqlite)?;
        let width = statement.column_count();
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(SqlError::from_sqlite)? {
            all.push((0..width).map(|index| from_sqlite(row.get_ref_unwrap(index)).to_owned()).collect());
        }
        Ok(all)
    }

    /// The value of an expression.
    pub(crate) fn value(&self, expression: &str, parameters: &[Value]) -> Result<Value, SqlError> {
        let mut rows = self.rows(&format!("SELECT {expression}"), parameters)?;
        Ok(rows.pop().and_then(|mut row| row.pop()).unwrap_or_default())
    }

    /// What a column of this affinity holds after `value` was stored in it, which is also what it is compared as.
    pub(crate) fn stored(&self, value: Value, affinity: Affinity) -> Result<Value, SqlError> {
        let unchanged = match (&value, affinity) {
            (Value::Null | Value::Blob(_), _) | (_, Affinity::Blob) => true,
            (Value::Integer(_), Affinity::Integer | Affinity::Numeric) | (Value::Text(_), Affinity::Text) => true,
            (Value::Integer(_) | Value::Real(_) | Value::Text(_), _) => false,
        };
        if unchanged {
            return Ok(value);
        }
        let column = affinity.type_name().to_ascii_lowercase();
        let mut rows = self.rows(&format!("UPDATE stored SET {column} = ?1 RETURNING {column}"), &[value])?;
        Ok(rows.pop().and_then(|mut row| row.pop()).unwrap_or_default())
    }

    /// A LIMIT or OFFSET as SQLite reads it: an integer, or something that is one without loss.
    pub(crate) fn limit(&self, expression: &str, parameters: &[Value]) -> Result<i64, SqlError> {
        match self.stored(self.value(expression, parameters)?, Affinity::Integer)? {
            Value::Integer(integer) => Ok(integer),
            Value::Null | Value::Real(_) | Value::Text(_) | Value::Blob(_) => {
                Err(SqlError::Runtime("datatype mismatch".into()))
            }
        }
    }

    /// The present in UTC as `YYYY-MM-DD HH:MM:SS.SSS`.
    pub(crate) fn now(&self) -> Result<String, SqlError> {
        match self.value("strftime('%Y-%m-%d %H:%M:%f', 'now')", &[])? {
            Value::Text(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            _ => Err(SqlError::Runtime("the clock gives no time".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Value, affinity: Affinity, stored: Value) {
        let evaluator = Evaluator::new().expect("evaluator");
        assert_eq!(evaluator.stored(value, affinity).expect("stored"), stored);
    }

    #[test]
    fn keys_convert_as_their_column_does() {
        check(Value::text("1"), Affinity::Integer, Value::Integer(1));
        check(Value::text(" 1 "), Affinity::Integer, Value::Integer(1));
        check(Value::text("1e0"), Affinity::Numeric, Value::Integer(1));
        check(Value::Real(1.0), Affinity::Integer, Value::Integer(1));
        check(Value::text("0x1"), Affinity::Integer, Value::text("0x1"));
        check(Value::Integer(1), Affinity::Text, Value::text("1"));
        check(Value::Real(1.0), Affinity::Text, Value::text("1.0"));
        check(Value::Integer(1), Affinity::Real, Value::Real(1.0));
        check(Value::text("1"), Affinity::Blob, Value::text("1"));
    }

    #[test]
    fn limits_are_read_as_sqlite_does() {
        let evaluator = Evaluator::new().expect("evaluator");
        assert_eq!(evaluator.limit("'7'", &[]), Ok(7));
        assert_eq!(evaluator.limit("?1 + 1", &[Value::Integer(2)]), Ok(3));
        for bad in ["NULL", "1.5", "'x'", "9223372036854775808"] {
            assert_eq!(evaluator.limit(bad, &[]), Err(SqlError::Runtime("datatype mismatch".into())), "{bad}");
        }
    }
}
