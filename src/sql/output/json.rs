//! JSON: an array of objects, or an object a line.
//!
//! Integers are JSON numbers with all 64 bits; reals have a point or an exponent, and infinities are `9e999`. Bytes that are no
//! text, in a BLOB or a TEXT, are `{"blob": "hex"}`.

use std::{
    collections::HashSet,
    io::{self, Write},
};

use souk_merge::{BatchCursor, ValueRef};
use souk_proto::v1::ColumnDescription;

use super::{RowSink, bytes};
use crate::real;

/// Writes rows as they come.
pub(super) struct JsonSink<W: Write> {
    out: W,
    layout: Layout,
    /// `"name":` of each column.
    names: Vec<String>,
    first: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Array,
    Lines,
}

impl<W: Write> JsonSink<W> {
    pub(super) fn array(out: W) -> JsonSink<W> {
        JsonSink { out, layout: Layout::Array, names: Vec::new(), first: true }
    }

    pub(super) fn lines(out: W) -> JsonSink<W> {
        JsonSink { out, layout: Layout::Lines, names: Vec::new(), first: true }
    }

    fn value(&mut self, value: ValueRef<'_>) -> io::Result<()> {
        match value {
            ValueRef::Null => self.out.write_all(b"null"),
            ValueRef::Integer(integer) => write!(self.out, "{integer}"),
            ValueRef::Real(real) => self.out.write_all(real::number_text(real).as_bytes()),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Ok(serde_json::to_writer(&mut self.out, text)?),
                Err(_) => self.bytes(text),
            },
            ValueRef::Blob(bytes) => self.bytes(bytes),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        write!(self.out, "{{\"blob\":\"{}\"}}", bytes::hex(bytes))
    }

    fn before_row(&mut self) -> io::Result<()> {
        let first = std::mem::replace(&mut self.first, false);
        match (self.layout, first) {
            (Layout::Array, true) => self.out.write_all(b"\n"),
            (Layout::Array, false) => self.out.write_all(b",\n"),
            (Layout::Lines, _) => Ok(()),
        }
    }
}

impl<W: Write + Send> RowSink for JsonSink<W> {
    fn header(&mut self, columns: &[ColumnDescription]) -> io::Result<()> {
        let mut seen = HashSet::new();
        for column in columns {
            if !seen.insert(&column.name) {
                let name = &column.name;
                return Err(io::Error::other(format!("two columns are named `{name}`: give one another name with AS")));
            }
            self.names.push(serde_json::to_string(&column.name)? + ":");
        }
        if self.layout == Layout::Array { self.out.write_all(b"[") } else { Ok(()) }
    }

    fn row(&mut self, row: &BatchCursor) -> io::Result<()> {
        self.before_row()?;
        self.out.write_all(b"{")?;
        for (index, value) in row.values().enumerate() {
            if index > 0 {
                self.out.write_all(b",")?;
            }
            self.out.write_all(self.names[index].as_bytes())?;
            self.value(value)?;
        }
        self.out.write_all(if self.layout == Layout::Lines { b"}\n" } else { b"}" })
    }

    fn finish(&mut self) -> io::Result<()> {
        match (self.layout, self.first) {
            (Layout::Array, true) => self.out.write_all(b"]\n")?,
            (Layout::Array, false) => self.out.write_all(b"\n]\n")?,
            (Layout::Lines, _) => {}
        }
        self.out.flush()
    }
}
