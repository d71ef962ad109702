//! From a statement to its template: what it reads, what pins it, and how it scatters.

use std::collections::BTreeSet;

use super::clock::{Extras, bind_now};
use super::groups::Grouping;
use super::rows::{output_collation, rows_part};
use super::{
    FinishStep, LimitTerms, Part, PartMerge, ReadSet, RunsOn, Scatter, ScratchColumn, ScratchTable, ShardedTable,
    Template,
};
use crate::analyze::{Context, Pin, Place, is_aggregated, own_windows, pins, place_of_body};
use crate::sql::{
    Body, Described, Expr, Node, Query, Schema, Select, SourceKind, Statement, TableInfo, Verdict, quote, walk_query,
};

/// Functions with another value at every call, so on every shard.
const RANDOM: [&str; 2] = ["random", "randomblob"];

/// Makes the template of a prepared statement.
pub(crate) fn template(text: &str, statement: Statement, schema: &Schema) -> Template {
    let Statement { described, verdict } = statement;
    let (pin, scatter) = match &verdict {
        Verdict::Opaque(reason) => (Pin::All, Err(format!("a statement that souk cannot read for certain ({reason})"))),
        Verdict::Judged(query) => facts(query, &described, schema),
    };
    Template {
        text: text.to_owned(),
        reads: read_set(&described.reads.tables, pin, schema),
        columns: described.columns,
        parameters: described.parameters,
        scatter,
    }
}

/// What pins a statement, and how it scatters.
fn facts(query: &Query, described: &Described, schema: &Schema) -> (Pin, Result<Scatter, String>) {
    let context = Context::new(query, schema);
    if let Err(reason) = refuse_rowid(query, &context) {
        return (Pin::All, Err(reason));
    }
    let random = RANDOM.iter().find(|name| described.reads.functions.contains(**name));
    let scatter = match random {
        Some(name) => Err(format!("`{name}`, which each shard would answer differently")),
        None => scatter(query, schema, described.parameters.len()),
    };
    (pins(query, &context), scatter)
}

/// What the tables are that SQLite's authorizer named. A view or a table function has no rows of its own: the tables behind
/// it are named beside it.
fn read_set(names: &BTreeSet<String>, pin: Pin, schema: &Schema) -> ReadSet {
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
fn refuse_rowid(query: &Query, context: &Context<'_>) -> Result<(), String> {
    let mut refused = None;
    walk_query(query, &mut |node| {
        if let Node::Expr(Expr::Column(column)) = node
            && let Some(source) = context.source(column.source)
            && let Some(table) = context.table(source)
            && table.key().is_some()
            && table.rowid_alias.is_none()
            && table.column(&column.name).is_none()
        {
            refused =
                Some(format!("the rowid of the sharded table `{}`, which has no INTEGER PRIMARY KEY", table.name));
        }
    });
    refused.map_or(Ok(()), Err)
}

fn scatter(query: &Query, schema: &Schema, parameters: usize) -> Result<Scatter, String> {
    let mut query = query.clone();
    let mut extras = Extras::new(parameters);
    bind_now(&mut query, &mut extras);
    let context = Context::new(&query, schema);
    let (parts, finish) = match (&query.body, place_of_body(&query.body, &query.order, &context)) {
        (_, Ok(Place::Sharded(_))) => streamed(&query, &context, &mut extras)?,
        (_, Ok(Place::Replicated)) => return Err("replicated tables alone".into()),
        (Body::Select(select), Err(reason)) => grouped(&query, select, reason, &context)?,
        (Body::Compound { .. }, Err(_)) => compound(&query, &context)?,
        (Body::Values(_), Err(reason)) => return Err(reason),
    };
    Ok(Scatter { parts, finish, extras: extras.extras })
}

/// Every shard gives rows of the answer.
fn streamed(query: &Query, context: &Context<'_>, extras: &mut Extras) -> Result<(Vec<Part>, FinishStep), String> {
    let visible = width(&query.body);
    if query.limit.iter().chain(&query.offset).any(has_subquery) {
        return Err("a subquery in LIMIT or OFFSET".into());
    }
    let part = rows_part(query, context, extras)?;
    let limit = (query.limit.is_some() || query.offset.is_some()).then(|| LimitTerms {
        limit: query.limit.as_ref().map(Expr::to_string),
        offset: query.offset.as_ref().map(Expr::to_string),
    });
    Ok((vec![part], FinishStep::Stream { visible, limit }))
}

fn has_subquery(expr: &Expr) -> bool {
    expr.query().is_some() || expr.children().into_iter().any(has_subquery)
}

/// Every shard gives partial groups; SQLite finishes them.
fn grouped(
    query: &Query,
    select: &Select,
    reason: String,
    context: &Context<'_>,
) -> Result<(Vec<Part>, FinishStep), String> {
    let name = part_name(0);
    let grouping = Grouping::new(query, select, &query.order, reason, &name, context)?;
    let finish = Query {
        ctes: Vec::new(),
        recursive: false,
        body: Body::Select(Box::new(grouping.finish)),
        order: grouping.order,
        limit: query.limit.clone(),
        offset: query.offset.clone(),
    };
    refuse_subqueries(&finish)?;
    Ok((vec![grouping.part], FinishStep::Scratch { sql: finish.to_string(), tables: vec![grouping.table] }))
}

/// Each arm by itself, and the compound over their answers.
fn compound(query: &Query, context: &Context<'_>) -> Result<(Vec<Part>, FinishStep), String> {
    let mut arms = Arms { query, context, parts: Vec::new(), tables: Vec::new() };
    let body = arms.body(&query.body)?;
    let finish = Query { ctes: Vec::new(), recursive: false, body, ..query.clone() };
    refuse_subqueries(&finish)?;
    Ok((arms.parts, FinishStep::Scratch { sql: finish.to_string(), tables: arms.tables }))
}

struct Arms<'a> {
    query: &'a Query,
    context: &'a Context<'a>,
    parts: Vec<Part>,
    tables: Vec<ScratchTable>,
}

impl Arms<'_> {
    fn body(&mut self, body: &Body) -> Result<Body, String> {
        if let Body::Compound { op, left, right } = body {
            let left = Box::new(self.body(left)?);
            return Ok(Body::Compound { op: *op, left, right: Box::new(self.body(right)?) });
        }
        let name = part_name(self.parts.len());
        let replicated = !self.context.body_reaches_sharded(body);
        let place = if replicated { Ok(Place::Replicated) } else { place_of_body(body, &[], self.context) };
        match (body, place) {
            (_, Ok(place)) => {
                let runs_on = if place == Place::Replicated { RunsOn::AnyOne } else { RunsOn::Shards };
                Ok(self.whole(body, runs_on, name))
            }
            (Body::Select(select), Err(reason)) => {
                let grouping = Grouping::new(self.query, select, &[], reason, &name, self.context)?;
                self.parts.push(grouping.part);
                self.tables.push(grouping.table);
                Ok(Body::Select(Box::new(grouping.finish)))
            }
            (_, Err(reason)) => Err(reason),
        }
    }

    /// An arm whose rows are loaded as they are.
    fn whole(&mut self, body: &Body, runs_on: RunsOn, name: String) -> Body {
        let alone = Query { body: body.clone(), order: Vec::new(), limit: None, offset: None, ..self.query.clone() };
        let columns: Vec<ScratchColumn> = (0..width(body))
            .map(|index| {
                // All parts take the collation that decides for the compound.
                ScratchColumn { affinity: None, collation: output_collation(&self.query.body, index, self.context) }
            })
            .collect();
        self.parts.push(Part {
            sql: alone.to_string(),
            width: width(body),
            merge: PartMerge::Rows { order: Vec::new(), limited: false },
            runs_on,
        });
        let select = super::groups::select_columns(&name, columns.len());
        self.tables.push(ScratchTable { name, columns, finishes: Vec::new() });
        Body::Select(Box::new(select))
    }
}

fn part_name(index: usize) -> String {
    format!("part {}", index + 1)
}

/// A scratch has the parts alone: what the last step still asks of other tables it cannot have.
fn refuse_subqueries(finish: &Query) -> Result<(), String> {
    let mut tables = BTreeSet::new();
    walk_query(finish, &mut |node| {
        if let Node::Source(source) = node
            && let SourceKind::Table(name) = &source.kind
            && !name.starts_with("part ")
        {
            tables.insert(name.clone());
        }
    });
    match tables.first() {
        None => Ok(()),
        Some(name) => Err(format!("a subquery over {} beside an aggregate over shards", quote(name))),
    }
}

pub(super) fn width(body: &Body) -> usize {
    match body {
        Body::Select(select) => select.outputs.len(),
        Body::Values(rows) => rows.first().map_or(0, Vec::len),
        Body::Compound { left, .. } => width(left),
    }
}

/// Whether a SELECT's rows could be had by grouping partial groups, which windows forbid.
pub(super) fn can_group(select: &Select, order: &[crate::sql::OrderTerm]) -> bool {
    own_windows(select, order).is_empty() && (select.distinct || is_aggregated(select, order))
}
