//! Literals, and values as people read them.

use souk_merge::Value;

/// Parameters of a statement: names (empty for positional ones) and values.
pub type Params = Vec<(String, Value)>;

pub fn none() -> Params {
    Params::new()
}

pub fn positional(values: impl IntoIterator<Item = Value>) -> Params {
    values.into_iter().map(|value| (String::new(), value)).collect()
}

pub fn named<'a>(values: impl IntoIterator<Item = (&'a str, Value)>) -> Params {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub fn null() -> Value {
    Value::Null
}

pub fn real(value: f64) -> Value {
    Value::Real(value)
}

pub fn text(value: &str) -> Value {
    Value::text(value)
}

pub fn text_bytes(bytes: &[u8]) -> Value {
    Value::Text(bytes.into())
}

pub fn blob(bytes: &[u8]) -> Value {
    Value::Blob(bytes.into())
}

/// A value as an SQL literal, cut when it is long.
pub fn show(value: &Value) -> String {
    let shown = match value {
        Value::Null => "NULL".into(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("'{}'", text.replace('\'', "''")),
            Err(_) => format!("CAST(x'{}' AS TEXT)", hex(bytes)),
        },
        Value::Blob(bytes) => format!("x'{}'", hex(bytes)),
    };
    if shown.chars().count() > 200 { shown.chars().take(200).chain("...".chars()).collect() } else { shown }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn show_row(row: &[Value]) -> String {
    format!("({})", row.iter().map(show).collect::<Vec<_>>().join(", "))
}

/// Rows, one a line, at most 40 of them.
pub fn show_rows(rows: &[Vec<Value>]) -> String {
    let mut shown: Vec<String> = rows.iter().take(40).map(|row| format!("    {}", show_row(row))).collect();
    if rows.len() > 40 {
        shown.push(format!("    ... {} rows", rows.len()));
    }
    shown.join("\n")
}

pub fn show_params(params: &Params) -> String {
    params.iter().map(|(name, value)| format!("{name}={}", show(value))).collect::<Vec<_>>().join(", ")
}

/// Whether two values are the same: class and bits, or reals this close when `tolerant`.
pub fn same(a: &Value, b: &Value, tolerant: bool) -> bool {
    match (a, b) {
        (Value::Real(a), Value::Real(b)) if tolerant => a == b || (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
        _ => a == b,
    }
}
