//! `souk_rows(x)`: the rows that a parameter holds, as a table. Its columns hold the same values under each affinity: `i1`, `r1`,
//! `n1`, `t1` and `b1` are the first column as INTEGER, REAL, NUMERIC, TEXT and BLOB, `i2` and so on the second. Values are
//! given as they are: an affinity only says how SQLite compares them.

use std::{
    borrow::Cow,
    ffi::{CStr, c_int},
    marker::PhantomData,
};

use rusqlite::{
    Connection, Error, ffi,
    vtab::{Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor},
};
use souk_merge::{Batch, BatchCursor, ValueRef};
use souk_proto::decode_rows;

use crate::shard::bindable;

/// Columns that rows may have.
const WIDTH_MAX: c_int = 8;
/// Under how many affinities each is shown.
const AFFINITIES: c_int = 5;
/// The hidden column that takes the parameter.
const PARAMETER: c_int = WIDTH_MAX * AFFINITIES;
const DECLARATION: &CStr = c"CREATE TABLE x(
    i1 INTEGER, r1 REAL, n1 NUMERIC, t1 TEXT, b1 BLOB, i2 INTEGER, r2 REAL, n2 NUMERIC, t2 TEXT, b2 BLOB,
    i3 INTEGER, r3 REAL, n3 NUMERIC, t3 TEXT, b3 BLOB, i4 INTEGER, r4 REAL, n4 NUMERIC, t4 TEXT, b4 BLOB,
    i5 INTEGER, r5 REAL, n5 NUMERIC, t5 TEXT, b5 BLOB, i6 INTEGER, r6 REAL, n6 NUMERIC, t6 TEXT, b6 BLOB,
    i7 INTEGER, r7 REAL, n7 NUMERIC, t7 TEXT, b7 BLOB, i8 INTEGER, r8 REAL, n8 NUMERIC, t8 TEXT, b8 BLOB,
    rows HIDDEN)";

/// Registers `souk_rows` on a connection.
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    const MODULE: Module<'static, Rows> = Module::eponymous_only_module();
    connection.create_module(c"souk_rows", &MODULE, None)
}

#[repr(C)]
struct Rows {
    /// Where SQLite expects it: first.
    base: ffi::sqlite3_vtab,
}

// SAFETY: `repr(C)` with `sqlite3_vtab` first, as the trait demands.
unsafe impl<'vtab> VTab<'vtab> for Rows {
    type Aux = ();
    type Cursor = Cursor<'vtab>;

    fn connect(
        connection: &mut VTabConnection,
        _aux: Option<&()>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _arguments: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Rows)> {
        connection.config(VTabConfig::Innocuous)?;
        Ok((Cow::Borrowed(DECLARATION), Rows { base: ffi::sqlite3_vtab::default() }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        let mut given = false;
        for (constraint, mut usage) in info.constraints_and_usages() {
            let is_equal = constraint.operator() == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ;
            if is_equal && constraint.is_usable() && constraint.column() == PARAMETER {
                usage.set_argv_index(1);
                usage.set_omit(true);
                given = true;
            }
        }
        if given {
            info.set_estimated_cost(100.0);
            info.set_estimated_rows(100);
        }
        Ok(given)
    }

    fn open(&mut self) -> rusqlite::Result<Cursor<'_>> {
        let rows = Batch::new(0).into_cursor();
        Ok(Cursor { base: ffi::sqlite3_vtab_cursor::default(), rows, at: 0, width: 0, ended: true, table: PhantomData })
    }
}

#[repr(C)]
struct Cursor<'vtab> {
    /// Where SQLite expects it: first.
    base: ffi::sqlite3_vtab_cursor,
    rows: BatchCursor,
    at: i64,
    width: usize,
    ended: bool,
    table: PhantomData<&'vtab Rows>,
}

// SAFETY: `repr(C)` with `sqlite3_vtab_cursor` first, as the trait demands.
unsafe impl VTabCursor for Cursor<'_> {
    fn filter(&mut self, _index: c_int, _name: Option<&str>, arguments: &Filters<'_>) -> rusqlite::Result<()> {
        let failed = |message: String| Error::ModuleError(format!("souk_rows: {message}"));
        let bytes = arguments.get::<Vec<u8>>(0).map_err(|error| failed(error.to_string()))?;
        let batch = decode_rows(&bytes).map_err(failed)?;
        self.width = batch.width();
        self.rows = batch.into_cursor();
        self.at = 0;
        self.next()
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.ended = !self.rows.advance();
        self.at += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.ended
    }

    fn column(&self, context: &mut Context, column: c_int) -> rusqlite::Result<()> {
        let index = usize::try_from(column / AFFINITIES).unwrap_or(usize::MAX);
        let value = if index < self.width { self.rows.value(index) } else { ValueRef::Null };
        context.set_result(bindable(value))
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(self.at)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use souk_merge::Value;
    use souk_proto::encode_rows;

    use super::*;

    fn blob(rows: &[Vec<Value>]) -> Vec<u8> {
        let mut batch = Batch::new(rows[0].len());
        rows.iter().for_each(|row| batch.push_row(row.iter().map(Value::as_ref)));
        encode_rows(batch)
    }

    fn ask(sql: &str, rows: &[Vec<Value>]) -> rusqlite::Result<String> {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        connection.query_row(sql, [blob(rows)], |row| row.get(0))
    }

    #[test]
    fn values_come_as_they_are_under_each_affinity() {
        let rows = [
            vec![Value::Integer(1), Value::text("a")],
            vec![Value::text("1"), Value::Null],
            vec![Value::Real(1.5), Value::Blob(Box::from(*b"\xff"))],
        ];
        let kinds = "SELECT group_concat(typeof(i1) || typeof(b1) || typeof(t2), ' ') FROM souk_rows(?1)";
        assert_eq!(ask(kinds, &rows).unwrap(), "integerintegertext texttextnull realrealblob");
        let membership =
            |column: &str| ask(&format!("SELECT '1.0' IN (SELECT {column} FROM souk_rows(?1)) || ''"), &rows);
        assert_eq!(membership("i1").unwrap(), "1", "a number's affinity makes numbers of what it is compared with");
        assert_eq!(membership("b1").unwrap(), "0", "no affinity leaves it as it is");
    }

    #[test]
    fn what_is_no_rows_is_an_error() {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        for sql in ["SELECT b1 FROM souk_rows(x'ff')", "SELECT b1 FROM souk_rows(NULL)", "SELECT b1 FROM souk_rows"] {
            assert!(connection.query_row(sql, [], |row| row.get::<_, i64>(0)).is_err(), "{sql}");
        }
    }
}
