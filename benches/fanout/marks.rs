//! The table that is written to while other tables are asked, so that these stay what the other contenders have. How many rows it
//! holds tells whether an answer is stale.

use anyhow::{Context as _, bail};
use souk_merge::{Batch, Value, ValueRef};

use crate::souk::Connection;

pub(crate) const TABLE: &str = "marks";
pub(crate) const COLUMNS: [&str; 2] = ["vendor_id", "n"];

/// A row for each vendor.
pub(crate) fn rows(vendors: impl IntoIterator<Item = u64>, number: i64) -> Batch {
    let mut batch = Batch::new(COLUMNS.len());
    for vendor in vendors {
        batch.push_row([ValueRef::Integer(vendor as i64), ValueRef::Integer(number)]);
    }
    batch
}

/// How many rows souk counts.
pub(crate) fn count(souk: &Connection<'_>) -> anyhow::Result<u64> {
    let answer = souk.ask("SELECT COUNT(*) FROM marks", &[])?;
    let row = answer.batches.into_iter().flat_map(Batch::into_rows).next().context("a count is one row")?;
    match row[..] {
        [Value::Integer(count)] => Ok(count as u64),
        ref other => bail!("{other:?} is no count"),
    }
}
