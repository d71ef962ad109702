//! Filling the tables of a scratch with merged rows.

use rusqlite::{Connection, Statement};
use souk_merge::{Batch, BatchCursor, Collation, Finish, StateKind, finish_state};
use souk_proto::Reason;

use super::internal;
use crate::error::{Error, Result};
use crate::plan::{Cell, Fill, ScratchColumn, ScratchTable};
use crate::values::to_sqlite;

/// What one query may bring into its scratch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) bytes_max: u64,
    pub(crate) rows_max: u64,
}

/// What a query has brought into its scratch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filled {
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

impl Filled {
    /// Counts a batch that is to come.
    pub(super) fn add(&mut self, batch: &Batch, table: &ScratchTable, bounds: &Bounds) -> Result<()> {
        self.bytes += batch.byte_size() as u64;
        self.rows += batch.rows() as u64;
        let what = match &table.fill {
            Fill::Table(_) => format!("the table `{}`", table.name),
            Fill::Part { .. } => format!("`{}` of the plan", table.name),
        };
        let too_large = |reached: u64, unit: &str, max: u64, setting: &str| {
            let message = format!(
                "gathering {what} reached {reached} {unit} of this query's {max}: add a condition on that table alone, \
                 name a shard key, select fewer columns, or raise `{setting}`"
            );
            Err(Error::new(Reason::GatherTooLarge, message))
        };
        if self.bytes > bounds.bytes_max {
            return too_large(self.bytes, "bytes", bounds.bytes_max, "gather_bytes_max");
        }
        if self.rows > bounds.rows_max {
            return too_large(self.rows, "rows", bounds.rows_max, "gather_rows_max");
        }
        Ok(())
    }
}

/// Makes the tables that are no tables of the schema.
pub(super) fn create_parts(connection: &Connection, tables: &[ScratchTable]) -> rusqlite::Result<()> {
    for table in tables {
        if let Fill::Part { columns, finishes } = &table.fill {
            connection.execute_batch(&create_part(&table.name, columns, columns.len() + finishes.len()))?;
        }
    }
    Ok(())
}

/// A column keeps the affinity and collation of what it stands for; a table without columns gets one that nobody reads. Where an affinity must
/// not convert what is stored, it is that of a view's column.
fn create_part(name: &str, columns: &[ScratchColumn], width: usize) -> String {
    let none = ScratchColumn { affinity: None, cast: false, collation: Collation::Binary };
    let columns: Vec<(String, &ScratchColumn)> =
        (0..width.max(1)).map(|index| (format!("c{}", index + 1), columns.get(index).unwrap_or(&none))).collect();
    let type_name = |column: &ScratchColumn| column.affinity.map_or("", |affinity| affinity.type_name());
    let declared = columns.iter().map(|(name, column)| {
        let type_name = if column.cast { "" } else { type_name(column) };
        format!("{name} {type_name} COLLATE {}", column.collation.name())
    });
    let declared = declared.collect::<Vec<_>>().join(", ");
    if !columns.iter().any(|(_, column)| column.cast) {
        return format!("CREATE TABLE \"{name}\" ({declared})");
    }
    let shown = columns.iter().map(|(name, column)| match column.cast {
        true => format!("CAST({name} AS {}) AS {name}", type_name(column)),
        false => name.clone(),
    });
    let (shown, rows) = (shown.collect::<Vec<_>>().join(", "), rows_name(name));
    format!("CREATE TABLE \"{rows}\" ({declared}); CREATE VIEW \"{name}\" AS SELECT {shown} FROM \"{rows}\"")
}

/// The table behind the view of a part.
fn rows_name(name: &str) -> String {
    format!("{name} rows")
}

/// Inserts the rows of one table.
pub(super) struct Filler<'a> {
    insert: Statement<'a>,
    table: &'a ScratchTable,
    sources: Vec<Source>,
    rows: i64,
}

/// Where the value of a parameter of the INSERT comes from.
#[derive(Clone, Copy)]
enum Source {
    Column(usize),
    State(usize, StateKind, Finish),
    RowNumber,
}

impl<'a> Filler<'a> {
    pub(super) fn new(connection: &'a Connection, table: &'a ScratchTable) -> Result<Filler<'a>> {
        let (sql, sources) = insert(table);
        let insert = connection.prepare(&sql).map_err(|error| internal(&error))?;
        Ok(Filler { insert, table, sources, rows: 0 })
    }

    pub(super) fn push(&mut self, batch: Batch) -> Result<()> {
        let mut cursor = batch.into_cursor();
        while cursor.advance() {
            self.rows += 1;
            self.bind(&cursor)?;
            self.insert.raw_execute().map_err(|error| self.refused(&error))?;
        }
        Ok(())
    }

    fn bind(&mut self, cursor: &BatchCursor) -> Result<()> {
        for (place, source) in (1..).zip(&self.sources) {
            let bound = match *source {
                Source::Column(index) => self.insert.raw_bind_parameter(place, to_sqlite(cursor.value(index))),
                Source::RowNumber => self.insert.raw_bind_parameter(place, self.rows),
                Source::State(index, kind, how) => {
                    let value = finish_state(kind, cursor.value(index), how)?;
                    self.insert.raw_bind_parameter(place, to_sqlite(value.as_ref()))
                }
            };
            bound.map_err(|error| internal(&error))?;
        }
        Ok(())
    }

    fn refused(&self, error: &rusqlite::Error) -> Error {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => Error::new(
                Reason::Constraint,
                format!(
                    "rows of `{}` on different shards could not be in one database: {error}; give them different keys",
                    self.table.name
                ),
            ),
            _ => Error::runtime(error),
        }
    }
}

fn insert(table: &ScratchTable) -> (String, Vec<Source>) {
    let name = &table.name.replace('"', "\"\"");
    match &table.fill {
        Fill::Part { columns, finishes } => {
            let loaded = (0..columns.len()).map(Source::Column);
            let state =
                |(state, kind, how): &(usize, StateKind, Finish)| Source::State(columns.len() + state, *kind, *how);
            let sources: Vec<Source> = loaded.chain(finishes.iter().map(state)).collect();
            let marks: Vec<&str> = if sources.is_empty() { vec!["NULL"] } else { vec!["?"; sources.len()] };
            let name = if columns.iter().any(|column| column.cast) { &rows_name(name) } else { name };
            (format!("INSERT INTO \"{name}\" VALUES ({})", marks.join(", ")), sources)
        }
        Fill::Table(cells) => {
            let names = cells.iter().map(|(name, _)| format!("\"{}\"", name.replace('"', "\"\"")));
            let mut sources = Vec::new();
            let marks = cells.iter().map(|(_, cell)| match *cell {
                Cell::Null => "NULL",
                Cell::Fetched(index) => {
                    sources.push(Source::Column(index));
                    "?"
                }
                Cell::RowNumber => {
                    sources.push(Source::RowNumber);
                    "?"
                }
            });
            let marks = marks.collect::<Vec<_>>().join(", ");
            (format!("INSERT INTO \"{name}\" ({}) VALUES ({marks})", names.collect::<Vec<_>>().join(", ")), sources)
        }
    }
}
