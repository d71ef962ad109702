//! A shard's file: made whole or not at all, and checked before it is used.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use souk_proto::Reason;

use super::{
    connection::{self, SHARD_APPLICATION_ID},
    place::{Phase, Place},
};
use crate::{error::Fault, schema::SchemaLog};

/// The layout of the node's own table in a shard's file.
const FORMAT_VERSION: i64 = 1;

/// The end of a file's name while it is being made.
const UNFINISHED: &str = ".new";

/// Makes a shard's file with the whole schema: under another name first, so that a crash leaves no half shard.
/// The file is durable, its name is not: the caller syncs the folder.
pub(crate) fn create(place: &Place, schema: &SchemaLog) -> Result<(), Fault> {
    let unfinished = Place { shard: place.shard, node: place.node.clone(), file: with_ending(&place.file, UNFINISHED) };
    remove_unfinished(&unfinished.file).map_err(|error| disk(place, &error))?;
    fill(&unfinished, schema).map_err(|error| unfinished.sqlite(Phase::Open, &error))?;
    publish(&unfinished.file, &place.file).map_err(|error| disk(place, &error))
}

fn fill(place: &Place, schema: &SchemaLog) -> rusqlite::Result<()> {
    let connection = connection::create(place)?;
    connection.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; BEGIN")?;
    connection.pragma_update(None, "application_id", SHARD_APPLICATION_ID)?;
    connection.execute_batch(
        "CREATE TABLE _souk_shard(
           id INTEGER NOT NULL, format_version INTEGER NOT NULL, schema_version INTEGER NOT NULL) STRICT",
    )?;
    for change in schema.changes() {
        connection.execute_batch(&change.sql)?;
    }
    let row = (place.shard.cast_signed(), FORMAT_VERSION, schema.version().cast_signed());
    connection.execute("INSERT INTO _souk_shard VALUES (?1, ?2, ?3)", row)?;
    connection.execute_batch("COMMIT; PRAGMA journal_mode = WAL")?;
    connection.close().map_err(|(_, error)| error)
}

fn publish(unfinished: &Path, file: &Path) -> io::Result<()> {
    // The connection is closed: opening the file beside it would drop SQLite's locks.
    File::open(unfinished)?.sync_all()?;
    fs::rename(unfinished, file)
}

fn remove_unfinished(file: &Path) -> io::Result<()> {
    for ending in ["", "-wal", "-journal"] {
        match fs::remove_file(with_ending(file, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Checks on a fresh connection that the file is this shard's and whole, and that it is written ahead.
pub(crate) fn check(place: &Place, connection: &Connection) -> Result<(), Fault> {
    if length(&place.file).map_err(|error| disk(place, &error))? == Some(0) {
        return Err(place.damaged("is empty"));
    }
    let fault = |error| place.sqlite(Phase::Open, &error);
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(fault)?;
    if application != SHARD_APPLICATION_ID {
        return Err(place.damaged("is not a souk shard"));
    }
    check_length(place, connection)?;
    check_identity(place, connection)?;
    ensure_wal(connection).map_err(fault)
}

/// A file that was restored from a backup may have lost its journal mode.
fn ensure_wal(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode == "wal" { Ok(()) } else { connection.pragma_update(None, "journal_mode", "wal") }
}

/// SQLite itself notices a file that lost whole pages, but not one that lost a part of its last page.
fn check_length(place: &Place, connection: &Connection) -> Result<(), Fault> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let whole = number("page_count")
        .and_then(|pages| Ok(pages.saturating_mul(number("page_size")?)))
        .map_err(|error| place.sqlite(Phase::Open, &error))?;
    let log = length(&with_ending(&place.file, "-wal")).map_err(|error| disk(place, &error))?;
    let held = length(&place.file).map_err(|error| disk(place, &error))?;
    // With rows in the log the file may rightly be shorter than the database.
    if log.unwrap_or(0) == 0 && held.is_some_and(|held| held < whole.cast_unsigned()) {
        return Err(place.damaged("is truncated"));
    }
    Ok(())
}

fn check_identity(place: &Place, connection: &Connection) -> Result<(), Fault> {
    let row = connection.query_row("SELECT id, format_version FROM _souk_shard", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    });
    match row {
        Ok((id, _)) if id.cast_unsigned() != place.shard => {
            Err(place.damaged(format!("holds shard {}", id.cast_unsigned())))
        }
        Ok((_, FORMAT_VERSION)) => Ok(()),
        Ok((_, format)) => Err(place.damaged(format!("has format {format}, this node reads format {FORMAT_VERSION}"))),
        Err(rusqlite::Error::QueryReturnedNoRows) => Err(place.damaged("does not say which shard it is")),
        Err(error) => match place.sqlite(Phase::Run, &error) {
            fault if fault.is_of_shard() => Err(fault),
            fault => Err(place.damaged(format!("does not say which shard it is ({})", fault.message))),
        },
    }
}

fn length(file: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(file) {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(ending);
    name.into()
}

/// A fault of the disk under a shard.
pub(crate) fn disk(place: &Place, error: &io::Error) -> Fault {
    place.fault(Reason::ShardUnavailable, format!("`{}`: {error}: look at the node's disk", place.file.display()))
}
