//! One SQLite file with all rows, asked in one thread.

use std::path::Path;

use rusqlite::Connection;
use souk_merge::{Batch, Value};

use crate::{file, queries::Query};

/// All rows in one file.
pub(crate) struct OneSqlite(Connection);

impl OneSqlite {
    /// Opens the file.
    pub(crate) fn open(file: &Path) -> anyhow::Result<OneSqlite> {
        let connection = file::open(file)?;
        connection.execute_batch("PRAGMA cache_size = -1000000")?;
        Ok(OneSqlite(connection))
    }

    /// Asks and takes all rows.
    pub(crate) fn ask(&self, query: &Query, parameters: &[Value]) -> anyhow::Result<Vec<Batch>> {
        Ok(vec![file::collect(&self.0, query.sql, parameters)?])
    }
}
