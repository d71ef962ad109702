//! The tables, in parts that each peer puts together in its own dialect.

use anyhow::{Context as _, ensure};

use crate::{
    rows::{SCHEMA, TABLES},
    source::plain,
};

/// A table.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Definitions of columns, separated by commas.
    pub(crate) columns: String,
    /// `PRIMARY KEY (...)`.
    pub(crate) key: String,
    pub(crate) indices: Vec<Index>,
}

/// An index.
pub(crate) struct Index {
    pub(crate) name: String,
    /// Its columns, separated by commas.
    pub(crate) columns: String,
}

/// The tables that are asked, as [`SCHEMA`] has them.
pub(crate) fn tables() -> anyhow::Result<Vec<Table>> {
    TABLES.iter().map(|table| read(table.name)).collect()
}

fn read(name: &'static str) -> anyhow::Result<Table> {
    let create = format!("CREATE TABLE {name}");
    let body = SCHEMA.iter().find_map(|statement| Some(plain(statement).strip_prefix(create.as_str())?.to_owned()));
    let body = body.with_context(|| format!("no table `{name}`"))?;
    let body = in_brackets(&body)?;
    let (columns, key) = body.split_once(",\n  PRIMARY KEY").context("a table has a key")?;
    let on = format!(" ON {name}");
    let indices = SCHEMA.iter().filter_map(|statement| statement.strip_prefix("CREATE INDEX ")?.split_once(&on));
    let indices =
        indices.map(|(name, columns)| Ok(Index { name: name.to_owned(), columns: in_brackets(columns)?.to_owned() }));
    Ok(Table {
        name,
        columns: columns.to_owned(),
        key: format!("PRIMARY KEY{key}"),
        indices: indices.collect::<anyhow::Result<_>>()?,
    })
}

fn in_brackets(text: &str) -> anyhow::Result<&str> {
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    ensure!(inner.is_some(), "`{text}` is not in brackets");
    Ok(inner.unwrap_or_default().trim())
}
