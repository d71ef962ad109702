//! Which shard has which rows, and is to have them otherwise.

use std::collections::BTreeMap;
use std::ops::Range;

use souk_merge::{Batch, ValueRef};
use souk_proto::Reason;

use super::Whole;
use super::work::{Work, WorkByShard};
use crate::commit::Part;
use crate::error::{Error, Result};
use crate::exec::ShardStatement;
use crate::locks::Alone;
use crate::scratch::ChangedRows;
use crate::sql::{ColumnInfo, Schema, TableInfo};
use crate::write::router::keys;
use crate::write::shards;

impl Whole<'_> {
    /// What each shard is to do. Keys that have no shard get one: `alone` is held meanwhile, if it is.
    pub(super) async fn parts(&self, rows: Vec<(String, ChangedRows)>, alone: &mut Option<Alone>) -> Result<Vec<Part>> {
        let table = |name: &String| self.snapshot.catalog.schema.table(name);
        let changed = rows.iter().filter(|(_, rows)| !rows.is_empty());
        let changed: Vec<(&TableInfo, &ChangedRows)> =
            changed.filter_map(|(name, rows)| Some((table(name)?, rows))).collect();
        let mut by_shard: BTreeMap<u64, Vec<ShardStatement>> = BTreeMap::new();
        for (table, rows) in changed.iter().filter(|(table, _)| table.key().is_some()) {
            for Part { shard, statements } in self.by_shard(table, rows, alone).await?.into_parts() {
                by_shard.entry(shard).or_default().extend(statements);
            }
        }
        // Those too that were made just now, which have the rows as they were.
        let shards = self.cluster.snapshot().topology.shards();
        for (table, rows) in changed.iter().filter(|(table, _)| table.key().is_none()) {
            let mut work = Work::new(table);
            work.take_all(table, rows);
            let statements = work.statements(table);
            shards.iter().for_each(|shard| by_shard.entry(*shard).or_default().extend(statements.clone()));
        }
        let checked = checked(&self.snapshot.catalog.schema, &changed);
        let part = |(shard, mut statements): (u64, Vec<ShardStatement>)| {
            if let Some(first) = statements.first_mut() {
                first.foreign_keys_checked.clone_from(&checked);
            }
            Part { shard, statements }
        };
        Ok(by_shard.into_iter().map(part).filter(|part| !part.statements.is_empty()).collect())
    }

    /// What each shard is to do with a table, by the keys of the rows as they were and as they are.
    async fn by_shard<'t>(
        &self,
        table: &'t TableInfo,
        rows: &ChangedRows,
        alone: &mut Option<Alone>,
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
            // What refers to a row by its rowid alone stays where it is; another key that is named holds the shard key, and goes with it.
            if table.referenced && table.rowid_alias.is_some() {
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

/// The tables whose foreign keys are looked at when these are changed: their own, and those that name them, where what is named may be gone. With any of them,
/// foreign keys do not act.
fn checked<'a>(schema: &'a Schema, changed: &[(&TableInfo, &ChangedRows)]) -> Vec<String> {
    let is_changed = |name: &str| changed.iter().any(|(table, _)| table.name.eq_ignore_ascii_case(name));
    let loses_keys: Vec<&str> =
        changed.iter().filter(|(table, rows)| loses_keys(table, rows)).map(|(table, _)| table.name.as_str()).collect();
    let concerns = |table: &&'a TableInfo| {
        let is_lost = |parent: &String| loses_keys.iter().any(|name| name.eq_ignore_ascii_case(parent));
        // A changed row goes and comes again: what refers to it must not hear of that.
        let is_concerned = is_changed(&table.name) && (table.referenced || !table.parents.is_empty());
        is_concerned || table.parents.iter().any(is_lost)
    };
    schema.tables().into_iter().filter(concerns).map(|table| table.name.clone()).collect()
}

/// Whether values that a foreign key may name, which are one of a kind, are no longer there, or on another shard.
fn loses_keys(table: &TableInfo, rows: &ChangedRows) -> bool {
    if !rows.deleted.is_empty() {
        return true;
    }
    let width = table.stored().count();
    let shard_key = table.key().map(|key| key.name.as_str());
    let named = |column: &ColumnInfo| {
        let is_named = |named: &Option<String>| match named {
            Some(named) => column.name.eq_ignore_ascii_case(named),
            None => column.primary_key > 0,
        };
        table.referenced_columns.iter().any(is_named) || Some(column.name.as_str()) == shard_key
    };
    let keys: Vec<usize> = table.stored().enumerate().filter(|(_, column)| named(column)).map(|(at, _)| at).collect();
    let mut cursor = rows.updated.cursor();
    while cursor.advance() {
        if keys.iter().any(|key| cursor.value(1 + key) != cursor.value(1 + width + key)) {
            return true;
        }
    }
    false
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
