//! Tables with rows.

use souk_merge::Value;

/// A table with its rows.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    /// SQLite's statement.
    pub sql: String,
    /// None for a replicated table.
    pub shard_key: Option<String>,
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// The statement with its option.
    pub fn distributed_sql(&self) -> String {
        match &self.shard_key {
            Some(key) => format!("{} SHARD KEY ({key})", self.sql),
            None => format!("{} REPLICATED", self.sql),
        }
    }
}
