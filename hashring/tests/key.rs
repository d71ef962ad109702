//! Canonical bytes against a second account of SQLite's `=`.

use proptest::prelude::*;
use souk_hashring::Key;

/// A key that owns its bytes.
#[derive(Debug, Clone)]
enum Owned {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl Owned {
    fn key(&self) -> Key<'_> {
        match self {
            Owned::Null => Key::Null,
            Owned::Integer(integer) => Key::Integer(*integer),
            Owned::Real(real) => Key::Real(*real),
            Owned::Text(text) => Key::Text(text),
            Owned::Blob(blob) => Key::Blob(blob),
        }
    }
}

/// `a = b` without affinity and with collation BINARY, or both NULL. Numbers compare by their exact value.
fn sqlite_equal(a: &Owned, b: &Owned) -> bool {
    match (a, b) {
        (Owned::Null, Owned::Null) => true,
        (Owned::Integer(a), Owned::Integer(b)) => a == b,
        (Owned::Real(a), Owned::Real(b)) => a == b,
        (Owned::Integer(integer), Owned::Real(real)) | (Owned::Real(real), Owned::Integer(integer)) => {
            // i128 holds every whole real near the 64-bit integers exactly; what is beyond saturates far from them.
            real.fract() == 0.0 && *real as i128 == i128::from(*integer)
        }
        (Owned::Text(a), Owned::Text(b)) | (Owned::Blob(a), Owned::Blob(b)) => a == b,
        _ => false,
    }
}

/// Integers near the powers of two, where reals begin to skip integers and where they leave their range.
fn edge() -> impl Strategy<Value = i64> {
    (0..64u32, any::<bool>(), -2..=2i128).prop_map(|(power, negative, off)| {
        let value = (1i128 << power) * if negative { -1 } else { 1 } + off;
        value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    })
}

fn real() -> impl Strategy<Value = f64> {
    let special =
        [0.0, -0.0, 0.5, f64::INFINITY, f64::NEG_INFINITY, 9_223_372_036_854_775_808.0, f64::MIN_POSITIVE, f64::MAX];
    prop_oneof![
        edge().prop_map(|integer| integer as f64),
        proptest::sample::select(special.to_vec()),
        any::<f64>().prop_filter("SQLite has no NaN", |real| !real.is_nan()),
    ]
}

fn owned() -> impl Strategy<Value = Owned> {
    let bytes = || prop_oneof!["[01]{0,2}".prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..20)];
    prop_oneof![
        Just(Owned::Null),
        edge().prop_map(Owned::Integer),
        real().prop_map(Owned::Real),
        bytes().prop_map(Owned::Text),
        bytes().prop_map(Owned::Blob),
    ]
}

/// Pairs that are equal, or nearly, more often than chance would have it.
fn pair() -> impl Strategy<Value = (Owned, Owned)> {
    let one_number = edge().prop_map(|integer| (Owned::Integer(integer), Owned::Real(integer as f64)));
    let one_text =
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(|text| (Owned::Text(text.clone()), Owned::Blob(text)));
    prop_oneof![one_number, one_text, (owned(), owned()), owned().prop_map(|key| (key.clone(), key))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn bytes_are_equal_exactly_when_sqlite_says_so((a, b) in pair()) {
        let same_bytes = a.key().canonical_bytes() == b.key().canonical_bytes();
        prop_assert_eq!(same_bytes, sqlite_equal(&a, &b));
    }
}

fn check_equal(a: Key, b: Key, equal: bool) {
    assert_eq!(a.canonical_bytes() == b.canonical_bytes(), equal, "{a:?} and {b:?}");
}

#[test]
fn numbers_are_equal_by_exact_value() {
    const TWO_POW_53: i64 = 1 << 53;
    check_equal(Key::Integer(1), Key::Real(1.0), true);
    check_equal(Key::Integer(0), Key::Real(-0.0), true);
    check_equal(Key::Integer(TWO_POW_53), Key::Real(9_007_199_254_740_992.0), true);
    check_equal(Key::Integer(TWO_POW_53 + 1), Key::Real(9_007_199_254_740_992.0), false);
    check_equal(Key::Integer(i64::MIN), Key::Real(-9_223_372_036_854_775_808.0), true);
    check_equal(Key::Integer(i64::MAX), Key::Real(9_223_372_036_854_775_808.0), false);
    check_equal(Key::Integer(i64::MIN), Key::Real(9_223_372_036_854_775_808.0), false);
    check_equal(Key::Real(f64::INFINITY), Key::Real(f64::MAX), false);
}

#[test]
fn storage_classes_are_apart() {
    check_equal(Key::Text(b"1"), Key::Blob(b"1"), false);
    check_equal(Key::Text(b"1"), Key::Integer(1), false);
    check_equal(Key::Null, Key::Text(b""), false);
    check_equal(Key::Text(b""), Key::Blob(b""), false);
    check_equal(Key::Null, Key::Integer(0), false);
    check_equal(Key::Null, Key::Real(f64::NAN), true);
}
