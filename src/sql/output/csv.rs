//! CSV after RFC 4180. NULL and the empty text are both an empty field; bytes that are no text are `x'..'`.

use std::io::{self, Write};

use souk_merge::{BatchCursor, ValueRef};
use souk_proto::v1::ColumnDescription;

use super::{RowSink, bytes};
use crate::real;

/// Writes rows as they come.
pub(super) struct CsvSink<W: Write> {
    writer: csv::Writer<W>,
}

impl<W: Write> CsvSink<W> {
    pub(super) fn new(out: W) -> CsvSink<W> {
        CsvSink { writer: csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out) }
    }

    fn field(&mut self, value: ValueRef<'_>) -> Result<(), csv::Error> {
        match value {
            ValueRef::Null => self.writer.write_field(""),
            ValueRef::Integer(integer) => self.writer.write_field(integer.to_string()),
            ValueRef::Real(real) => self.writer.write_field(real::number_text(real)),
            ValueRef::Text(text) if std::str::from_utf8(text).is_ok() => self.writer.write_field(text),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => self.writer.write_field(bytes::literal(bytes)),
        }
    }
}

impl<W: Write + Send> RowSink for CsvSink<W> {
    fn header(&mut self, columns: &[ColumnDescription]) -> io::Result<()> {
        self.writer.write_record(columns.iter().map(|column| &column.name)).map_err(io_error)
    }

    fn row(&mut self, row: &BatchCursor) -> io::Result<()> {
        for value in row.values() {
            self.field(value).map_err(io_error)?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(io_error)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// Keeps the kind of what went wrong below, so that a closed pipe is seen as one.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
