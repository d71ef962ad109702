//! A field of a CSV file becomes a value.
//!
//! What is stored must be what SQLite stores for the field's text in a column of the declared type. Sending every field as text
//! would do that; numbers are sent as numbers, which is shorter, only where SQLite makes exactly that number of the text.

use souk_merge::ValueRef;

use crate::real;

/// Digits up to which every reader makes the same double of a decimal.
const REAL_DIGITS_MAX: usize = 15;

/// How the fields of a column are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typing {
    /// As text.
    Text,
    /// As numbers where they are written like one; the column turns text into numbers by itself.
    Numeric,
}

impl Typing {
    /// The typing of a column, by SQLite's rules for the affinity of a declared type (datatype3.html, 3.1). `ANY` is text
    /// too: in a STRICT table it keeps what it is given.
    pub(super) fn of(declared_type: &str) -> Typing {
        let declared = declared_type.to_ascii_uppercase();
        let has = |word: &str| declared.contains(word);
        if has("INT") {
            Typing::Numeric
        } else if has("CHAR") || has("CLOB") || has("TEXT") || has("BLOB") || declared.is_empty() || declared == "ANY" {
            Typing::Text
        } else {
            Typing::Numeric
        }
    }

    /// The value of a field.
    pub(super) fn value(self, field: &[u8]) -> ValueRef<'_> {
        match self {
            _ if field.is_empty() => ValueRef::Null,
            Typing::Text => ValueRef::Text(field),
            Typing::Numeric => number(field).unwrap_or(ValueRef::Text(field)),
        }
    }
}

/// The number that is written exactly as this field; none when there is none.
fn number(field: &[u8]) -> Option<ValueRef<'static>> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { integer(text, digits) } else { decimal(text, digits) }
}

/// No leading zero, no `-0`, and within 64 bits.
fn integer(text: &str, digits: &str) -> Option<ValueRef<'static>> {
    if digits.starts_with('0') && text != "0" {
        return None;
    }
    text.parse().ok().map(ValueRef::Integer)
}

/// Digits, a point, digits; few enough of them; not `-0.0`, whose sign SQLite may drop.
fn decimal(text: &str, digits: &str) -> Option<ValueRef<'static>> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !plain || digits.len() > REAL_DIGITS_MAX + 1 {
        return None;
    }
    let real: f64 = text.parse().ok()?;
    let canonical = real != 0.0 || text == "0.0";
    (canonical && real::text(real) == text).then_some(ValueRef::Real(real))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::{Connection, types::Value as Stored};
    use souk_merge::Value;

    use super::*;

    fn check(field: &str, expected: Value) {
        assert_eq!(Typing::Numeric.value(field.as_bytes()), expected.as_ref(), "{field}");
    }

    #[test]
    fn only_canonical_numbers_are_sent_as_numbers() {
        check("0", Value::Integer(0));
        check("-9223372036854775808", Value::Integer(i64::MIN));
        check("1.5", Value::Real(1.5));
        check("0.0", Value::Real(0.0));
        let texts = [
            "01",
            "-0",
            "-0.0",
            "+1",
            " 1",
            "1 ",
            "1e3",
            "0x10",
            "1.50",
            ".5",
            "5.",
            "-",
            "9223372036854775808",
            "1.0.0",
            "inf",
            "NaN",
        ];
        for text in texts {
            check(text, Value::text(text));
        }
        check("", Value::Null);
    }

    #[test]
    fn the_declared_type_decides() {
        for (declared, typing) in [
            ("INTEGER", Typing::Numeric),
            ("bigint", Typing::Numeric),
            ("CHARINT", Typing::Numeric),
            ("REAL", Typing::Numeric),
            ("DECIMAL(10,2)", Typing::Numeric),
            ("VARCHAR(20)", Typing::Text),
            ("text", Typing::Text),
            ("BLOB", Typing::Text),
            ("", Typing::Text),
            ("ANY", Typing::Text),
        ] {
            assert_eq!(Typing::of(declared), typing, "{declared}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_sent_as_they_are() {
        assert_eq!(Typing::Numeric.value(&[0x31, 0xff]), Value::Text([0x31, 0xff].as_slice().into()).as_ref());
    }

    fn stored(declared: &str, value: Stored) -> Stored {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&format!("CREATE TABLE t(x {declared})")).unwrap();
        connection.execute("INSERT INTO t VALUES (?1)", [value]).unwrap();
        connection.query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap()
    }

    fn bound(value: ValueRef<'_>) -> Stored {
        match value {
            ValueRef::Null => Stored::Null,
            ValueRef::Integer(integer) => Stored::Integer(integer),
            ValueRef::Real(real) => Stored::Real(real),
            ValueRef::Text(text) => Stored::Text(String::from_utf8(text.to_vec()).unwrap()),
            ValueRef::Blob(blob) => Stored::Blob(blob.to_vec()),
        }
    }

    proptest! {
        #[test]
        fn what_is_stored_is_what_sqlite_makes_of_the_text(
            field in "-?[0-9]{1,20}|-?[0-9]{1,9}\\.[0-9]{1,9}|[-+0-9.e x]{1,12}",
            declared in prop::sample::select(vec!["INTEGER", "REAL", "NUMERIC", "TEXT", "BLOB", "", "ANY", "DECIMAL(10,2)"]),
        ) {
            let sent = bound(Typing::of(declared).value(field.as_bytes()));
            prop_assert_eq!(stored(declared, sent), stored(declared, Stored::Text(field)));
        }
    }
}
