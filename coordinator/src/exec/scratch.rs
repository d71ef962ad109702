//! SQLite at the coordinator: finishing a query over merged parts, and answering one that no shard holds rows for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use souk_merge::{Batch, Value, finish_state};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::plan::{ScratchColumn, ScratchTable};
use crate::values::{bind, from_sqlite, to_sqlite};

/// Rows in a batch of a scratch's answer, at most.
const BATCH_ROWS: usize = 4096;
/// Bytes in a batch of a scratch's answer, about.
const BATCH_BYTES: usize = 1 << 20;
/// Virtual machine steps between two looks at the clock.
const STEPS_PER_LOOK: i32 = 1000;

/// When to stop.
#[derive(Clone)]
pub(super) struct Stop {
    pub(super) deadline: Instant,
    pub(super) cancelled: Arc<AtomicBool>,
}

impl Stop {
    pub(super) fn is_due(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }
}

/// Loads each table with its merged rows and runs the finishing query.
pub(super) fn finish(
    tables: &[ScratchTable],
    parts: Vec<Vec<Batch>>,
    sql: &str,
    parameters: &[Value],
    stop: &Stop,
    emit: &mut dyn FnMut(Batch) -> Result<()>,
) -> Result<()> {
    let mut connection = Connection::open_in_memory().map_err(|error| Error::internal(error.to_string()))?;
    for (table, batches) in tables.iter().zip(parts) {
        load(&connection, table, batches)?;
    }
    let watch = stop.clone();
    connection
        .progress_handler(STEPS_PER_LOOK, Some(move || watch.is_due()))
        .map_err(|error| Error::runtime(&error))?;
    rows(&connection, sql, parameters, emit)
}

fn load(connection: &Connection, table: &ScratchTable, batches: Vec<Batch>) -> Result<()> {
    let internal = |error: rusqlite::Error| Error::internal(format!("loading a scratch: {error}"));
    let width = table.columns.len() + table.finishes.len();
    connection.execute_batch(&create_table(table, width)).map_err(internal)?;
    let places: Vec<String> = (1..=width).map(|place| format!("?{place}")).collect();
    let insert = format!("INSERT INTO \"{}\" VALUES ({})", table.name, places.join(", "));
    connection.execute_batch("BEGIN").map_err(internal)?;
    let mut insert = connection.prepare(&insert).map_err(internal)?;
    for batch in batches {
        let mut cursor = batch.into_cursor();
        while cursor.advance() {
            for index in 0..table.columns.len() {
                let value = to_sqlite(cursor.value(index));
                insert.raw_bind_parameter(index + 1, value).map_err(internal)?;
            }
            for (place, (state, kind, how)) in table.finishes.iter().enumerate() {
                let value = finish_state(*kind, cursor.value(table.columns.len() + state), *how)?;
                insert
                    .raw_bind_parameter(table.columns.len() + place + 1, to_sqlite(value.as_ref()))
                    .map_err(internal)?;
            }
            insert.raw_execute().map_err(internal)?;
        }
    }
    connection.execute_batch("COMMIT").map_err(internal)
}

/// A column keeps the affinity and collation of what it stands for; a table without columns gets one that nobody reads.
fn create_table(table: &ScratchTable, width: usize) -> String {
    let none = ScratchColumn { affinity: None, collation: souk_merge::Collation::Binary };
    let columns: Vec<String> = (0..width.max(1))
        .map(|index| {
            let column = table.columns.get(index).unwrap_or(&none);
            let affinity = column.affinity.map_or("", |affinity| affinity.type_name());
            let collation = column.collation.name();
            format!("c{} {affinity} COLLATE {collation}", index + 1)
        })
        .collect();
    format!("CREATE TABLE \"{}\" ({})", table.name, columns.join(", "))
}

/// The rows of one query on a connection that may be shared with the planner.
pub(super) fn rows(
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
