//! What must hold when nothing fails any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use crate::{
    client::{Client, Told},
    cluster::Cluster,
    work::Work,
};

/// How often a question is asked that nobody answers.
const ASKED_MAX: usize = 20;
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The rows: what was acknowledged is there, what was refused is not, nothing is there in part or twice.
pub(crate) async fn rows(client: &Client, first: i64, log: &[(Work, Vec<Told>)]) -> Result<(), String> {
    let mut found: BTreeMap<i64, i64> = BTreeMap::new();
    for table in ["log", "u"] {
        let sql = format!("SELECT number, count(*) FROM {table} WHERE number >= {first} GROUP BY number");
        let rows = patiently(|| client.rows(&sql)).await.ok_or("rows cannot be read")?;
        found.extend(rows.iter().map(|row| (row[0], row[1])));
    }
    for (work, told) in log {
        let there = found.remove(&work.number).unwrap_or(0);
        let outcome = outcome(client, work, told).await?;
        let is_right = match outcome {
            Some(true) => there == work.kind.rows(),
            Some(false) => there == 0,
            None => there == 0 || there == work.kind.rows(),
        };
        if !is_right {
            return Err(format!("{there} rows of {work:?}, done: {outcome:?}, told {told:?}"));
        }
    }
    if !found.is_empty() {
        return Err(format!("rows that nobody wrote: {found:?}"));
    }
    let sum = patiently(|| client.rows("SELECT sum(n) FROM t")).await.ok_or("the sum cannot be read")?;
    if sum != [[0]] {
        return Err(format!("what one has more another has not less: {sum:?}"));
    }
    Ok(())
}

/// Asks again when there is no answer: what fails at its second time may do so now.
async fn patiently<T, Asked: Future<Output = Option<T>>>(ask: impl Fn() -> Asked) -> Option<T> {
    for _ in 0..ASKED_MAX {
        match ask().await {
            Some(answer) => return Some(answer),
            None => tokio::time::sleep(ASK_AGAIN_AFTER).await,
        }
    }
    None
}

/// Whether it must have been done, by what was told, and by the answer to the question where it can be asked.
async fn outcome(client: &Client, work: &Work, told: &[Told]) -> Result<Option<bool>, String> {
    let is_done = told.contains(&Told::Done);
    let is_refused = told.iter().all(|told| matches!(told, Told::NotDone(..)));
    let known = if is_done { Some(true) } else { is_refused.then_some(false) };
    let Some(id) = work.request_id() else { return Ok(known) };
    let asked = patiently(|| client.was_done(&id)).await.ok_or("a request cannot be asked about")?;
    match known {
        Some(known) if known != asked => Err(format!("{work:?}: told {told:?}, and asked done: {asked}")),
        _ => Ok(Some(asked)),
    }
}

/// The files: sound, with nothing that waits, and with the replicated rows of all others.
pub(crate) fn files(cluster: &Cluster) -> Result<(), String> {
    let mut replicated = BTreeSet::new();
    for path in cluster.shard_files() {
        let file = open(&path)?;
        let intents = "SELECT count(*) || '' FROM sqlite_schema WHERE name = '_souk_intent'";
        if text(&file, intents)? == "1" && text(&file, "SELECT count(*) || '' FROM _souk_intent")? != "0" {
            return Err(format!("{} waits for a word", path.display()));
        }
        let rows = "SELECT coalesce(group_concat(rowid || ' ' || number || ' ' || at, ',' ORDER BY rowid), '') FROM u";
        replicated.insert(text(&file, rows)?);
    }
    open(&cluster.ledger())?;
    if replicated.len() == 1 { Ok(()) } else { Err("replicated rows differ".to_owned()) }
}

/// Opens a file that is sound.
fn open(path: &Path) -> Result<Connection, String> {
    let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE);
    let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
    let sound = text(&file, "PRAGMA integrity_check")?;
    if sound == "ok" { Ok(file) } else { Err(format!("{}: {sound}", path.display())) }
}

fn text(file: &Connection, sql: &str) -> Result<String, String> {
    file.query_row(sql, [], |row| row.get(0)).map_err(|error| format!("{sql}: {error}"))
}
