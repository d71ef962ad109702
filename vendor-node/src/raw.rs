//! What SQLite's C interface alone can do: the only unsafe code of the node.
//!
//! `souk_sum(x)` and `souk_set(x)` need `sqlite3_value_numeric_type`, SQLite's own reading of an argument as a number,
//! which no safe wrapper offers. Both ignore NULL and give the state of an aggregate as a blob, also over no rows.
#![allow(unsafe_code)]

mod rows;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{
    ffi::{CStr, c_int},
    mem, ptr, slice,
};

use rusqlite::{Connection, ffi};
use souk_merge::{Number, SetBuilder, Sum, Value};

/// Registers `souk_sum`, `souk_set` and `souk_rows` on a connection.
pub(crate) fn register_functions(connection: &Connection) -> rusqlite::Result<()> {
    register::<Sum>(connection, c"souk_sum")?;
    register::<SetBuilder>(connection, c"souk_set")?;
    rows::register(connection)
}

/// Closes the door to extensions (which this build opens for the C interface) and gives up the connection's lookaside
/// memory: 48 KiB a connection that thousands of readers cannot afford. Only before the first statement.
pub(crate) fn shrink_and_seal(connection: &Connection) -> rusqlite::Result<()> {
    // SAFETY: the handle is open and ours for the length of the calls; no lookaside memory is in use yet.
    let codes = unsafe {
        let handle = connection.handle();
        let lookaside = ptr::null_mut::<std::ffi::c_void>();
        [
            ffi::sqlite3_db_config(handle, ffi::SQLITE_DBCONFIG_LOOKASIDE, lookaside, 0 as c_int, 0 as c_int),
            ffi::sqlite3_enable_load_extension(handle, 0),
        ]
    };
    codes.into_iter().try_for_each(check)
}

/// Bytes of pages that a connection's cache holds.
pub(crate) fn cache_bytes(connection: &Connection) -> usize {
    let (mut current, mut highest): (c_int, c_int) = (0, 0);
    // SAFETY: the handle is open and ours; SQLite writes two integers and looks at nothing else.
    let code = unsafe {
        let handle = connection.handle();
        ffi::sqlite3_db_status(handle, ffi::SQLITE_DBSTATUS_CACHE_USED, &mut current, &mut highest, 0)
    };
    debug_assert_eq!(code, ffi::SQLITE_OK, "the counter is one that SQLite knows");
    usize::try_from(current).unwrap_or(0)
}

/// Whether rows break a constraint that waits for the commit of the transaction that is open.
pub(crate) fn breaks_deferred_constraint(connection: &Connection) -> bool {
    let (mut current, mut highest): (c_int, c_int) = (0, 0);
    // SAFETY: as in `cache_bytes`.
    let code = unsafe {
        let handle = connection.handle();
        ffi::sqlite3_db_status(handle, ffi::SQLITE_DBSTATUS_DEFERRED_FKS, &mut current, &mut highest, 0)
    };
    debug_assert_eq!(code, ffi::SQLITE_OK, "the counter is one that SQLite knows");
    current != 0
}

/// The state of an aggregate function.
trait State: Default {
    /// Takes an argument that is not NULL.
    fn add(&mut self, argument: Argument);
    /// The state as a blob.
    fn into_blob(self) -> Vec<u8>;
}

impl State for Sum {
    fn add(&mut self, argument: Argument) {
        match argument.number() {
            Number::Integer(integer) => self.add_integer(integer),
            Number::Real(real) => self.add_real(real),
        }
    }

    fn into_blob(self) -> Vec<u8> {
        self.encode()
    }
}

impl State for SetBuilder {
    fn add(&mut self, argument: Argument) {
        // The value first: reading the number may turn a text into one in place.
        let value = argument.value();
        self.add(value.as_ref(), argument.number());
    }

    fn into_blob(self) -> Vec<u8> {
        self.finish()
    }
}

/// An argument of a function that is running.
struct Argument(*mut ffi::sqlite3_value);

impl Argument {
    fn kind(&self) -> c_int {
        // SAFETY: SQLite keeps the value alive while the function runs, which is as long as `self` lives.
        unsafe { ffi::sqlite3_value_type(self.0) }
    }

    /// The argument as SQLite's SUM reads it.
    fn number(&self) -> Number {
        // SAFETY: as in `kind`.
        unsafe {
            match ffi::sqlite3_value_numeric_type(self.0) {
                ffi::SQLITE_INTEGER => Number::Integer(ffi::sqlite3_value_int64(self.0)),
                _ => Number::Real(ffi::sqlite3_value_double(self.0)),
            }
        }
    }

    /// A copy of the argument.
    fn value(&self) -> Value {
        // SAFETY: as in `kind`; the bytes are copied before anything else touches the value.
        unsafe {
            match self.kind() {
                ffi::SQLITE_INTEGER => Value::Integer(ffi::sqlite3_value_int64(self.0)),
                ffi::SQLITE_FLOAT => Value::Real(ffi::sqlite3_value_double(self.0)),
                ffi::SQLITE_TEXT => Value::Text(self.bytes(ffi::sqlite3_value_text(self.0))),
                ffi::SQLITE_BLOB => Value::Blob(self.bytes(ffi::sqlite3_value_blob(self.0).cast())),
                _ => Value::Null,
            }
        }
    }

    /// A copy of the bytes at `start`.
    ///
    /// # Safety
    /// `start` is what `sqlite3_value_text` or `sqlite3_value_blob` has just given for this value.
    unsafe fn bytes(&self, start: *const u8) -> Box<[u8]> {
        // SAFETY: SQLite gives as many bytes at `start`; none, and perhaps a null pointer, when the length is 0.
        unsafe {
            let length = usize::try_from(ffi::sqlite3_value_bytes(self.0)).unwrap_or(0);
            if start.is_null() || length == 0 { Box::default() } else { slice::from_raw_parts(start, length).into() }
        }
    }
}

fn register<S: State>(connection: &Connection, name: &CStr) -> rusqlite::Result<()> {
    let flags = ffi::SQLITE_UTF8 | ffi::SQLITE_DETERMINISTIC | ffi::SQLITE_INNOCUOUS;
    // SAFETY: the handle is open; the callbacks are static functions that use no application data.
    check(unsafe {
        ffi::sqlite3_create_function_v2(
            connection.handle(),
            name.as_ptr(),
            1,
            flags,
            ptr::null_mut(),
            None,
            Some(step::<S>),
            Some(finish::<S>),
            None,
        )
    })
}

fn check(code: c_int) -> rusqlite::Result<()> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)) }
}

/// xStep: the aggregate's context holds a pointer to the boxed state, null until the first argument that counts.
unsafe extern "C" fn step<S: State>(
    context: *mut ffi::sqlite3_context,
    _count: c_int,
    arguments: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: SQLite passes a live context and one argument, and zeroes the context's memory when it first gives it.
    let stepped = catch_unwind(AssertUnwindSafe(|| unsafe {
        let size = mem::size_of::<*mut S>() as c_int;
        let slot: *mut *mut S = ffi::sqlite3_aggregate_context(context, size).cast();
        if slot.is_null() {
            ffi::sqlite3_result_error_nomem(context);
            return;
        }
        let argument = Argument(*arguments);
        if argument.kind() == ffi::SQLITE_NULL {
            return;
        }
        if (*slot).is_null() {
            *slot = Box::into_raw(Box::<S>::default());
        }
        (**slot).add(argument);
    }));
    fail_on_panic(context, stepped);
}

/// xFinal: SQLite calls it once for each context that it gave, after an abort too, so the state is always freed.
unsafe extern "C" fn finish<S: State>(context: *mut ffi::sqlite3_context) {
    // SAFETY: as in `step`; the pointer is taken out of the context, so that the box is freed once.
    let finished = catch_unwind(AssertUnwindSafe(|| unsafe {
        let slot: *mut *mut S = ffi::sqlite3_aggregate_context(context, 0).cast();
        let state = if slot.is_null() || (*slot).is_null() {
            S::default()
        } else {
            *Box::from_raw(mem::replace(&mut *slot, ptr::null_mut()))
        };
        let blob = state.into_blob();
        let length = blob.len() as ffi::sqlite3_uint64;
        ffi::sqlite3_result_blob64(context, blob.as_ptr().cast(), length, ffi::SQLITE_TRANSIENT());
    }));
    fail_on_panic(context, finished);
}

fn fail_on_panic<T>(context: *mut ffi::sqlite3_context, outcome: std::thread::Result<T>) {
    if outcome.is_err() {
        // SAFETY: the context is live until the callback that calls this returns; SQLite copies the message.
        unsafe { ffi::sqlite3_result_error(context, c"an aggregate of souk panicked".as_ptr(), -1) };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Panics;

    impl State for Panics {
        fn add(&mut self, _argument: Argument) {
            panic!("in the middle of a step");
        }

        fn into_blob(self) -> Vec<u8> {
            Vec::new()
        }
    }

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        shrink_and_seal(&connection).unwrap();
        register_functions(&connection).unwrap();
        connection
    }

    fn blob(connection: &Connection, sql: &str) -> Vec<u8> {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_sum_reads_its_argument_as_sqlite_does() {
        let connection = connection();
        let given = blob(&connection, "SELECT souk_sum(column1) FROM (VALUES (1), ('2'), (NULL), ('3x'), (x'34'))");
        let mut wanted = Sum::default();
        wanted.add_integer(1);
        wanted.add_integer(2);
        wanted.add_real(3.0);
        wanted.add_real(4.0);
        assert_eq!(given, wanted.encode());
    }

    #[test]
    fn no_rows_give_the_empty_state() {
        let connection = connection();
        let none = "FROM (SELECT 1 AS x) WHERE x > 1";
        assert_eq!(blob(&connection, &format!("SELECT souk_sum(x) {none}")), Sum::default().encode());
        assert_eq!(blob(&connection, &format!("SELECT souk_set(x) {none}")), SetBuilder::default().finish());
        assert_eq!(blob(&connection, "SELECT souk_sum(NULL)"), Sum::default().encode());
    }

    #[test]
    fn a_set_keeps_the_value_and_the_number() {
        let connection = connection();
        let given = blob(&connection, "SELECT souk_set(column1) FROM (VALUES ('7'), (x''), (''), (NULL), ('7'))");
        let mut wanted = SetBuilder::default();
        wanted.add(Value::text("7").as_ref(), Number::Integer(7));
        wanted.add(Value::Blob(Box::default()).as_ref(), Number::Real(0.0));
        wanted.add(Value::text("").as_ref(), Number::Real(0.0));
        assert_eq!(given, wanted.finish());
    }

    #[test]
    fn a_cache_grows_with_what_is_read() {
        let connection = connection();
        let before = cache_bytes(&connection);
        connection.execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(100000))").unwrap();
        assert!(cache_bytes(&connection) >= before + 100_000);
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let connection = connection();
        register::<Panics>(&connection, c"panics").unwrap();
        let error = connection.query_row("SELECT panics(1)", [], |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
    }

    #[test]
    fn an_aborted_statement_leaves_the_connection_usable() {
        let connection = connection();
        let sql = "SELECT souk_sum(x), souk_set(abs(x)) FROM (SELECT 1 AS x UNION ALL SELECT -9223372036854775807 - 1)";
        let error = connection.query_row(sql, [], |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("integer overflow"), "{error}");
        assert_eq!(blob(&connection, "SELECT souk_sum(NULL)"), Sum::default().encode());
    }
}
