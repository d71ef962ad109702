//! SQLite's order of values: NULL, then numbers, then text, then blobs.

use std::cmp::Ordering;

use crate::ValueRef;

/// SQLite's built-in collations. They order text only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Collation {
    /// Bytes.
    #[default]
    Binary,
    /// ASCII letters fold to lower case; bytes after a NUL count by their number only.
    NoCase,
    /// Trailing spaces do not count.
    RTrim,
}

impl Collation {
    /// The built-in collation of this name, in any case of letters.
    pub fn by_name(name: &str) -> Option<Collation> {
        [Collation::Binary, Collation::NoCase, Collation::RTrim]
            .into_iter()
            .find(|collation| collation.name().eq_ignore_ascii_case(name))
    }

    /// SQLite's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Collation::Binary => "BINARY",
            Collation::NoCase => "NOCASE",
            Collation::RTrim => "RTRIM",
        }
    }
}

/// One key of an ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// The column of the row, from 0.
    pub column: usize,
    /// DESC.
    pub descending: bool,
    /// Where NULLs go, whatever the direction.
    pub nulls_last: bool,
    /// How text compares.
    pub collation: Collation,
}

/// SQLite's order of two values under a collation (`sqlite3MemCompare`).
///
/// Integers and reals compare exactly by their numeric value, without rounding either to the other's type.
/// Equal means equal to SQLite's `=` on values to which no affinity applies (and NULL equal to NULL).
/// A NaN, which SQLite never holds, is taken for the NULL that SQLite makes of it.
pub fn compare_values(a: ValueRef<'_>, b: ValueRef<'_>, collation: Collation) -> Ordering {
    match (a, b) {
        (ValueRef::Integer(a), ValueRef::Integer(b)) => a.cmp(&b),
        (ValueRef::Text(a), ValueRef::Text(b)) => compare_text(a, b, collation),
        (ValueRef::Blob(a), ValueRef::Blob(b)) => a.cmp(b),
        (ValueRef::Real(a), ValueRef::Real(b)) => compare_reals(a, b),
        (ValueRef::Integer(a), ValueRef::Real(b)) => compare_integer_real(a, b),
        (ValueRef::Real(a), ValueRef::Integer(b)) => compare_integer_real(b, a).reverse(),
        (ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_), _) => {
            class(a).cmp(&class(b))
        }
    }
}

/// The order of two rows, each given by what it holds in a column; the first key that differs decides.
pub fn compare_rows<'a, 'b>(
    order: &[SortKey],
    a: impl Fn(usize) -> ValueRef<'a>,
    b: impl Fn(usize) -> ValueRef<'b>,
) -> Ordering {
    for key in order {
        let ordering = compare_by_key(key, a(key.column), b(key.column));
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}

/// The order of two values of a key's column.
pub fn compare_by_key(key: &SortKey, a: ValueRef<'_>, b: ValueRef<'_>) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) if key.nulls_last => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, true) if key.nulls_last => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) if key.descending => compare_values(b, a, key.collation),
        (false, false) => compare_values(a, b, key.collation),
    }
}

/// A number that comes before that of another value only if the value comes before the other; equal numbers say
/// nothing. For merges: most comparisons end at the numbers, without a look at the rows.
pub(crate) fn sort_prefix(key: &SortKey, value: ValueRef<'_>) -> u64 {
    let prefix = match value {
        _ if value.is_null() => return if key.nulls_last { u64::MAX } else { 0 },
        ValueRef::Null => 0,
        ValueRef::Integer(integer) => class_prefix(1, real_prefix(integer as f64)),
        ValueRef::Real(real) => class_prefix(1, real_prefix(real)),
        ValueRef::Text(text) => class_prefix(2, text_prefix(text, key.collation)),
        ValueRef::Blob(blob) => class_prefix(3, bytes_prefix(blob)),
    };
    if key.descending { !prefix } else { prefix }
}

fn class_prefix(class: u64, prefix: u64) -> u64 {
    class << 62 | prefix >> 2
}

/// Doubles order as their bits do, but negative ones the other way round. Adding 0.0 makes -0.0 positive.
fn real_prefix(real: f64) -> u64 {
    let bits = (real + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

fn text_prefix(text: &[u8], collation: Collation) -> u64 {
    match collation {
        Collation::Binary => bytes_prefix(text),
        Collation::RTrim => bytes_prefix(trim_spaces(text)),
        Collation::NoCase => {
            let mut front = [0; 8];
            for (folded, byte) in front.iter_mut().zip(text.iter().take_while(|byte| **byte != 0)) {
                *folded = byte.to_ascii_lowercase();
            }
            u64::from_be_bytes(front)
        }
    }
}

fn bytes_prefix(bytes: &[u8]) -> u64 {
    let mut front = [0; 8];
    let length = bytes.len().min(front.len());
    front[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(front)
}

/// Appends bytes that are equal for two values exactly when [`compare_values`] finds the values equal.
///
/// No encoding is the front of another, so the encodings of several values may follow each other in one key. Their
/// order means nothing.
pub fn encode_key(value: ValueRef<'_>, collation: Collation, key: &mut Vec<u8>) {
    match value {
        ValueRef::Null => key.push(KEY_NULL),
        ValueRef::Integer(integer) => encode_integer(integer, key),
        ValueRef::Real(real) => encode_real(real, key),
        ValueRef::Text(text) => encode_text(text, collation, key),
        ValueRef::Blob(blob) => {
            key.push(KEY_BLOB);
            encode_bytes(blob, key);
        }
    }
}

const KEY_NULL: u8 = 0;
const KEY_INTEGER: u8 = 1;
const KEY_REAL: u8 = 2;
const KEY_TEXT: u8 = 3;
const KEY_BLOB: u8 = 4;

/// 2^63: the first double above all 64-bit integers. Its negative is the least of them.
const INTEGER_END: f64 = 9_223_372_036_854_775_808.0;

fn class(value: ValueRef<'_>) -> u8 {
    match value {
        _ if value.is_null() => 0,
        ValueRef::Null => 0,
        ValueRef::Integer(_) | ValueRef::Real(_) => 1,
        ValueRef::Text(_) => 2,
        ValueRef::Blob(_) => 3,
    }
}

/// A NaN comes before all numbers and is equal to another.
fn compare_reals(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// As SQLite's `sqlite3IntFloatCompare`: first the whole part, then what the real has beyond it.
fn compare_integer_real(integer: i64, real: f64) -> Ordering {
    if real.is_nan() || real < -INTEGER_END {
        return Ordering::Greater;
    }
    if real >= INTEGER_END {
        return Ordering::Less;
    }
    // Whole parts that are equal and a fraction that is not zero: both are then below 2^53, so `whole` converts back
    // exactly.
    let whole = real as i64;
    integer.cmp(&whole).then_with(|| compare_reals(whole as f64, real))
}

fn compare_text(a: &[u8], b: &[u8], collation: Collation) -> Ordering {
    match collation {
        Collation::Binary => a.cmp(b),
        Collation::NoCase => compare_nocase(a, b),
        Collation::RTrim => trim_spaces(a).cmp(trim_spaces(b)),
    }
}

/// As SQLite's `nocaseCollatingFunc`, whose `sqlite3_strnicmp` stops at a NUL that both have; then lengths decide.
fn compare_nocase(a: &[u8], b: &[u8]) -> Ordering {
    for (a, b) in a.iter().zip(b) {
        let ordering = a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase());
        if ordering != Ordering::Equal {
            return ordering;
        }
        if *a == 0 {
            break;
        }
    }
    a.len().cmp(&b.len())
}

fn trim_spaces(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    &text[..end]
}

fn encode_integer(integer: i64, key: &mut Vec<u8>) {
    key.push(KEY_INTEGER);
    key.extend_from_slice(&integer.to_le_bytes());
}

/// A real that an integer equals takes the integer's encoding; this covers -0.0 too.
fn encode_real(real: f64, key: &mut Vec<u8>) {
    if real.is_nan() {
        key.push(KEY_NULL);
    } else if real.trunc() == real && (-INTEGER_END..INTEGER_END).contains(&real) {
        encode_integer(real as i64, key);
    } else {
        key.push(KEY_REAL);
        key.extend_from_slice(&real.to_bits().to_le_bytes());
    }
}

fn encode_text(text: &[u8], collation: Collation, key: &mut Vec<u8>) {
    key.push(KEY_TEXT);
    match collation {
        Collation::Binary => encode_bytes(text, key),
        Collation::RTrim => encode_bytes(trim_spaces(text), key),
        Collation::NoCase => {
            let compared = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
            key.extend_from_slice(&(text.len() as u64).to_le_bytes());
            encode_bytes(&text[..compared], key);
            let start = key.len() - compared;
            key[start..].make_ascii_lowercase();
        }
    }
}

fn encode_bytes(bytes: &[u8], key: &mut Vec<u8>) {
    key.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    key.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Value, testing::*};

    fn check(a: Value, b: Value, expected: Ordering) {
        for collation in COLLATIONS {
            assert_eq!(compare_values(a.as_ref(), b.as_ref(), collation), expected, "{a:?} {b:?} {collation:?}");
            assert_eq!(compare_values(b.as_ref(), a.as_ref(), collation), expected.reverse(), "{b:?} {a:?}");
        }
    }

    fn check_text(a: &str, b: &str, collation: Collation, expected: Ordering) {
        let (a, b) = (Value::text(a), Value::text(b));
        assert_eq!(compare_values(a.as_ref(), b.as_ref(), collation), expected, "{a:?} {b:?}");
        assert_eq!(compare_values(b.as_ref(), a.as_ref(), collation), expected.reverse(), "{b:?} {a:?}");
    }

    #[test]
    fn storage_classes_come_in_sqlites_order() {
        let ascending = [
            Value::Null,
            Value::Real(f64::NEG_INFINITY),
            Value::Integer(i64::MIN),
            Value::Real(-0.5),
            Value::Integer(0),
            Value::Real(0.5),
            Value::Integer(i64::MAX),
            Value::Real(f64::INFINITY),
            Value::text(""),
            Value::text("a"),
            Value::Blob(Box::new([])),
            Value::Blob(Box::new([0])),
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                check(a.clone(), b.clone(), i.cmp(&j));
            }
        }
    }

    #[test]
    fn integers_and_reals_compare_without_rounding() {
        const EXACT: i64 = 1 << 53;
        check(Value::Integer(EXACT), Value::Real(EXACT as f64), Ordering::Equal);
        check(Value::Integer(EXACT + 1), Value::Real(EXACT as f64), Ordering::Greater);
        check(Value::Integer(-EXACT - 1), Value::Real(-(EXACT as f64)), Ordering::Less);
        check(Value::Integer(i64::MAX), Value::Real(9_223_372_036_854_775_808.0), Ordering::Less);
        check(Value::Integer(i64::MIN), Value::Real(-9_223_372_036_854_775_808.0), Ordering::Equal);
        check(Value::Integer(0), Value::Real(-0.0), Ordering::Equal);
        check(Value::Real(0.0), Value::Real(-0.0), Ordering::Equal);
        check(Value::Integer(-1), Value::Real(-0.5), Ordering::Less);
        check(Value::Integer(0), Value::Real(f64::from_bits(1)), Ordering::Less);
        check(Value::Real(f64::NAN), Value::Null, Ordering::Equal);
        check(Value::Real(f64::NAN), Value::Integer(i64::MIN), Ordering::Less);
    }

    #[test]
    fn nocase_folds_ascii_to_lower_case() {
        check_text("aBc", "AbC", Collation::NoCase, Ordering::Equal);
        check_text("ä", "Ä", Collation::NoCase, "ä".cmp("Ä"));
        check_text("_", "A", Collation::NoCase, Ordering::Less);
        check_text("_", "A", Collation::Binary, Ordering::Greater);
        check_text("ab", "ABC", Collation::NoCase, Ordering::Less);
    }

    #[test]
    fn nocase_stops_at_a_nul_and_then_compares_lengths() {
        check_text("a\0b", "A\0c", Collation::NoCase, Ordering::Equal);
        check_text("a\0", "a\0zz", Collation::NoCase, Ordering::Less);
        check_text("a", "a\0", Collation::NoCase, Ordering::Less);
        check_text("ab", "a\0zz", Collation::NoCase, Ordering::Greater);
        check_text("a\0b", "A\0c", Collation::RTrim, Ordering::Greater);
    }

    #[test]
    fn rtrim_ignores_trailing_spaces_only() {
        check_text("a  ", "a", Collation::RTrim, Ordering::Equal);
        check_text("   ", "", Collation::RTrim, Ordering::Equal);
        check_text(" a", "a", Collation::RTrim, Ordering::Less);
        check_text("a\t", "a ", Collation::RTrim, Ordering::Greater);
    }

    #[test]
    fn nulls_go_where_the_key_says_whatever_the_direction() {
        for descending in [false, true] {
            for nulls_last in [false, true] {
                let order = [SortKey { column: 0, descending, nulls_last, collation: Collation::Binary }];
                let ordering = compare_rows(&order, |_| ValueRef::Null, |_| ValueRef::Integer(1));
                assert_eq!(ordering == Ordering::Greater, nulls_last);
                let ordering = compare_rows(&order, |_| ValueRef::Integer(2), |_| ValueRef::Integer(1));
                assert_eq!(ordering == Ordering::Less, descending);
            }
        }
    }

    proptest! {
        #[test]
        fn compare_values_is_a_total_order(a in value(), b in value(), c in value(), collation in collation()) {
            let compare = |a: &Value, b: &Value| compare_values(a.as_ref(), b.as_ref(), collation);
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
            if compare(&a, &b).is_eq() {
                prop_assert_eq!(compare(&a, &c), compare(&b, &c));
            }
        }

        #[test]
        fn prefixes_never_contradict_the_order(
            a in value(),
            b in value(),
            collation in collation(),
            descending: bool,
            nulls_last: bool,
        ) {
            let key = SortKey { column: 0, descending, nulls_last, collation };
            let ordering = compare_rows(&[key], |_| a.as_ref(), |_| b.as_ref());
            let prefixes = sort_prefix(&key, a.as_ref()).cmp(&sort_prefix(&key, b.as_ref()));
            prop_assert!(prefixes.is_eq() || prefixes == ordering, "{prefixes:?} {ordering:?}");
        }

        #[test]
        fn keys_are_equal_exactly_when_values_are(
            a in prop::collection::vec(value(), 3),
            b in prop::collection::vec(value(), 3),
            collation in collation(),
        ) {
            let equal = a.iter().zip(&b).all(|(a, b)| compare_values(a.as_ref(), b.as_ref(), collation).is_eq());
            prop_assert_eq!(key_of(&a, collation) == key_of(&b, collation), equal);
            prop_assert_eq!(
                key_of(&a[..1], collation) == key_of(&b[..1], collation),
                compare_values(a[0].as_ref(), b[0].as_ref(), collation).is_eq()
            );
        }

        #[test]
        fn numbers_near_each_other_compare_by_their_exact_value(integer: i64, step in -2i64..3) {
            let real = (integer as f64) + step as f64;
            let exact = if real >= INTEGER_END { i128::from(i64::MAX) + 1 } else { real as i128 };
            let ordering = compare_values(ValueRef::Integer(integer), ValueRef::Real(real), Collation::Binary);
            prop_assert_eq!(ordering, i128::from(integer).cmp(&exact));
        }
    }

    fn key_of(values: &[Value], collation: Collation) -> Vec<u8> {
        let mut key = Vec::new();
        values.iter().for_each(|value| encode_key(value.as_ref(), collation, &mut key));
        key
    }
}
