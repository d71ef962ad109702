//! A connection to a shard's file, set up alike for reading and writing, and counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig, limits::Limit};

use super::place::Place;
use crate::raw;

/// The `application_id` of a shard's file: "souk".
pub(crate) const SHARD_APPLICATION_ID: i32 = 0x736f_756b;

/// The VFS of every connection to a shard: locks and the WAL's index live in this process, so that a connection takes
/// two descriptors, no lock calls, and no other process can open the file meanwhile.
const VFS: &str = "unix-excl";

/// The longest value, in bytes, that a statement may make or a row may hold.
const VALUE_BYTES_MAX: i32 = 64 << 20;

/// How long a connection waits for a lock. Only the recovery of a log after a crash holds one for long.
pub(crate) const BUSY_WAIT_MAX: Duration = Duration::from_secs(2);

/// How many connections to shards are open now.
#[derive(Debug, Default)]
pub(crate) struct OpenConnections(AtomicUsize);

impl OpenConnections {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// One open connection in the count, until it is dropped.
pub(crate) struct Counted(Arc<OpenConnections>);

impl Counted {
    pub(crate) fn new(open: &Arc<OpenConnections>) -> Counted {
        open.0.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Opens a shard's file, which must exist. Nothing is read from it yet.
pub(crate) fn open(place: &Place) -> rusqlite::Result<Connection> {
    connect(place, OpenFlags::empty())
}

/// Opens a file for a shard, new or not.
pub(crate) fn create(place: &Place) -> rusqlite::Result<Connection> {
    connect(place, OpenFlags::SQLITE_OPEN_CREATE)
}

fn connect(place: &Place, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags_and_vfs(&place.file, flags, VFS)?;
    raw::shrink_and_seal(&connection)?;
    connection.busy_timeout(BUSY_WAIT_MAX)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // What a trigger does may belong on other shards: the coordinator runs it, and sends the rows.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
    Ok(connection)
}
