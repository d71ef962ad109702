//! Rows of one text each, as plain lines.

use std::io::{self, Write};

use souk_merge::{BatchCursor, ValueRef};
use souk_proto::v1::ColumnDescription;

use super::RowSink;
use crate::failure::printable;

/// Writes rows as they come.
pub(super) struct LinesSink<W: Write> {
    out: W,
}

impl<W: Write> LinesSink<W> {
    pub(super) fn new(out: W) -> LinesSink<W> {
        LinesSink { out }
    }
}

impl<W: Write + Send> RowSink for LinesSink<W> {
    fn header(&mut self, columns: &[ColumnDescription]) -> io::Result<()> {
        match columns.len() {
            1 => Ok(()),
            count => Err(io::Error::other(format!("a plan has one column, not {count}"))),
        }
    }

    fn row(&mut self, row: &BatchCursor) -> io::Result<()> {
        match row.value(0) {
            ValueRef::Text(line) => writeln!(self.out, "{}", printable(&String::from_utf8_lossy(line))),
            _ => Err(io::Error::other("a plan is text")),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
