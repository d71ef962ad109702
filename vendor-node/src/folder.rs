//! A node's folder: whose it is, the schema log, and where the shards lie.
//!
//! ```text
//! DATA/lock                    held by the process that serves the folder
//! DATA/node.db                 the node's name and its schema log
//! DATA/shards/2a/42.db         shard 42, in the folder of its last byte
//! ```

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use souk_proto::Reason;

use crate::{
    NodeError,
    error::Fault,
    schema::SchemaLog,
    shard::{Place, disk},
};

/// The `application_id` of a node's own file: "soun".
const NODE_APPLICATION_ID: i32 = 0x736f_756e;

/// A folder that this process owns.
pub(crate) struct Folder {
    root: PathBuf,
    node: Arc<str>,
    file: Mutex<Connection>,
    schema: RwLock<Arc<SchemaLog>>,
    /// Held as long as the folder is served; the system lets go of it when the process dies.
    _lock: File,
}

impl Folder {
    /// Takes the folder for node `id`; makes it when it is missing.
    pub(crate) fn open(root: &Path, id: &str) -> Result<Folder, NodeError> {
        fs::create_dir_all(root.join("shards")).map_err(at("make", root))?;
        // Absolute, so that no path looks like one of SQLite's URIs.
        let root = fs::canonicalize(root).map_err(at("find", root))?;
        let lock = lock(&root)?;
        let path = root.join("node.db");
        let connection = open_node_file(&path)?;
        let owner = owner(&connection, id).map_err(sqlite(&path))?;
        if owner != id {
            return Err(NodeError::OtherNode { folder: root, owner, id: id.to_owned() });
        }
        let schema = read_schema(&connection).map_err(sqlite(&path))?;
        let schema = SchemaLog::from_numbered(schema).map_err(|_| NodeError::Foreign(path))?;
        Ok(Folder {
            root,
            node: id.into(),
            file: Mutex::new(connection),
            schema: RwLock::new(Arc::new(schema)),
            _lock: lock,
        })
    }

    /// The node's name.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// The schema log as it is now.
    pub(crate) fn schema(&self) -> Arc<SchemaLog> {
        Arc::clone(&self.schema.read())
    }

    /// Takes a longer log over, durably. A log that does not begin with the one held is refused.
    pub(crate) fn extend_schema(&self, longer: SchemaLog) -> Result<Arc<SchemaLog>, Fault> {
        let mut file = self.file.lock();
        let held = self.schema();
        held.check_extended_by(&longer)?;
        if longer.version() > held.version() {
            let stored = store_schema(&mut file, &longer, held.version());
            stored.map_err(|error| self.node_file(&error))?;
            *self.schema.write() = Arc::new(longer);
        }
        Ok(self.schema())
    }

    /// The schema number that every shard was seen to be at; those that are put back from a backup later catch up when they are opened.
    pub(crate) fn shards_at(&self) -> Result<u64, Fault> {
        let read = self.file.lock().pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
        read.map(i64::cast_unsigned).map_err(|error| self.node_file(&error))
    }

    /// Every shard is at this schema number.
    pub(crate) fn set_shards_at(&self, version: u64) -> Result<(), Fault> {
        let written = self.file.lock().pragma_update(None, "user_version", version.cast_signed());
        written.map_err(|error| self.node_file(&error))
    }

    fn node_file(&self, error: &rusqlite::Error) -> Fault {
        Fault::new(Reason::ShardUnavailable, format!("node `{}`: node.db: {error}", self.node))
    }

    /// Where a shard lies, whether it is there or not.
    pub(crate) fn place(&self, shard: u64) -> Place {
        let file = self.bucket(shard).join(format!("{shard}.db"));
        Place { shard, node: Arc::clone(&self.node), file }
    }

    fn bucket(&self, shard: u64) -> PathBuf {
        self.root.join("shards").join(format!("{:02x}", shard & 0xff))
    }

    /// Makes the folders that these shards go into.
    pub(crate) fn make_buckets(&self, shards: &[u64]) -> Result<(), Fault> {
        self.each_bucket(shards, |bucket| fs::create_dir_all(bucket))
    }

    /// Makes the names of these shards' files durable: each folder once.
    pub(crate) fn sync_buckets(&self, shards: &[u64]) -> Result<(), Fault> {
        self.each_bucket(shards, |bucket| File::open(bucket)?.sync_all())?;
        let root = self.root.join("shards");
        let synced = File::open(&root).and_then(|folder| folder.sync_all());
        synced.map_err(|error| Fault::new(Reason::ShardUnavailable, format!("node `{}`: `shards`: {error}", self.node)))
    }

    fn each_bucket(&self, shards: &[u64], run: impl Fn(&Path) -> io::Result<()>) -> Result<(), Fault> {
        let last_bytes: BTreeSet<u64> = shards.iter().map(|shard| shard & 0xff).collect();
        for byte in last_bytes {
            run(&self.bucket(byte)).map_err(|error| disk(&self.place(byte), &error))?;
        }
        Ok(())
    }

    /// Every shard that has a file, sorted.
    pub(crate) fn shards(&self) -> io::Result<Vec<u64>> {
        let mut shards = Vec::new();
        for bucket in fs::read_dir(self.root.join("shards"))? {
            let bucket = bucket?;
            if !bucket.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(bucket.path())? {
                let name = file?.file_name();
                shards.extend(shard_of(&name.to_string_lossy()).filter(|shard| self.bucket(*shard) == bucket.path()));
            }
        }
        shards.sort_unstable();
        Ok(shards)
    }
}

fn shard_of(name: &str) -> Option<u64> {
    name.strip_suffix(".db")?.parse().ok()
}

fn lock(root: &Path) -> Result<File, NodeError> {
    let path = root.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(NodeError::InUse(root.to_owned())),
        Err(TryLockError::Error(error)) => Err(at("lock", &path)(error)),
    }
}

fn open_node_file(path: &Path) -> Result<Connection, NodeError> {
    let connection = Connection::open(path).map_err(sqlite(path))?;
    // EXTRA: the folder too, so that a journal that was deleted cannot come back.
    connection.execute_batch("PRAGMA synchronous = EXTRA").map_err(sqlite(path))?;
    // A first start that was cut off leaves a file without anything in it.
    let empty = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema) AND (SELECT page_count FROM pragma_page_count()) = 0";
    if connection.query_row(empty, [], |row| row.get(0)).map_err(sqlite(path))? {
        make_node_file(&connection).map_err(sqlite(path))?;
    }
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(sqlite(path))?;
    if application == NODE_APPLICATION_ID { Ok(connection) } else { Err(NodeError::Foreign(path.to_owned())) }
}

fn make_node_file(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN;
         CREATE TABLE node(id TEXT NOT NULL) STRICT;
         CREATE TABLE schema(version INTEGER PRIMARY KEY, sql TEXT NOT NULL) STRICT;
         PRAGMA application_id = {NODE_APPLICATION_ID};
         COMMIT"
    ))
}

/// The name in the file; on first use this node's.
fn owner(connection: &Connection, id: &str) -> rusqlite::Result<String> {
    connection.execute("INSERT INTO node SELECT ?1 WHERE NOT EXISTS (SELECT * FROM node)", [id])?;
    connection.query_row("SELECT id FROM node", [], |row| row.get(0))
}

fn read_schema(connection: &Connection) -> rusqlite::Result<Vec<(u64, String)>> {
    let mut statement = connection.prepare("SELECT version, sql FROM schema ORDER BY version")?;
    statement.query_map([], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)))?.collect()
}

fn store_schema(connection: &mut Connection, log: &SchemaLog, held: u64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (change, version) in log.after(held).unwrap_or_default().iter().zip(held + 1..) {
        transaction.execute("INSERT INTO schema VALUES (?1, ?2)", (version.cast_signed(), &change.sql))?;
    }
    transaction.commit()
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NodeError {
    let path = path.to_owned();
    move |source| NodeError::Io { action, path, source }
}

fn sqlite(path: &Path) -> impl Fn(rusqlite::Error) -> NodeError {
    let path = path.to_owned();
    move |source| NodeError::Sqlite { path: path.clone(), source }
}
