//! Real processes over the files of a cut: they recover, and what they answer then is compared with what was told before.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use rusqlite::Connection;
use souk_proto::Reason;
use tokio::time::{Instant, sleep};

use super::{
    cut::{self, Found},
    files::{Facts, read, scratch},
    record::{Made, Recording, Sent, coordinator_arguments, coordinator_folder, node_arguments, node_folder},
    workload::{Mark, Rows, shown},
};
use crate::{
    client::{Client, integers},
    cluster::Member,
    service::Service,
};

/// How long shards may wait for the word of a transaction that the cut interrupted.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is wrong after the processes have recovered; nothing when all is well.
pub(crate) async fn check(recording: &Recording, found: &Found, at: u64) -> Result<(), String> {
    let folder = scratch();
    cut::write(found, &recording.root, folder.path());
    let (mut node, mut coordinator) = start(folder.path())?;
    let client = Client::new(&coordinator.address.to_string());
    let answered = ask(&client).await;
    // Killed once more: what is in the files now is what was answered.
    coordinator.kill();
    node.kill();
    let (rows, replicated) = answered?;
    let shards = shards(folder.path())?;
    let mut shown = shown(recording.sent.iter().map(|sent| &sent.statement), &rows)?;
    // Every shard has the same, or `shards` would have said so.
    shown.extend(replicated.iter().map(|id| (*id, shards.len())));
    let indexed = shards.iter().filter(|shard| shard.is_indexed).count();
    let index = recording.sent.iter().find(|sent| matches!(sent.statement.mark, Mark::Index));
    shown.extend(index.map(|index| (index.statement.number, indexed)));
    recording.sent.iter().try_for_each(|sent| is_right(sent, &shown, shards.len(), at))
}

/// As [`check`], of a cut while the tables were being made: they can be made then, and what was acknowledged is there.
pub(crate) async fn check_beginning(recording: &Recording, found: &Found, at: u64) -> Result<(), String> {
    let folder = scratch();
    cut::write(found, &recording.root, folder.path());
    let (_node, coordinator) = start(folder.path())?;
    let client = Client::new(&coordinator.address.to_string());
    for Made { sql, sent, acknowledged } in &recording.made {
        let was_there = match make(&client, sql).await {
            Ok(is_made) => !is_made,
            Err(wrong) => return Err(format!("{wrong}; the coordinator ended so: {:?}", coordinator.stop())),
        };
        if was_there && *sent > at || !was_there && *acknowledged <= at {
            return Err(format!("`{sql}` is there: {was_there}; acknowledged: {}", *acknowledged <= at));
        }
    }
    let (rows, replicated) = ask(&client).await?;
    let is_right = replicated.is_empty() && !rows.is_empty() && rows.iter().all(|row| (row.1, row.2) == (0, 0));
    if is_right { Ok(()) } else { Err(format!("not the rows of the beginning: {rows:?}, {replicated:?}")) }
}

/// Makes a table, or its first rows; false when they are there. A coordinator that starts may find its node behind, and brings it up to date
/// meanwhile.
async fn make(client: &Client, sql: &str) -> Result<bool, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        match client.try_execute(sql).await {
            Ok(_) => return Ok(true),
            Err(Some((Reason::Constraint, _))) => return Ok(false),
            Err(Some((_, message))) if message.contains("already exists") => return Ok(false),
            Err(Some((Reason::SchemaMismatch | Reason::Overloaded, _))) if Instant::now() < until => {}
            Err(refusal) => return Err(format!("`{sql}`: {refusal:?}")),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn start(folder: &Path) -> Result<(Service, Service), String> {
    let start = |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Service::start(&arguments).map_err(|(code, said)| format!("it does not start: {code:?}: {said}"))
    };
    let node = start(node_arguments("127.0.0.1:0", folder))?;
    let coordinator = start(coordinator_arguments("127.0.0.1:0", folder, &node.address.to_string()))?;
    Ok((node, coordinator))
}

/// The rows of both tables, when no shard waits for a word any more: then a statement that changes all of them goes through.
async fn ask(client: &Client) -> Result<(Rows, Vec<i64>), String> {
    let until = Instant::now() + PATIENCE;
    for sql in ["UPDATE t SET n = n WHERE id = 0", "UPDATE u SET id = id"] {
        while let Err(refusal) = client.try_execute(sql).await {
            if Instant::now() > until {
                return Err(format!("`{sql}` does not go through: {refusal:?}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    let ask = async |sql| match client.query(sql).await {
        Ok(answer) => Ok(answer.rows.iter().map(|row| integers(row)).collect::<Vec<_>>()),
        Err(refusal) => Err(format!("`{sql}`: {refusal:?}")),
    };
    let rows = ask("SELECT vendor_id, id, n FROM t").await?.iter().map(|row| (row[0], row[1], row[2])).collect();
    Ok((rows, ask("SELECT id FROM u").await?.concat()))
}

/// The shards that are in use. Their files are sound, wait for nothing, and have the same replicated rows.
fn shards(folder: &Path) -> Result<Vec<Facts>, String> {
    let fault = |error: rusqlite::Error| error.to_string();
    let catalog = Connection::open(coordinator_folder(folder).join("coordinator.db")).map_err(fault)?;
    let mut shards = catalog.prepare("SELECT id FROM shard WHERE in_use").map_err(fault)?;
    let shards = shards.query_map([], |row| row.get(0)).and_then(Iterator::collect::<Result<Vec<i64>, _>>);
    let shards = shards.map_err(fault)?;
    let all: Result<Vec<Facts>, String> = shards.iter().map(|shard| shard_of(folder, *shard)).collect();
    let all = all?;
    let replicated: BTreeSet<&Vec<i64>> = all.iter().map(|facts| &facts.replicated).collect();
    if replicated.len() == 1 { Ok(all) } else { Err(format!("replicated rows differ: {replicated:?}")) }
}

fn shard_of(folder: &Path, shard: i64) -> Result<Facts, String> {
    let file = Member::file_in(&node_folder(folder), shard.cast_unsigned());
    let facts = read(&file, true).map_err(|broken| format!("shard {shard}: {broken}"))?;
    if facts.intents == 0 { Ok(facts) } else { Err(format!("shard {shard} waits for the word of a transaction")) }
}

/// Acknowledged before the cut: it is there. Not sent before it: it is not. Between: whole or not at all.
fn is_right(sent: &Sent, shown: &BTreeMap<i64, usize>, shards: usize, at: u64) -> Result<(), String> {
    let Sent { statement, .. } = sent;
    let (places, whole) = (shown.get(&statement.number).copied().unwrap_or(0), statement.mark.places(shards));
    let told = if sent.acknowledged <= at {
        "acknowledged"
    } else if sent.sent > at {
        "not sent"
    } else {
        "sent"
    };
    let is_right = match told {
        "acknowledged" => places == whole,
        "not sent" => places == 0,
        _ => places == 0 || places == whole,
    };
    if is_right {
        return Ok(());
    }
    Err(format!("`{}` was {told}, and shows in {places} of its {whole} places", statement.sql))
}
