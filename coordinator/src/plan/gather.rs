//! A statement over a scratch: what scatters on its own is scattered and its rows are loaded in its place; of what is left the
//! tables are loaded.
//!
//! From the top down, each query is tried as a *piece*: as rows that lie shard by shard, then as partial groups. One that is
//! neither is opened: its tables are loaded and the queries in it are tried.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::clock::Extras;
use super::load::{Columns, Load, Place};
use super::prepare::{Indexed, columns_by_source};
use super::push::{above, filters_of_where, pushed};
use super::scatter::can_group;
use super::semi_join::{Driver, Tie, filters, in_order, ties_of};
use super::{FinishStep, First, Kind, Part, ScratchTable, Spread};
use crate::analyze::{Context, Pin};
use crate::sql::{
    Body, Cte, Expr, From, Join, JoinConstraint, OrderTerm, Query, Schema, Select, Source, SourceId, SourceKind,
};

/// How to answer a statement that does not scatter as a whole, for this reason.
pub(super) fn gather(
    query: &Query,
    extras: Extras,
    pin: Pin,
    reason: String,
    indexed: &Indexed,
    schema: &Schema,
) -> Spread {
    let context = Context::new(query, schema);
    let mut gatherer = Gatherer::new(query, extras, &context, schema);
    let finish = gatherer.opened(query);
    gatherer.loads.iter_mut().for_each(|(name, load)| load.reads.add_indexed(name, indexed, schema));
    gatherer.into_spread(Kind::Gather(reason), &finish, pin)
}

/// What a statement needs in its scratch.
pub(super) struct Gatherer<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) schema: &'a Schema,
    columns: HashMap<SourceId, Columns>,
    pub(super) extras: Extras,
    pub(super) first: Vec<First>,
    pub(super) parts: Vec<Part>,
    pub(super) tables: Vec<ScratchTable>,
    loads: BTreeMap<String, Load<'a>>,
    /// What joins the tables that are loaded.
    ties: Vec<Tie>,
    drivers: HashMap<SourceId, Driver>,
    /// WITH tables in sight.
    pub(super) with: Vec<Cte>,
    /// Those whose own queries are being opened: they cannot be taken to a shard.
    pub(super) open: Vec<String>,
}

/// Where a SELECT stands, which says what types its columns must keep.
#[derive(Clone, Copy)]
pub(super) enum Stand<'a> {
    /// Alone.
    Alone,
    /// As an arm of the statement's own compound, whose columns take these collations.
    Arm(&'a Body),
    /// As an arm of a compound that others read: SQLite mixes the arms' types.
    InnerArm,
}

impl<'a> Gatherer<'a> {
    pub(super) fn new(query: &Query, extras: Extras, context: &'a Context<'a>, schema: &'a Schema) -> Gatherer<'a> {
        Gatherer {
            context,
            schema,
            columns: columns_by_source(query, schema),
            extras,
            first: Vec::new(),
            parts: Vec::new(),
            tables: Vec::new(),
            loads: BTreeMap::new(),
            ties: Vec::new(),
            drivers: HashMap::new(),
            with: Vec::new(),
            open: Vec::new(),
        }
    }

    /// The spread whose last step is this query over the scratch.
    pub(super) fn into_spread(mut self, kind: Kind, finish: &Query, pin: Pin) -> Spread {
        let sql = self.extras.print(finish);
        let filters = filters(&self.loads, &self.ties, &self.drivers);
        let ordered = in_order(&self.loads, &filters, &self.ties, &self.drivers);
        for (name, driven) in &ordered {
            let (part, table) = self.loads[name].plan(filters.get(name), driven.as_ref(), &mut self.extras);
            self.parts.push(part);
            self.tables.push(table);
        }
        // The keys are the parameter behind all others, whose number is known only now.
        let keys = self.extras.next();
        for ((name, driven), part) in ordered.iter().rev().zip(self.parts.iter_mut().rev()) {
            let semi_join = |driven| self.loads[name].semi_join(filters.get(name), driven, &keys, &mut self.extras);
            part.semi_join = driven.as_ref().map(semi_join);
        }
        Spread {
            kind,
            pin,
            first: self.first,
            parts: self.parts,
            finish: FinishStep::Scratch { sql, tables: self.tables },
            extras: self.extras.extras,
        }
    }

    /// The statement as pieces alone, as DESIGN allows to scatter: one SELECT that groups, or a compound of such.
    pub(super) fn pieces(&mut self, query: &Query, reason: String) -> Result<Query, String> {
        self.with.extend(query.ctes.iter().cloned());
        let body = self.arms_as_pieces(&query.body, query, reason)?;
        let finish = match (body, &query.body) {
            (Settled::Query(whole), _) => *whole,
            (Settled::Body(body), _) => Query { body, ..self.tail(query) },
        };
        Ok(self.close(query, finish))
    }

    fn arms_as_pieces(&mut self, body: &Body, query: &Query, reason: String) -> Result<Settled, String> {
        match body {
            Body::Compound { .. } => self.compound_as_pieces(body, query).map(Settled::Body),
            Body::Select(select) => {
                let piece = self.piece(select, query, Stand::Alone).map(|piece| Settled::Query(Box::new(piece)));
                // Of a statement that groups, it is said why its groups do not combine.
                piece.map_err(|why| if can_group(select, &query.order) { why } else { reason })
            }
            Body::Values(_) => Err(reason),
        }
    }

    fn compound_as_pieces(&mut self, body: &Body, query: &Query) -> Result<Body, String> {
        match body {
            Body::Compound { op, left, right } => {
                let left = Box::new(self.compound_as_pieces(left, query)?);
                Ok(Body::Compound { op: *op, left, right: Box::new(self.compound_as_pieces(right, query)?) })
            }
            Body::Select(select) => Ok(self.piece(select, &arm(select), Stand::Arm(&query.body))?.body),
            Body::Values(rows) => Ok(Body::Values(rows.iter().map(|row| self.exprs(row)).collect())),
        }
    }

    /// A query that is a piece, or opened.
    fn query(&mut self, query: &Query) -> Query {
        let around = self.with.len();
        self.with.extend(query.ctes.iter().cloned());
        let finish = match &query.body {
            Body::Select(select) if self.is_free(query) => match self.piece(select, query, Stand::Alone) {
                Ok(piece) => piece,
                Err(_) => self.open(query, Stand::InnerArm),
            },
            _ => self.open(query, Stand::InnerArm),
        };
        let finish = self.close(query, finish);
        self.with.truncate(around);
        finish
    }

    /// The statement itself, opened.
    fn opened(&mut self, query: &Query) -> Query {
        self.with.extend(query.ctes.iter().cloned());
        let finish = self.open(query, Stand::Arm(&query.body));
        self.close(query, finish)
    }

    fn open(&mut self, query: &Query, stand: Stand<'_>) -> Query {
        let body = match &query.body {
            Body::Select(select) => {
                if let Some(joined) = self.joined(query, select) {
                    return joined;
                }
                Body::Select(Box::new(self.select(select)))
            }
            other => self.body(other, stand),
        };
        Query { body, ..self.tail(query) }
    }

    /// ORDER BY and LIMIT over the scratch.
    pub(super) fn tail(&mut self, query: &Query) -> Query {
        let order = query.order.iter().map(|term| self.term(term)).collect();
        let limit = query.limit.as_ref().map(|expr| self.expr(expr));
        let offset = query.offset.as_ref().map(|expr| self.expr(expr));
        Query { ctes: Vec::new(), recursive: query.recursive, body: Body::Values(Vec::new()), order, limit, offset }
    }

    /// Brings the WITH tables that the settled query still mentions into the scratch, last first.
    fn close(&mut self, query: &Query, mut finish: Query) -> Query {
        let mut needed: HashSet<String> = finish.ctes_mentioned().into_iter().map(str::to_owned).collect();
        let mut kept = Vec::new();
        let around = self.with.len();
        for (index, cte) in query.ctes.iter().enumerate().rev() {
            self.with.truncate(around - (query.ctes.len() - index));
            if needed.contains(&cte.name) {
                self.open.push(cte.name.clone());
                let settled = self.query(&cte.query);
                self.open.pop();
                needed.extend(settled.ctes_mentioned().into_iter().map(str::to_owned));
                kept.push(Cte { query: settled, ..cte.clone() });
            }
        }
        kept.reverse();
        finish.recursive = query.recursive;
        finish.ctes = kept;
        finish
    }

    fn body(&mut self, body: &Body, stand: Stand<'_>) -> Body {
        match body {
            Body::Select(select) => {
                let alone = arm(select);
                let piece = if self.is_free(&alone) { self.piece(select, &alone, stand).ok() } else { None };
                piece.map_or_else(|| Body::Select(Box::new(self.select(select))), |piece| piece.body)
            }
            Body::Values(rows) => Body::Values(rows.iter().map(|row| self.exprs(row)).collect()),
            Body::Compound { op, left, right } => {
                let left = Box::new(self.body(left, stand));
                Body::Compound { op: *op, left, right: Box::new(self.body(right, stand)) }
            }
        }
    }

    /// Whether a shard could run it: it reads no row of an outer query and no WITH table that is being defined.
    pub(super) fn is_free(&self, query: &Query) -> bool {
        let mentioned = query.ctes_mentioned();
        query.is_closed() && !self.open.iter().any(|name| mentioned.contains(name.as_str()))
    }

    // What is opened.

    pub(super) fn select(&mut self, select: &Select) -> Select {
        let from = select.from.as_ref().map(|from| self.from(from, &filters_of_where(select.filter.as_ref())));
        Select { from, ..self.without_from(select) }
    }

    /// The SELECT with everything but its FROM settled.
    pub(super) fn shallow(&mut self, select: &Select) -> Select {
        Select { from: select.from.clone(), ..self.without_from(select) }
    }

    fn without_from(&mut self, select: &Select) -> Select {
        match select.rewrite(&mut |expr| Ok::<_, std::convert::Infallible>(self.expr(expr))) {
            Ok(settled) => settled,
        }
    }

    pub(super) fn term(&mut self, term: &OrderTerm) -> OrderTerm {
        match term.rewrite(&mut |expr| Ok::<_, std::convert::Infallible>(self.expr(expr))) {
            Ok(settled) => settled,
        }
    }

    fn exprs(&mut self, exprs: &[Expr]) -> Vec<Expr> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr(&mut self, expr: &Expr) -> Expr {
        let settled = expr.rewrite(&mut |part| {
            let Some(query) = part.query() else { return Ok::<_, std::convert::Infallible>(None) };
            Ok(Some(match part.with_query(self.query(query)) {
                Expr::InQuery { negated, expr, query } => {
                    Expr::InQuery { negated, expr: Box::new(self.expr(&expr)), query }
                }
                other => other,
            }))
        });
        match settled {
            Ok(settled) => settled,
        }
    }

    /// `filters` are conjuncts that every row of `from` must fulfil to matter.
    fn from(&mut self, from: &From, filters: &[Expr]) -> From {
        match from {
            From::Source(source) => From::Source(self.source(source, filters)),
            From::Join(join) => {
                let (left, right) = above(join, filters);
                let (left, right) = (self.from(&join.left, &left), self.from(&join.right, &right));
                let constraint = match &join.constraint {
                    JoinConstraint::On(on) => JoinConstraint::On(self.expr(on)),
                    other => other.clone(),
                };
                From::Join(Box::new(Join { left, right, kind: join.kind, constraint }))
            }
        }
    }

    fn source(&mut self, source: &Source, filters: &[Expr]) -> Source {
        let mut copy = source.clone();
        match &mut copy.kind {
            SourceKind::Table(name) => self.load(source.id, name, filters),
            SourceKind::Cte(_) => {}
            SourceKind::Derived(query) => {
                **query = self.query(query);
                self.drivers.insert(source.id, Driver::Derived(query.clone()));
            }
            SourceKind::Function { arguments, .. } => *arguments = self.exprs(arguments),
        }
        copy
    }

    fn load(&mut self, source: SourceId, name: &str, filters: &[Expr]) {
        let Some(table) = self.schema.table(name) else { return };
        let columns = self.columns.get(&source).cloned().unwrap_or_default();
        let filter = pushed(filters, source, table);
        self.drivers.insert(source, Driver::Table(table.name.clone()));
        self.ties.extend(ties_of(filters, source, table, self.context));
        let load = self.loads.entry(table.name.clone()).or_insert_with(|| Load::whole(table, Columns::default()));
        load.reads.read.extend(columns.read);
        load.reads.rowid |= columns.rowid;
        load.places.push(Place { source, filter });
    }
}

/// What became of the body of a statement.
enum Settled {
    /// With its ORDER BY and LIMIT.
    Query(Box<Query>),
    /// Without them.
    Body(Body),
}

/// One SELECT of a compound, as a query of its own.
fn arm(select: &Select) -> Query {
    Query::of(Body::Select(Box::new(select.clone())))
}
