//! Kinds of columns, and the values that stand in them.

use souk_merge::Value;

use super::super::random::Random;
use super::super::values::{blob, null, real, text};

/// What a column holds, and so what may be asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The shard key of most tables of a scene.
    Key,
    /// The shard key of a table that has another key type.
    OtherKey,
    Integer,
    /// Multiples of a quarter: their sums are exact in any order.
    Real,
    Text,
    NoCase,
    RTrim,
    Json,
    /// All storage classes, but no integer beside a real of the same value.
    Mixed,
    /// A number that may be summed; equal ones may be of several classes.
    Number,
    /// Whatever an expression gives.
    Any,
    /// Text of which only its lower case is known: one of several that NOCASE calls equal.
    Folded,
}

impl Kind {
    /// Columns of which equal values are the same value.
    pub(super) const CLEAN: [Kind; 6] = [Kind::Key, Kind::Integer, Kind::Real, Kind::Text, Kind::Mixed, Kind::OtherKey];

    /// Columns that may be shown as they are.
    pub(super) const SHOWN: [Kind; 11] = [
        Kind::Key,
        Kind::OtherKey,
        Kind::Integer,
        Kind::Real,
        Kind::Text,
        Kind::NoCase,
        Kind::RTrim,
        Kind::Json,
        Kind::Mixed,
        Kind::Number,
        Kind::Any,
    ];

    pub(super) fn is_clean(self) -> bool {
        Kind::CLEAN.contains(&self)
    }
}

/// A few keys of what the type stores as distinct values.
pub(super) fn keys(random: &mut Random, key_type: &str, nullable: bool) -> Vec<Value> {
    let mut keys: Vec<Value> = match key_type {
        "INTEGER" | "NUMERIC" => [0, 1, 2, 7, -3, i64::MAX, i64::MIN].map(Value::Integer).into(),
        "TEXT" | "VARCHAR(10)" => ["a", "b", "A", "", "a ", "1", "1.0", "süß"].map(text).into(),
        "REAL" => [1.0, 0.5, -2.25, 3.0, 1e18, 0.0].map(real).into(),
        _ => vec![
            text("a"),
            Value::Integer(1),
            text("1"),
            real(1.5),
            blob(b"a"),
            blob(b""),
            text(""),
            Value::Integer(-1),
        ],
    };
    keys.truncate(1 + random.below(keys.len()));
    if nullable && random.percent(60) {
        keys.push(null());
    }
    keys
}

/// A value of a column that is no key.
pub(super) fn cell(random: &mut Random, kind: Kind) -> Value {
    if random.percent(12) {
        return if kind == Kind::Json { text("{}") } else { null() };
    }
    match kind {
        Kind::Integer => Value::Integer(random.between(-3, 9)),
        Kind::Real => real(random.between(-40, 90) as f64 / 4.0),
        Kind::Text => one_of(random, &["a", "B", "b", "ab", "Abc", "a_b", "50%", "", "é", "É", "12", "1e1", "o'x"]),
        Kind::NoCase => one_of(random, &["a", "A", "b", "AB", "ab", "aB", "z", "é", "É"]),
        Kind::RTrim => one_of(random, &["a", "a ", "a  ", "b", " b", "", " ", "ab"]),
        Kind::Json => one_of(
            random,
            &[
                r#"{"a":1,"b":"x"}"#,
                r#"{"a":2.5,"b":null,"l":[1,2,3]}"#,
                r#"{"b":"y","l":[],"o":{"p":[true]}}"#,
                r#"[1,"two",null]"#,
                "7",
                "null",
            ],
        ),
        Kind::Mixed => match random.below(5) {
            0 => Value::Integer(random.between(-2, 5)),
            1 => real(random.between(-3, 6) as f64 + 0.5),
            2 => one_of(random, &["a", "A", "1", "2x", "-1.5"]),
            3 => blob(random.pick::<&[u8]>(&[b"a", b"1", b"", b"\xff\x00"])),
            _ => null(),
        },
        Kind::Key | Kind::OtherKey | Kind::Number | Kind::Any | Kind::Folded => unreachable!("no cell of a table"),
    }
}

fn one_of(random: &mut Random, texts: &[&str]) -> Value {
    let picked: &&str = random.pick(texts);
    text(picked)
}
