//! Which shard has which rows, and is to have them otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use souk_merge::{Batch, ValueRef};
use souk_proto::Reason;
use tokio::sync::OwnedMutexGuard;

use super::Whole;
use super::work::{Work, WorkByShard};
use crate::commit::Part;
use crate::error::{Error, Result};
use crate::exec::ShardStatement;
use crate::scratch::ChangedRows;
use crate::sql::TableInfo;
use crate::write::router::keys;
use crate::write::{shards, unsupported};

impl Whole<'_> {
    /// What each shard is to do. Keys that have no shard get one: `alone` is held meanwhile, if it is.
    pub(super) async fn parts(
        &self,
        rows: Vec<(String, ChangedRows)>,
        alone: &mut Option<OwnedMutexGuard<()>>,
    ) -> Result<Vec<Part>> {
        let table = |name: &String| self.snapshot.catalog.schema.table(name);
        let changed = rows.iter().filter(|(_, rows)| !rows.is_empty());
        let changed: Vec<(&TableInfo, &ChangedRows)> =
            changed.filter_map(|(name, rows)| Some((table(name)?, rows))).collect();
        let changed = referring_first(changed)?;
        let mut by_shard: BTreeMap<u64, Vec<(usize, ShardStatement)>> = BTreeMap::new();
        let mut add = |shard: u64, place: usize, table: &TableInfo, statements: Vec<ShardStatement>| {
            let defers_foreign_keys = table.referenced || !table.foreign_keys.is_empty();
            let statements = statements.into_iter();
            let placed = statements.map(|statement| (place, ShardStatement { defers_foreign_keys, ..statement }));
            by_shard.entry(shard).or_default().extend(placed);
        };
        for (place, (table, rows)) in changed.iter().enumerate().filter(|(_, (table, _))| table.key().is_some()) {
            for Part { shard, statements } in self.by_shard(table, rows, alone).await?.into_parts() {
                add(shard, place, table, statements);
            }
        }
        // Those too that were made just now, which have the rows as they were.
        let shards = self.cluster.snapshot().topology.shards();
        for (place, (table, rows)) in changed.iter().enumerate().filter(|(_, (table, _))| table.key().is_none()) {
            let mut work = Work::new(table);
            work.take_all(table, rows);
            let statements = work.statements(table);
            shards.iter().for_each(|shard| add(*shard, place, table, statements.clone()));
        }
        let part = |(shard, mut statements): (u64, Vec<(usize, ShardStatement)>)| {
            statements.sort_by_key(|(place, _)| *place);
            Part { shard, statements: statements.into_iter().map(|(_, statement)| statement).collect() }
        };
        Ok(by_shard.into_iter().map(part).filter(|part| !part.statements.is_empty()).collect())
    }

    /// What each shard is to do with a table, by the keys of the rows as they were and as they are.
    async fn by_shard<'t>(
        &self,
        table: &'t TableInfo,
        rows: &ChangedRows,
        alone: &mut Option<OwnedMutexGuard<()>>,
    ) -> Result<WorkByShard<'t>> {
        let ChangedRows { deleted, updated, inserted } = rows;
        let names: Vec<String> = table.stored().map(|column| column.name.clone()).collect();
        let width = names.len();
        let keys = |rows: &Batch, columns: Range<usize>| {
            let mut part = Batch::new(width);
            let mut cursor = rows.cursor();
            while cursor.advance() {
                part.push_row(columns.clone().map(|column| cursor.value(column)));
            }
            keys(&self.cluster.evaluator, table, &names, &part)
        };
        let was = 1..1 + width;
        let (gone, before) = (keys(deleted, was.clone())?, keys(updated, was.clone())?);
        let (after, new) = (keys(updated, 1 + width..1 + 2 * width)?, keys(inserted, was)?);
        shards::house(self.cluster, after.iter().chain(&new), alone).await?;
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
}

/// The tables in an order in which those that refer come before those that they refer to, where the foreign key acts: when a row goes, none refers to it any more.
fn referring_first<T>(tables: Vec<(&TableInfo, T)>) -> Result<Vec<(&TableInfo, T)>> {
    let mut left = tables;
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let acting = left.iter().flat_map(|(table, _)| table.foreign_keys.iter().filter(|key| key.acts));
        let referred: BTreeSet<String> = acting.map(|key| key.parent.to_ascii_lowercase()).collect();
        let is_free = |table: &TableInfo| !referred.contains(&table.name.to_ascii_lowercase());
        let Some(free) = left.iter().position(|(table, _)| is_free(table)) else {
            let names: Vec<&str> = left.iter().map(|(table, _)| table.name.as_str()).collect();
            return Err(unsupported(format!(
                "this change of `{}`, whose foreign keys act in a circle, over the rows of all shards is not supported; change rows by their shard key",
                names.join("`, `")
            )));
        };
        ordered.push(left.remove(free));
    }
    Ok(ordered)
}

/// Rows that refer to the row by a foreign key would have to go with it.
fn moves_parent(table: &TableInfo) -> Error {
    Error::new(
        Reason::UnsupportedSql,
        format!(
            "changing the shard key of rows of `{}`, which foreign keys name, is not supported; insert them anew and delete them",
            table.name
        ),
    )
}
