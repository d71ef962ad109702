//! The coordinator's own SQLite file: schema log and topology, durable before they are used.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::{DeclaredDistribution, SchemaChange, Topology};
use crate::settings::PlacementPolicy;
use crate::sql::Declared;

const FORMAT: i64 = 1;

/// The file.
pub(crate) struct Store {
    connection: Mutex<Connection>,
}

/// Why the store fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the coordinator's file: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("`{0}` is in use by another process: stop it, or give this coordinator a folder of its own")]
    InUse(String),
    #[error("the coordinator's file has format {0}, which this version does not know")]
    Format(i64),
    #[error("the cluster was made with placement `{made}`; it cannot be started with `{asked}`")]
    Placement { made: String, asked: String },
    #[error("node `{0}` serves shards but is not among the nodes given; name it with its address")]
    NodeMissing(String),
    #[error("a cluster needs at least one node")]
    NoNodes,
    #[error("the ledger's thread cannot be started: {0}")]
    Thread(String),
    #[error("the ring: {0}")]
    Ring(#[from] souk_hashring::RingError),
}

impl StoreError {
    fn opening(error: rusqlite::Error, path: &Path) -> StoreError {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy) => StoreError::InUse(path.display().to_string()),
            _ => StoreError::Sqlite(error),
        }
    }
}

/// Shards that are recorded but not in use yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewShards {
    /// The new shards of each node.
    pub(crate) by_node: BTreeMap<String, Vec<u64>>,
}

const TABLES: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE schema_log (
        version INTEGER PRIMARY KEY, sql TEXT NOT NULL, table_name TEXT, shard_key TEXT
    ) STRICT;
    CREATE TABLE shard (
        id INTEGER PRIMARY KEY, node TEXT NOT NULL, on_ring INTEGER NOT NULL, in_use INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE pin (key BLOB PRIMARY KEY, shard INTEGER NOT NULL REFERENCES shard (id)) STRICT, WITHOUT ROWID;
";

impl Store {
    /// Opens the file, or makes it with its first shards recorded for `nodes`. Shards that were recorded and never came
    /// into use are forgotten: nothing was ever written to them.
    pub(crate) fn open(path: &Path, policy: PlacementPolicy, nodes: &[String]) -> Result<Store, StoreError> {
        let mut connection = Connection::open(path)?;
        // Held to the end of the process: a second coordinator would change what this one believes to know.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(|error| StoreError::opening(error, path))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let made: bool =
            transaction.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'", [], |row| row.get(0))?;
        if !made {
            if nodes.is_empty() {
                return Err(StoreError::NoNodes);
            }
            transaction.execute_batch(TABLES)?;
            let meta = "INSERT INTO meta VALUES ('format', ?1), ('epoch', 0), ('placement', ?2), ('ring_version', ?3)";
            transaction.execute(meta, params![FORMAT, policy.to_string(), souk_hashring::Ring::VERSION])?;
        }
        let format: i64 =
            transaction.query_row("SELECT value FROM meta WHERE name = 'format'", [], |row| row.get(0))?;
        if format != FORMAT {
            return Err(StoreError::Format(format));
        }
        let placement: String =
            transaction.query_row("SELECT value FROM meta WHERE name = 'placement'", [], |row| row.get(0))?;
        if placement != policy.to_string() {
            return Err(StoreError::Placement { made: placement, asked: policy.to_string() });
        }
        transaction.execute("DELETE FROM pin WHERE shard IN (SELECT id FROM shard WHERE NOT in_use)", [])?;
        transaction.execute("DELETE FROM shard WHERE NOT in_use", [])?;
        let missing: Option<String> = transaction
            .prepare("SELECT DISTINCT node FROM shard")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<Vec<String>, _>>()?
            .into_iter()
            .find(|node| !nodes.contains(node));
        if let Some(node) = missing {
            return Err(StoreError::NodeMissing(node));
        }
        transaction.commit()?;
        Ok(Store { connection: Mutex::new(connection) })
    }

    /// Schema log and topology as they are.
    pub(crate) fn load(&self) -> Result<(Vec<SchemaChange>, Topology), StoreError> {
        let connection = self.connection.lock();
        let log = connection
            .prepare("SELECT sql, table_name, shard_key FROM schema_log ORDER BY version")?
            .query_map([], |row| {
                let table: Option<String> = row.get(1)?;
                let key: Option<String> = row.get(2)?;
                let distribution = table.map(|table| DeclaredDistribution {
                    table,
                    declared: key.map_or(Declared::Replicated, Declared::ShardKey),
                });
                Ok(SchemaChange { sql: row.get(0)?, distribution })
            })?
            .collect::<Result<Vec<_>, _>>()?;
        Ok((log, topology(&connection)?))
    }

    /// The rowids that may have been handed out are below this.
    pub(crate) fn rowids_reserved(&self) -> Result<i64, StoreError> {
        let reserved = "SELECT coalesce(max(value), 0) FROM meta WHERE name = 'rowids'";
        Ok(self.connection.lock().query_row(reserved, [], |row| row.get(0))?)
    }

    /// From now on rowids below this may be handed out.
    pub(crate) fn reserve_rowids(&self, end: i64) -> Result<(), StoreError> {
        let reserve = "INSERT INTO meta VALUES ('rowids', ?1) ON CONFLICT DO UPDATE SET value = excluded.value";
        self.connection.lock().execute(reserve, [end]).map(drop)?;
        Ok(())
    }

    /// Records the next schema change.
    pub(crate) fn append_schema(&self, version: u64, change: &SchemaChange) -> Result<(), StoreError> {
        let (table, key) = match &change.distribution {
            None => (None, None),
            Some(DeclaredDistribution { table, declared: Declared::Replicated }) => (Some(table), None),
            Some(DeclaredDistribution { table, declared: Declared::ShardKey(key) }) => (Some(table), Some(key)),
        };
        let insert = "INSERT INTO schema_log VALUES (?1, ?2, ?3, ?4)";
        self.connection.lock().execute(insert, params![version as i64, change.sql, table, key])?;
        Ok(())
    }

    /// Records new shards: one for each of these canonical keys, pinned to it.
    pub(crate) fn plan_pinned(&self, keys: &[Vec<u8>], nodes: &[String]) -> Result<NewShards, StoreError> {
        self.plan(nodes, false, keys.iter().map(Some))
    }

    /// Records new shards that no key is pinned to.
    pub(crate) fn plan_plain(&self, count: u32, on_ring: bool, nodes: &[String]) -> Result<NewShards, StoreError> {
        self.plan(nodes, on_ring, (0..count).map(|_| None))
    }

    /// A new shard goes to the node with the fewest.
    fn plan<'a>(
        &self,
        nodes: &[String],
        on_ring: bool,
        keys: impl Iterator<Item = Option<&'a Vec<u8>>>,
    ) -> Result<NewShards, StoreError> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut new = NewShards::default();
        {
            let mut loads: HashMap<String, u64> = nodes.iter().map(|node| (node.clone(), 0)).collect();
            let mut counts = transaction.prepare("SELECT node, count(*) FROM shard GROUP BY node")?;
            let mut rows = counts.query([])?;
            while let Some(row) = rows.next()? {
                loads.insert(row.get(0)?, row.get::<_, i64>(1)? as u64);
            }
            // Numbers are never given twice, not even those of shards that were forgotten.
            let next: Option<i64> = transaction
                .query_row("SELECT value FROM meta WHERE name = 'next_shard'", [], |row| row.get(0))
                .optional()?;
            let mut id = next.unwrap_or(1);
            let mut shard = transaction.prepare("INSERT INTO shard VALUES (?1, ?2, ?3, 0)")?;
            let mut pin = transaction.prepare("INSERT INTO pin VALUES (?1, ?2)")?;
            for key in keys {
                let node = nodes.iter().min_by_key(|node| (loads[*node], *node)).ok_or(StoreError::NoNodes)?;
                *loads.entry(node.clone()).or_default() += 1;
                shard.execute(params![id, node, on_ring])?;
                if let Some(key) = key {
                    pin.execute(params![key, id])?;
                }
                new.by_node.entry(node.clone()).or_default().push(id as u64);
                id += 1;
            }
            transaction.execute(
                "INSERT INTO meta VALUES ('next_shard', ?1) ON CONFLICT DO UPDATE SET value = excluded.value",
                [id],
            )?;
        }
        transaction.commit()?;
        Ok(new)
    }

    /// Brings planned shards into use: a new epoch.
    pub(crate) fn use_shards(&self, new: &NewShards) -> Result<Topology, StoreError> {
        let mut connection = self.connection.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut update = transaction.prepare("UPDATE shard SET in_use = 1 WHERE id = ?1")?;
            for id in new.by_node.values().flatten() {
                update.execute([*id as i64])?;
            }
        }
        transaction.execute("UPDATE meta SET value = value + 1 WHERE name = 'epoch'", [])?;
        transaction.commit()?;
        topology(&connection)
    }

    /// Forgets planned shards that could not be made.
    pub(crate) fn forget(&self, new: &NewShards) -> Result<(), StoreError> {
        let connection = self.connection.lock();
        for id in new.by_node.values().flatten() {
            connection.execute("DELETE FROM pin WHERE shard = ?1", [*id as i64])?;
            connection.execute("DELETE FROM shard WHERE id = ?1 AND NOT in_use", [*id as i64])?;
        }
        Ok(())
    }
}

fn topology(connection: &Connection) -> Result<Topology, StoreError> {
    let epoch: i64 = connection.query_row("SELECT value FROM meta WHERE name = 'epoch'", [], |row| row.get(0))?;
    let mut nodes = BTreeMap::new();
    let mut ring = Vec::new();
    let mut shards = connection.prepare("SELECT id, node, on_ring FROM shard WHERE in_use ORDER BY id")?;
    let mut rows = shards.query([])?;
    while let Some(row) = rows.next()? {
        let id = row.get::<_, i64>(0)? as u64;
        nodes.insert(id, row.get(1)?);
        if row.get(2)? {
            ring.push(id);
        }
    }
    let pins = connection
        .prepare("SELECT key, shard FROM pin JOIN shard ON shard.id = pin.shard WHERE in_use")?
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?
        .collect::<Result<BTreeMap<Vec<u8>, u64>, _>>()?;
    Ok(Topology::new(epoch as u64, pins, ring, nodes)?)
}
