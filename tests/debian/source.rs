//! The packed CSV files: a header line, and an empty field for NULL.

use std::{fs::File, path::Path};

use flate2::read::GzDecoder;
use souk_merge::Value;

use crate::plain::Plain;

/// The rows of a table.
pub(crate) struct Rows {
    pub(crate) columns: Vec<String>,
    pub(crate) values: Vec<Vec<Value>>,
}

/// Reads a table's file.
pub(crate) fn read(folder: &Path, table: &str, plain: &Plain) -> Rows {
    let path = folder.join(format!("{table}.csv.gz"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
    let mut reader = csv::Reader::from_reader(GzDecoder::new(file));
    let columns: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let integers = plain.integer_columns(table);
    let is_integer: Vec<bool> = columns.iter().map(|column| integers.contains(column)).collect();
    let row = |record: csv::StringRecord| record.iter().zip(&is_integer).map(|(field, is)| value(field, *is)).collect();
    let values: Vec<Vec<Value>> = reader.records().map(|record| row(record.unwrap())).collect();
    assert!(!values.is_empty(), "`{}` has no rows", path.display());
    Rows { columns, values }
}

fn value(field: &str, is_integer: bool) -> Value {
    match field {
        "" => Value::Null,
        number if is_integer => Value::Integer(number.parse().unwrap()),
        text => Value::text(text),
    }
}
