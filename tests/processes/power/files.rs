//! What the files of a cut hold, read with SQLite alone. Most are as they were at the cut before, and are read once.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{cut::Found, workload::Rows};

/// A shard's rows, or nothing of a file that is no shard.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) rows: Rows,
    /// Of the replicated table.
    pub(crate) replicated: Vec<i64>,
    /// Whether the table has an index of its own.
    pub(crate) is_indexed: bool,
    /// Transactions whose word the shard waits for.
    pub(crate) intents: i64,
}

/// Digests of a file, its log and its journal.
type Key = [Option<u64>; 3];

const ENDINGS: [&str; 3] = ["", "-wal", "-journal"];

pub(crate) struct Files {
    known: HashMap<Key, Result<Arc<Facts>, String>>,
    scratch: TempDir,
}

impl Files {
    pub(crate) fn new() -> Files {
        Files { known: HashMap::new(), scratch: scratch() }
    }

    /// How many different ones were read.
    pub(crate) fn read_count(&self) -> usize {
        self.known.len()
    }

    /// What each database holds; the error says what is wrong with it.
    pub(crate) fn facts(&mut self, found: &Found) -> Vec<(PathBuf, Result<Arc<Facts>, String>)> {
        let databases = found.keys().filter(|name| name.extension().is_some_and(|ending| ending == "db"));
        databases.map(|name| (name.clone(), self.of(found, name))).collect()
    }

    fn of(&mut self, found: &Found, name: &Path) -> Result<Arc<Facts>, String> {
        let images = ENDINGS.map(|ending| found.get(&with_ending(name, ending)));
        let key = images.map(|image| image.map(|image| image.digest));
        let scratch = self.scratch.path().join("file.db");
        let known = self.known.entry(key).or_insert_with(|| {
            for (ending, image) in ENDINGS.iter().zip(images) {
                let file = with_ending(&scratch, ending);
                match image {
                    Some(image) => fs::write(file, &*image.bytes).expect("a file"),
                    None => drop(fs::remove_file(file)),
                }
            }
            read(&scratch, is_shard(name)).map(Arc::new)
        });
        known.clone()
    }
}

/// A folder in memory where there is one: what is put there is lost at no power cut.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

pub(crate) fn is_shard(name: &Path) -> bool {
    name.parent().and_then(Path::parent).is_some_and(|folder| folder.ends_with("shards"))
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// What a database holds, after SQLite has recovered it.
pub(crate) fn read(file: &Path, is_shard: bool) -> Result<Facts, String> {
    let read = || {
        let connection = Connection::open(file)?;
        let sound: String = connection.query_row("PRAGMA integrity_check(3)", [], |row| row.get(0))?;
        Ok::<_, rusqlite::Error>((sound, if is_shard { facts(&connection)? } else { Facts::default() }))
    };
    match read() {
        Ok((sound, facts)) if sound == "ok" => Ok(facts),
        Ok((broken, _)) => Err(broken),
        Err(error) => Err(error.to_string()),
    }
}

fn facts(connection: &Connection) -> rusqlite::Result<Facts> {
    let mut rows = connection.prepare("SELECT vendor_id, id, n FROM t ORDER BY vendor_id, id")?;
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let mut replicated = connection.prepare("SELECT id FROM u ORDER BY id")?;
    let replicated = replicated.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let is_indexed = connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 't_n'")?.exists([])?;
    let intents = match connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = '_souk_intent'")?.exists([])? {
        true => connection.query_row("SELECT count(*) FROM _souk_intent", [], |row| row.get(0))?,
        false => 0,
    };
    Ok(Facts { rows, replicated, is_indexed, intents })
}
