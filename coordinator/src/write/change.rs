//! INSERT, UPDATE and DELETE whose rows lie on one shard: where that is, and then there.
//!
//! An UPDATE or DELETE is placed by a SELECT of everything that it reads, from the rows that it changes: where one shard answers that,
//! the text itself goes there. The rows of an INSERT are computed first, as those of any query, and go to the shard of their key.

use std::collections::BTreeSet;
use std::sync::Arc;

use souk_merge::{Batch, Value};
use souk_proto::Reason;
use tokio::time::Instant;

use super::Executed;
use super::router::{Routed, route, target};
use super::shards;
use crate::catalog::Snapshot;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::exec::{ShardStatement, WriteRequest};
use crate::plan::Plan;
use crate::session::{Session, order_parameters};
use crate::settings::PlacementPolicy;
use crate::sql::{Change, ChangeStatement, Clause, ColumnInfo, Distribution, Insert, TableInfo, quote};

/// A statement on its way, with what was given for it.
struct Changing<'c> {
    cluster: &'c Arc<Cluster>,
    session: Session,
    text: &'c str,
    parameters: Vec<Value>,
    columns: Vec<(String, Option<String>)>,
    deadline: Instant,
}

/// What a statement would do on several shards.
const ONE_SHARD_ONLY: &str = "is not supported yet: it would have to happen on all of them or on none";

/// Runs one statement that changes rows.
pub(super) async fn change(
    cluster: &Arc<Cluster>,
    text: &str,
    given: Vec<(String, Value)>,
    deadline_ms: u32,
) -> Result<Executed> {
    let session = Session::new(Arc::clone(cluster));
    let deadline = Instant::now() + session.deadline(deadline_ms);
    let snapshot = cluster.snapshot();
    let ChangeStatement { columns, parameters, change } =
        cluster.prepared_change(&snapshot.catalog, text, deadline).await?;
    let parameters = order_parameters(&parameters, given)?;
    let changing = Changing { cluster, session, text, parameters, columns, deadline };
    match change {
        Change::Insert(insert) => changing.insert(insert, &snapshot).await,
        Change::Update(update) => {
            refuse_ending(update.or.as_deref())?;
            let table = changing.table(&snapshot, &update.table)?;
            changing.refuse_moves(table, &update.columns, &snapshot)?;
            changing.in_place(table, &update.reads, &snapshot).await
        }
        Change::Delete(delete) => {
            let table = changing.table(&snapshot, &delete.table)?;
            changing.in_place(table, &delete.reads, &snapshot).await
        }
    }
}

impl Changing<'_> {
    fn table<'s>(&self, snapshot: &'s Snapshot, name: &str) -> Result<&'s TableInfo> {
        let table = snapshot.catalog.schema.table(name);
        table.ok_or_else(|| {
            Error::new(Reason::UnsupportedSql, format!("writing to `{name}`, which is no table, is not supported"))
        })
    }

    /// Runs an UPDATE or a DELETE where its rows are.
    async fn in_place(&self, table: &TableInfo, reads: &str, snapshot: &Snapshot) -> Result<Executed> {
        let shard = match table.distribution {
            Distribution::Replicated => only_shard(table, snapshot)?,
            Distribution::Sharded { .. } => {
                let plan = self.session.plan_of(snapshot, reads, &self.parameters, self.deadline).await?;
                match plan {
                    // No shard has such a key.
                    Plan::Local { .. } => return Ok(self.nothing(snapshot)),
                    Plan::Route { target, .. } => match target.shards[..] {
                        [shard] => shard,
                        _ => return Err(Error::internal("a route that leads to several shards")),
                    },
                    Plan::Spread(_) => {
                        let message = format!(
                            "a statement that may change rows of `{}` on several shards {ONE_SHARD_ONLY}; compare its shard key with a value",
                            table.name
                        );
                        return Err(Error::new(Reason::UnsupportedSql, message));
                    }
                }
            }
        };
        let statement = ShardStatement { sql: self.text.to_owned(), rows: None, parameters: self.parameters.clone() };
        self.run(shard, statement, snapshot).await
    }

    /// A row whose key changes goes to another shard, and a rowid is one of a kind over all shards.
    fn refuse_moves(&self, table: &TableInfo, columns: &[String], snapshot: &Snapshot) -> Result<()> {
        let Some(key) = table.key() else { return Ok(()) };
        let sets = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        let rowid = table.rowid_alias.map(|alias| table.columns[alias].name.as_str());
        let rowids = ["rowid", "oid", "_rowid_"];
        let is_rowid =
            |name: &str| rowid.is_some_and(|rowid| sets(rowid)) || (sets(name) && table.column(name).is_none());
        if sets(&key.name) {
            let message = format!(
                "changing the shard key `{}` of `{}` {ONE_SHARD_ONLY}; delete the row and insert it anew",
                key.name, table.name
            );
            return Err(Error::new(Reason::UnsupportedSql, message));
        }
        if snapshot.topology.shard_count() > 1 && rowids.into_iter().any(is_rowid) {
            let message = format!(
                "changing the rowid of `{}`, which must be one of a kind over all shards, is not supported yet",
                table.name
            );
            return Err(Error::new(Reason::UnsupportedSql, message));
        }
        Ok(())
    }

    async fn insert(&self, insert: Insert, snapshot: &Snapshot) -> Result<Executed> {
        refuse_ending(insert.or.as_deref())?;
        let table = self.table(snapshot, &insert.table)?;
        let Some(source) = &insert.source else {
            let message = format!("INSERT INTO `{}` DEFAULT VALUES is not supported; name its columns", table.name);
            return Err(Error::new(Reason::UnsupportedSql, message));
        };
        if [&insert.upsert, &insert.returning].into_iter().flatten().any(|clause| clause.has_query) {
            let message = "a subquery in ON CONFLICT or RETURNING is not supported yet";
            return Err(Error::new(Reason::UnsupportedSql, message));
        }
        let columns = columns(table, &insert);
        target(snapshot, &table.name, &columns)?;
        let Some(rows) = self.rows(source, snapshot).await? else { return Ok(self.nothing(snapshot)) };
        let (shard, keys) = match self.place(table, &columns, &rows, snapshot)? {
            Place::Every => (Some(only_shard(table, snapshot)?), Vec::new()),
            Place::One { shard, keys } => (shard, keys),
        };
        let rows =
            self.without_taken(Taken { table, insert: &insert, columns: &columns, shard }, rows, snapshot).await?;
        if rows.is_empty() {
            return Ok(self.nothing(snapshot));
        }
        let statement = self.insert_statement(table, &insert, &columns, rows);
        let (shard, snapshot) = self.made(shard, &keys, snapshot).await?;
        self.run(shard, statement, &snapshot).await
    }

    /// The rows of an INSERT; none when there is none.
    async fn rows(&self, source: &str, snapshot: &Snapshot) -> Result<Option<Batch>> {
        let bytes_max = self.cluster.limits.gather_bytes_max;
        let batches = self.session.read_all(snapshot, source, &self.parameters, self.deadline, bytes_max).await?;
        let mut batches = batches.into_iter().filter(|batch| !batch.is_empty());
        let Some(mut all) = batches.next() else { return Ok(None) };
        batches.for_each(|batch| all.append(&batch));
        Ok(Some(all))
    }

    /// Where all rows go.
    fn place(&self, table: &TableInfo, columns: &[String], rows: &Batch, snapshot: &Snapshot) -> Result<Place> {
        let keys = match route(table, columns, rows.clone(), 0, &self.cluster.evaluator)? {
            Routed::Everywhere(_) => return Ok(Place::Every),
            Routed::ByKey { refused, .. } if !refused.is_empty() => {
                let (_, message) = refused.into_iter().next().unwrap_or_default();
                return Err(Error::new(Reason::Constraint, message));
            }
            Routed::ByKey { keys, .. } => keys,
        };
        let places: BTreeSet<_> = keys.keys().map(|key| snapshot.topology.owner_of_bytes(key).ok_or(key)).collect();
        match places.iter().next() {
            Some(place) if places.len() == 1 => {
                Ok(Place::One { shard: place.ok(), keys: keys.keys().cloned().collect() })
            }
            _ => {
                let message = format!(
                    "an INSERT whose rows go to {} shards {ONE_SHARD_ONLY}; insert them key by key, or with the load call",
                    places.len()
                );
                Err(Error::new(Reason::UnsupportedSql, message))
            }
        }
    }

    /// The shard of rows, which is made when there is none yet; and the topology that has it.
    async fn made(&self, shard: Option<u64>, keys: &[Vec<u8>], snapshot: &Snapshot) -> Result<(u64, Snapshot)> {
        if let Some(shard) = shard {
            return Ok((shard, snapshot.clone()));
        }
        if self.cluster.policy == PlacementPolicy::Own {
            shards::pin_keys(self.cluster, keys).await?;
        }
        let topology = self.cluster.snapshot().topology;
        let owner = keys.first().and_then(|key| topology.owner_of_bytes(key));
        let shard = owner.ok_or_else(|| Error::internal("a key that was just given a shard has none"))?;
        Ok((shard, Snapshot { topology, ..snapshot.clone() }))
    }

    /// The rows whose rowids no other shard has: its own are the shard's to judge.
    async fn without_taken(&self, to: Taken<'_>, rows: Batch, snapshot: &Snapshot) -> Result<Batch> {
        let Some(alias) = to.table.rowid_alias.map(|alias| &to.table.columns[alias]) else { return Ok(rows) };
        let place = to.columns.iter().position(|column| column.eq_ignore_ascii_case(&alias.name));
        let Some(place) = place.filter(|_| snapshot.topology.shard_count() > 1) else { return Ok(rows) };
        let mut ids = Vec::new();
        let mut cursor = rows.cursor();
        while cursor.advance() {
            ids.push(self.cluster.evaluator.stored(cursor.value(place).to_owned(), alias.affinity)?);
        }
        let taken = self.taken(&to, alias, &ids, snapshot).await?;
        let Some(first) = ids.iter().find(|id| taken.contains(id)) else { return Ok(rows) };
        match to.conflict() {
            Conflict::Fails => {
                let message = format!("UNIQUE constraint failed: {}.{}", to.table.name, alias.name);
                Err(Error::new(Reason::Constraint, message))
            }
            Conflict::Changes => {
                let message = format!(
                    "changing the row of `{}` whose `{}` is {first:?} and which another shard has {ONE_SHARD_ONLY}",
                    to.table.name, alias.name
                );
                Err(Error::new(Reason::UnsupportedSql, message))
            }
            Conflict::LeavesOut => {
                let mut left = Batch::new(rows.width());
                let mut cursor = rows.cursor();
                for id in &ids {
                    cursor.advance();
                    if !taken.contains(&id) {
                        left.push_row(cursor.values());
                    }
                }
                Ok(left)
            }
        }
    }

    /// Those of some rowids that other shards have.
    async fn taken<'i>(
        &self,
        to: &Taken<'_>,
        alias: &ColumnInfo,
        ids: &'i [Value],
        snapshot: &Snapshot,
    ) -> Result<Vec<&'i Value>> {
        let Some(key) = to.table.key() else { return Ok(Vec::new()) };
        let mut taken = Vec::new();
        for some in ids.chunks(IDS_AT_ONCE) {
            let places: Vec<String> = (1..=some.len()).map(|place| format!("?{place}")).collect();
            let (table, alias, key) = (quote(&to.table.name), quote(&alias.name), quote(&key.name));
            let sql = format!("SELECT {key}, {alias} FROM main.{table} WHERE {alias} IN ({})", places.join(","));
            let bytes_max = self.cluster.limits.gather_bytes_max;
            let found = self.session.read_all(snapshot, &sql, some, self.deadline, bytes_max).await?;
            for row in found.into_iter().flat_map(Batch::into_rows) {
                if to.shard.is_none() || snapshot.topology.owner(&row[0]) != to.shard {
                    taken.extend(some.iter().filter(|id| **id == row[1]));
                }
            }
        }
        Ok(taken)
    }

    /// The statement that inserts one row, to be run for each.
    fn insert_statement(&self, table: &TableInfo, insert: &Insert, columns: &[String], rows: Batch) -> ShardStatement {
        let width = columns.len();
        let or = insert.or.as_ref().map(|or| format!(" OR {or}")).unwrap_or_default();
        let alias = insert.alias.as_ref().map(|alias| format!(" AS {}", quote(alias))).unwrap_or_default();
        let names: Vec<String> = columns.iter().map(|column| quote(column)).collect();
        let places: Vec<String> = (1..=width).map(|place| format!("?{place}")).collect();
        let clauses = [&insert.upsert, &insert.returning].into_iter().flatten();
        let behind: Vec<String> = clauses.clone().map(|clause| clause.print(width)).collect();
        let used = clauses.map(Clause::parameters).max().unwrap_or(0);
        let sql = format!(
            "INSERT{or} INTO main.{}{alias}({}) VALUES ({}) {}",
            quote(&table.name),
            names.join(","),
            places.join(","),
            behind.join(" ")
        );
        ShardStatement { sql, rows: Some(rows), parameters: self.parameters[..used].to_vec() }
    }

    async fn run(&self, shard: u64, statement: ShardStatement, snapshot: &Snapshot) -> Result<Executed> {
        let node = snapshot.topology.node_of(shard).ok_or_else(|| Error::internal("a shard has no node"))?;
        let request = WriteRequest {
            shard,
            schema_version: snapshot.catalog.version,
            deadline: self.deadline,
            bytes_max: self.cluster.limits.result_bytes_max.min(RETURNED_BYTES_MAX),
            statements: vec![statement],
        };
        let done = self.cluster.nodes.write(node, request).await?.into_iter().next().unwrap_or_default();
        Ok(Executed {
            rows_affected: done.rows_affected,
            last_insert_rowid: done.last_insert_rowid,
            rows: done.rows,
            shards: 1,
            ..self.nothing(snapshot)
        })
    }

    /// The outcome of a statement that no row was there for.
    fn nothing(&self, snapshot: &Snapshot) -> Executed {
        Executed { columns: self.columns.clone(), ..Executed::at(snapshot.catalog.version) }
    }
}

/// Where the rows of an INSERT go.
enum Place {
    /// To each shard.
    Every,
    /// To one, which these keys do not have yet when it is none.
    One { shard: Option<u64>, keys: Vec<Vec<u8>> },
}

/// An INSERT whose rowids other shards may have.
struct Taken<'a> {
    table: &'a TableInfo,
    insert: &'a Insert,
    columns: &'a [String],
    /// Where its rows go; none when that is still to be made.
    shard: Option<u64>,
}

/// What becomes of a row whose rowid is taken.
enum Conflict {
    Fails,
    LeavesOut,
    /// It, or the row that is there, becomes another.
    Changes,
}

impl Taken<'_> {
    fn conflict(&self) -> Conflict {
        let upsert = self.insert.upsert.as_ref().map(|upsert| upsert.print(0).to_ascii_uppercase());
        match (self.insert.or.as_deref(), upsert.as_deref()) {
            (_, Some(upsert)) if upsert.split_whitespace().eq(["ON", "CONFLICT", "DO", "NOTHING"]) => {
                Conflict::LeavesOut
            }
            (_, Some(_)) => Conflict::Changes,
            (Some("IGNORE"), None) => Conflict::LeavesOut,
            (Some("REPLACE"), None) => Conflict::Changes,
            (_, None) => Conflict::Fails,
        }
    }
}

/// Rowids that are looked for at once.
const IDS_AT_ONCE: usize = 100;

/// Bytes that RETURNING may give: it travels as one message.
const RETURNED_BYTES_MAX: u64 = 16 << 20;

/// The shard for a replicated table's rows, where there is one alone.
fn only_shard(table: &TableInfo, snapshot: &Snapshot) -> Result<u64> {
    match snapshot.topology.shards()[..] {
        [shard] => Ok(shard),
        _ => {
            let message = format!(
                "writing to `{}`, which every shard has, {ONE_SHARD_ONLY}; fill it with the load call",
                table.name
            );
            Err(Error::new(Reason::UnsupportedSql, message))
        }
    }
}

fn columns(table: &TableInfo, insert: &Insert) -> Vec<String> {
    if !insert.columns.is_empty() {
        return insert.columns.clone();
    }
    let columns = table.columns.iter().filter(|column| !column.generated && !column.hidden);
    columns.map(|column| column.name.clone()).collect()
}

/// What a failing row must leave in place, or take with it, belongs to a transaction of the client's.
fn refuse_ending(or: Option<&str>) -> Result<()> {
    match or {
        Some(or @ ("FAIL" | "ROLLBACK")) => Err(Error::new(
            Reason::UnsupportedSql,
            format!("OR {or} is not supported; each statement is atomic by itself"),
        )),
        _ => Ok(()),
    }
}
