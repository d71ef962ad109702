//! Which shard a key goes to, and clusters whose topology says so.
//!
//! A cluster is a copy of a template: the folder of a cluster that was started once and stopped. The keys that a placement gives to other shards
//! than the ring would are written as pins into the copy of the coordinator's file, before a coordinator opens it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rusqlite::Connection;
use souk_coordinator::{Limits, PlacementPolicy};
use souk_hashring::Key;
use souk_merge::Value;
use tempfile::TempDir;

use crate::reference::{State, Table};
use crate::support::{Cluster, none};

/// Where rows lie. Rows with one key always lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Placement {
    /// Where the ring says.
    Hash,
    /// Each next key on the next shard.
    RoundRobin,
    /// All on one of the shards.
    One,
    /// In turn on all shards but one.
    Empty,
}

impl Placement {
    pub(crate) const ALL: [Placement; 4] = [Placement::Hash, Placement::RoundRobin, Placement::One, Placement::Empty];

    /// The shards that keys are dealt to; none leaves them to the ring.
    fn dealt(self, shards: &[i64]) -> Option<&[i64]> {
        match self {
            Placement::Hash => None,
            Placement::RoundRobin => Some(shards),
            Placement::One => Some(&shards[shards.len() - 1..]),
            Placement::Empty => Some(&shards[..(shards.len() - 1).max(1)]),
        }
    }
}

impl FromStr for Placement {
    type Err = String;

    fn from_str(name: &str) -> Result<Placement, String> {
        let known = Placement::ALL.into_iter().find(|placement| placement.to_string() == name);
        known.ok_or_else(|| format!("no placement is called `{name}`: hash, roundrobin, one, empty"))
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Placement::Hash => "hash",
            Placement::RoundRobin => "roundrobin",
            Placement::One => "one",
            Placement::Empty => "empty",
        })
    }
}

/// A new cluster's folder, to be copied.
pub(crate) struct Template {
    folder: TempDir,
    shards: u32,
}

/// A cluster and its folder, which goes after it.
pub(crate) struct Placed {
    pub(crate) cluster: Cluster,
    _folder: TempDir,
}

impl Placed {
    /// Whether the cluster has the rows of this table.
    pub(crate) fn has(&self, table: &Table) -> bool {
        let columns: Vec<String> =
            table.columns.iter().map(|column| format!("\"{}\"", column.replace('"', "\"\""))).collect();
        let sql = format!("SELECT {} FROM \"{}\"", columns.join(", "), table.name.replace('"', "\"\""));
        let sorted = |rows: &[Vec<Value>]| {
            let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
            rows.sort_unstable();
            rows
        };
        self.cluster.query(&sql, &none()).is_ok_and(|answer| sorted(&answer.rows) == sorted(&table.rows))
    }
}

impl Template {
    pub(crate) fn new(shards: u32) -> Template {
        let folder = folder();
        let template = Template { folder, shards };
        // It answers once its shards are made.
        assert_eq!(
            template.start(template.folder.path()).status().shards,
            shards,
            "a cluster has the shards that it is to have"
        );
        template
    }

    /// A cluster with this schema and these rows.
    pub(crate) fn place(&self, placement: Placement, state: &State) -> Result<Placed, String> {
        let folder = folder();
        copy(self.folder.path(), folder.path());
        pin(&folder.path().join("coordinator/coordinator.db"), placement, state);
        let placed = Placed { cluster: self.start(folder.path()), _folder: folder };
        let execute = |sql: &String| {
            placed.cluster.execute(sql, &none()).map(drop).map_err(|failure| format!("{sql}: {}", failure.message))
        };
        state.statements().iter().try_for_each(execute)?;
        for table in &state.tables {
            let load = placed.cluster.load(&table.name, &table.columns, &table.rows);
            let load = load.map_err(|failure| format!("rows of {}: {}", table.name, failure.message))?;
            if load.loaded != table.rows.len() as u64 {
                return Err(format!("rows of {}: rejected {:?}", table.name, load.rejected));
            }
        }
        state.triggers.iter().try_for_each(execute)?;
        Ok(placed)
    }

    fn start(&self, folder: &Path) -> Cluster {
        let nodes = self.shards.min(2) as usize;
        Cluster::start_in(folder, nodes, PlacementPolicy::Ring { shards: self.shards }, Limits::default())
    }
}

/// In memory where there is a file system for it: what is tested here is not whether a disk keeps what it is given.
fn folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder")
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("a new folder");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

fn pin(store: &Path, placement: Placement, state: &State) {
    let connection = Connection::open(store).expect("the coordinator's file");
    let shards: Result<Vec<i64>, _> = connection
        .prepare("SELECT id FROM shard ORDER BY id")
        .and_then(|mut shards| shards.query_map([], |row| row.get(0))?.collect());
    let shards = shards.expect("the shards");
    let Some(dealt) = placement.dealt(&shards) else { return };
    let keys: BTreeSet<Vec<u8>> = state.keys().map(canonical).collect();
    for (key, shard) in keys.iter().zip(dealt.iter().cycle()) {
        connection.execute("INSERT INTO pin VALUES (?1, ?2)", (key, shard)).expect("a pin");
    }
}

fn canonical(value: &Value) -> Vec<u8> {
    let key = match value {
        Value::Null => Key::Null,
        Value::Integer(integer) => Key::Integer(*integer),
        Value::Real(real) => Key::Real(*real),
        Value::Text(bytes) => Key::Text(bytes),
        Value::Blob(bytes) => Key::Blob(bytes),
    };
    key.canonical_bytes()
}
