//! The packed CSV files of the index, which `docs/debian.md` describes: a header line, and an empty field for NULL.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use csv::StringRecord;
use flate2::read::GzDecoder;
use souk_merge::{Batch, ValueRef};

use crate::source::Rows;

/// The tables that hold rows of vendors.
const TABLES: [&str; 4] = ["vendor", "package", "dependency", "tag"];

/// Columns that hold numbers, of any table.
const NUMBERS: [&str; 5] = ["vendor_id", "installed_kb", "download_bytes", "pos", "alt"];

/// Rows of a batch.
const ROWS: usize = 4096;

/// The statements that make the tables, as souk takes them.
pub(crate) fn schema() -> Vec<String> {
    let text = include_str!("../../../examples/debian/schema.sql");
    let lines = text.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    lines.split(';').map(str::trim).filter(|sql| !sql.is_empty()).map(str::to_owned).collect()
}

/// Bytes of all files: another index has others.
pub(crate) fn byte_size(folder: &Path) -> anyhow::Result<u64> {
    let size = |table| {
        let path = path(folder, table);
        Ok(fs::metadata(&path).with_context(|| format!("cannot read `{}`", path.display()))?.len())
    };
    TABLES.into_iter().map(size).sum()
}

/// Gives every row to `take`.
pub(crate) fn read(folder: &Path, take: &mut dyn FnMut(Rows) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for table in TABLES {
        let path = path(folder, table);
        let file = File::open(&path).with_context(|| format!("cannot open `{}`", path.display()))?;
        read_table(table, file, take).with_context(|| format!("cannot read `{}`", path.display()))?;
    }
    Ok(())
}

fn path(folder: &Path, table: &str) -> PathBuf {
    folder.join(format!("{table}.csv.gz"))
}

fn read_table(table: &'static str, file: File, take: &mut dyn FnMut(Rows) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut reader = csv::Reader::from_reader(GzDecoder::new(file));
    let columns: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let are_numbers: Vec<bool> = columns.iter().map(|column| NUMBERS.contains(&column.as_str())).collect();
    let (mut batch, mut record) = (Batch::new(columns.len()), StringRecord::new());
    while reader.read_record(&mut record)? {
        let values = record.iter().zip(&are_numbers).map(|(field, is_number)| value(field, *is_number));
        batch.push_row(values.collect::<anyhow::Result<Vec<_>>>()?);
        if batch.rows() == ROWS {
            let batch = std::mem::replace(&mut batch, Batch::new(columns.len()));
            take(Rows { table, columns: columns.clone(), batch })?;
        }
    }
    take(Rows { table, columns, batch })
}

fn value(field: &str, is_number: bool) -> anyhow::Result<ValueRef<'_>> {
    Ok(match field {
        "" => ValueRef::Null,
        number if is_number => ValueRef::Integer(number.parse()?),
        text => ValueRef::Text(text.as_bytes()),
    })
}
