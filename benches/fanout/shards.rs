//! Copies of the shard files, open in this process.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, bail};
use rusqlite::{Connection, OptionalExtension as _};
use souk_merge::Value;

use crate::file;

/// A connection for each shard file.
#[derive(Default)]
pub(crate) struct Shards {
    /// Locked by whoever has taken the shard: nobody ever waits.
    connections: Vec<Mutex<Connection>>,
    /// Whose they are.
    by_vendor: HashMap<i64, usize>,
}

impl Shards {
    /// Opens every file that is a vendor's: that has a row in a table of all vendors.
    pub(crate) fn open(files: &[PathBuf], table_of_all_vendors: &str) -> anyhow::Result<Shards> {
        let hint = "its descriptors may be too few: raise `ulimit -n`";
        rlimit::increase_nofile_limit(u64::MAX)?;
        let mut shards = Shards::default();
        for path in files {
            let shard = file::open(path).with_context(|| format!("`{}`: {hint}", path.display()))?;
            let vendor = format!("SELECT vendor_id FROM {table_of_all_vendors} LIMIT 1");
            // A new cluster has a shard that is no vendor's.
            if let Some(vendor) = shard.query_row(&vendor, [], |row| row.get(0)).optional()? {
                shards.by_vendor.insert(vendor, shards.connections.len());
                shards.connections.push(Mutex::new(shard));
            }
        }
        Ok(shards)
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.connections.len()
    }

    /// The place of the shard of the vendor in the first parameter.
    pub(crate) fn place(&self, parameters: &[Value]) -> anyhow::Result<usize> {
        let Some(Value::Integer(vendor)) = parameters.first() else {
            bail!("no vendor in {parameters:?}");
        };
        self.by_vendor.get(vendor).copied().with_context(|| format!("no shard of vendor {vendor}"))
    }

    /// Works with one.
    pub(crate) fn with<T>(&self, place: usize, work: impl FnOnce(&Connection) -> T) -> T {
        work(&self.connections[place].lock().unwrap_or_else(PoisonError::into_inner))
    }
}
