//! The answers are the same, or nothing is measured.

use anyhow::{anyhow, ensure};
use souk_merge::Value;

use crate::{queries::Query, sides::Sides, support::Expected};

/// Compares souk's answer with that of one SQLite: bit for bit, but rows that tie in an ORDER BY may change places.
pub(crate) fn check(sides: &Sides, query: &Query, parameters: &Vec<(String, Value)>) -> anyhow::Result<()> {
    let name = query.name;
    let wrong = |why: String| anyhow!("{name}: {why}");
    let expected = sides.sqlite().query(query.sql, parameters).map_err(wrong)?;
    let found = sides.souk(query.sql, parameters)?;
    ensure!(found.names == expected.names, "{name}: columns {:?} instead of {:?}", found.names, expected.names);
    if found.rows == expected.rows {
        return Ok(());
    }
    Expected::of(sides.sqlite(), query.sql, parameters).check(&found.rows).map_err(wrong)
}
