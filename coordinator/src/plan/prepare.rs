//! From a statement to its templates: what it reads, what pins it, and how it is spread.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::clock::Extras;
use super::gather::gather;
use super::load::{Columns, Load};
use super::scatter::scatter;
use super::{FinishStep, Kind, Prepared, ReadSet, ShardedTable, Spread, Template};
use crate::analyze::{Context, Pin, aggregates_outside, is_aggregated, pins, unchecked};
use crate::sql::{
    Body, Column, Described, Expr, Literal, Node, Output, Query, Schema, Source, SourceId, SourceKind, Statement,
    TableInfo, Verdict, map_query, walk_query,
};

/// Functions with another value at every call, so on every shard.
const RANDOM: [&str; 2] = ["random", "randomblob"];

/// Functions that may read the clock, be it because a row holds 'now'. The words of SQL are functions too.
const CLOCK: [&str; 10] = [
    "date",
    "time",
    "datetime",
    "julianday",
    "unixepoch",
    "strftime",
    "timediff",
    "current_timestamp",
    "current_date",
    "current_time",
];

/// Makes the templates of a statement.
pub(crate) fn prepare(text: &str, statement: Statement, schema: &Schema) -> Prepared {
    let Statement { described, verdict } = statement;
    let random = RANDOM.into_iter().find(|name| described.reads.functions.contains(*name));
    let repeats = !RANDOM.iter().chain(&CLOCK).any(|name| described.reads.functions.contains(*name));
    let (opaque, best) = match verdict {
        Verdict::Opaque(reason) => {
            let why = format!("souk cannot read it for certain ({reason})");
            (Some(reason), by_tables(text, &described, schema, why, read_columns(text, &described, schema), Pin::All))
        }
        Verdict::Judged(query) => (None, judged(text, &query, &described, schema)),
    };
    let all = |table: &TableInfo| Columns::all(table);
    let whole = by_tables(
        text,
        &described,
        schema,
        "the most naive plan".into(),
        columns_by(&described, schema, all),
        Pin::All,
    );
    Prepared { columns: described.columns, parameters: described.parameters, opaque, random, repeats, best, whole }
}

/// The columns of the indices that a statement goes by, by table.
pub(super) type Indexed = BTreeMap<String, BTreeSet<String>>;

/// The columns of each table.
type TableColumns = BTreeMap<String, Columns>;

fn judged(text: &str, query: &Query, described: &Described, schema: &Schema) -> Template {
    let context = Context::new(query, schema);
    let names: BTreeSet<&str> = described.reads.tables.keys().map(String::as_str).collect();
    let numbered = reads_shard_rowid(query, &context);
    let rowid = numbered.is_some();
    let random = RANDOM.iter().find(|name| described.reads.functions.contains(**name));
    let why = match (described.reads.schema, numbered, random) {
        (true, ..) => Some("it reads the schema itself".to_owned()),
        (_, Some(table), _) => {
            Some(format!("the rowid of the sharded table `{table}`, which has no INTEGER PRIMARY KEY"))
        }
        (.., Some(name)) => Some(format!("`{name}`, which each shard would answer differently")),
        _ if aggregates_outside(query) => Some("an aggregate in a subquery over the rows of an outer query".to_owned()),
        (false, None, None) => unchecked(query).map(str::to_owned),
    };
    match why {
        Some(why) => {
            // Rows are numbered as they come, so all of them must come.
            let pin = if rowid { Pin::All } else { pins(query, &context) };
            let mut columns = columns_of(query, schema);
            columns.iter_mut().for_each(|(name, columns)| columns.add_indexed(name, &described.reads.indexed, schema));
            by_tables(text, described, schema, why, columns, pin)
        }
        None => template(text.to_owned(), query, &names, described.parameters.len(), &described.reads.indexed, schema),
    }
}

/// The template of a tree that is believed. `names` are the tables that it reads, `parameters` how many the user has.
pub(super) fn template(
    text: String,
    query: &Query,
    names: &BTreeSet<&str>,
    parameters: usize,
    indexed: &Indexed,
    schema: &Schema,
) -> Template {
    let pin = pins(query, &Context::new(query, schema));
    let reads = read_set(names, pin.clone(), schema);
    let spread = match reads {
        ReadSet::Nothing => None,
        ReadSet::Replicated | ReadSet::Sharded { .. } => Some(spread(query, parameters, pin, indexed, schema)),
    };
    Template { text, reads, reads_schema: false, spread }
}

fn spread(query: &Query, parameters: usize, pin: Pin, indexed: &Indexed, schema: &Schema) -> Spread {
    let query = without_idle_outputs(query);
    let gathered = |reason| gather(&query, Extras::new(parameters), pin, reason, indexed, schema);
    scatter(&query, parameters, schema).unwrap_or_else(gathered)
}

/// The same query without what an EXISTS gives but nobody reads: its columns need not travel.
fn without_idle_outputs(query: &Query) -> Query {
    let mut copy = query.clone();
    map_query(&mut copy, &mut |expr| {
        if let Expr::Exists(query) = expr
            && query.limit.is_none()
            && query.offset.is_none()
            && let Body::Select(select) = &mut query.body
            && !is_aggregated(select, &query.order)
        {
            select.outputs = vec![Output { expr: Expr::Literal(Literal::Number("1".into())), name: None }];
            select.distinct = false;
            query.order.clear();
        }
    });
    copy
}

/// Fetches tables and runs the user's own text over them.
fn by_tables(
    text: &str,
    described: &Described,
    schema: &Schema,
    why: String,
    columns: TableColumns,
    pin: Pin,
) -> Template {
    let names = columns.keys().map(String::as_str).collect();
    let reads = read_set(&names, pin.clone(), schema);
    let mut extras = Extras::new(described.parameters.len());
    let tables = columns.iter().filter_map(|(name, columns)| Some((schema.table(name)?, columns.clone())));
    let loads = tables.map(|(table, reads)| Load::whole(table, reads).plan(None, None, &mut extras));
    let (parts, tables) = loads.unzip();
    let spread = Spread {
        kind: Kind::Gather(why),
        pin,
        first: Vec::new(),
        parts,
        finish: FinishStep::Scratch { sql: text.to_owned(), tables },
        extras: Vec::new(),
    };
    Template { text: text.to_owned(), reads, reads_schema: described.reads.schema, spread: Some(spread) }
}

/// What the authorizer named. It is not told of the columns that USING and NATURAL name, nor what a view hides.
fn read_columns(text: &str, described: &Described, schema: &Schema) -> TableColumns {
    let mentions =
        |word: &str| text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    let views = described.reads.tables.keys().any(|name| schema.table(name).is_none());
    let unnamed = views || mentions("natural") || mentions("using");
    columns_by(described, schema, |table| match unnamed {
        true => Columns::all(table),
        false => {
            let mut columns = Columns::default();
            let read = described.reads.tables.get(&table.name).into_iter().flatten();
            let indexed = described.reads.indexed.get(&table.name).into_iter().flatten();
            read.chain(indexed).for_each(|name| columns.add(table, name));
            columns
        }
    })
}

fn columns_by(described: &Described, schema: &Schema, columns: impl Fn(&TableInfo) -> Columns) -> TableColumns {
    let tables = described.reads.tables.keys().filter_map(|name| schema.table(name));
    tables.map(|table| (table.name.clone(), columns(table))).collect()
}

/// The columns that a tree reads, by table.
fn columns_of(query: &Query, schema: &Schema) -> TableColumns {
    let mut tables: TableColumns = BTreeMap::new();
    let columns = columns_by_source(query, schema);
    for (id, name) in table_sources(query) {
        let Some(table) = schema.table(&name) else { continue };
        let known = tables.entry(table.name.clone()).or_default();
        if let Some(columns) = columns.get(&id) {
            known.read.extend(&columns.read);
            known.rowid |= columns.rowid;
        }
    }
    tables
}

fn table_sources(query: &Query) -> Vec<(SourceId, String)> {
    let mut sources = Vec::new();
    walk_query(query, &mut |node| {
        if let Node::Source(Source { id, kind: SourceKind::Table(name), .. }) = node {
            sources.push((*id, name.clone()));
        }
    });
    sources
}

/// The columns that a tree reads of each table in a FROM clause.
pub(super) fn columns_by_source(query: &Query, schema: &Schema) -> HashMap<SourceId, Columns> {
    let sources: HashMap<SourceId, String> = table_sources(query).into_iter().collect();
    let mut columns: HashMap<SourceId, Columns> = HashMap::new();
    let mut add = |column: &Column| {
        if let Some(table) = sources.get(&column.source).and_then(|name| schema.table(name)) {
            columns.entry(column.source).or_default().add(table, &column.name);
        }
    };
    walk_query(query, &mut |node| match node {
        Node::Expr(Expr::Column(column)) => add(column),
        Node::Using(using) => {
            add(&using.left);
            add(&using.right);
        }
        Node::Expr(_) | Node::Query(_) | Node::Source(_) => {}
    });
    columns
}

/// What the tables are. A view or a table function has no rows of its own: the tables behind it are named beside it.
fn read_set(names: &BTreeSet<&str>, pin: Pin, schema: &Schema) -> ReadSet {
    let tables: Vec<&TableInfo> = names.iter().filter_map(|name| schema.table(name)).collect();
    let sharded: Vec<ShardedTable> = tables.iter().filter_map(|table| table.sharded()).collect();
    match (sharded.is_empty(), sharded.len() < tables.len()) {
        (false, replicated) => ReadSet::Sharded { tables: sharded, replicated, pin },
        (true, true) => ReadSet::Replicated,
        (true, false) => ReadSet::Nothing,
    }
}

impl TableInfo {
    /// The table with its key; none for a replicated one.
    pub(crate) fn sharded(&self) -> Option<ShardedTable> {
        let key = self.key()?;
        Some(ShardedTable { name: self.name.clone(), key_column: key.name.clone(), affinity: key.affinity })
    }
}

/// The rowid of a sharded table counts rows of its shard alone, unless it is an INTEGER PRIMARY KEY.
fn reads_shard_rowid(query: &Query, context: &Context<'_>) -> Option<String> {
    let mut found = None;
    walk_query(query, &mut |node| {
        if let Node::Expr(Expr::Column(column)) = node
            && let Some(source) = context.source(column.source)
            && let Some(table) = context.table(source)
            && table.key().is_some()
            && table.rowid_alias.is_none()
            && table.column(&column.name).is_none()
        {
            found = Some(table.name.clone());
        }
    });
    found
}
