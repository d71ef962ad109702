//! Seeded schemas and rows.

use souk_merge::Value;

use super::super::oracle::Table;
use super::super::random::Random;
use super::super::values::{blob, null, real, text};

/// Tables with rows, and what queries need to know of them.
pub struct Scene {
    pub tables: Vec<Table>,
    pub(super) keys: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Key,
    Integer,
    Real,
    Text,
    NoCase,
    RTrim,
    Json,
    Mixed,
}

pub(super) const T: &[(&str, Kind)] = &[
    ("k", Kind::Key),
    ("id", Kind::Integer),
    ("n", Kind::Integer),
    ("x", Kind::Real),
    ("s", Kind::Text),
    ("c", Kind::NoCase),
    ("d", Kind::RTrim),
    ("j", Kind::Json),
    ("m", Kind::Mixed),
];
pub(super) const U: &[(&str, Kind)] = &[
    ("k", Kind::Key),
    ("id", Kind::Integer),
    ("n", Kind::Integer),
    ("x", Kind::Real),
    ("s", Kind::Text),
    ("m", Kind::Mixed),
];
pub(super) const R: &[(&str, Kind)] =
    &[("id", Kind::Integer), ("n", Kind::Integer), ("s", Kind::Text), ("c", Kind::NoCase)];

pub(super) fn declared(kind: Kind, key: &str) -> &str {
    match kind {
        Kind::Key => key,
        Kind::Integer => "INTEGER",
        Kind::Real => "REAL",
        Kind::Text | Kind::Json => "TEXT",
        Kind::NoCase => "TEXT COLLATE NOCASE",
        Kind::RTrim => "TEXT COLLATE RTRIM",
        Kind::Mixed => "",
    }
}

/// A schema with its rows.
pub fn scene(random: &mut Random) -> Scene {
    let key_type = *random.pick(&["TEXT", "INTEGER", "", "BLOB", "NUMERIC", "VARCHAR(10)"]);
    let keys = keys(random, key_type);
    let sizes = *random.pick(&[
        (30, 25, 5),
        (40, 5, 6),
        (12, 12, 3),
        (1, 10, 4),
        (25, 0, 3),
        (50, 20, 5),
        (30, 30, 6),
        (20, 20, 5),
    ]);
    let shape = |name: &str, columns: &[(&str, Kind)]| {
        let columns = columns.iter().map(|(column, kind)| match *column {
            "id" => "id INTEGER PRIMARY KEY".to_owned(),
            column => format!("{column} {}", declared(*kind, key_type)).trim_end().to_owned(),
        });
        format!("CREATE TABLE {name}({})", columns.collect::<Vec<_>>().join(", "))
    };
    let mut table = |name: &str, columns: &[(&str, Kind)], count: usize| {
        let mut rows: Vec<Vec<Value>> = (0..count).map(|index| row(random, columns, &keys, index)).collect();
        // Rows of one shard need not come in the order of their ids.
        for index in (1..rows.len()).rev() {
            rows.swap(index, random.below(index + 1));
        }
        let shard_key = (name != "r").then(|| "k".to_owned());
        Table { name: name.to_owned(), sql: shape(name, columns), shard_key, rows }
    };
    let tables = vec![table("t", T, sizes.0), table("u", U, sizes.1), table("r", R, sizes.2)];
    Scene { tables, keys }
}

/// A few keys of what the type stores as distinct values; often NULL among them.
pub(super) fn keys(random: &mut Random, key_type: &str) -> Vec<Value> {
    let mut keys: Vec<Value> = match key_type {
        "INTEGER" | "NUMERIC" => [0, 1, 2, 7, -3, i64::MAX, i64::MIN].map(Value::Integer).into(),
        "TEXT" | "VARCHAR(10)" => ["a", "b", "A", "", "a ", "1", "1.0", "süß"].map(text).into(),
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
    if random.percent(60) {
        keys.push(null());
    }
    keys
}

pub(super) fn row(random: &mut Random, columns: &[(&str, Kind)], keys: &[Value], index: usize) -> Vec<Value> {
    columns
        .iter()
        .map(|(name, kind)| match (*name, *kind) {
            ("id", _) => Value::Integer(index as i64 + 1),
            (_, Kind::Key) => random.pick(keys).clone(),
            (_, kind) if random.percent(12) => {
                if kind == Kind::Json {
                    text("{}")
                } else {
                    null()
                }
            }
            (_, kind) => cell(random, kind),
        })
        .collect()
}

pub(super) fn cell(random: &mut Random, kind: Kind) -> Value {
    match kind {
        Kind::Key => unreachable!("keys come from their list"),
        Kind::Integer => Value::Integer(random.between(-3, 9)),
        // Multiples of a quarter: their sums are exact in any order.
        Kind::Real => real(random.between(-40, 90) as f64 / 4.0),
        Kind::Text => one_of(random, &["a", "B", "b", "ab", "Abc", "a_b", "50%", "", "é", "É", "12", "1e1", "o'x"]),
        Kind::NoCase => one_of(random, &["a", "A", "b", "AB", "ab", "aB", "z", "é", "É"]),
        Kind::RTrim => one_of(random, &["a", "a ", "a  ", "b", " b", "", " ", "ab"]),
        Kind::Json => one_of(
            random,
            &[
                r#"{"a":1,"b":"x"}"#,
                r#"{"a":2.5,"b":null,"l":[1,2,3]}"#,
                r#"{"b":"y","l":[]}"#,
                r#"[1,"two",null]"#,
                "7",
                "null",
            ],
        ),
        // No integer beside a real of the same value, which a group would have to choose between.
        Kind::Mixed => match random.below(5) {
            0 => Value::Integer(random.between(-2, 5)),
            1 => real(random.between(-3, 6) as f64 + 0.5),
            2 => one_of(random, &["a", "A", "1", "2x", "-1.5"]),
            3 => blob(random.pick::<&[u8]>(&[b"a", b"1", b"", b"\xff\x00"])),
            _ => null(),
        },
    }
}

pub(super) fn one_of(random: &mut Random, texts: &[&str]) -> Value {
    let picked: &&str = random.pick(texts);
    text(picked)
}
