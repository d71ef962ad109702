//! Which rows a shard is to have otherwise, as statements that it runs: each expects to find the rows as they were read.

use std::collections::BTreeMap;

use souk_merge::{Batch, ValueRef};
use souk_proto::Expectation;

use crate::commit::Part;
use crate::exec::ShardStatement;
use crate::scratch::ChangedRows;
use crate::sql::{TableInfo, quote};

/// What one shard is to do. The columns are those that are stored.
pub(super) struct Work {
    /// The rowid and the columns of rows that go.
    deleted: Batch,
    /// The columns and the rowid of rows that come under one, which go first, so that no other row gets it.
    replaced: Batch,
    /// The columns of rows that come under any.
    inserted: Batch,
}

/// What each shard is to do.
pub(super) struct WorkByShard<'t> {
    table: &'t TableInfo,
    of: BTreeMap<u64, Work>,
}

impl<'t> WorkByShard<'t> {
    pub(super) fn new(table: &'t TableInfo) -> WorkByShard<'t> {
        WorkByShard { table, of: BTreeMap::new() }
    }

    pub(super) fn of(&mut self, shard: u64) -> &mut Work {
        self.of.entry(shard).or_insert_with(|| Work::new(self.table))
    }

    /// Each shard's part.
    pub(super) fn into_parts(self) -> Vec<Part> {
        let part = |(shard, work): (u64, Work)| Part { shard, statements: work.statements(self.table) };
        self.of.into_iter().map(part).collect()
    }
}

impl Work {
    pub(super) fn new(table: &TableInfo) -> Work {
        let width = table.stored().count();
        Work { deleted: Batch::new(1 + width), replaced: Batch::new(width + 1), inserted: Batch::new(width) }
    }

    /// What every shard is to do with a replicated table.
    pub(super) fn take_all(&mut self, table: &TableInfo, rows: &ChangedRows) {
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
    pub(super) fn delete<'v>(&mut self, row: impl Iterator<Item = ValueRef<'v>>) {
        self.deleted.push_row(row);
    }

    /// A row comes, under a rowid or under any.
    pub(super) fn insert(&mut self, row: &[ValueRef<'_>], rowid: ValueRef<'_>) {
        if rowid.is_null() {
            self.inserted.push_row(row.iter().copied());
        } else {
            self.replaced.push_row(row.iter().copied().chain([rowid]));
        }
    }

    /// A row, with its rowid in front, gets other values. It goes and comes again, so that rows may exchange values that are one of a kind.
    pub(super) fn change(&mut self, table: &TableInfo, row: &[ValueRef<'_>]) {
        let (was, is) = row.split_at(1 + table.stored().count());
        self.delete(was.iter().copied());
        self.insert(is, was[0]);
    }

    pub(super) fn statements(self, table: &TableInfo) -> Vec<ShardStatement> {
        let name = format!("main.{}", quote(&table.name));
        let columns: Vec<String> = table.stored().map(|column| quote(&column.name)).collect();
        let list = |first: usize, count: usize| {
            (first..first + count).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ")
        };
        let rowid = table.rowid_name().filter(|_| table.rowid_alias.is_none());
        let mut given = columns.clone();
        given.extend(rowid.map(str::to_owned));
        let mut replaced = self.replaced;
        replaced.truncate_columns(given.len());
        let insert = |columns: &[String]| {
            format!("INSERT INTO {name}({}) VALUES ({})", columns.join(", "), list(1, columns.len()))
        };
        let work = [
            (format!("DELETE FROM {name} WHERE {}", stands(table, &columns)), self.deleted),
            (insert(&given), replaced),
            (insert(&columns), self.inserted),
        ];
        let work = work.into_iter().filter(|(_, rows)| !rows.is_empty());
        let statement = |(sql, rows): (String, Batch)| {
            let expectation = Some(Expectation::Changes(rows.rows() as u64));
            ShardStatement { expectation, ..ShardStatement::of_rows(sql, rows) }
        };
        work.map(statement).collect()
    }
}

/// Whether a row stands as it was read: its rowid and columns are the parameters.
fn stands(table: &TableInfo, columns: &[String]) -> String {
    let place = |column: usize| format!("?{}", 2 + column);
    let is = columns.iter().map(|column| format!("{column} COLLATE BINARY")).collect::<Vec<_>>().join(", ");
    let was = (0..columns.len()).map(place).collect::<Vec<_>>().join(", ");
    let found = match table.rowid_name() {
        Some(_) if let Some(alias) = table.rowid_alias => format!("{} = ?1", quote(&table.columns[alias].name)),
        Some(rowid) => format!("{rowid} = ?1"),
        None => {
            let keys = table.stored().enumerate().filter(|(_, column)| column.primary_key > 0);
            let keys = keys.map(|(index, column)| format!("{} = {}", quote(&column.name), place(index)));
            // A parameter that nothing mentions would be one too many.
            ["?1 IS NULL".to_owned()].into_iter().chain(keys).collect::<Vec<_>>().join(" AND ")
        }
    };
    format!("{found} AND ({is}) IS ({was})")
}
