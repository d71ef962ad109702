//! Where rows come from.

use std::path::PathBuf;

use souk_merge::Batch;

use crate::{
    debian,
    rows::{SCHEMA, Size, TABLES},
};

/// Where rows come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// They are made up: the same for the same size.
    Made(Size),
    /// Debian's package index: the folder that holds its files.
    Debian(PathBuf),
}

/// Rows for one table, some thousands at most.
pub(crate) struct Rows {
    pub(crate) table: &'static str,
    pub(crate) columns: Vec<String>,
    pub(crate) batch: Batch,
}

impl Source {
    /// The statements that make the tables, as souk takes them.
    pub(crate) fn schema(&self) -> Vec<String> {
        match self {
            Source::Made(_) => SCHEMA.map(str::to_owned).into(),
            Source::Debian(_) => debian::schema(),
        }
    }

    /// A table in which every vendor has a row.
    pub(crate) fn table_of_all_vendors(&self) -> &'static str {
        match self {
            Source::Made(_) => "products",
            Source::Debian(_) => "vendor",
        }
    }

    /// Gives every row to `take`.
    pub(crate) fn read(&self, take: &mut dyn FnMut(Rows) -> anyhow::Result<()>) -> anyhow::Result<()> {
        match self {
            Source::Made(size) => make(*size, take),
            Source::Debian(folder) => debian::read(folder, take),
        }
    }
}

fn make(size: Size, take: &mut dyn FnMut(Rows) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for vendor in 1..=size.vendors {
        for (table, batch) in TABLES.iter().zip(size.vendor(vendor).batches()) {
            take(Rows { table: table.name, columns: table.columns.map(str::to_owned).into(), batch })?;
        }
    }
    Ok(())
}

/// A schema statement as SQLite takes it: without souk's own table options.
pub(crate) fn plain(sql: &str) -> String {
    [", SHARD KEY (vendor_id)", " SHARD KEY (vendor_id)", ", REPLICATED"]
        .iter()
        .fold(sql.to_owned(), |sql, option| sql.replace(option, ""))
}
