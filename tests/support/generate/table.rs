//! Tables in the styles that SQLite has.

use souk_merge::Value;

use super::super::random::Random;
use super::super::table::Table;
use super::cells::{Kind, cell};

/// How a table is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// With an INTEGER PRIMARY KEY.
    Plain,
    /// Without any key: its rowid is nobody's business.
    Bare,
    WithoutRowid,
    Strict,
    /// With a stored and a virtual column.
    Generated,
}

impl Style {
    pub(super) const ALL: [Style; 5] =
        [Style::Plain, Style::Bare, Style::WithoutRowid, Style::Strict, Style::Generated];

    /// Whether the rowid is the column `id`.
    pub(super) fn has_rowid_alias(self) -> bool {
        matches!(self, Style::Plain | Style::Strict | Style::Generated)
    }
}

/// What a table shall be.
pub(super) struct Design<'a> {
    pub(super) name: &'a str,
    pub(super) style: Style,
    /// The first column is `id`, but for the key before it.
    pub(super) columns: &'a [(&'a str, Kind)],
    /// Name and type of the shard key, and its values; none for a replicated table.
    pub(super) key: Option<(&'a str, &'a str, &'a [Value])>,
    pub(super) rows: usize,
}

impl Design<'_> {
    /// The statement that makes the table.
    fn sql(&self) -> String {
        let mut columns: Vec<String> = Vec::new();
        for (name, kind) in self.columns {
            let declared = self.declared(*kind);
            columns.push(match *name {
                "id" if self.style.has_rowid_alias() => "id INTEGER PRIMARY KEY".to_owned(),
                name => format!("{name} {declared}").trim_end().to_owned(),
            });
        }
        if self.style == Style::Generated {
            columns.push("y INTEGER GENERATED ALWAYS AS (n * 2 + 1) VIRTUAL".into());
            columns.push("z TEXT AS (s || '!') STORED".into());
        }
        if self.style == Style::WithoutRowid {
            let key = self.key.map_or(String::new(), |(name, ..)| format!("{name}, "));
            columns.push(format!("PRIMARY KEY ({key}id)"));
        }
        let option = match self.style {
            Style::WithoutRowid => " WITHOUT ROWID",
            Style::Strict => " STRICT",
            Style::Plain | Style::Bare | Style::Generated => "",
        };
        format!("CREATE TABLE {}({}){option}", self.name, columns.join(", "))
    }

    fn declared(&self, kind: Kind) -> &str {
        declared(kind, self.key.map_or("", |(_, declared, _)| declared), self.style == Style::Strict)
    }

    /// The table with its rows. Rows of one shard need not come in the order of their ids.
    pub(super) fn table(&self, random: &mut Random) -> Table {
        let mut rows: Vec<Vec<Value>> = (0..self.rows).map(|index| self.row(random, index)).collect();
        for index in (1..rows.len()).rev() {
            rows.swap(index, random.below(index + 1));
        }
        let shard_key = self.key.map(|(name, ..)| name.to_owned());
        Table { name: self.name.to_owned(), sql: self.sql(), shard_key, rows }
    }

    fn row(&self, random: &mut Random, index: usize) -> Vec<Value> {
        let columns = self.columns.iter();
        let value = |(name, kind): &(&str, Kind)| match (*name, *kind, self.key) {
            ("id", ..) => Value::Integer(index as i64 + 1),
            (_, Kind::Key | Kind::OtherKey, Some((.., keys))) => random.pick(keys).clone(),
            (_, kind, _) => cell(random, kind),
        };
        columns.map(value).collect()
    }

    /// All columns, the computed ones too.
    pub(super) fn visible_columns(&self) -> Vec<(String, Kind)> {
        let mut columns: Vec<(String, Kind)> =
            self.columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        if self.style == Style::Generated {
            columns.extend([("y".to_owned(), Kind::Integer), ("z".to_owned(), Kind::Text)]);
        }
        columns
    }
}

/// How a column of this kind is declared; a shard key as `key` says.
pub(super) fn declared(kind: Kind, key: &str, strict: bool) -> &str {
    match kind {
        Kind::Key | Kind::OtherKey if strict => match key {
            "INTEGER" | "NUMERIC" => "INTEGER",
            "TEXT" | "VARCHAR(10)" => "TEXT",
            "REAL" => "REAL",
            _ => "ANY",
        },
        Kind::Key | Kind::OtherKey => key,
        Kind::Integer => "INTEGER",
        Kind::Real => "REAL",
        Kind::Text | Kind::Json => "TEXT",
        Kind::NoCase => "TEXT COLLATE NOCASE",
        Kind::RTrim => "TEXT COLLATE RTRIM",
        Kind::Mixed if strict => "ANY",
        Kind::Mixed => "",
        Kind::Number | Kind::Any | Kind::Folded => unreachable!("no column of a table"),
    }
}
