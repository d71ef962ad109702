//! A reader: a connection that can only read, with a snapshot that it keeps while its shard stands still.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use rusqlite::{
    CachedStatement, Connection, Row,
    config::DbConfig,
    ffi::ErrorCode,
    hooks::AuthContext,
    types::{ToSqlOutput, ValueRef as SqlValue},
};
use souk_merge::{Value, ValueRef};
use souk_proto::Reason;

use super::{
    authorizer::Authorizer,
    connection::{self, Counted, OpenConnections},
    file,
    place::{Phase, Place, Trouble, code},
    scope::{Scope, names_main},
};
use crate::{error::Fault, raw, ticket::Ticket};

/// Prepared statements kept a reader: a dashboard of a dozen queries finds all of its own. What is not used takes
/// nothing.
const STATEMENTS_KEPT: usize = 16;

/// Instructions of SQLite's machine between two looks at the ticket.
const OPS_PER_LOOK: i32 = 1000;

/// Page cache of a reader while it runs, in KiB: joins and walks of an index come back to the same pages. Pages beyond it come from the
/// system's cache.
const CACHE_KIB: i32 = 2048;

/// Bytes of its page cache that an idle reader keeps: a small shard whole, of a large one nothing.
const CACHE_BYTES_KEPT: usize = 96 << 10;

/// A SELECT with its parameters.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    /// Bound to ?1, ?2, ...; more than the statement has are ignored.
    pub(crate) parameters: Vec<Value>,
}

/// What is done with each row; `Break` stops the statement.
pub(crate) type Visit<'a> = dyn FnMut(&RowView<'_>) -> Result<ControlFlow<()>, Fault> + 'a;

/// The row that a statement is at.
pub(crate) struct RowView<'a> {
    row: &'a Row<'a>,
    width: usize,
}

impl RowView<'_> {
    /// How many columns.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The value in a column, which must be one of the row's.
    pub(crate) fn value(&self, column: usize) -> ValueRef<'_> {
        value_of(self.row, column)
    }

    /// The values.
    pub(crate) fn values(&self) -> impl Iterator<Item = ValueRef<'_>> {
        (0..self.width).map(|column| self.value(column))
    }
}

/// The value in a column, which must be one of the row's.
pub(super) fn value_of<'r>(row: &'r Row<'_>, column: usize) -> ValueRef<'r> {
    match row.get_ref_unwrap(column) {
        SqlValue::Null => ValueRef::Null,
        SqlValue::Integer(integer) => ValueRef::Integer(integer),
        SqlValue::Real(real) => ValueRef::Real(real),
        SqlValue::Text(bytes) => ValueRef::Text(bytes),
        SqlValue::Blob(bytes) => ValueRef::Blob(bytes),
    }
}

/// The state of a shard that a reader sees.
#[derive(Debug, Clone, Copy)]
struct Snapshot {
    /// The shard's commit counter when the snapshot was taken, or a little before.
    commits: u64,
    schema_version: u64,
}

/// A connection that reads.
pub(crate) struct Reader {
    connection: Connection,
    place: Arc<Place>,
    scope: Option<Arc<Scope>>,
    snapshot: Option<Snapshot>,
    /// The schema number of the last snapshot.
    schema_seen: u64,
    /// The ticket of the statement that runs.
    running: Arc<Mutex<Option<Arc<Ticket>>>>,
    /// Set while statements of the reader's own are compiled and run.
    trusted: Arc<AtomicBool>,
    _counted: Counted,
}

impl Reader {
    /// Opens the file for reading; with a scope, through its views.
    pub(crate) fn open(
        place: &Arc<Place>,
        scope: Option<Arc<Scope>>,
        open: &Arc<OpenConnections>,
    ) -> Result<Reader, Trouble> {
        let opening = |error| place.opening(&error);
        let counted = Counted::new(open);
        let mut connection = connection::open(place).map_err(opening)?;
        configure(&connection).map_err(opening)?;
        file::check(place, &connection)?;
        let running: Arc<Mutex<Option<Arc<Ticket>>>> = Arc::default();
        let trusted = Arc::new(AtomicBool::new(false));
        seal(&mut connection, scope.as_deref(), Arc::clone(&running), Arc::clone(&trusted)).map_err(opening)?;
        Ok(Reader {
            connection,
            place: Arc::clone(place),
            scope,
            snapshot: None,
            schema_seen: 0,
            running,
            trusted,
            _counted: counted,
        })
    }

    /// Whether the reader sees exactly what this scope shows.
    pub(crate) fn has_scope(&self, scope: Option<&Arc<Scope>>) -> bool {
        self.scope.as_ref() == scope
    }

    /// Runs statements of the reader's own.
    fn trusted<T>(&self, run: impl FnOnce(&Connection) -> T) -> T {
        self.trusted.store(true, Ordering::Relaxed);
        let outcome = run(&self.connection);
        self.trusted.store(false, Ordering::Relaxed);
        outcome
    }

    /// Takes a new snapshot unless the one that it has is of `commits`; gives the schema version that it sees.
    pub(crate) fn renew(&mut self, commits: u64) -> rusqlite::Result<u64> {
        if let Some(snapshot) = self.snapshot
            && snapshot.commits == commits
            && !self.connection.is_autocommit()
        {
            return Ok(snapshot.schema_version);
        }
        self.end_snapshot()?;
        // The read makes the snapshot; BEGIN alone would wait for the first statement.
        let schema_version = self.trusted(|connection| {
            connection.execute_batch("BEGIN")?;
            connection.query_row("SELECT schema_version FROM _souk_shard", [], |row| row.get::<_, i64>(0))
        })?;
        let schema_version = schema_version.cast_unsigned();
        if self.schema_seen != schema_version {
            // A statement tells its columns before SQLite notices that it must be compiled anew.
            self.connection.flush_prepared_statement_cache();
            self.schema_seen = schema_version;
        }
        self.snapshot = Some(Snapshot { commits, schema_version });
        Ok(schema_version)
    }

    /// Whether it holds a snapshot older than `commits`.
    pub(crate) fn is_behind(&self, commits: u64) -> bool {
        self.snapshot.is_some_and(|snapshot| snapshot.commits != commits)
    }

    /// Gives the snapshot up, so that it stands in no checkpoint's way.
    pub(crate) fn end_snapshot(&mut self) -> rusqlite::Result<()> {
        self.snapshot = None;
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.trusted(|connection| connection.execute_batch("COMMIT"))
    }

    /// Gives back the pages of a shard that is too large for them to be kept.
    pub(crate) fn rest(&self) -> rusqlite::Result<()> {
        if self.cache_bytes() <= CACHE_BYTES_KEPT { Ok(()) } else { self.connection.release_memory() }
    }

    /// Bytes of the pages that it holds.
    pub(crate) fn cache_bytes(&self) -> usize {
        raw::cache_bytes(&self.connection)
    }

    /// Runs a statement over the snapshot.
    pub(crate) fn run(&self, statement: &Statement, ticket: &Arc<Ticket>, visit: &mut Visit<'_>) -> Result<(), Fault> {
        *self.running.lock() = Some(Arc::clone(ticket));
        let outcome = self.run_watched(statement, ticket, visit);
        *self.running.lock() = None;
        outcome
    }

    fn run_watched(&self, statement: &Statement, ticket: &Ticket, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let fault = |phase| move |error: rusqlite::Error| self.fault(phase, &error, ticket);
        let mut prepared = self.prepare(&statement.sql, ticket)?;
        let count = prepared.parameter_count();
        let parameters = statement.parameters.get(..count).ok_or_else(|| {
            let given = statement.parameters.len();
            Fault::invalid(format!("the statement has `{count}` parameters, the call gives `{given}`"))
        })?;
        for (index, value) in parameters.iter().enumerate() {
            prepared.raw_bind_parameter(index + 1, bindable(value.as_ref())).map_err(fault(Phase::Run))?;
        }
        let width = prepared.column_count();
        let mut rows = prepared.raw_query();
        while let Some(row) = rows.next().map_err(fault(Phase::Run))? {
            if visit(&RowView { row, width })?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn prepare(&self, sql: &str, ticket: &Ticket) -> Result<CachedStatement<'_>, Fault> {
        if sql.contains('\0') {
            return Err(Fault::invalid("the statement holds a NUL byte"));
        }
        if self.scope.is_some() && names_main(sql) {
            let message = "`main.` before a table's name, with a shard key: leave it out";
            return Err(Fault::new(Reason::UnsupportedSql, message));
        }
        let prepared =
            self.connection.prepare_cached(sql).map_err(|error| self.fault(Phase::Prepare, &error, ticket))?;
        let refused = |what| Err(Fault::new(Reason::UnsupportedSql, format!("{what}: a fragment is one SELECT")));
        if prepared.is_explain() != 0 {
            return refused("an EXPLAIN");
        }
        if prepared.column_count() == 0 || !prepared.readonly() {
            return refused("a statement that gives no rows, or writes");
        }
        Ok(prepared)
    }

    fn fault(&self, phase: Phase, error: &rusqlite::Error, ticket: &Ticket) -> Fault {
        match error {
            rusqlite::Error::MultipleStatement => Fault::invalid("more than one statement: send them one by one"),
            error if code(error) == Some(ErrorCode::OperationInterrupted) => ticket.fault(),
            error => self.place.sqlite(phase, error),
        }
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.execute_batch(&format!(
        "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -{CACHE_KIB}"
    ))
}

/// Makes the scope's views, then lets the connection do nothing but read, and only until its call is over.
fn seal(
    connection: &mut Connection,
    scope: Option<&Scope>,
    running: Arc<Mutex<Option<Arc<Ticket>>>>,
    trusted: Arc<AtomicBool>,
) -> rusqlite::Result<()> {
    raw::register_functions(connection)?;
    let names = scope.map(Scope::names);
    if let (Some(scope), Some(names)) = (scope, &names) {
        connection.execute_batch(&scope.views(names))?;
    }
    connection.execute_batch("PRAGMA query_only = ON")?;
    let authorizer = Authorizer { trusted, scope: names, writes: false };
    connection.authorizer(Some(move |context: AuthContext<'_>| authorizer.decide(context)))?;
    let is_over = move || running.lock().as_ref().is_some_and(|ticket| ticket.is_over());
    connection.progress_handler(OPS_PER_LOOK, Some(is_over))
}

/// A value as SQLite's binding takes it.
pub(crate) fn bindable(value: ValueRef<'_>) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(integer) => SqlValue::Integer(integer),
        ValueRef::Real(real) => SqlValue::Real(real),
        ValueRef::Text(bytes) => SqlValue::Text(bytes),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes),
    })
}
