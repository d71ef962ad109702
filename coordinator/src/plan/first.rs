//! Subqueries that are answered before the statement, so that it still scatters.
//!
//! `WHERE price > (SELECT avg(price) FROM products)` asks every row for the rows of all shards. The subquery reads nothing of the row, so it is
//! answered first, exactly; its rows travel as one parameter, and `souk_rows(?N)` reads them on every shard.

use std::collections::{BTreeSet, HashSet};

use souk_merge::Collation;

use super::clock::Extras;
use super::groups::plain;
use super::prepare::{Indexed, template};
use super::{Extra, First};
use crate::analyze::{Context, affinity_of, collation_of, explicit_collation, is_aggregate, is_typed};
use crate::sql::{
    Affinity, Body, Column, Cte, Expr, From, Join, JoinConstraint, Literal, Node, Query, Schema, Select, Source,
    SourceId, SourceKind, walk_query,
};

/// The table function that gives the rows of a parameter.
const ROWS: &str = "souk_rows";
/// Columns that it has at most.
const WIDTH_MAX: usize = 8;
/// Its sources are numbered from here, above those of any statement.
const SOURCES: usize = usize::MAX / 2;

/// Which subqueries are taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Take {
    /// All.
    All,
    /// Those that rows need, not those that stand beside aggregates.
    OfRows,
}

/// Takes subqueries out of one statement.
pub(super) struct Taker<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) schema: &'a Schema,
    /// WITH tables in sight.
    pub(super) with: Vec<Cte>,
    /// Those that are being defined: what mentions them cannot be answered alone.
    pub(super) open: Vec<String>,
    pub(super) extras: &'a mut Extras,
    pub(super) first: &'a mut Vec<First>,
}

impl Taker<'_> {
    /// The query without those subqueries; none when it has none of them.
    pub(super) fn take(&mut self, query: &Query, which: Take) -> Option<Query> {
        let before = self.first.len();
        let taken = self.query(query, which);
        (self.first.len() > before).then_some(taken)
    }

    fn query(&mut self, query: &Query, which: Take) -> Query {
        let around = self.with.len();
        let mut ctes = Vec::new();
        for cte in &query.ctes {
            self.open.push(cte.name.clone());
            let taken = self.query(&cte.query, Take::All);
            ctes.push(Cte {
                name: cte.name.clone(),
                columns: cte.columns.clone(),
                query: taken,
                materialized: cte.materialized,
            });
            self.open.pop();
            if self.with.iter().all(|known| known.name != cte.name) {
                self.with.push(cte.clone());
            }
        }
        let body = self.body(&query.body, which);
        let order = match which {
            Take::All => {
                query.order.iter().map(|term| infallible(term.rewrite(&mut |expr| Ok(self.expr(expr))))).collect()
            }
            Take::OfRows => query.order.clone(),
        };
        self.with.truncate(around);
        let (limit, offset) = (query.limit.clone(), query.offset.clone());
        Query { ctes, recursive: query.recursive, body, order, limit, offset }
    }

    fn body(&mut self, body: &Body, which: Take) -> Body {
        match body {
            Body::Select(select) => Body::Select(Box::new(self.select(select, which))),
            Body::Values(rows) => {
                Body::Values(rows.iter().map(|row| row.iter().map(|expr| self.expr(expr)).collect()).collect())
            }
            Body::Compound { op, left, right } => {
                let left = Box::new(self.body(left, which));
                Body::Compound { op: *op, left, right: Box::new(self.body(right, which)) }
            }
        }
    }

    fn select(&mut self, select: &Select, which: Take) -> Select {
        let from = select.from.as_ref().map(|from| self.from(from));
        let mut copy = match which {
            Take::All => infallible(select.rewrite(&mut |expr| Ok(self.expr(expr)))),
            Take::OfRows => {
                let filter = select.filter.as_ref().map(|filter| self.expr(filter));
                let group = select.group.iter().map(|expr| self.expr(expr)).collect();
                let mut copy = Select { filter, group, ..select.without_from() };
                let shown = copy.outputs.iter_mut().map(|output| &mut output.expr).chain(&mut copy.having);
                shown.for_each(|expr| *expr = self.arguments(expr));
                copy
            }
        };
        copy.from = from;
        copy
    }

    fn from(&mut self, from: &From) -> From {
        match from {
            From::Source(source) => {
                let kind = match &source.kind {
                    SourceKind::Derived(query) => SourceKind::Derived(Box::new(self.query(query, Take::All))),
                    SourceKind::Function { name, arguments } => SourceKind::Function {
                        name: name.clone(),
                        arguments: arguments.iter().map(|expr| self.expr(expr)).collect(),
                    },
                    other => other.clone(),
                };
                From::Source(Source { id: source.id, alias: source.alias.clone(), kind })
            }
            From::Join(join) => {
                let constraint = match &join.constraint {
                    JoinConstraint::On(on) => JoinConstraint::On(self.expr(on)),
                    other => other.clone(),
                };
                let (left, right) = (self.from(&join.left), self.from(&join.right));
                From::Join(Box::new(Join { left, right, kind: join.kind, constraint }))
            }
        }
    }

    /// Only what aggregates are computed from.
    fn arguments(&mut self, expr: &Expr) -> Expr {
        infallible(expr.rewrite(&mut |part| match part {
            Expr::Function(function) if is_aggregate(function) => Ok(Some(self.expr(part))),
            _ => Ok(None),
        }))
    }

    fn expr(&mut self, expr: &Expr) -> Expr {
        infallible(expr.rewrite(&mut |part| {
            let Some(query) = part.query() else { return Ok(None) };
            let query = self.answered(part, query).unwrap_or_else(|| self.query(query, Take::All));
            Ok(Some(match part.with_query(query) {
                Expr::InQuery { negated, expr, query } => {
                    Expr::InQuery { negated, expr: Box::new(self.expr(&expr)), query }
                }
                other => other,
            }))
        }))
    }

    /// The query that gives the rows of a subquery's answer; none when the subquery has to stay.
    fn answered(&mut self, expr: &Expr, query: &Query) -> Option<Query> {
        let Body::Select(select) = &query.body else { return None };
        let width = select.outputs.len();
        if width > WIDTH_MAX || !query.is_closed() || !self.context.reaches_sharded(query) {
            return None;
        }
        let mut alone = with_ctes(query, &self.with);
        let mentioned = alone.ctes_mentioned();
        if self.open.iter().any(|name| mentioned.contains(name.as_str())) {
            return None;
        }
        let place = SourceId(SOURCES + self.first.len());
        let alias = format!("first {}", self.first.len() + 1);
        let column = |name: String| Expr::Column(Column { source: place, table: alias.clone(), name });
        let mut outputs = Vec::new();
        for (index, output) in select.outputs.iter().enumerate() {
            if matches!(&output.expr, Expr::Column(known) if !is_typed(known, self.context)) {
                return None;
            }
            if self.folds(&output.expr) && is_row_of_a_query(expr, width) {
                return None;
            }
            let value = match affinity_of(&output.expr, self.context) {
                Some(affinity) => column(format!("{}{}", letter(affinity), index + 1)),
                None => plain(column(format!("b{}", index + 1))),
            };
            outputs.push(match self.collation_among(expr, index, &output.expr) {
                Some(collation) => Expr::Collate(Box::new(value), collation.name().to_owned()),
                None => value,
            });
        }
        if !matches!(expr, Expr::InQuery { .. }) && alone.limit.is_none() {
            alone.limit = Some(Expr::Literal(Literal::Number("1".into())));
        }
        let names = table_names(&alone);
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let template = template(alone.to_string(), &alone, &names, self.extras.base, &Indexed::new(), self.schema);
        let argument = self.extras.parameter(Extra::First(self.first.len()));
        self.first.push(First { template: Box::new(template), width });
        Some(query_of(outputs, place, alias, argument))
    }
}

impl Taker<'_> {
    /// Whether a value of a row brings another collation than BINARY to a comparison, which a column of `souk_rows` would not.
    fn folds(&self, output: &Expr) -> bool {
        explicit_collation(output).is_some()
            || collation_of(output, self.context).is_some_and(|collation| collation != Collation::Binary)
    }

    /// The collation that a result of a query behind IN brings to the comparison, which a column of `souk_rows` would not. One that is not
    /// written with it counts only where the operand has none.
    fn collation_among(&self, expr: &Expr, index: usize, output: &Expr) -> Option<Collation> {
        let Expr::InQuery { expr: operand, .. } = expr else { return None };
        let operand = match operand.as_ref() {
            Expr::Row(operands) => operands.get(index)?,
            // A row of values, each with its collation; one value has none.
            Expr::Scalar(query) => match &query.body {
                Body::Select(select) if select.outputs.len() > 1 => &select.outputs.get(index)?.expr,
                _ => operand.as_ref(),
            },
            operand => operand,
        };
        explicit_collation(output).or_else(|| match collation_of(operand, self.context) {
            Some(_) => None,
            None => collation_of(output, self.context).filter(|collation| *collation != Collation::Binary),
        })
    }
}

/// Whether a query gives a row of values that something is compared with, each by its own collation, or is compared with such rows of a compound: what
/// each brings to the comparison could not be told from outside.
fn is_row_of_a_query(expr: &Expr, width: usize) -> bool {
    match expr {
        Expr::Scalar(_) => width > 1,
        Expr::InQuery { expr, .. } => {
            matches!(expr.as_ref(), Expr::Scalar(query) if width > 1 && !matches!(query.body, Body::Select(_)))
        }
        _ => false,
    }
}

/// The only column of the rows of a parameter, without an affinity.
pub(super) fn rows_of(parameter: Expr) -> Query {
    let (place, alias) = (SourceId(SOURCES - 1), "keys".to_owned());
    let column = Expr::Column(Column { source: place, table: alias.clone(), name: "b1".to_owned() });
    query_of(vec![plain(column)], place, alias, parameter)
}

/// A SELECT from the rows of a parameter.
fn query_of(outputs: Vec<Expr>, id: SourceId, alias: String, parameter: Expr) -> Query {
    let kind = SourceKind::Function { name: ROWS.to_owned(), arguments: vec![parameter] };
    let from = From::Source(Source { id, alias, kind });
    Query::of(Body::Select(Box::new(Select::of(outputs, Some(from)))))
}

/// The query with the WITH tables around it that it needs.
pub(super) fn with_ctes(query: &Query, around: &[Cte]) -> Query {
    let mut copy = query.clone();
    let mentioned = query.ctes_mentioned();
    let mut needed: HashSet<String> = mentioned.into_iter().map(str::to_owned).collect();
    let mut kept: Vec<Cte> = Vec::new();
    for cte in around.iter().rev().filter(|cte| query.ctes.iter().all(|own| own.name != cte.name)) {
        if needed.contains(&cte.name) {
            needed.extend(cte.query.ctes_mentioned().into_iter().map(str::to_owned));
            kept.push(cte.clone());
        }
    }
    if !kept.is_empty() {
        kept.reverse();
        kept.append(&mut copy.ctes);
        copy.ctes = kept;
        // It only allows a table to mention itself.
        copy.recursive = true;
    }
    copy
}

/// The column of `souk_rows` whose affinity this is.
fn letter(affinity: Affinity) -> char {
    match affinity {
        Affinity::Integer => 'i',
        Affinity::Real => 'r',
        Affinity::Numeric => 'n',
        Affinity::Text => 't',
        Affinity::Blob => 'b',
    }
}

fn table_names(query: &Query) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    walk_query(query, &mut |node| {
        if let Node::Source(Source { kind: SourceKind::Table(name), .. }) = node {
            names.insert(name.clone());
        }
    });
    names
}

fn infallible<T>(result: Result<T, std::convert::Infallible>) -> T {
    match result {
        Ok(value) => value,
    }
}
