//! Rows that were not loaded, and the file that tells why.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
};

use csv::{ByteRecord, Writer};
use souk_proto::v1::RejectedRow;

use super::source::Source;
use crate::failure::Failure;

/// Rejected rows after which an import gives up: so many are not a few bad rows but the wrong file.
const REJECTS_MAX: usize = 1_000_000;

/// Reason and message of each rejected row, by its number.
#[derive(Debug, Default)]
pub(super) struct Rejects(BTreeMap<u64, (String, String)>);

impl Rejects {
    /// Takes more of them.
    pub(super) fn add(&mut self, rows: Vec<RejectedRow>) -> Result<(), Failure> {
        for RejectedRow { row, reason, message } in rows {
            if let Some((reason, message)) = self.0.insert(row, (reason, message)) {
                return Err(Failure::failed(format!("row {row} was rejected twice; before: {reason}: {message}")));
            }
        }
        match self.0.iter().next() {
            Some((row, (reason, message))) if self.0.len() > REJECTS_MAX => Err(Failure::failed(format!(
                "over {REJECTS_MAX} rows were rejected, the first of them row {row}: {reason}: {message}"
            ))),
            _ => Ok(()),
        }
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Writes the rejected rows of `from` to `to`: reason, message and the fields as they stand in the file, which is read again.
pub(super) fn write(rejects: &Rejects, from: &Path, to: &Path) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("cannot write `{}`: {error}", to.display()));
    let mut source = Source::open(from)?;
    let file = File::create(to).map_err(|error| failed(&error))?;
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(BufWriter::new(file));
    write_row(&mut writer, "reason", "message", source.header()?).map_err(|error| failed(&error))?;
    let mut row = ByteRecord::new();
    let mut number = 0;
    for (wanted, (reason, message)) in &rejects.0 {
        while number < *wanted {
            number += 1;
            if !source.next(&mut row)? {
                return Err(Failure::failed(format!("`{}` has no row {wanted} any more: it changed", from.display())));
            }
        }
        write_row(&mut writer, reason, message, &row).map_err(|error| failed(&error))?;
    }
    let mut file = writer.into_inner().map_err(|error| failed(&error.error()))?;
    file.flush().map_err(|error| failed(&error))
}

fn write_row(writer: &mut Writer<BufWriter<File>>, reason: &str, message: &str, row: &ByteRecord) -> csv::Result<()> {
    writer.write_record([reason.as_bytes(), message.as_bytes()].into_iter().chain(row))
}
