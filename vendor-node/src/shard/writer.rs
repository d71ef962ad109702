//! A writer: the one connection of a shard that may change its file.

mod intent;
mod run;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rusqlite::{
    CachedStatement, Connection, ErrorCode, ffi,
    hooks::{Action, AuthContext, Wal},
    wal::CheckpointMode,
};
use souk_merge::{Batch, BatchCursor};
use souk_proto::Reason;

use super::{
    authorizer::{Authorizer, is_internal},
    connection::{self, BUSY_WAIT_MAX, Counted, OpenConnections},
    file,
    place::{Phase, Place, Trouble, code, words},
    reader::bindable,
    scope::quote,
};
pub(crate) use intent::{Intent, Part, ReadWork, Vote};

use crate::{
    error::Fault,
    raw,
    schema::{Change, SchemaLog},
    ticket::Ticket,
};

/// Prepared statements kept a writer, those among them that begin and end its transactions. As many as a transaction of an application has: an order has a dozen.
const STATEMENTS_KEPT: usize = 24;

/// Instructions of SQLite's machine between two looks at the ticket.
const OPS_PER_LOOK: i32 = 1000;

/// Rows changed after which SQLite is first asked whether it wants statistics of its tables, and how many times more before it is
/// asked again.
const ROWS_TO_ASK_FIRST: u64 = 100;
const ROWS_TO_ASK_FACTOR: u64 = 4;

/// Page cache of a writer, in KiB.
const CACHE_KIB: i32 = 128;

/// Bytes to which a log is cut when it starts anew.
const WAL_BYTES_KEPT: u64 = 4 << 20;

/// Rows for one table.
#[derive(Debug)]
pub(crate) struct TableRows {
    table: String,
    columns: Vec<String>,
    batch: Batch,
}

impl TableRows {
    /// Rows of a batch that has one column for each of `columns`.
    pub(crate) fn new(table: String, columns: Vec<String>, batch: Batch) -> Result<TableRows, Fault> {
        if is_internal(&table) {
            return Err(Fault::invalid(format!("`{table}` takes no rows: it is no table of the schema")));
        }
        if columns.is_empty() || columns.len() != batch.width() {
            let (names, width) = (columns.len(), batch.width());
            return Err(Fault::invalid(format!("rows for `{table}` name `{names}` columns and hold `{width}`")));
        }
        Ok(TableRows { table, columns, batch })
    }
}

/// What became of a shard's rows.
#[derive(Debug, Default)]
pub(crate) struct Inserted {
    pub(crate) rows: u64,
    pub(crate) rejected: Vec<RejectedRow>,
}

/// A row that the shard refused while the others were kept.
#[derive(Debug)]
pub(crate) struct RejectedRow {
    /// Index into the shard's tables.
    pub(crate) table: usize,
    /// Place in the batch.
    pub(crate) row: usize,
    pub(crate) fault: Fault,
}

/// A write that did not happen, or that nobody can say whether it did.
pub(crate) struct WriteFault {
    pub(crate) fault: Fault,
    /// The connection's state is in doubt: it must be closed.
    pub(crate) close: bool,
}

impl From<Fault> for WriteFault {
    fn from(fault: Fault) -> WriteFault {
        WriteFault { fault, close: false }
    }
}

/// A connection that writes.
pub(crate) struct Writer {
    connection: Connection,
    place: Arc<Place>,
    schema_version: u64,
    /// Pages in the log after the last commit.
    wal_pages: Arc<AtomicUsize>,
    client: Client,
    /// Rows changed, over the connection's life, after which SQLite is asked for statistics.
    ask_at: u64,
    /// What it has promised to do; meanwhile nothing else is written.
    intent: Option<Intent>,
    _counted: Counted,
}

/// What the connection's hooks know of the client's statement that runs.
#[derive(Clone)]
struct Client {
    /// Unset while a client's statement is compiled and run.
    trusted: Arc<AtomicBool>,
    ticket: Arc<Mutex<Option<Arc<Ticket>>>>,
    /// The rowid of the last row that was inserted.
    inserted: Arc<Mutex<Option<i64>>>,
}

impl Writer {
    /// Opens the file for writing.
    pub(crate) fn open(place: &Arc<Place>, open: &Arc<OpenConnections>) -> Result<Writer, Trouble> {
        let opening = |error| place.opening(&error);
        let counted = Counted::new(open);
        let mut connection = connection::open(place).map_err(opening)?;
        configure(&connection).map_err(opening)?;
        file::check(place, &connection)?;
        let wal_pages = Arc::new(AtomicUsize::new(0));
        count_pages(&mut connection, Arc::clone(&wal_pages)).map_err(opening)?;
        let client =
            Client { trusted: Arc::new(AtomicBool::new(true)), ticket: Arc::default(), inserted: Arc::default() };
        watch(&mut connection, &client).map_err(opening)?;
        let version = "SELECT schema_version FROM _souk_shard";
        let version = connection.query_row(version, [], |row| row.get::<_, i64>(0)).map_err(opening)?;
        let schema_version = version.cast_unsigned();
        let (place, intent) = (Arc::clone(place), None);
        let mut writer = Writer {
            connection,
            place,
            schema_version,
            wal_pages,
            client,
            ask_at: ROWS_TO_ASK_FIRST,
            intent,
            _counted: counted,
        };
        writer.read_intent().map_err(|error| writer.place.opening(&error))?;
        Ok(writer)
    }

    /// Pages in the log.
    pub(crate) fn wal_pages(&self) -> usize {
        self.wal_pages.load(Ordering::Relaxed)
    }

    /// Gives the page cache back: beside the sync of a commit, reading some pages again costs nothing, and thousands of
    /// writers keep as much as a reader each.
    pub(crate) fn release_memory(&self) -> rusqlite::Result<()> {
        self.connection.release_memory()
    }

    /// Lets SQLite's planner know how large tables are and how well indices tell rows apart, when they have grown tenfold since it was
    /// told (https://www.sqlite.org/pragma.html#pragma_optimize). Without that it takes the vendor, which all rows of a shard share, for
    /// a column that tells rows apart.
    pub(crate) fn optimize(&mut self) -> rusqlite::Result<()> {
        let changed = self.connection.total_changes();
        if changed < self.ask_at {
            return Ok(());
        }
        self.ask_at = changed.saturating_mul(ROWS_TO_ASK_FACTOR);
        // All tables, those too that this connection has not asked; a look at some rows of each, and no samples.
        self.connection.execute_batch("PRAGMA analysis_limit = 400; PRAGMA optimize = 0x10002")
    }

    /// Moves the log's pages into the file, as far as no reader needs the old ones.
    pub(crate) fn checkpoint(&self) -> rusqlite::Result<()> {
        self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE).map(drop)
    }

    /// Moves the log's pages into the file and cuts it to nothing; false when a reader needs it still.
    pub(crate) fn restart_log(&self) -> rusqlite::Result<bool> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let moved = self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE);
        self.connection.busy_timeout(BUSY_WAIT_MAX)?;
        match moved {
            Ok(_) => {
                self.wal_pages.store(0, Ordering::Relaxed);
                Ok(true)
            }
            Err(error) if code(&error) == Some(ErrorCode::DatabaseBusy) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Brings the shard's schema to the end of the log, in one transaction.
    pub(crate) fn catch_up(&mut self, log: &SchemaLog) -> Result<(), WriteFault> {
        if self.missing(log)?.is_empty() {
            return Ok(());
        }
        if self.intent.is_some() {
            // What was promised was promised for the schema as it is.
            return Err(self.held().into());
        }
        // Whoever asks the shard meanwhile asks for another schema than it has.
        self.transaction(|writer| writer.change_schema(log, |_| Reason::SchemaMismatch))?;
        self.connection.flush_prepared_statement_cache();
        self.schema_version = log.version();
        Ok(())
    }

    /// Does the same and undoes it.
    pub(crate) fn try_catch_up(&mut self, log: &SchemaLog) -> Result<(), WriteFault> {
        let fault = |writer: &Writer, error: rusqlite::Error| writer.place.sqlite(Phase::Run, &error);
        self.control("BEGIN IMMEDIATE").map_err(|error| fault(self, error))?;
        let outcome =
            self.change_schema(log, |fault| fault.reason).and_then(|()| {
                match raw::breaks_deferred_constraint(&self.connection) {
                    true => Err(self.place.fault(Reason::Constraint, "FOREIGN KEY constraint failed")),
                    false => Ok(()),
                }
            });
        self.roll_back().map_err(|error| WriteFault { fault: fault(self, error), close: true })?;
        Ok(outcome?)
    }

    /// The changes of the log that it has not had.
    fn missing<'l>(&self, log: &'l SchemaLog) -> Result<&'l [Change], Fault> {
        let held = self.schema_version;
        log.after(held).ok_or_else(|| {
            let words =
                format!("its schema is at {held}, the node's log ends at {}: restore the node's log", log.version());
            self.place.fault(Reason::SchemaMismatch, words)
        })
    }

    /// In the transaction that is open.
    fn change_schema(&self, log: &SchemaLog, reason: impl Fn(&Fault) -> Reason) -> Result<(), Fault> {
        for (change, number) in self.missing(log)?.iter().zip(self.schema_version + 1..) {
            let applied = self.connection.execute_batch(&change.sql);
            applied.map_err(|error| self.schema_fault(number, &error, &reason))?;
        }
        let set = "UPDATE _souk_shard SET schema_version = ?1";
        let set = self.connection.execute(set, [log.version().cast_signed()]);
        set.map(drop).map_err(|error| self.schema_fault(log.version(), &error, &reason))
    }

    fn schema_fault(&self, number: u64, error: &rusqlite::Error, reason: &impl Fn(&Fault) -> Reason) -> Fault {
        let fault = self.place.sqlite(Phase::Run, error);
        if fault.is_of_shard() {
            return fault;
        }
        self.place.fault(reason(&fault), format!("schema change {number} failed: {}", fault.message))
    }

    /// Inserts rows in one transaction. With `keep_going` a refused row is reported and the others stay; else it undoes all.
    pub(crate) fn insert(&mut self, tables: Vec<TableRows>, keep_going: bool) -> Result<Inserted, WriteFault> {
        self.transaction(|writer| {
            if !keep_going {
                let deferred = writer.control("PRAGMA defer_foreign_keys = ON");
                deferred.map_err(|error| writer.place.sqlite(Phase::Run, &error))?;
            }
            let mut inserted = Inserted::default();
            for (index, rows) in tables.into_iter().enumerate() {
                writer.insert_table(index, rows, keep_going, &mut inserted)?;
            }
            Ok(inserted)
        })
    }

    fn insert_table(
        &self,
        table: usize,
        rows: TableRows,
        keep_going: bool,
        inserted: &mut Inserted,
    ) -> Result<(), Fault> {
        let name = rows.table.clone();
        let prepared = self.connection.prepare_cached(&insert_sql(&rows));
        let mut prepared = prepared.map_err(|error| self.place.sqlite(Phase::Prepare, &error))?;
        let mut cursor = rows.batch.into_cursor();
        let mut row = 0;
        while cursor.advance() {
            match insert_row(&mut prepared, &cursor) {
                Ok(changed) => inserted.rows += changed as u64,
                Err(error) => {
                    let fault = self.refusal(&error);
                    let is_kept = is_of_row(&error) && !self.connection.is_autocommit();
                    if !(keep_going && is_kept) {
                        let message = format!("row {row} of table `{name}`: {}", fault.message);
                        return Err(Fault { message, ..fault });
                    }
                    inserted.rejected.push(RejectedRow { table, row, fault });
                }
            }
            row += 1;
        }
        Ok(())
    }

    fn refusal(&self, error: &rusqlite::Error) -> Fault {
        match code(error) {
            Some(ErrorCode::TypeMismatch) => Fault::new(Reason::Constraint, words(error)),
            _ => self.place.sqlite(Phase::Run, error),
        }
    }

    fn transaction<T>(&self, body: impl FnOnce(&Writer) -> Result<T, Fault>) -> Result<T, WriteFault> {
        self.control("BEGIN IMMEDIATE").map_err(|error| self.place.sqlite(Phase::Open, &error))?;
        match body(self) {
            Ok(_) if self.connection.is_autocommit() => {
                let words = "a statement ended the transaction that it ran in";
                Err(WriteFault { fault: self.place.fault(Reason::Internal, words), close: true })
            }
            Ok(outcome) => self.commit().map(|()| outcome),
            Err(fault) => Err(WriteFault { fault, close: self.roll_back().is_err() }),
        }
    }

    /// A refused COMMIT leaves the transaction open; one that failed otherwise may have happened.
    fn commit(&self) -> Result<(), WriteFault> {
        failpoint!(doubt "commit-refused");
        let Err(error) = self.control("COMMIT") else {
            return Ok(());
        };
        if code(&error) == Some(ErrorCode::ConstraintViolation) {
            let fault = self.place.sqlite(Phase::Run, &error);
            return Err(WriteFault { fault, close: self.roll_back().is_err() });
        }
        let what =
            format!("whether the rows were written is unknown ({}): read them back before trying again", words(&error));
        Err(WriteFault { fault: self.place.fault(Reason::ShardUnavailable, what), close: true })
    }

    fn roll_back(&self) -> rusqlite::Result<()> {
        if self.connection.is_autocommit() { Ok(()) } else { self.control("ROLLBACK") }
    }

    fn control(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.execute_batch(&format!(
        "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -{CACHE_KIB}; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA journal_size_limit = {WAL_BYTES_KEPT}"
    ))
}

/// Counts the log's pages after each commit. The hook takes the place of SQLite's own checkpoints: the shard decides when.
fn count_pages(connection: &mut Connection, counter: Arc<AtomicUsize>) -> rusqlite::Result<()> {
    connection.wal_hook(Some(move |_: &mut Wal, pages| {
        counter.store(usize::try_from(pages).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }))
}

/// Lets clients' statements do no more than they may, and only until their call is over; and sees what they insert.
fn watch(connection: &mut Connection, client: &Client) -> rusqlite::Result<()> {
    raw::register_functions(connection)?;
    let authorizer = Authorizer { trusted: Arc::clone(&client.trusted), scope: None, writes: true };
    connection.authorizer(Some(move |context: AuthContext<'_>| authorizer.decide(context)))?;
    let ticket = Arc::clone(&client.ticket);
    let is_over = move || ticket.lock().as_ref().is_some_and(|ticket| ticket.is_over());
    connection.progress_handler(OPS_PER_LOOK, Some(is_over))?;
    let inserted = Arc::clone(&client.inserted);
    connection.update_hook(Some(move |action: Action, _: &str, _: &str, rowid: i64| {
        if action == Action::SQLITE_INSERT {
            *inserted.lock() = Some(rowid);
        }
    }))
}

fn insert_sql(rows: &TableRows) -> String {
    let columns: Vec<String> = rows.columns.iter().map(|column| quote(column)).collect();
    let places = vec!["?"; columns.len()].join(",");
    format!("INSERT INTO main.{}({}) VALUES ({places})", quote(&rows.table), columns.join(","))
}

fn insert_row(prepared: &mut CachedStatement<'_>, cursor: &BatchCursor) -> rusqlite::Result<usize> {
    for (index, value) in cursor.values().enumerate() {
        prepared.raw_bind_parameter(index + 1, bindable(value))?;
    }
    prepared.raw_execute()
}

/// Whether the row is at fault: the statement is undone and the transaction goes on.
fn is_of_row(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(error, _) => matches!(
            error.extended_code & 0xff,
            ffi::SQLITE_CONSTRAINT | ffi::SQLITE_MISMATCH | ffi::SQLITE_TOOBIG | ffi::SQLITE_ERROR
        ),
        _ => false,
    }
}
