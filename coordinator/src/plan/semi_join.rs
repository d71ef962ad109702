//! Semi-joins: when one side of an equi-join gives few keys, only the rows of the other side with these keys are fetched.
//!
//! A replicated table is where the other side is: the shards take its keys themselves. Else the side that gives the keys is loaded first;
//! whether they are few is seen when it is there.

use std::collections::{BTreeMap, HashMap};

use souk_merge::Collation;

use super::first::rows_of;
use super::load::{Load, and};
use crate::analyze::{Context, affinity_of, collation_of, is_typed};
use crate::sql::{
    Affinity, BinaryOp, Column, ColumnInfo, Expr, Node, Query, SourceId, SourceKind, TableInfo, quote, walk_query,
};

/// A table whose rows matter only where a column equals one of another source.
pub(super) struct Tie {
    table: String,
    /// The place where it stands.
    source: SourceId,
    column: String,
    other: Column,
}

/// What a source may give keys from.
pub(super) enum Driver {
    /// A table that is loaded.
    Table(String),
    /// A query over the scratch.
    Derived(Box<Query>),
}

/// A column that takes only the keys that a query over the scratch gives.
#[derive(Debug, Clone)]
pub(super) struct Driven {
    pub(super) column: String,
    /// SQL over the scratch.
    pub(super) keys: String,
}

/// By table.
pub(super) type Filters = BTreeMap<String, Expr>;

/// What ties the rows of a table to other sources, of the conjuncts that filter it.
pub(super) fn ties_of(filters: &[Expr], source: SourceId, table: &TableInfo, context: &Context<'_>) -> Vec<Tie> {
    let tie = |own: &Column, other: &Column| {
        let column = &table.columns[table.column(&own.name)?];
        let comparable = own.source == source && other.source != source && meets(column, other, context);
        comparable.then(|| Tie { table: table.name.clone(), source, column: column.name.clone(), other: other.clone() })
    };
    let pairs = filters.iter().filter_map(|filter| match filter {
        Expr::Binary(BinaryOp::Eq, a, b) => match (a.as_ref(), b.as_ref()) {
            (Expr::Column(a), Expr::Column(b)) => tie(a, b).or_else(|| tie(b, a)),
            _ => None,
        },
        _ => None,
    });
    pairs.collect()
}

/// Whether equality of the two is equality of their values, whatever columns they stand in.
fn meets(own: &ColumnInfo, other: &Column, context: &Context<'_>) -> bool {
    let expr = Expr::Column(other.clone());
    is_typed(other, context)
        && own.collation == Some(Collation::Binary)
        && collation_of(&expr, context).unwrap_or_default() == Collation::Binary
        && affinity_of(&expr, context).unwrap_or(Affinity::Blob).hashes_like(own.affinity)
}

/// What the rows of each table must fulfil; none for a table of which all rows can matter.
pub(super) fn filters(
    loads: &BTreeMap<String, Load<'_>>,
    ties: &[Tie],
    drivers: &HashMap<SourceId, Driver>,
) -> Filters {
    let own = |load: &Load<'_>| load.filter(|place| place.filter.clone());
    let filter = |load: &Load<'_>| {
        load.filter(|place| {
            let of_place = ties.iter().filter(|tie| tie.source == place.source);
            let keys = of_place.filter_map(|tie| {
                let replicated = replicated(tie, drivers, loads)?;
                let keys = replicated.query(vec![replicated.column(&tie.other.name)], Some(own(replicated)?));
                let column = Box::new(load.column(&tie.column));
                Some(Expr::InQuery {
                    negated: false,
                    expr: column,
                    query: Box::new(Query { order: Vec::new(), ..keys }),
                })
            });
            keys.fold(place.filter.clone(), |filter, keys| Some(and(filter, keys)))
        })
    };
    loads.iter().filter_map(|(name, load)| Some((name.clone(), filter(load)?))).collect()
}

/// The replicated table at the other end of a tie.
fn replicated<'a, 'l>(
    tie: &Tie,
    drivers: &HashMap<SourceId, Driver>,
    loads: &'l BTreeMap<String, Load<'a>>,
) -> Option<&'l Load<'a>> {
    match drivers.get(&tie.other.source)? {
        Driver::Table(name) if *name != tie.table => loads.get(name).filter(|load| load.table.key().is_none()),
        Driver::Table(_) | Driver::Derived(_) => None,
    }
}

/// In which order the tables are loaded, and which of them take only some keys.
pub(super) fn in_order(
    loads: &BTreeMap<String, Load<'_>>,
    filters: &Filters,
    ties: &[Tie],
    drivers: &HashMap<SourceId, Driver>,
) -> Vec<(String, Option<Driven>)> {
    let mut left: Vec<&String> = loads.keys().collect();
    let mut ordered: Vec<(String, Option<Driven>)> = Vec::new();
    // Tables that are there with some of their rows alone.
    let mut reduced: Vec<String> = Vec::new();
    while !left.is_empty() {
        let driven = left.iter().enumerate().find_map(|(place, name)| {
            let tie = ties.iter().filter(|tie| tie.table == **name && can_be_driven(&loads[*name]));
            let found = tie.filter_map(|tie| driven(tie, drivers, &reduced, loads)).next();
            Some((place, found?))
        });
        let filtered = || left.iter().position(|name| filters.contains_key(*name));
        let (place, driven) = match driven {
            Some((place, driven)) => (place, Some(driven)),
            None => match filtered() {
                Some(place) => (place, None),
                None => break,
            },
        };
        let name = left.remove(place).clone();
        reduced.push(name.clone());
        ordered.push((name, driven));
    }
    ordered.extend(left.into_iter().map(|name| (name.clone(), None)));
    ordered
}

/// A table that stands in one place, whose rows are not numbered as they come.
fn can_be_driven(load: &Load<'_>) -> bool {
    load.places.len() == 1 && !load.is_numbered()
}

fn driven(
    tie: &Tie,
    drivers: &HashMap<SourceId, Driver>,
    reduced: &[String],
    loads: &BTreeMap<String, Load<'_>>,
) -> Option<Driven> {
    if replicated(tie, drivers, loads).is_some() {
        return None;
    }
    let column = quote(&tie.other.name);
    let from = match drivers.get(&tie.other.source)? {
        Driver::Table(name) if *name != tie.table && reduced.contains(name) => quote(name),
        Driver::Derived(query) if !reads_loads(query, loads) => format!("({query})"),
        Driver::Table(_) | Driver::Derived(_) => return None,
    };
    let keys = format!("SELECT DISTINCT {column} FROM {from} WHERE {column} IS NOT NULL");
    Some(Driven { column: tie.column.clone(), keys })
}

/// Whether a query over the scratch needs more than pieces, which are loaded before all tables.
fn reads_loads(query: &Query, loads: &BTreeMap<String, Load<'_>>) -> bool {
    let mut found = !query.is_closed();
    walk_query(query, &mut |node| {
        if let Node::Source(source) = node {
            found |= match &source.kind {
                SourceKind::Table(name) => loads.contains_key(name),
                SourceKind::Cte(_) => true,
                SourceKind::Derived(_) | SourceKind::Function { .. } => false,
            };
        }
    });
    found
}

/// Whether a column is among the keys.
pub(super) fn is_among(column: Expr, keys: &Expr) -> Expr {
    Expr::InQuery { negated: false, expr: Box::new(column), query: Box::new(rows_of(keys.clone())) }
}
