//! Tables of the schema, fetched into a scratch: only the columns that the statement reads, only the rows that can matter.

use std::collections::BTreeSet;
use std::iter;

use super::clock::Extras;
use super::prepare::Indexed;
use super::semi_join::{Driven, is_among};
use super::{
    Cell, Fill, FinishStep, Kind, Part, PartLimit, PartMerge, ReadSet, RunsOn, ScratchTable, SemiJoin, Spread, Template,
};
use crate::analyze::Pin;
use crate::sql::{
    BinaryOp, Body, Column, Expr, From, Literal, OrderKey, OrderTerm, Query, Schema, Select, Source, SourceId,
    SourceKind, TableInfo, quote,
};

/// A table to be fetched.
#[derive(Debug, Clone)]
pub(super) struct Load<'a> {
    pub(super) table: &'a TableInfo,
    pub(super) reads: Columns,
    /// Where the statement reads it.
    pub(super) places: Vec<Place>,
}

/// One place of a statement where a table stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) source: SourceId,
    /// What the rows must fulfil to matter here, in columns of source 0 called as the table.
    pub(super) filter: Option<Expr>,
}

/// The columns of a table that a statement reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Columns {
    /// By index.
    pub(super) read: BTreeSet<usize>,
    /// Also the rowid, which is none of them.
    pub(super) rowid: bool,
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

impl<'a> Load<'a> {
    /// All rows.
    pub(super) fn whole(table: &'a TableInfo, reads: Columns) -> Load<'a> {
        Load { table, reads, places: Vec::new() }
    }

    /// Which rows can matter: those that fulfil what one of the places demands. None when all can.
    pub(super) fn filter(&self, demand: impl Fn(&Place) -> Option<Expr>) -> Option<Expr> {
        if self.is_numbered() {
            return None;
        }
        let mut alternatives: Vec<Expr> = Vec::new();
        for place in &self.places {
            let demanded = demand(place)?;
            if !alternatives.contains(&demanded) {
                alternatives.push(demanded);
            }
        }
        alternatives.into_iter().reduce(|left, right| Expr::Binary(BinaryOp::Or, Box::new(left), Box::new(right)))
    }

    /// The rowid of a sharded table counts rows of its shard alone: here rows are numbered as they come, shard by shard, so all must come.
    pub(super) fn is_numbered(&self) -> bool {
        self.reads.rowid && self.table.key().is_some()
    }

    /// The fragment that fetches the rows, and where they go.
    pub(super) fn plan(
        &self,
        filter: Option<&Expr>,
        driven: Option<&Driven>,
        extras: &mut Extras,
    ) -> (Part, ScratchTable) {
        let (outputs, cells) = self.columns(driven);
        let width = outputs.len();
        let query = self.query(outputs, filter.cloned());
        let part = Part {
            width,
            sql: extras.print(&query),
            merge: PartMerge::Rows { order: Vec::new(), limit: PartLimit::None },
            runs_on: if self.table.key().is_some() { RunsOn::Shards } else { RunsOn::AnyOne },
            needs: Vec::new(),
            lead: None,
            semi_join: None,
        };
        (part, ScratchTable { name: self.table.name.clone(), fill: Fill::Table(cells) })
    }

    /// The fragment that fetches the rows with some keys alone.
    pub(super) fn semi_join(
        &self,
        filter: Option<&Expr>,
        driven: &Driven,
        keys: &Expr,
        extras: &mut Extras,
    ) -> SemiJoin {
        let (outputs, _) = self.columns(Some(driven));
        let among = is_among(self.column(&driven.column), keys);
        let filter = and(filter.cloned(), among);
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

    /// The rowid of a replicated table is the same on every shard.
    fn rowid_to_fetch(&self) -> Option<&'static str> {
        let wanted = self.reads.rowid && self.table.key().is_none();
        if wanted { self.table.rowid_name() } else { None }
    }

    pub(super) fn query(&self, outputs: Vec<Expr>, filter: Option<Expr>) -> Query {
        // Without an INTEGER PRIMARY KEY the order of insertion is the next best thing to be the same at every run.
        let ordered = filter.is_none() && !self.table.without_rowid && self.table.rowid_alias.is_none();
        let rowid = if ordered { self.table.rowid_name() } else { None };
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
        let select = Select { filter, ..Select::of(outputs, Some(From::Source(source))) };
        Query { order: order.into_iter().collect(), ..Query::of(Body::Select(Box::new(select))) }
    }

    pub(super) fn column(&self, name: &str) -> Expr {
        Expr::Column(Column { source: SourceId(0), table: self.table.name.clone(), name: name.to_owned() })
    }
}

/// All rows of a table as they are stored: each with its rowid on its shard in front, or NULL where it has none, and without what is computed.
pub(crate) fn stored_rows(table: &TableInfo) -> Template {
    let rowid = table.rowid_name();
    let columns = table.stored().map(|column| quote(&column.name));
    let list = iter::once(rowid.unwrap_or("NULL").to_owned()).chain(columns).collect::<Vec<_>>();
    let order = rowid.map(|rowid| format!(" ORDER BY {rowid}")).unwrap_or_default();
    let sql = format!("SELECT {} FROM main.{}{order}", list.join(", "), quote(&table.name));
    let part = Part {
        width: list.len(),
        sql: sql.clone(),
        merge: PartMerge::Rows { order: Vec::new(), limit: PartLimit::None },
        runs_on: if table.key().is_some() { RunsOn::Shards } else { RunsOn::AnyOne },
        needs: Vec::new(),
        lead: None,
        semi_join: None,
    };
    let reads = match table.sharded() {
        Some(table) => ReadSet::Sharded { tables: vec![table], replicated: false, pin: Pin::All },
        None => ReadSet::Replicated,
    };
    let spread = Spread {
        kind: Kind::Scatter,
        pin: Pin::All,
        first: Vec::new(),
        finish: FinishStep::Stream { visible: part.width, limit: None },
        parts: vec![part],
        extras: Vec::new(),
    };
    Template { text: sql, reads, reads_schema: false, spread: Some(spread) }
}

/// Both, or the one that there is.
pub(super) fn and(left: Option<Expr>, right: Expr) -> Expr {
    match left {
        Some(left) => Expr::Binary(BinaryOp::And, Box::new(left), Box::new(right)),
        None => right,
    }
}
