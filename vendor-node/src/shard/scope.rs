//! A scope: TEMP views that stand before the tables and show one key's rows.
//!
//! The user's text sees the view `t`, which reads a second view with a name that nobody can guess, which alone may read
//! the table. The name matters: SQLite tells an authorizer the name of the subquery that reads, and a common table
//! expression of the user's may be called `t` too.

use std::{
    hash::{BuildHasher as _, RandomState},
    iter,
};

use souk_merge::Value;

use super::authorizer::is_internal;
use crate::error::Fault;

/// The rows that a statement may see.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scope {
    tables: Vec<ScopedTable>,
    key: Value,
}

/// A table of which only the key's rows are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScopedTable {
    pub(crate) table: String,
    pub(crate) key_column: String,
}

/// The names that a scope's views go by on one connection.
#[derive(Debug, Clone)]
pub(crate) struct ScopeNames {
    /// The scoped tables, as the user's text names them.
    pub(crate) tables: Vec<String>,
    /// The views that read them.
    pub(crate) gates: Vec<String>,
}

impl Scope {
    /// A scope over these tables, checked.
    pub(crate) fn new(tables: Vec<ScopedTable>, key: Value) -> Result<Scope, Fault> {
        for (index, scoped) in tables.iter().enumerate() {
            if is_internal(&scoped.table) {
                return Err(Fault::invalid(format!(
                    "`{}` cannot be scoped: it is no table of the schema",
                    scoped.table
                )));
            }
            if tables[..index].iter().any(|other| other.table.eq_ignore_ascii_case(&scoped.table)) {
                return Err(Fault::invalid(format!("table `{}` is scoped twice", scoped.table)));
            }
        }
        Ok(Scope { tables, key })
    }

    /// Names for the views of a new connection.
    pub(crate) fn names(&self) -> ScopeNames {
        let secret = RandomState::new();
        let gate =
            |index: usize| format!("_souk_scope_{:016x}{:016x}", secret.hash_one(index), secret.hash_one((index, 0)));
        ScopeNames {
            tables: self.tables.iter().map(|scoped| scoped.table.clone()).collect(),
            gates: (0..self.tables.len()).map(gate).collect(),
        }
    }

    /// The statements that make the views.
    pub(crate) fn views(&self, names: &ScopeNames) -> String {
        iter::zip(&self.tables, &names.gates).map(|(scoped, gate)| self.view(scoped, gate)).collect()
    }

    fn view(&self, scoped: &ScopedTable, gate: &str) -> String {
        let table = quote(&scoped.table);
        let column = quote(&scoped.key_column);
        let test = match &self.key {
            Value::Null => "IS NULL".to_owned(),
            key => format!("= {}", literal(key)),
        };
        format!(
            "CREATE TEMP VIEW \"{gate}\" AS SELECT * FROM main.{table} WHERE {column} {test};\n\
             CREATE TEMP VIEW {table} AS SELECT * FROM temp.\"{gate}\";\n"
        )
    }
}

/// Whether a text may name the schema `main`, and so go past the views: the authorizer is not told of a table of which only
/// the columns of a USING or NATURAL join are read. Identifiers have no escapes, so the word stands there as it is; a literal
/// that looks like it counts too.
pub(crate) fn names_main(sql: &str) -> bool {
    let bytes = sql.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80;
    bytes.windows(4).enumerate().any(|(start, word)| {
        let begins = start == 0 || !is_word(bytes[start - 1]);
        begins && word.eq_ignore_ascii_case(b"main") && is_followed_by_dot(&bytes[start + 4..])
    })
}

/// Behind a closing quote, spaces and comments.
fn is_followed_by_dot(rest: &[u8]) -> bool {
    let mut rest = match rest {
        [b'"' | b'\'' | b'`' | b']', rest @ ..] => rest,
        rest => rest,
    };
    let behind =
        |rest: &[u8], end: &[u8]| rest.windows(end.len()).position(|part| part == end).map(|at| at + end.len());
    loop {
        rest = match rest {
            [b'.', ..] => return true,
            [b' ' | b'\t' | b'\n' | b'\r' | 0x0c, rest @ ..] => rest,
            [b'-', b'-', comment @ ..] => &comment[behind(comment, b"\n").unwrap_or(comment.len())..],
            [b'/', b'*', comment @ ..] => &comment[behind(comment, b"*/").unwrap_or(comment.len())..],
            _ => return false,
        };
    }
}

/// An identifier in SQL.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A value as SQL text that SQLite reads back as the same value.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) if *real == f64::INFINITY => "9e999".to_owned(),
        Value::Real(real) if *real == f64::NEG_INFINITY => "-9e999".to_owned(),
        // 17 digits name one double, and the exponent makes it a real.
        Value::Real(real) => format!("{real:.16e}"),
        Value::Text(bytes) => format!("CAST({} AS TEXT)", hex(bytes)),
        Value::Blob(bytes) => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x'{digits}'")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::{Connection, types::ValueRef};

    use super::*;

    fn read_back(connection: &Connection, value: &Value) -> Value {
        let sql = format!("SELECT {}", literal(value));
        let mut statement = connection.prepare(&sql).unwrap();
        statement
            .query_row([], |row| {
                Ok(match row.get_ref(0)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(integer) => Value::Integer(integer),
                    ValueRef::Real(real) => Value::Real(real),
                    ValueRef::Text(bytes) => Value::Text(bytes.into()),
                    ValueRef::Blob(bytes) => Value::Blob(bytes.into()),
                })
            })
            .unwrap()
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<i64>().prop_map(Value::Integer),
            any::<u64>()
                .prop_map(f64::from_bits)
                .prop_filter("no NaN in SQLite", |real| !real.is_nan())
                .prop_map(Value::Real),
            (-1e6..1e6).prop_map(Value::Real),
            any::<Vec<u8>>().prop_map(|bytes| Value::Text(bytes.into())),
            any::<Vec<u8>>().prop_map(|bytes| Value::Blob(bytes.into())),
        ]
    }

    #[test]
    fn corner_values_survive_as_literals() {
        let connection = Connection::open_in_memory().unwrap();
        let reals = [0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1, 1.0];
        let mut values: Vec<Value> = reals.map(Value::Real).into();
        values.extend([i64::MIN, -1, 0, i64::MAX].map(Value::Integer));
        values.extend(["", "it's", "a\0b", "\"x\""].map(Value::text));
        values.push(Value::Text([0xff, 0x00, 0xfe][..].into()));
        for value in values {
            assert_eq!(read_back(&connection, &value), value);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn any_value_survives_as_a_literal(value in value()) {
            let connection = Connection::open_in_memory().unwrap();
            prop_assert_eq!(read_back(&connection, &value), value);
        }
    }

    #[test]
    fn the_schema_is_found_however_it_is_written() {
        for sql in [
            "SELECT * FROM main.t",
            "SELECT * FROM MAIN . t",
            "SELECT * FROM \"main\".t",
            "SELECT * FROM [Main] /* . */ .t",
            "SELECT * FROM 'main'--\n.t",
            "SELECT main.t.a FROM t",
        ] {
            assert!(names_main(sql), "{sql}");
        }
        for sql in
            ["SELECT domain.a FROM domain", "SELECT 'main street' FROM t", "SELECT main FROM t", "SELECT main_.a"]
        {
            assert!(!names_main(sql), "{sql}");
        }
    }

    #[test]
    fn names_differ_from_connection_to_connection() {
        let scope =
            Scope { tables: vec![ScopedTable { table: "t".into(), key_column: "k".into() }], key: Value::Integer(1) };
        assert_ne!(scope.names().gates, scope.names().gates);
    }
}
