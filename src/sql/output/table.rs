//! A table for people.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use souk_merge::{BatchCursor, ValueRef};
use souk_proto::v1::ColumnDescription;

use super::{RowSink, bytes};
use crate::real;

/// Rows that a table shows: its layout needs all of them in memory.
const ROWS_MAX: u64 = 10_000;

/// Collects rows and writes them at the end.
pub(super) struct TableSink<W: Write> {
    out: W,
    width: Option<u16>,
    names: Vec<String>,
    /// Whether a column has held nothing but numbers and NULLs so far.
    numeric: Vec<bool>,
    cells: Vec<Vec<String>>,
    rows: u64,
}

impl<W: Write> TableSink<W> {
    pub(super) fn new(out: W, width: Option<u16>) -> TableSink<W> {
        TableSink { out, width, names: Vec::new(), numeric: Vec::new(), cells: Vec::new(), rows: 0 }
    }
}

impl<W: Write + Send> RowSink for TableSink<W> {
    fn header(&mut self, columns: &[ColumnDescription]) -> io::Result<()> {
        self.names = columns.iter().map(|column| one_line(&column.name)).collect();
        self.numeric = vec![true; columns.len()];
        Ok(())
    }

    fn row(&mut self, row: &BatchCursor) -> io::Result<()> {
        self.rows += 1;
        if self.rows > ROWS_MAX {
            return Ok(());
        }
        for (numeric, value) in self.numeric.iter_mut().zip(row.values()) {
            *numeric &= matches!(value, ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_));
        }
        self.cells.push(row.values().map(text).collect());
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let cells = std::mem::take(&mut self.cells);
        writeln!(self.out, "{}", printed(&self.names, &self.numeric, cells, self.width))?;
        if self.rows > ROWS_MAX {
            let more = self.rows - ROWS_MAX;
            writeln!(self.out, "{more} more rows are not shown; --format csv, json or jsonl writes them all")?;
        }
        self.out.flush()
    }
}

/// The table of these cells; numeric columns stand to the right.
pub(crate) fn printed(names: &[String], numeric: &[bool], rows: Vec<Vec<String>>, width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(names.iter().map(Cell::new));
    match width {
        Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.add_rows(rows);
    for (index, numeric) in numeric.iter().enumerate() {
        if *numeric && let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(integer) => integer.to_string(),
        ValueRef::Real(real) => real::text(real),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => one_line(text),
            Err(_) => bytes::literal(text),
        },
        ValueRef::Blob(bytes) => bytes::literal(bytes),
    }
}

/// The text with control characters written out: they would break the layout, or steer the terminal.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() { line.extend(character.escape_default()) } else { line.push(character) }
    }
    line
}
