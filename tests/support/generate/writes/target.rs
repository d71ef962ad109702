//! One table that statements change.

use souk_merge::Value;

use super::super::super::plain::Plain;
use super::super::super::random::Random;
use super::super::super::values::text;
use super::super::cells::{Kind, cell};
use super::super::scene::Scene;
use super::super::table::declared;

/// What tells the rows of a table apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// `id INTEGER PRIMARY KEY`
    Rowid,
    /// UNIQUE, of columns that may be NULL.
    Unique,
    /// A primary key of several columns, and no rowid.
    WithoutRowid,
}

/// A foreign key.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    pub(super) column: &'static str,
    pub(super) parent: &'static str,
    pub(super) clause: String,
}

/// A table, and what statements must know to change it.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) name: &'static str,
    /// What is stored, in order.
    pub(super) columns: &'static [(&'static str, Kind)],
    pub(super) identity: Identity,
    /// The columns that tell its rows apart.
    pub(super) unique: &'static [&'static str],
    /// Columns that tell its rows apart too; empty when there are no others.
    pub(super) second: Vec<&'static str>,
    pub(super) strict: bool,
    /// What stands behind the declaration of a column.
    pub(super) extras: Vec<(&'static str, &'static str)>,
    /// Whether it has a stored and a virtual column.
    pub(super) is_generated: bool,
    /// What the shard key is when it is not given.
    pub(super) key_default: Option<String>,
    pub(super) reference: Option<Reference>,
    /// Tables that name it.
    pub(super) children: &'static [&'static str],
}

const EXTRAS_OF_N: [&str; 6] =
    ["", "", " CHECK (n < 100)", " NOT NULL DEFAULT 5", " NOT NULL DEFAULT 5 CHECK (n < 100)", " DEFAULT 7"];
const EXTRAS_OF_S: [&str; 5] =
    ["", " DEFAULT 'none'", " DEFAULT ('a' || 'b')", " CHECK (length(s) < 9)", " NOT NULL DEFAULT ('c' || 1)"];

/// A word that NOCASE calls equal to few others.
pub(super) fn word(random: &mut Random) -> Value {
    const WORDS: [&str; 18] =
        ["a", "A", "b", "B", "c", "C", "d", "e", "E", "f", "g", "h", "ab", "AB", "aB", "é", "É", ""];
    text(WORDS[random.below(WORDS.len())])
}

impl Target {
    pub(super) fn new(name: &'static str, columns: &'static [(&'static str, Kind)], identity: Identity) -> Target {
        let has = |name: &str| columns.iter().any(|(known, _)| *known == name);
        let unique: &[&str] = match identity {
            Identity::Rowid => &["id"],
            _ if has("v") => &["v", "c"],
            _ if has("c") && has("k") => &["k", "c"],
            _ if has("k") => &["k", "id"],
            _ => &["id"],
        };
        Target {
            name,
            columns,
            identity,
            unique,
            second: Vec::new(),
            strict: false,
            extras: Vec::new(),
            is_generated: false,
            key_default: None,
            reference: None,
            children: &[],
        }
    }

    /// The same with some of the rules that a table may have.
    pub(super) fn with_extras(mut self, random: &mut Random) -> Target {
        self.extras = vec![("n", *random.pick(&EXTRAS_OF_N)), ("s", *random.pick(&EXTRAS_OF_S))];
        self.is_generated = random.percent(40) && self.has("s");
        if self.has("s") && random.percent(25) {
            self.second = self.key().map(|(key, _)| key).into_iter().chain(["s"]).collect();
        }
        self
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(known, _)| *known == name)
    }

    pub(super) fn kind(&self, name: &str) -> Kind {
        self.columns.iter().find(|(known, _)| *known == name).expect("a column of the table").1
    }

    /// The shard key; none for a replicated table.
    pub(super) fn key(&self) -> Option<(&'static str, Kind)> {
        self.columns.iter().find(|(_, kind)| matches!(kind, Kind::Key | Kind::OtherKey)).copied()
    }

    /// Stored columns, and those that are computed.
    pub(super) fn all_columns(&self) -> Vec<(String, Kind)> {
        let mut all: Vec<(String, Kind)> =
            self.columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        if self.is_generated {
            all.extend([("y".to_owned(), Kind::Integer), ("z".to_owned(), Kind::Text)]);
        }
        all
    }

    /// Whether no two rows can be the same.
    pub(super) fn is_total(&self) -> bool {
        self.identity != Identity::Unique
    }

    /// Names through which its rows are read, or those of tables that change with it.
    pub(super) fn readers(&self) -> Vec<&'static str> {
        let views: &[&str] = match self.name {
            "t" => &["v1"],
            "u" => &["v2"],
            "r" | "p" => &["v3"],
            _ => &[],
        };
        [self.name].iter().chain(views).chain(self.children).copied().collect()
    }

    /// About how many rows it has.
    pub(super) fn rows(&self) -> usize {
        match self.name {
            "t" => 30,
            "u" => 20,
            "r" | "pr" => 5,
            "q" => 4,
            _ => 12,
        }
    }

    /// SQLite's statement.
    pub(super) fn sql(&self, key_type: &str) -> String {
        let mut parts: Vec<String> =
            self.columns.iter().map(|(name, kind)| self.column(name, *kind, key_type)).collect();
        if self.is_generated {
            parts.push("y INTEGER GENERATED ALWAYS AS (n * 2 + 1) VIRTUAL".into());
            parts.push("z TEXT AS (s || '!') STORED".into());
        }
        match self.identity {
            Identity::Rowid => {}
            Identity::Unique => parts.push(format!("UNIQUE ({})", self.unique.join(", "))),
            Identity::WithoutRowid => parts.push(format!("PRIMARY KEY ({})", self.unique.join(", "))),
        }
        if !self.second.is_empty() {
            parts.push(format!("UNIQUE ({})", self.second.join(", ")));
        }
        parts.extend(self.reference.iter().map(|reference| reference.clause.clone()));
        let option = match (self.identity, self.strict) {
            (Identity::WithoutRowid, _) => " WITHOUT ROWID",
            (_, true) => " STRICT",
            _ => "",
        };
        format!("CREATE TABLE {}({}){option}", self.name, parts.join(", "))
    }

    fn column(&self, name: &str, kind: Kind, key_type: &str) -> String {
        if name == "id" && self.identity == Identity::Rowid {
            return "id INTEGER PRIMARY KEY".to_owned();
        }
        let extra = self.extras.iter().find(|(column, _)| *column == name).map_or("", |(_, extra)| extra);
        let default = match (&self.key_default, kind) {
            (Some(default), Kind::Key | Kind::OtherKey) => format!(" DEFAULT {default}"),
            _ => String::new(),
        };
        format!("{name} {}{extra}{default}", declared(kind, key_type, self.strict)).trim_end().to_owned()
    }

    /// Rows of which SQLite takes every one.
    pub(super) fn first_rows(&self, random: &mut Random, scene: &Scene, plain: &Plain) -> Vec<Vec<Value>> {
        let mut rows = Vec::new();
        let columns: Vec<String> = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        for id in 1..=self.rows() as i64 {
            let mut row: Vec<Value> =
                self.columns.iter().map(|(name, kind)| self.first_value(random, scene, name, *kind, id)).collect();
            if let Some(reference) = self.reference.as_ref().filter(|_| random.percent(80)) {
                row[self.place(reference.column)] = first_parent(random, scene, reference, &row[0]);
            }
            if plain.insert(self.name, &columns, &row).is_ok() {
                rows.push(row);
            }
        }
        for index in (1..rows.len()).rev() {
            rows.swap(index, random.below(index + 1));
        }
        rows
    }

    pub(super) fn place(&self, column: &str) -> usize {
        self.columns.iter().position(|(name, _)| *name == column).expect("a column of the table")
    }

    fn first_value(&self, random: &mut Random, scene: &Scene, name: &str, kind: Kind, id: i64) -> Value {
        let needs_key = self.identity == Identity::WithoutRowid;
        match (name, kind) {
            ("id", _) => Value::Integer(id),
            (_, Kind::Key | Kind::OtherKey) => {
                let keys = if kind == Kind::Key { &scene.keys } else { &scene.other_keys };
                let keys: Vec<&Value> = keys.iter().filter(|key| !needs_key || **key != Value::Null).collect();
                (*random.pick(&keys)).clone()
            }
            ("pid" | "rid", _) => Value::Null,
            ("c", _) => word(random),
            ("s", _) if self.second.contains(&"s") => text(&format!("s{id}")),
            (name, kind) => {
                let is_needed = self.extras.iter().any(|(column, extra)| *column == name && extra.contains("NOT NULL"));
                match cell(random, kind) {
                    Value::Null if is_needed && kind == Kind::Integer => Value::Integer(3),
                    Value::Null if is_needed => text("x"),
                    value => value,
                }
            }
        }
    }
}

/// The id of a parent on the shard of a key, or everywhere; NULL when there is none.
fn first_parent(random: &mut Random, scene: &Scene, reference: &Reference, key: &Value) -> Value {
    let parents = scene.tables.iter().find(|table| table.name == reference.parent).expect("parents come first");
    let ids: Vec<&Value> = match parents.shard_key {
        Some(_) => {
            parents.rows.iter().filter(|row| row[0] == *key && row[0] != Value::Null).map(|row| &row[1]).collect()
        }
        None => parents.rows.iter().map(|row| &row[0]).collect(),
    };
    if ids.is_empty() { Value::Null } else { (*random.pick(&ids)).clone() }
}
