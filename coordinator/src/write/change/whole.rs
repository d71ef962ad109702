//! The most naive plan of a statement that changes rows: the tables that it touches are fetched whole, SQLite runs the user's own text over them, and
//! the shards are told which rows are to be otherwise.
//!
//! So it is right for what SQLite accepts, as the naive plan of a SELECT is; but where a foreign key's action would hear row operations otherwise than the
//! statement, that is refused. A row that was changed by others since it was read is noticed by the shard that has it, which compares it with what was read: then all is done anew.

use std::sync::Arc;
use std::time::Duration;

use souk_merge::{Batch, ValueRef};
use souk_proto::Reason;
use tokio::sync::OwnedMutexGuard;

use super::work::{Work, WorkByShard};
use super::{Changing, RETURNED_BYTES_MAX, unsupported};
use crate::commit::Part;
use crate::error::{Error, Result};
use crate::scratch::{CancelOnDrop, Changed, ChangedRows, Stop, StoredTable};
use crate::settings::PlacementPolicy;
use crate::sql::{Change, TableInfo};
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
            Some(_) => self.by_shard_of_rows(table, rows).await?.into_parts(),
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
    async fn by_shard_of_rows<'t>(&self, table: &'t TableInfo, rows: ChangedRows) -> Result<WorkByShard<'t>> {
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
        let mut work = WorkByShard::new(table);
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
        Ok(work)
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
