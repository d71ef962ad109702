//! Scratches: databases with the cluster's schema that are given rows, so that SQLite finishes a query over them.
//!
//! A scratch is a temporary database of SQLite's own: in memory until it outgrows [`CACHE_KIB`], then in a file that has no name on the
//! disk, so that no crash can leave it there. A query works inside one transaction that is rolled back, which leaves the scratch as it
//! was: empty.

mod change;
mod fill;
mod indices;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use souk_merge::{Batch, Value};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::plan::ScratchTable;
use crate::values::{bind, from_sqlite};

pub(crate) use change::{ChangedRows, Kept, Ran, StoredTable, WholeStatement};
pub(crate) use fill::{Bounds, Filled};

/// Memory of a scratch, in KiB; what is more goes to a file.
const CACHE_KIB: u32 = 64 << 10;
/// Scratches kept between queries, at most.
const IDLE_MAX: usize = 8;
/// A scratch that took more bytes than this is not kept: its memory is worth more.
const KEPT_BYTES_MAX: u64 = 16 << 20;
/// Rows in a batch of an answer, at most.
const BATCH_ROWS: usize = 4096;
/// Bytes in a batch of an answer, about.
const BATCH_BYTES: usize = 1 << 20;
/// Virtual machine steps between two looks at the clock.
const STEPS_PER_LOOK: i32 = 1000;

/// When to stop.
#[derive(Clone)]
pub(crate) struct Stop {
    pub(crate) deadline: Instant,
    pub(crate) cancelled: Arc<AtomicBool>,
}

impl Stop {
    pub(crate) fn is_due(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }
}

/// Stops what watches it, when it is dropped.
pub(crate) struct CancelOnDrop(pub(crate) Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Scratches of one schema.
pub(crate) struct Scratches {
    script: Vec<String>,
    idle: Mutex<Vec<Connection>>,
}

impl Scratches {
    pub(crate) fn new(script: Vec<String>) -> Scratches {
        Scratches { script, idle: Mutex::new(Vec::new()) }
    }

    /// An empty scratch for one query, which stops when it is told to.
    pub(crate) fn take(&self, stop: &Stop) -> Result<Scratch<'_>> {
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open(&self.script).map_err(|error| internal(&error))?,
        };
        let watched = stop.clone();
        connection
            .progress_handler(STEPS_PER_LOOK, Some(move || watched.is_due()))
            .map_err(|error| internal(&error))?;
        connection.execute_batch("BEGIN").map_err(|error| internal(&error))?;
        Ok(Scratch { home: self, connection: Some(connection), stop: stop.clone(), filled: Filled::default() })
    }
}

fn open(script: &[String]) -> rusqlite::Result<Connection> {
    let connection = Connection::open("")?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    // The shards have enforced what is enforced here no more: rows come without the columns that nobody reads.
    connection.execute_batch(&format!(
        "PRAGMA cache_size = -{CACHE_KIB}; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;
         PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;"
    ))?;
    script.iter().try_for_each(|statement| connection.execute_batch(statement))?;
    Ok(connection)
}

/// A scratch, for one query.
pub(crate) struct Scratch<'a> {
    home: &'a Scratches,
    connection: Option<Connection>,
    stop: Stop,
    filled: Filled,
}

impl Scratch<'_> {
    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("a connection is taken out only by drop")
    }

    /// Makes the tables for `sql`; gives the indices that are to be made when they are filled.
    pub(crate) fn prepare(&self, tables: &[ScratchTable], sql: &str) -> Result<Vec<String>> {
        fill::create_parts(self.connection(), tables).map_err(|error| internal(&error))?;
        indices::put_off(self.connection(), tables, sql)
    }

    /// Fills a table with the batches that come.
    pub(crate) fn fill(
        &mut self,
        table: &ScratchTable,
        bounds: &Bounds,
        batches: &mut dyn FnMut() -> Result<Option<Batch>>,
    ) -> Result<()> {
        let connection = self.connection.as_ref().expect("a connection is taken out only by drop");
        let mut filler = fill::Filler::new(connection, table)?;
        while let Some(batch) = batches()? {
            if self.stop.is_due() {
                return Err(Error::deadline());
            }
            self.filled.add(&batch, table, bounds)?;
            filler.push(batch)?;
        }
        Ok(())
    }

    /// Makes the indices that were put off.
    pub(crate) fn index(&self, indices: &[String]) -> Result<()> {
        indices.iter().try_for_each(|sql| self.connection().execute_batch(sql)).map_err(|error| Error::runtime(&error))
    }

    /// The rows of a query over what is there.
    pub(crate) fn rows(
        &self,
        sql: &str,
        parameters: &[Value],
        emit: &mut dyn FnMut(Batch) -> Result<()>,
    ) -> Result<()> {
        rows(self.connection(), sql, parameters, emit)
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let mut connection = connection;
        let unwatched = connection.progress_handler(0, None::<fn() -> bool>).is_ok();
        let emptied = unwatched && connection.execute_batch("ROLLBACK").is_ok();
        let mut idle = self.home.idle.lock();
        if emptied && self.filled.bytes <= KEPT_BYTES_MAX && idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }
}

/// The rows of one query on a connection that may be shared with the planner.
pub(crate) fn rows(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    emit: &mut dyn FnMut(Batch) -> Result<()>,
) -> Result<()> {
    let mut statement = connection.prepare(sql).map_err(|error| Error::runtime(&error))?;
    bind(&mut statement, parameters).map_err(|error| Error::runtime(&error))?;
    let width = statement.column_count();
    let mut rows = statement.raw_query();
    let mut batch = Batch::new(width);
    while let Some(row) = rows.next().map_err(|error| Error::runtime(&error))? {
        batch.push_row((0..width).map(|index| from_sqlite(row.get_ref_unwrap(index))));
        if batch.rows() >= BATCH_ROWS || batch.byte_size() >= BATCH_BYTES {
            emit(std::mem::replace(&mut batch, Batch::new(width)))?;
        }
    }
    if batch.is_empty() { Ok(()) } else { emit(batch) }
}

fn internal(error: &rusqlite::Error) -> Error {
    Error::internal(format!("a scratch: {error}"))
}

#[cfg(test)]
mod tests {
    use souk_proto::Reason;

    use super::*;
    use crate::plan::{Cell, Fill};

    const SCHEMA: &str =
        "CREATE TABLE t(k INTEGER NOT NULL, id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b, UNIQUE (k, a));
         CREATE INDEX by_a ON t(a); CREATE INDEX by_b ON t(b); CREATE VIEW v AS SELECT a FROM t";

    fn stop() -> Stop {
        Stop { deadline: Instant::now() + std::time::Duration::from_secs(60), cancelled: Arc::default() }
    }

    fn table() -> ScratchTable {
        let cells = [("k", Cell::RowNumber), ("id", Cell::Fetched(0)), ("a", Cell::Fetched(1)), ("b", Cell::Null)];
        let cells = cells.into_iter().map(|(name, cell)| (name.to_owned(), cell)).collect();
        ScratchTable { name: "t".into(), fill: Fill::Table(cells) }
    }

    fn batch(ids: std::ops::Range<i64>, text: &str) -> Batch {
        let mut batch = Batch::new(2);
        ids.for_each(|id| batch.push_row([Value::Integer(id).as_ref(), Value::text(text).as_ref()]));
        batch
    }

    const BOUNDS: Bounds = Bounds { bytes_max: 256 << 20, rows_max: 1 << 20 };

    fn ask(scratches: &Scratches, batches: Vec<Batch>, bounds: &Bounds, sql: &str) -> Result<Vec<Vec<Value>>> {
        let mut scratch = scratches.take(&stop())?;
        let tables = [table()];
        let indices = scratch.prepare(&tables, sql)?;
        let mut batches = batches.into_iter();
        scratch.fill(&tables[0], bounds, &mut || Ok(batches.next()))?;
        scratch.index(&indices)?;
        let mut rows = Vec::new();
        scratch.rows(sql, &[], &mut |batch| {
            rows.extend(batch.into_rows());
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn a_scratch_is_empty_for_the_next_query() {
        let scratches = Scratches::new(vec![SCHEMA.to_owned()]);
        for _ in 0..3 {
            let rows =
                ask(&scratches, vec![batch(1..11, "x")], &BOUNDS, "SELECT count(*), max(a) FROM v WHERE a = 'X'");
            assert_eq!(rows, Ok(vec![vec![Value::Integer(10), Value::text("x")]]));
            assert_eq!(scratches.idle.lock().len(), 1);
        }
        // A query that fails leaves nothing behind either.
        let failed = ask(&scratches, vec![batch(1..11, "x"), batch(5..6, "x")], &BOUNDS, "SELECT 1");
        assert_eq!(failed.map_err(|error| error.reason), Err(Reason::Constraint));
        let indices = "SELECT group_concat(name, ' ' ORDER BY name) FROM sqlite_schema WHERE sql LIKE 'CREATE INDEX%'";
        assert_eq!(ask(&scratches, vec![], &BOUNDS, indices), Ok(vec![vec![Value::text("by_a by_b")]]));
    }

    #[test]
    fn what_outgrows_its_bounds_is_named() {
        let scratches = Scratches::new(vec![SCHEMA.to_owned()]);
        for bounds in [Bounds { bytes_max: 100, ..BOUNDS }, Bounds { rows_max: 9, ..BOUNDS }] {
            let error = ask(&scratches, vec![batch(1..11, "some text")], &bounds, "SELECT 1").expect_err("too large");
            assert_eq!(error.reason, Reason::GatherTooLarge);
            assert!(error.message.contains("`t`") && error.message.contains("gather_"), "{error}");
        }
    }

    /// Files that this process holds without a name.
    #[cfg(target_os = "linux")]
    fn unnamed_files() -> usize {
        let files = std::fs::read_dir("/proc/self/fd").expect("open files");
        let targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().ends_with("(deleted)")).count()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_large_scratch_goes_to_a_file_that_no_crash_can_leave_behind() {
        let scratches = Scratches::new(vec![SCHEMA.to_owned()]);
        let mut scratch = scratches.take(&stop()).expect("a scratch");
        let before = unnamed_files();
        let text = "x".repeat(1 << 20);
        let mut ids = 0..80;
        scratch
            .fill(&table(), &BOUNDS, &mut || Ok(ids.next().map(|id| batch(id..id + 1, &format!("{id}{text}")))))
            .expect("80 MiB");
        assert_eq!(unnamed_files(), before + 1, "it has spilled, and the file has no name");
        drop(scratch);
        assert_eq!(unnamed_files(), before, "it is gone with the scratch");
        assert_eq!(scratches.idle.lock().len(), 0, "and its memory with it");
    }
}
