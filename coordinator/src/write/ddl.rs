//! Schema changes: checked on an empty database, tried by every shard, recorded, then handed to every node.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use rusqlite::Connection;
use souk_proto::Reason;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::Executed;
use crate::catalog::{Catalog, DeclaredDistribution, SchemaChange, Target, Topology, default_distribution};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::exec::ShardFailure;
use crate::locks::Alone;
use crate::sql::{Declared, SchemaStatement, SqlError};

/// How often a node that does not take the schema is asked again.
const CATCH_UP_RETRY: Duration = Duration::from_secs(1);

/// How long a schema change waits for writes that run, and for transactions that are decided, to be over.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(60);

/// Applies one CREATE, ALTER or DROP: on all shards, or on none.
///
/// Nothing is written meanwhile. Every shard tries it first and undoes it; when all could, it is recorded, and from then on
/// it is: shards that are away have it before they serve again.
pub(super) async fn change_schema(cluster: &Arc<Cluster>, statement: SchemaStatement) -> Result<Executed> {
    refuse_unsupported(&statement.words)?;
    let cluster = Arc::clone(cluster);
    // A client that goes away must not leave it half way.
    let changed = tokio::spawn(async move { change(&cluster, statement).await });
    changed
        .await
        .map_err(|_| Error::internal("the schema change broke down: look at the schema before trying again"))?
}

async fn change(cluster: &Arc<Cluster>, statement: SchemaStatement) -> Result<Executed> {
    cluster.refresh()?;
    let catalog = cluster.snapshot().catalog;
    if check(&catalog.log, &statement)?.is_none() {
        return Ok(Executed::at(catalog.version));
    }
    let until = Instant::now() + QUIET_WAIT_MAX;
    // Who would be waited for in vain holds up no writer.
    cluster.transactions.settled(until).await?;
    let _quiet = quiet(cluster, until).await?;
    let changing = timeout_at(until, cluster.changing()).await;
    let _changing =
        changing.map_err(|_| Error::new(Reason::Overloaded, "shards were being made all the time; try again"))??;
    let snapshot = cluster.snapshot();
    let mut log = snapshot.catalog.log.clone();
    let Some(change) = check(&log, &statement)? else {
        return Ok(Executed::at(snapshot.catalog.version));
    };
    check_nodes(cluster, &snapshot.topology)?;
    log.push(change.clone());
    let catalog = Catalog::new(log)?;
    let scripts: Vec<String> = catalog.log.iter().map(|change| change.sql.clone()).collect();
    try_everywhere(cluster, &scripts).await?;
    let version = catalog.version;
    cluster.store.append_schema(version, &change)?;
    cluster.publish_catalog(catalog);
    let applied = cluster.nodes_given.iter().map(|node| cluster.nodes.apply_schema(&node.id, &scripts));
    let mut missed: Option<String> = None;
    for (node, applied) in cluster.nodes_given.iter().zip(join_all(applied).await) {
        let why = match applied {
            Ok(failed) => match failed.first() {
                None => continue,
                Some(first) => format!("shard {} of it says: {}", first.shard, first.message),
            },
            Err(error) => error.to_string(),
        };
        missed.get_or_insert_with(|| format!("node `{}` is still to take it: {why}", node.id));
    }
    match missed {
        None => Ok(Executed { shards: snapshot.topology.shard_count() as u32, ..Executed::at(version) }),
        Some(why) => {
            let message = format!("schema change {version} is done, and all shards get it; {why}");
            Err(Error::new(Reason::ShardUnavailable, message))
        }
    }
}

/// From now on nothing is written, and what is decided is done.
async fn quiet(cluster: &Cluster, until: Instant) -> Result<Alone> {
    let quiet = timeout_at(until, cluster.not_writing()).await;
    let busy = |_| Error::new(Reason::Overloaded, "writes were running all the time; try again");
    let quiet = quiet.map_err(busy)??;
    cluster.transactions.settled(until).await?;
    Ok(quiet)
}

/// Shards of a node that another coordinator was given, and this was not, could not try it.
fn check_nodes(cluster: &Cluster, topology: &Topology) -> Result<()> {
    let is_given = |target: &&Target| cluster.nodes_given.iter().any(|node| node.id == target.node);
    match topology.all().iter().find(|target| !is_given(target)) {
        None => Ok(()),
        Some(target) => Err(Error::new(
            Reason::ShardUnavailable,
            format!(
                "nothing was changed: node `{}` serves shards, and this coordinator does not know its address; start it with that",
                target.node
            ),
        )),
    }
}

/// Has every shard try the schema. A node that is away could not: nothing is changed then.
async fn try_everywhere(cluster: &Cluster, scripts: &[String]) -> Result<()> {
    let tried = cluster.nodes_given.iter().map(|node| cluster.nodes.try_schema(&node.id, scripts));
    let failed: Vec<ShardFailure> = try_join_all(tried).await?.into_iter().flatten().collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let message = format!(
        "nothing was changed: {} {} it, the first being shard {} of node `{}`: {}",
        failed.len(),
        if failed.len() == 1 { "shard refuses" } else { "shards refuse" },
        first.shard,
        first.node,
        first.message
    );
    Err(Error::new(first.reason, message))
}

/// How often is looked for changes that others have made.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Hands every schema to all nodes, the one that is found first, and from then on those that other coordinators make: they may end before they have done so.
pub(crate) async fn hand_schema(cluster: Arc<Cluster>) {
    // Aborted when it is dropped.
    let mut handing = JoinSet::new();
    let mut handed = None;
    loop {
        if let Err(error) = cluster.refresh() {
            tracing::warn!("what other coordinators have changed is not known: {error}");
        }
        let version = cluster.snapshot().catalog.version;
        if handed.replace(version) != Some(version) {
            handing.abort_all();
            for node in cluster.node_ids() {
                handing.spawn(catch_up(Arc::clone(&cluster), node));
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Hands the schema log to a node until it has taken it: one that was away, or that a crash kept a change from, is behind.
/// Queries that need it fail with SCHEMA_MISMATCH until then.
async fn catch_up(cluster: Arc<Cluster>, node: String) {
    loop {
        // A change that comes between makes this log too short for the node, which says so: the next turn has the new one.
        let catalog = cluster.snapshot().catalog;
        let scripts: Vec<String> = catalog.log.iter().map(|change| change.sql.clone()).collect();
        match cluster.nodes.apply_schema(&node, &scripts).await {
            Ok(failed) if failed.is_empty() => return,
            Ok(failed) => {
                for failure in failed {
                    tracing::error!(
                        "shard {} of node `{node}` has not taken the schema: {}",
                        failure.shard,
                        failure.message
                    );
                }
            }
            Err(error) => tracing::warn!("node `{node}` has not taken the schema yet: {error}"),
        }
        tokio::time::sleep(CATCH_UP_RETRY).await;
    }
}

fn refuse_unsupported(words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let what = match words.as_slice() {
        ["CREATE", "TABLE", ..] | ["CREATE", "INDEX", ..] | ["CREATE", "UNIQUE", "INDEX", ..] => return Ok(()),
        ["CREATE", "VIEW" | "TRIGGER", ..] | ["ALTER", "TABLE", ..] => return Ok(()),
        ["DROP", "TABLE" | "INDEX" | "VIEW" | "TRIGGER", ..] => return Ok(()),
        ["CREATE", "TEMP" | "TEMPORARY", ..] => "temporary objects",
        ["CREATE", "VIRTUAL", ..] => "virtual tables",
        _ => "this schema change",
    };
    Err(Error::new(Reason::UnsupportedSql, format!("{what} is not supported")))
}

/// Runs the statement after the log on an empty database: SQLite's own errors, and which table it makes. None when it changes nothing, as IF NOT EXISTS has it.
fn check(log: &[SchemaChange], statement: &SchemaStatement) -> Result<Option<SchemaChange>> {
    let SchemaStatement { words, sql, has_on_conflict, .. } = statement;
    let of_table = matches!(words.as_slice(), [verb, what, ..] if verb != "DROP" && what == "TABLE");
    if *has_on_conflict && of_table {
        let message = "ON CONFLICT in a table is not supported, since it would speak on one shard alone; say OR IGNORE or OR REPLACE in the statement";
        return Err(Error::new(Reason::UnsupportedSql, message));
    }
    let internal = |error: rusqlite::Error| Error::internal(error.to_string());
    let connection = Connection::open_in_memory().map_err(internal)?;
    log.iter().try_for_each(|change| connection.execute_batch(&change.sql)).map_err(internal)?;
    let before = tables(&connection).map_err(internal)?;
    let reserved_before = reserved(&connection).map_err(internal)?;
    let prepared = connection.prepare(sql).map_err(SqlError::from_sqlite)?;
    if prepared.parameter_count() > 0 {
        return Err(Error::new(Reason::InvalidArgument, "a schema change takes no parameters"));
    }
    drop(prepared);
    let fires = fires_when_dropped(&connection).map_err(internal)?;
    let changes = || connection.query_row("PRAGMA schema_version", [], |row| row.get::<_, i64>(0)).map_err(internal);
    let changes_before = changes()?;
    connection.execute_batch(sql).map_err(SqlError::from_sqlite)?;
    if changes()? == changes_before {
        return Ok(None);
    }
    let reserved_now = reserved(&connection).map_err(internal)?;
    if let Some(name) = reserved_now.iter().find(|name| !reserved_before.contains(name)) {
        let message = format!("`{name}`: names that begin with `_souk` are souk's own; choose another");
        return Err(Error::new(Reason::InvalidArgument, message));
    }
    let after = tables(&connection).map_err(internal)?;
    let made: Vec<&String> = after.iter().filter(|table| !before.contains(table)).collect();
    let lost = before.iter().any(|table| !after.contains(table));
    if let Some(table) = fires.iter().find(|table| !after.contains(table)) {
        let message = format!(
            "dropping `{table}` is not supported while a foreign key acts on rows of a table that has triggers; delete its rows first, and then drop those"
        );
        return Err(Error::new(Reason::UnsupportedSql, message));
    }
    let distribution = match made.as_slice() {
        [table] if lost => {
            let message = format!("renaming a table to `{table}` is not supported; make a new one");
            return Err(Error::new(Reason::UnsupportedSql, message));
        }
        made => distribution(&connection, log, statement, made)?,
    };
    Ok(Some(SchemaChange { sql: sql.clone(), distribution }))
}

/// Where the rows of the table lie that a statement makes; none when it makes none.
fn distribution(
    connection: &Connection,
    log: &[SchemaChange],
    statement: &SchemaStatement,
    made: &[&String],
) -> Result<Option<DeclaredDistribution>> {
    let SchemaStatement { sql, declared, has_query, has_autoincrement, .. } = statement;
    match (made, declared) {
        ([], None) => Ok(None),
        ([table], declared) => {
            if *has_query {
                return Err(Error::new(Reason::UnsupportedSql, "CREATE TABLE AS SELECT is not supported"));
            }
            let declared = match declared {
                Some(declared) => declared.clone(),
                None => {
                    let script = log.iter().map(|change| change.sql.as_str()).chain([sql.as_str()]);
                    default_distribution(&script.collect::<Vec<_>>(), table)?
                }
            };
            if let Declared::ShardKey(key) = &declared {
                refuse_actions_on(connection, table, key)?;
            }
            if *has_autoincrement && declared == Declared::Replicated {
                let message = format!(
                    "AUTOINCREMENT of `{table}`, which every shard has, is not supported: new shards would count anew; leave the word out"
                );
                return Err(Error::new(Reason::UnsupportedSql, message));
            }
            Ok(Some(DeclaredDistribution { table: (*table).clone(), declared }))
        }
        (_, Some(Declared::ShardKey(_) | Declared::Replicated)) => Err(Error::new(
            Reason::InvalidArgument,
            "SHARD KEY and REPLICATED stand at the end of a CREATE TABLE that makes a new table",
        )),
        _ => Err(Error::new(Reason::UnsupportedSql, "a statement that makes several tables is not supported")),
    }
}

/// The tables whose rows take others with them when they go, or change them, for which triggers may fire: SQLite deletes the rows of a table that is dropped.
fn fires_when_dropped(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare(
            "WITH acts(child, parent, when_gone) AS (
               SELECT c.name, f.\"table\", f.on_delete NOT IN ('NO ACTION', 'RESTRICT')
               FROM pragma_table_list AS c, pragma_foreign_key_list(c.name) AS f
               WHERE f.on_delete NOT IN ('NO ACTION', 'RESTRICT') OR f.on_update NOT IN ('NO ACTION', 'RESTRICT')),
             reached(dropped, changed) AS (
               SELECT p.name, child FROM pragma_table_list AS p, acts
               WHERE p.schema = 'main' AND parent = p.name COLLATE NOCASE AND when_gone
               UNION SELECT dropped, child FROM reached, acts WHERE parent = changed COLLATE NOCASE)
             SELECT DISTINCT dropped FROM reached, sqlite_schema AS s WHERE s.type = 'trigger' AND s.tbl_name = changed COLLATE NOCASE",
        )?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// A foreign key's action that changes the shard key would leave the row on a shard where nobody looks for it.
fn refuse_actions_on(connection: &Connection, table: &str, key: &str) -> Result<()> {
    let actions = "SELECT 1 FROM pragma_foreign_key_list(?1) WHERE \"from\" = ?2 COLLATE NOCASE
                   AND (on_update NOT IN ('NO ACTION', 'RESTRICT') OR on_delete IN ('SET NULL', 'SET DEFAULT'))";
    let found = connection.prepare(actions).and_then(|mut actions| actions.exists([table, key]));
    if found.map_err(|error| Error::internal(error.to_string()))? {
        let message = format!(
            "a foreign key's action would change the shard key `{key}` of `{table}`: use NO ACTION or RESTRICT"
        );
        return Err(Error::new(Reason::UnsupportedSql, message));
    }
    Ok(())
}

/// Shards and scratches have tables of souk's own.
fn reserved(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM sqlite_schema WHERE name LIKE '\\_souk%' ESCAPE '\\'")?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?
        .query_map([], |row| row.get(0))?
        .collect()
}
