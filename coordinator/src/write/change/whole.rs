//! The most naive plan of a statement that changes rows: the tables that it touches are fetched whole, SQLite runs the user's own text over them, and
//! the shards are told which rows are to be otherwise.
//!
//! So it is right for what SQLite accepts, as the naive plan of a SELECT is; but where a foreign key's action would hear row operations otherwise than the
//! statement, that is refused. A row that was changed by others since it was read is noticed by the shard that has it, which compares it with what was read: then all is done anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use souk_merge::{Batch, ValueRef};
use souk_proto::{Expectation, Reason};
use tokio::sync::OwnedMutexGuard;

use super::{Changing, RETURNED_BYTES_MAX, unsupported};
use crate::commit::Part;
use crate::error::{Error, Result};
use crate::exec::ShardStatement;
use crate::scratch::{CancelOnDrop, Changed, ChangedRows, Stop, StoredTable};
use crate::settings::PlacementPolicy;
use crate::sql::{Change, TableInfo, quote};
use crate::write::{Executed, shards};

/// How often it is tried while others change the same rows.
const TRIES_MAX: u32 = 8;

/// How often it is tried when a shard's constraint refuses what was none in the scratch: a row may have come between, or it is a foreign key, of which only
/// shards know.
const CONSTRAINED_TRIES_MAX: u32 = 3;

/// How long the second try waits; each further one waits longer.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// What the tables of a statement may yet take.
struct Left {
    bytes: u64,
    rows: u64,
}

/// What came of one try.
enum Tried {
    Done(Executed),
    /// What shards said to their part. Nothing was done.
    Refused(Error),
}

/// What one shard is to do. The columns are those that are stored.
struct Work {
    /// The rowid and the columns of rows that go.
    deleted: Batch,
    /// The columns as they will be, the rowid, and the columns as they are.
    updated: Batch,
    /// The columns and the rowid of rows that come under one, which go first, so that no other row gets it.
    replaced: Batch,
    /// The columns of rows that come under any.
    inserted: Batch,
}

impl Changing<'_> {
    /// Runs the statement, which changes `table`.
    pub(super) async fn whole(&self, table: &TableInfo, change: &Change) -> Result<Executed> {
        refuse_unwhole(table, change)?;
        let _turn = self.cluster.turn().await?;
        for tried in 1.. {
            let error = match self.try_whole(table).await? {
                Tried::Done(executed) => return Ok(executed),
                Tried::Refused(error) => error,
            };
            match error.reason {
                Reason::Expectation if tried < TRIES_MAX => {}
                Reason::Expectation => {
                    let message = format!(
                        "rows of `{}` were changed by others each time they had been read; try again ({})",
                        table.name, error.message
                    );
                    return Err(Error::new(Reason::Overloaded, message));
                }
                Reason::Constraint if tried < CONSTRAINED_TRIES_MAX => {}
                _ => return Err(error),
            }
            tokio::time::sleep(TRY_AGAIN_AFTER * tried).await;
        }
        Err(Error::internal("a statement was tried without end"))
    }

    async fn try_whole(&self, table: &TableInfo) -> Result<Tried> {
        // Nobody else changes a replicated table, and no shard is made, until it is done.
        let alone = if table.key().is_none() { Some(self.alone().await?) } else { None };
        let changed = self.run_in_scratch(table).await?;
        let Changed { rows_affected, last_insert_rowid, returned, failed, rows } = changed;
        let shards = match self.apply(table, rows, alone).await {
            Ok(shards) => shards,
            Err(error) => return Ok(Tried::Refused(error)),
        };
        match failed {
            Some(error) => Err(error),
            None => {
                let done = Executed { rows_affected, last_insert_rowid, rows: returned, shards, ..self.nothing() };
                Ok(Tried::Done(done))
            }
        }
    }

    async fn run_in_scratch(&self, table: &TableInfo) -> Result<Changed> {
        let schema = &self.snapshot.catalog.schema;
        let limits = &self.cluster.limits;
        let mut left = Left { bytes: limits.gather_bytes_max, rows: limits.gather_rows_max };
        let mut all = Vec::new();
        for name in self.tables.iter().filter(|name| !name.eq_ignore_ascii_case(&table.name)) {
            if let Some(other) = schema.table(name) {
                all.push((other.name.clone(), self.stored(other, &mut left).await?));
            }
        }
        let target = self.stored(table, &mut left).await?;
        let (catalog, name) = (Arc::clone(&self.snapshot.catalog), table.name.clone());
        let (text, parameters) = (self.text.to_owned(), self.parameters.clone());
        let stop = Stop { deadline: self.deadline, cancelled: Arc::default() };
        // Who goes away wants nothing run any more.
        let _cancel = CancelOnDrop(Arc::clone(&stop.cancelled));
        let bytes_max = self.cluster.limits.result_bytes_max.min(RETURNED_BYTES_MAX);
        let ran = tokio::task::spawn_blocking(move || {
            let find = |name: &str| {
                let table = catalog.schema.table(name);
                table.ok_or_else(|| Error::internal("a table that was read is not there any more"))
            };
            let with = |(name, rows): (String, Vec<Batch>)| Ok(StoredTable { table: find(&name)?, rows });
            let others = all.into_iter().map(with).collect::<Result<Vec<_>>>()?;
            let target = StoredTable { table: find(&name)?, rows: target };
            catalog.scratches.take(&stop)?.change(&target, &others, &text, &parameters, bytes_max)
        });
        ran.await.map_err(|_| Error::internal("a thread that ran a statement died"))?
    }

    /// The rows of a table, which take of what is left.
    async fn stored(&self, table: &TableInfo, left: &mut Left) -> Result<Vec<Batch>> {
        let too_large = || {
            Error::new(
                Reason::GatherTooLarge,
                format!(
                    "the statement can only be run over whole tables, and with `{}` they are larger than `gather_bytes_max` or `gather_rows_max`; \
                     change rows by their shard key",
                    table.name
                ),
            )
        };
        let rows = self.session.stored_rows(&self.snapshot, table, self.deadline, left.bytes).await;
        let rows = rows.map_err(|error| if error.reason == Reason::TooLarge { too_large() } else { error })?;
        let bytes: usize = rows.iter().map(Batch::byte_size).sum();
        let count: usize = rows.iter().map(Batch::rows).sum();
        left.bytes = left.bytes.checked_sub(bytes as u64).ok_or_else(too_large)?;
        left.rows = left.rows.checked_sub(count as u64).ok_or_else(too_large)?;
        Ok(rows)
    }

    /// Has the shards do it; how many did anything.
    async fn apply(&self, table: &TableInfo, rows: ChangedRows, alone: Option<OwnedMutexGuard<()>>) -> Result<u32> {
        let parts: Vec<Part> = match table.key() {
            Some(_) => {
                let work = self.by_shard_of_rows(table, rows).await?;
                work.into_iter().map(|(shard, work)| Part { shard, statements: work.statements(table) }).collect()
            }
            None => {
                let mut work = Work::new(table);
                work.take_all(table, &rows);
                let statements = work.statements(table);
                let shards = if statements.is_empty() { Vec::new() } else { self.cluster.snapshot().topology.shards() };
                shards.into_iter().map(|shard| Part { shard, statements: statements.clone() }).collect()
            }
        };
        if parts.is_empty() {
            return Ok(0);
        }
        let shards = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        self.do_parts(parts, alone).await?;
        Ok(shards)
    }

    /// What each shard is to do, by the keys of the rows as they were and as they are.
    async fn by_shard_of_rows(&self, table: &TableInfo, rows: ChangedRows) -> Result<BTreeMap<u64, Work>> {
        let ChangedRows { deleted, updated, inserted } = rows;
        let names: Vec<String> = table.stored().map(|column| column.name.clone()).collect();
        let width = names.len();
        let part = |batch: &Batch, columns: std::ops::Range<usize>| {
            let mut part = Batch::new(width);
            let mut cursor = batch.cursor();
            while cursor.advance() {
                part.push_row(columns.clone().map(|column| cursor.value(column)));
            }
            part
        };
        let was = 1..1 + width;
        let (gone, before, after) =
            (part(&deleted, was.clone()), part(&updated, was.clone()), part(&updated, 1 + width..1 + 2 * width));
        let keys = |rows: &Batch| self.keys(table, &names, rows);
        let new = part(&inserted, was.clone());
        let (gone, before, after, new) = (keys(&gone)?, keys(&before)?, keys(&after)?, keys(&new)?);
        self.house(after.iter().chain(&new)).await?;
        let topology = self.cluster.snapshot().topology;
        let owner = |key: &Vec<u8>| {
            topology
                .owner_of_bytes(key)
                .ok_or_else(|| Error::internal("a row that was read, or was just given a shard, has none"))
        };
        let mut work = WorkByShard { table, of: BTreeMap::new() };
        let mut cursor = deleted.cursor();
        for key in &gone {
            cursor.advance();
            work.of(owner(key)?).delete(cursor.values());
        }
        let mut cursor = updated.cursor();
        for (before, after) in before.iter().zip(&after) {
            cursor.advance();
            let values: Vec<ValueRef<'_>> = cursor.values().collect();
            let (from, to) = (owner(before)?, owner(after)?);
            if from == to {
                work.of(from).change(table, &values);
                continue;
            }
            if table.referenced {
                return Err(moves_parent(table));
            }
            work.of(from).delete(values[..1 + width].iter().copied());
            work.of(to).insert(&values[1 + width..], ValueRef::Null);
        }
        let mut cursor = inserted.cursor();
        for key in &new {
            cursor.advance();
            let values: Vec<ValueRef<'_>> = cursor.values().skip(1).collect();
            work.of(owner(key)?).insert(&values, ValueRef::Null);
        }
        Ok(work.of)
    }

    /// Gives keys that have no shard one of their own, where keys get their own.
    pub(super) async fn house(&self, keys: impl Iterator<Item = &Vec<u8>>) -> Result<()> {
        let topology = self.cluster.snapshot().topology;
        let mut homeless: Vec<Vec<u8>> = keys.filter(|key| topology.owner_of_bytes(key).is_none()).cloned().collect();
        if self.cluster.policy == PlacementPolicy::Own && !homeless.is_empty() {
            homeless.sort_unstable();
            homeless.dedup();
            shards::pin_keys(self.cluster, homeless).await?;
        }
        Ok(())
    }
}

/// Refuses what row operations on shards would do otherwise than the statement.
fn refuse_unwhole(table: &TableInfo, change: &Change) -> Result<()> {
    if !table.without_rowid && table.rowid_alias.is_none() && table.rowid_name().is_none() {
        return Err(unsupported(format!(
            "this change of `{}`, whose columns take every name of its rowid",
            table.name
        )));
    }
    if !table.referenced {
        return Ok(());
    }
    if change.sets().iter().any(|column| identifies(table, column)) {
        return Err(moves_parent(table));
    }
    if change.replaces() || table.refers_to_itself {
        return Err(unsupported(format!(
            "this change of `{}`, which foreign keys name, over the rows of all shards is not supported; change rows by their shard key",
            table.name
        )));
    }
    Ok(())
}

/// Whether a column tells which row it is: another value makes it another row.
fn identifies(table: &TableInfo, column: &str) -> bool {
    match table.column(column) {
        Some(index) => {
            table.rowid_alias == Some(index)
                || table.key().is_some_and(|key| key.name.eq_ignore_ascii_case(column))
                || (table.without_rowid && table.columns[index].primary_key > 0)
        }
        None => true,
    }
}

/// Rows that name the row by a foreign key would have to go with it.
pub(super) fn moves_parent(table: &TableInfo) -> Error {
    unsupported(format!(
        "changing the shard key or the rowid of rows of `{}`, which foreign keys name, is not supported; insert them anew and delete them",
        table.name
    ))
}

struct WorkByShard<'t> {
    table: &'t TableInfo,
    of: BTreeMap<u64, Work>,
}

impl WorkByShard<'_> {
    fn of(&mut self, shard: u64) -> &mut Work {
        self.of.entry(shard).or_insert_with(|| Work::new(self.table))
    }
}

impl Work {
    fn new(table: &TableInfo) -> Work {
        let width = table.stored().count();
        Work {
            deleted: Batch::new(1 + width),
            updated: Batch::new(1 + 2 * width),
            replaced: Batch::new(width + 1),
            inserted: Batch::new(width),
        }
    }

    /// What every shard is to do with a replicated table.
    fn take_all(&mut self, table: &TableInfo, rows: &ChangedRows) {
        let mut cursor = rows.deleted.cursor();
        while cursor.advance() {
            self.delete(cursor.values());
        }
        let mut cursor = rows.updated.cursor();
        while cursor.advance() {
            self.change(table, &cursor.values().collect::<Vec<_>>());
        }
        let mut cursor = rows.inserted.cursor();
        while cursor.advance() {
            let row: Vec<ValueRef<'_>> = cursor.values().collect();
            self.insert(&row[1..], row[0]);
        }
    }

    /// A row, with its rowid in front, goes.
    fn delete<'v>(&mut self, row: impl Iterator<Item = ValueRef<'v>>) {
        self.deleted.push_row(row);
    }

    /// A row comes, under a rowid or under any.
    fn insert(&mut self, row: &[ValueRef<'_>], rowid: ValueRef<'_>) {
        if rowid.is_null() {
            self.inserted.push_row(row.iter().copied());
        } else {
            self.replaced.push_row(row.iter().copied().chain([rowid]));
        }
    }

    /// A row, with its rowid in front, gets other values. It goes and comes again, so that rows may exchange values that are one of a kind; not
    /// where others name it by a foreign key, which acts when it goes.
    fn change(&mut self, table: &TableInfo, row: &[ValueRef<'_>]) {
        let (was, is) = row.split_at(1 + table.stored().count());
        if table.referenced {
            self.updated.push_row(is.iter().chain(was).copied());
            return;
        }
        self.delete(was.iter().copied());
        self.insert(is, was[0]);
    }

    fn statements(self, table: &TableInfo) -> Vec<ShardStatement> {
        let name = format!("main.{}", quote(&table.name));
        let columns: Vec<String> = table.stored().map(|column| quote(&column.name)).collect();
        let width = columns.len();
        let stands = |first: usize| stands(table, &columns, first);
        let list = |first: usize, count: usize| {
            (first..first + count).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ")
        };
        let set: Vec<String> =
            columns.iter().enumerate().map(|(index, column)| format!("{column} = ?{}", index + 1)).collect();
        let rowid = table.rowid_name().filter(|_| table.rowid_alias.is_none());
        let mut given = columns.clone();
        given.extend(rowid.map(str::to_owned));
        let mut replaced = self.replaced;
        replaced.truncate_columns(given.len());
        let insert = |columns: &[String]| {
            format!("INSERT INTO {name}({}) VALUES ({})", columns.join(", "), list(1, columns.len()))
        };
        let work = [
            (format!("DELETE FROM {name} WHERE {}", stands(1)), self.deleted),
            (format!("UPDATE {name} SET {} WHERE {}", set.join(", "), stands(1 + width)), self.updated),
            (insert(&given), replaced),
            (insert(&columns), self.inserted),
        ];
        let work = work.into_iter().filter(|(_, rows)| !rows.is_empty());
        let statement = |(sql, rows): (String, Batch)| {
            let expectation = Some(Expectation::Changes(rows.rows() as u64));
            ShardStatement {
                sql,
                rows: Some(rows),
                parameters: Vec::new(),
                expectation,
                number: 0,
                defers_foreign_keys: false,
            }
        };
        work.map(statement).collect()
    }
}

/// Whether a row stands as it was read: its rowid and columns are the parameters from `first` on.
fn stands(table: &TableInfo, columns: &[String], first: usize) -> String {
    let place = |column: usize| format!("?{}", first + 1 + column);
    let is = columns.iter().map(|column| format!("{column} COLLATE BINARY")).collect::<Vec<_>>().join(", ");
    let was = (0..columns.len()).map(place).collect::<Vec<_>>().join(", ");
    let found = match table.rowid_name() {
        Some(_) if let Some(alias) = table.rowid_alias => format!("{} = ?{first}", quote(&table.columns[alias].name)),
        Some(rowid) => format!("{rowid} = ?{first}"),
        None => {
            let keys = table.stored().enumerate().filter(|(_, column)| column.primary_key > 0);
            let keys = keys.map(|(index, column)| format!("{} = {}", quote(&column.name), place(index)));
            // A parameter that nothing mentions would be one too many.
            [format!("?{first} IS NULL")].into_iter().chain(keys).collect::<Vec<_>>().join(" AND ")
        }
    };
    format!("{found} AND ({is}) IS ({was})")
}
