//! Values as the format prints them.

use souk_merge::Value;

use crate::digest::md5;
use crate::record::{Sort, Wanted};
use crate::support::{Plain, positional};

/// Prints values; SQLite converts those that are not of the asked class.
pub(crate) struct Printer(Plain);

impl Printer {
    pub(crate) fn new() -> Printer {
        Printer(Plain::new())
    }

    /// The values of all rows, sorted as the record says.
    pub(crate) fn print(&self, rows: &[Vec<Value>], types: &[u8], sort: Sort) -> Vec<String> {
        let row = |row: &Vec<Value>| -> Vec<String> {
            row.iter().enumerate().map(|(column, value)| self.value(value, types.get(column).copied())).collect()
        };
        let mut rows: Vec<Vec<String>> = rows.iter().map(row).collect();
        if sort == Sort::Rows {
            rows.sort();
        }
        let mut values: Vec<String> = rows.into_iter().flatten().collect();
        if sort == Sort::Values {
            values.sort();
        }
        values
    }

    fn value(&self, value: &Value, letter: Option<u8>) -> String {
        match (value, letter) {
            (Value::Null, _) => "NULL".to_owned(),
            (Value::Integer(integer), Some(b'I')) => integer.to_string(),
            (Value::Real(real), Some(b'I')) => (*real as i64).to_string(),
            (Value::Real(real), Some(b'R')) => format!("{real:.3}"),
            (Value::Integer(integer), Some(b'R')) => format!("{:.3}", *integer as f64),
            (value, Some(b'I')) => self.value(&self.cast(value, "INTEGER"), letter),
            (value, Some(b'R')) => self.value(&self.cast(value, "REAL"), letter),
            (Value::Integer(integer), _) => integer.to_string(),
            (Value::Real(_), _) => self.value(&self.cast(value, "TEXT"), letter),
            (Value::Text(bytes) | Value::Blob(bytes), _) => text(bytes),
        }
    }

    fn cast(&self, value: &Value, class: &str) -> Value {
        let sql = format!("SELECT CAST(?1 AS {class})");
        let rows = self.0.query(&sql, &positional([value.clone()])).expect("any value is converted").rows;
        rows.into_iter().flatten().next().expect("one value")
    }
}

fn text(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "(empty)".to_owned();
    }
    bytes.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '@' }).collect()
}

/// Whether printed values are those of the file.
pub(crate) fn fit(wanted: &Wanted, printed: &[String]) -> Result<(), String> {
    let Some(lines) = &wanted.lines else { return Ok(()) };
    if let [line] = lines.as_slice()
        && let Some((count, hash)) = line.split_once(" values hashing to ")
    {
        let joined: String = printed.iter().map(|value| format!("{value}\n")).collect();
        let same = count == printed.len().to_string() && hash == md5(joined.as_bytes());
        return if same { Ok(()) } else { Err(line.clone()) };
    }
    // The lines of a file have lost the blanks at their ends.
    let same = lines.len() == printed.len() && lines.iter().zip(printed).all(|(line, value)| line == value.trim_end());
    if same { Ok(()) } else { Err(show(lines)) }
}

/// Values in one line, cut when they are many.
pub(crate) fn show(values: &[String]) -> String {
    let mut shown = values.iter().take(30).cloned().collect::<Vec<_>>().join(" | ");
    if shown.len() > 600 {
        shown = shown.chars().take(600).collect();
    }
    format!("{} values: {shown}{}", values.len(), if values.len() > 30 { " | ..." } else { "" })
}
