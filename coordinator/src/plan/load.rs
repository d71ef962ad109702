//! Tables of the schema, fetched into a scratch: only the columns that the statement reads, only the rows that can matter.

use std::collections::BTreeSet;

use super::clock::Extras;
use super::prepare::Indexed;
use super::semi_join::{Driven, is_among};
use super::{Cell, Fill, Part, PartLimit, PartMerge, RunsOn, ScratchTable, SemiJoin};
use crate::sql::{
    BinaryOp, Body, Column, Expr, From, Literal, OrderKey, OrderTerm, Output, Query, Schema, Select, Source, SourceId,
    SourceKind, TableInfo,
};

/// A table to be fetched.
#[derive(Debug, Clone)]
pub(super) struct Load<'a> {
    pub(super) table: &'a TableInfo,
    pub(super) reads: Columns,
    /// What the rows must fulfil, in columns of source 0 called as the table; any of these for each place where the table stands.
    /// Not filtered when it stands somewhere unfiltered.
    pub(super) filter: Filter,
    /// In how many places of the statement the table stands.
    pub(super) places: usize,
}

/// The columns of a table that a statement reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Columns {
    /// By index.
    pub(super) read: BTreeSet<usize>,
    /// Also the rowid, which is none of them.
    pub(super) rowid: bool,
}

/// Which rows of a table can matter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    /// All.
    None,
    /// Those that fulfil at least one.
    Any(Vec<Expr>),
}

impl Columns {
    /// All columns of a table.
    pub(super) fn all(table: &TableInfo) -> Columns {
        Columns { read: (0..table.columns.len()).collect(), rowid: !table.without_rowid && table.rowid_alias.is_none() }
    }

    /// Adds a column by name; what is no column of the table is its rowid.
    pub(super) fn add(&mut self, table: &TableInfo, name: &str) {
        match table.column(name).or(table.rowid_alias) {
            Some(index) => drop(self.read.insert(index)),
            None => self.rowid = true,
        }
    }

    /// Adds the columns of the indices that the statement goes by.
    pub(super) fn add_indexed(&mut self, name: &str, indexed: &Indexed, schema: &Schema) {
        if let (Some(table), Some(columns)) = (schema.table(name), indexed.get(name)) {
            columns.iter().filter(|column| table.column(column).is_some()).for_each(|column| self.add(table, column));
        }
    }
}

impl Load<'_> {
    /// The fragment that fetches the rows, and where they go.
    pub(super) fn plan(&self, driven: Option<&Driven>, extras: &mut Extras) -> (Part, ScratchTable) {
        let (outputs, cells) = self.columns(driven);
        let part = Part {
            width: outputs.len(),
            sql: extras.print(&self.query(outputs, self.filter())),
            merge: PartMerge::Rows { order: Vec::new(), limit: PartLimit::None },
            runs_on: if self.table.key().is_some() { RunsOn::Shards } else { RunsOn::AnyOne },
            semi_join: None,
        };
        (part, ScratchTable { name: self.table.name.clone(), fill: Fill::Table(cells) })
    }

    /// The fragment that fetches the rows with some keys alone.
    pub(super) fn semi_join(&self, driven: &Driven, keys: &Expr, extras: &mut Extras) -> SemiJoin {
        let (outputs, _) = self.columns(Some(driven));
        let among = is_among(self.column(&driven.column), keys);
        let filter = match self.filter() {
            Some(filter) => Expr::Binary(BinaryOp::And, Box::new(filter), Box::new(among)),
            None => among,
        };
        SemiJoin { sql: extras.print(&self.query(outputs, Some(filter))), keys: driven.keys.clone() }
    }

    /// What is fetched, and what each column of the table gets.
    fn columns(&self, driven: Option<&Driven>) -> (Vec<Expr>, Vec<(String, Cell)>) {
        let mut fetched = self.fetched();
        let driven = driven.and_then(|driven| self.table.column(&driven.column));
        if let Some(index) = driven.filter(|index| !fetched.contains(index) && !self.table.columns[*index].generated) {
            fetched.push(index);
        }
        let number = self.rowid_to_fetch();
        let mut cells: Vec<(String, Cell)> = Vec::new();
        for (index, column) in self.table.columns.iter().enumerate().filter(|(_, column)| !column.generated) {
            let cell = match fetched.iter().position(|known| *known == index) {
                Some(place) => Cell::Fetched(place),
                None if column.not_null || column.unique => Cell::RowNumber,
                None => Cell::Null,
            };
            cells.push((column.name.clone(), cell));
        }
        let mut outputs: Vec<Expr> =
            fetched.iter().map(|index| self.column(&self.table.columns[*index].name)).collect();
        if let Some(name) = number {
            cells.push((name.to_owned(), Cell::Fetched(outputs.len())));
            outputs.push(self.column(name));
        }
        if outputs.is_empty() {
            outputs.push(Expr::Literal(Literal::Number("1".into())));
        }
        (outputs, cells)
    }

    /// The columns that travel: those that are read, those that give the rows their implicit order, and what they are computed from.
    fn fetched(&self) -> Vec<usize> {
        let table = self.table;
        let generates = table.columns.iter().any(|column| column.generated);
        let wanted = |index: usize| {
            let column = &table.columns[index];
            self.reads.read.contains(&index)
                || generates
                || table.rowid_alias == Some(index)
                || (table.without_rowid && column.primary_key > 0)
                || (table.strict && (column.not_null || column.unique))
        };
        (0..table.columns.len()).filter(|index| wanted(*index) && !table.columns[*index].generated).collect()
    }

    /// The rowid of a replicated table is the same on every shard. That of a sharded one counts rows of its shard alone: there
    /// the rows are numbered as they come, shard by shard.
    fn rowid_to_fetch(&self) -> Option<&'static str> {
        let wanted = self.reads.rowid && self.table.key().is_none();
        if wanted { rowid_name(self.table) } else { None }
    }

    /// Whether rows may be left out: not when they are numbered as they come.
    fn filter(&self) -> Option<Expr> {
        match &self.filter {
            Filter::Any(alternatives) if !(self.reads.rowid && self.table.key().is_some()) => {
                let any = |left, right| Expr::Binary(BinaryOp::Or, Box::new(left), Box::new(right));
                alternatives.iter().cloned().reduce(any)
            }
            Filter::Any(_) | Filter::None => None,
        }
    }

    fn query(&self, outputs: Vec<Expr>, filter: Option<Expr>) -> Query {
        // Without an INTEGER PRIMARY KEY the order of insertion is the next best thing to be the same at every run.
        let ordered = filter.is_none() && !self.table.without_rowid && self.table.rowid_alias.is_none();
        let rowid = if ordered { rowid_name(self.table) } else { None };
        let order = rowid.map(|name| OrderTerm {
            key: OrderKey::Expr(self.column(name)),
            collation: None,
            descending: false,
            nulls_last: None,
        });
        let source = Source {
            id: SourceId(0),
            alias: self.table.name.clone(),
            kind: SourceKind::Table(self.table.name.clone()),
        };
        let select = Select {
            distinct: false,
            outputs: outputs.into_iter().map(|expr| Output { expr, name: None }).collect(),
            from: Some(From::Source(source)),
            filter,
            group: Vec::new(),
            group_places: Vec::new(),
            having: None,
            windows: Vec::new(),
        };
        Query {
            ctes: Vec::new(),
            recursive: false,
            body: Body::Select(Box::new(select)),
            order: order.into_iter().collect(),
            limit: None,
            offset: None,
        }
    }

    fn column(&self, name: &str) -> Expr {
        Expr::Column(Column { source: SourceId(0), table: self.table.name.clone(), name: name.to_owned() })
    }
}

/// A name that means the rowid; none when columns took them all.
fn rowid_name(table: &TableInfo) -> Option<&'static str> {
    ["rowid", "_rowid_", "oid"].into_iter().find(|name| table.column(name).is_none())
}
