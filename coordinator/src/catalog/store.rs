//! The coordinators' own SQLite file: schema log and topology, durable before they are used. Several coordinators may have it open.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::{DeclaredDistribution, SchemaChange, Topology};
use crate::locks::COORDINATORS_MAX;
use crate::settings::PlacementPolicy;
use crate::sql::Declared;

const FORMAT: i64 = 1;

/// How long is waited for another coordinator that writes.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// The file.
pub(crate) struct Store {
    connection: Mutex<Connection>,
    reader: Mutex<Reader>,
}

/// Sees what others have written, and what this has.
struct Reader {
    connection: Connection,
    /// What SQLite calls the file's version when it was looked at last.
    seen: Option<i64>,
}

/// A file that has changed since it was looked at last.
pub(crate) struct News<'s> {
    reader: MutexGuard<'s, Reader>,
    version: i64,
}

impl News<'_> {
    /// The schema log when it is longer than this.
    pub(crate) fn log_after(&self, length: u64) -> Result<Option<Vec<SchemaChange>>, StoreError> {
        let connection = &self.reader.connection;
        let now: i64 = connection.query_row("SELECT count(*) FROM schema_log", [], |row| row.get(0))?;
        (now as u64 > length).then(|| schema_log(connection)).transpose()
    }

    /// The topology when it is newer than this epoch.
    pub(crate) fn topology_after(&self, epoch: u64) -> Result<Option<Topology>, StoreError> {
        let connection = &self.reader.connection;
        (self::epoch(connection)? > epoch).then(|| topology(connection)).transpose()
    }

    /// All of it is taken.
    pub(crate) fn taken(mut self) {
        self.reader.seen = Some(self.version);
    }
}

/// Why the store fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the coordinator's file: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the folder `{}`: {source}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("the folder `{}` is shared by {COORDINATORS_MAX} coordinators, which is the most: stop one, or use one of them", .0.display())]
    TooMany(PathBuf),
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
    /// Opens the file of a folder, or makes it. Nobody else does so at the same time.
    pub(crate) fn open(folder: &Path, policy: PlacementPolicy, nodes: &[String]) -> Result<Store, StoreError> {
        let path = folder.join("coordinator.db");
        let mut connection = Connection::open(&path)?;
        connection.busy_timeout(BUSY_MAX)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
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
        let reader = Reader { connection: Connection::open(&path)?, seen: None };
        reader.connection.busy_timeout(BUSY_MAX)?;
        Ok(Store { connection: Mutex::new(connection), reader: Mutex::new(reader) })
    }

    /// Schema log and topology as they are.
    pub(crate) fn load(&self) -> Result<(Vec<SchemaChange>, Topology), StoreError> {
        let connection = self.connection.lock();
        Ok((schema_log(&connection)?, topology(&connection)?))
    }

    /// Looks whether the file has changed; others who look wait until what is new is taken.
    pub(crate) fn look(&self) -> Result<Option<News<'_>>, StoreError> {
        let reader = self.reader.lock();
        let version = reader.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        Ok((reader.seen != Some(version)).then_some(News { reader, version }))
    }

    /// What is reserved: the rowids that some coordinator may have handed out are below this.
    pub(crate) fn rowids_reserved(&self) -> Result<i64, StoreError> {
        let reserved = "SELECT coalesce(max(value), 0) FROM meta WHERE name GLOB 'rowids*'";
        Ok(self.reader.lock().connection.prepare_cached(reserved)?.query_row([], |row| row.get(0))?)
    }

    /// The rowids that other coordinators may have handed out are below this.
    pub(crate) fn rowids_reserved_by_others(&self, coordinator: u8) -> Result<i64, StoreError> {
        let reserved = "SELECT coalesce(max(value), 0) FROM meta WHERE name GLOB 'rowids*' AND name <> ?1";
        let own = reserved_by(coordinator);
        Ok(self.reader.lock().connection.prepare_cached(reserved)?.query_row([own], |row| row.get(0))?)
    }

    /// From now on this coordinator may hand out rowids below this.
    pub(crate) fn reserve_rowids(&self, coordinator: u8, end: i64) -> Result<(), StoreError> {
        self.note(&reserved_by(coordinator), end)
    }

    /// No coordinator hands out rowids below this any more.
    pub(crate) fn rowids_floor(&self) -> Result<i64, StoreError> {
        let floor = "SELECT coalesce(max(value), 0) FROM meta WHERE name = 'rowids floor'";
        Ok(self.reader.lock().connection.prepare_cached(floor)?.query_row([], |row| row.get(0))?)
    }

    /// From now on no coordinator hands out rowids below this.
    pub(crate) fn raise_rowids_floor(&self, floor: i64) -> Result<(), StoreError> {
        self.note("rowids floor", floor)
    }

    /// Notes a number that only grows.
    fn note(&self, name: &str, value: i64) -> Result<(), StoreError> {
        let note = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)";
        self.connection.lock().execute(note, (name, value)).map(drop)?;
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

    /// Records new shards: one for each of these canonical keys, pinned to it. As with the other, no coordinator else plans shards meanwhile.
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
        // What others recorded and never brought into use: nothing was ever written to them.
        transaction.execute("DELETE FROM pin WHERE shard IN (SELECT id FROM shard WHERE NOT in_use)", [])?;
        transaction.execute("DELETE FROM shard WHERE NOT in_use", [])?;
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

fn reserved_by(coordinator: u8) -> String {
    format!("rowids {coordinator}")
}

fn schema_log(connection: &Connection) -> Result<Vec<SchemaChange>, StoreError> {
    let mut log = connection.prepare("SELECT sql, table_name, shard_key FROM schema_log ORDER BY version")?;
    let changes = log.query_map([], |row| {
        let table: Option<String> = row.get(1)?;
        let key: Option<String> = row.get(2)?;
        let declared = key.map_or(Declared::Replicated, Declared::ShardKey);
        Ok(SchemaChange { sql: row.get(0)?, distribution: table.map(|table| DeclaredDistribution { table, declared }) })
    })?;
    Ok(changes.collect::<Result<_, _>>()?)
}

fn epoch(connection: &Connection) -> Result<u64, StoreError> {
    let epoch = "SELECT value FROM meta WHERE name = 'epoch'";
    Ok(connection.query_row(epoch, [], |row| row.get::<_, i64>(0))? as u64)
}

/// All as it was at one moment.
fn topology(connection: &Connection) -> Result<Topology, StoreError> {
    let transaction = connection.unchecked_transaction()?;
    let epoch = epoch(connection)?;
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
    transaction.commit()?;
    Ok(Topology::new(epoch, pins, ring, nodes)?)
}
