//! What two answers do not have in common, as multisets of rows.
//!
//! Values are the same when class and bits are; two reals also when they differ by no more than [`TOLERANCE`] of the larger: SQLite's
//! own sums of reals depend on the order of rows.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

use souk_merge::Value;

/// What reals may differ by, as a part of them.
const TOLERANCE: f64 = 1e-12;
/// Rows of each answer that are shown, and the bytes that they may take: errors travel in HTTP headers, which are small.
const ROWS_SHOWN: usize = 20;
const BYTES_SHOWN: usize = 1000;
/// Characters of a value that are shown.
const VALUE_SHOWN: usize = 40;

type Row = Vec<Value>;

/// Rows that only one of two answers has.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Difference {
    answer: Vec<Row>,
    naive: Vec<Row>,
}

/// None when both answers hold the same rows.
pub(super) fn difference(answer: Vec<Row>, naive: Vec<Row>) -> Option<Difference> {
    let (answer, naive) = without_pairs(answer, naive, |row| identity(row, true), |_, _| true);
    let (answer, naive) = without_pairs(answer, naive, |row| identity(row, false), is_near);
    let differ = !answer.is_empty() || !naive.is_empty();
    differ.then_some(Difference { answer, naive })
}

/// Takes pairs of rows out of which one is in each answer: rows of one class that are `same`.
fn without_pairs(
    answer: Vec<Row>,
    naive: Vec<Row>,
    class: impl Fn(&Row) -> Vec<u8>,
    same: impl Fn(&Row, &Row) -> bool,
) -> (Vec<Row>, Vec<Row>) {
    let mut classes: HashMap<Vec<u8>, Vec<Row>> = HashMap::new();
    naive.into_iter().for_each(|row| classes.entry(class(&row)).or_default().push(row));
    let mut left = Vec::new();
    for row in answer {
        let others = classes.get_mut(&class(&row));
        let pair = others.and_then(|others| Some((others.iter().rposition(|other| same(&row, other))?, others)));
        match pair {
            Some((place, others)) => drop(others.swap_remove(place)),
            None => left.push(row),
        }
    }
    (left, classes.into_values().flatten().collect())
}

/// Bytes that are equal when the rows are, or, without their reals, when they may be.
fn identity(row: &Row, reals: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in row {
        match value {
            Value::Null => bytes.push(0),
            Value::Integer(integer) => {
                bytes.push(1);
                bytes.extend(integer.to_le_bytes());
            }
            Value::Real(real) => {
                bytes.push(2);
                bytes.extend(real.to_bits().to_le_bytes().iter().take(if reals { 8 } else { 0 }));
            }
            Value::Text(text) => sized(3, text, &mut bytes),
            Value::Blob(blob) => sized(4, blob, &mut bytes),
        }
    }
    bytes
}

fn sized(class: u8, value: &[u8], bytes: &mut Vec<u8>) {
    bytes.push(class);
    bytes.extend((value.len() as u64).to_le_bytes());
    bytes.extend(value);
}

fn is_near(row: &Row, other: &Row) -> bool {
    row.iter().zip(other).all(|pair| match pair {
        (Value::Real(a), Value::Real(b)) => a == b || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
        _ => true,
    })
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Difference { answer, naive } = self;
        write!(f, "Only in the answer: {}\nOnly over whole tables: {}", Rows(answer), Rows(naive))
    }
}

struct Rows<'a>(&'a [Row]);

impl Display for Rows<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut shown = 0;
        for row in self.0.iter().take(ROWS_SHOWN) {
            let values: Vec<String> = row.iter().map(literal).collect();
            let line = format!("\n  ({})", values.join(", "));
            if text.len() + line.len() > BYTES_SHOWN {
                break;
            }
            text += &line;
            shown += 1;
        }
        let rows = match self.0.len() {
            0 => "no row".to_owned(),
            1 => "1 row".to_owned(),
            count => format!("{count} rows"),
        };
        match self.0.len() - shown {
            0 => write!(f, "{rows}{text}"),
            more => write!(f, "{rows}{text}\n  and {more} that are not shown"),
        }
    }
}

/// A value as SQL, cut when it is long.
fn literal(value: &Value) -> String {
    let whole = match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(bytes) => format!("'{}'", cut(bytes).escape_debug()),
        Value::Blob(bytes) => {
            let digits = bytes.iter().take(VALUE_SHOWN).map(|byte| format!("{byte:02x}"));
            format!("x'{}'", digits.collect::<String>())
        }
    };
    match whole.char_indices().nth(VALUE_SHOWN) {
        Some((end, _)) => format!("{}...", &whole[..end]),
        None => whole,
    }
}

/// No more of the bytes than can be shown, as text.
fn cut(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(4 * VALUE_SHOWN)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: impl IntoIterator<Item = Value>) -> Row {
        values.into_iter().collect()
    }

    fn pair(real: f64, integer: i64) -> Row {
        row([Value::Real(real), Value::Integer(integer)])
    }

    #[test]
    fn rows_are_the_same_in_any_order_and_counted() {
        let rows = |numbers: &[i64]| numbers.iter().map(|number| row([Value::Integer(*number)])).collect::<Vec<_>>();
        assert_eq!(difference(rows(&[1, 2, 2, 3]), rows(&[2, 3, 1, 2])), None);
        let differing = difference(rows(&[1, 2, 2]), rows(&[1, 2, 3])).expect("a difference");
        assert_eq!(differing, Difference { answer: rows(&[2]), naive: rows(&[3]) });
        assert!(difference(rows(&[1]), rows(&[])).is_some());
    }

    #[test]
    fn classes_count_and_reals_may_be_near() {
        let one = |value| vec![row([value])];
        assert!(difference(one(Value::Integer(1)), one(Value::Real(1.0))).is_some());
        assert!(difference(one(Value::text("a")), one(Value::Blob(b"a".as_slice().into()))).is_some());
        assert_eq!(difference(one(Value::Real(0.0)), one(Value::Real(-0.0))), None);
        assert_eq!(difference(one(Value::Real(0.1 + 0.2)), one(Value::Real(0.3))), None);
        assert!(difference(one(Value::Real(0.3)), one(Value::Real(0.300001))).is_some());
        assert_eq!(difference(one(Value::Real(f64::INFINITY)), one(Value::Real(f64::INFINITY))), None);
        assert!(difference(one(Value::Real(f64::INFINITY)), one(Value::Real(1e308))).is_some());
    }

    #[test]
    fn near_reals_pair_with_the_rest_of_their_row() {
        let (up, down) = (0.1 + 0.2, 0.3);
        let answer = vec![pair(up, 1), pair(down, 2), pair(5.0, 3)];
        let naive = vec![pair(5.0, 3), pair(up, 2), pair(down, 1)];
        assert_eq!(difference(answer, naive), None);
    }

    #[test]
    fn what_is_shown_is_bounded() {
        let many = (0..1000).map(|number| row([Value::Integer(number), Value::text(&"x".repeat(5000))])).collect();
        let shown = difference(many, vec![row([Value::Null])]).expect("a difference").to_string();
        assert!(shown.starts_with("Only in the answer: 1000 rows\n  (0, 'xxx"), "{shown}");
        assert!(shown.len() < 3 * BYTES_SHOWN && shown.ends_with("Only over whole tables: 1 row\n  (NULL)"), "{shown}");
        assert!(shown.contains("that are not shown"), "{shown}");
    }
}
