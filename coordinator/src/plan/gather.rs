//! A statement over a scratch: what scatters on its own is scattered and its rows are loaded in its place; of what is left the
//! tables are loaded.
//!
//! From the top down, each query is tried as a *piece*: as rows that lie shard by shard, then as partial groups. One that is
//! neither is opened: its tables are loaded and the queries in it are tried.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::clock::Extras;
use super::first::{Take, Taker, with_ctes};
use super::groups::{Grouping, reference, scratch_column, scratch_source, unnamed};
use super::load::{Columns, Filter, Load};
use super::prepare::{Indexed, columns_by_source};
use super::push::{above, pushed};
use super::rows::output_collation;
use super::scatter::{can_group, place_rows};
use super::{Fill, FinishStep, First, Kind, Part, RunsOn, ScratchColumn, ScratchTable, Spread};
use crate::analyze::{Context, Pin, Place, affinity_of, collation_of, is_typed, place_of_body};
use crate::sql::{
    Body, Cte, Expr, From, Join, JoinConstraint, Node, OrderKey, OrderTerm, Query, Schema, Select, Source, SourceId,
    SourceKind, walk_query,
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
    context: &'a Context<'a>,
    schema: &'a Schema,
    columns: HashMap<SourceId, Columns>,
    extras: Extras,
    first: Vec<First>,
    parts: Vec<Part>,
    tables: Vec<ScratchTable>,
    loads: BTreeMap<String, Load<'a>>,
    /// WITH tables in sight.
    with: Vec<Cte>,
    /// Those whose own queries are being opened: they cannot be taken to a shard.
    open: Vec<String>,
}

/// Where a SELECT stands, which says what types its columns must keep.
#[derive(Clone, Copy)]
enum Stand<'a> {
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
            with: Vec::new(),
            open: Vec::new(),
        }
    }

    /// The spread whose last step is this query over the scratch.
    pub(super) fn into_spread(mut self, kind: Kind, finish: &Query, pin: Pin) -> Spread {
        let sql = self.extras.print(finish);
        for load in self.loads.values() {
            let (part, table) = load.plan(&mut self.extras);
            self.parts.push(part);
            self.tables.push(table);
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
            (Settled::Query(whole), _) => whole,
            (Settled::Body(body), _) => Query { body, ..self.tail(query) },
        };
        Ok(self.close(query, finish))
    }

    fn arms_as_pieces(&mut self, body: &Body, query: &Query, reason: String) -> Result<Settled, String> {
        match body {
            Body::Compound { .. } => self.compound_as_pieces(body, query).map(Settled::Body),
            Body::Select(select) => self.piece(select, query, Stand::Alone).map(Settled::Query).map_err(|_| reason),
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
            Body::Select(select) => Body::Select(Box::new(self.select(select))),
            other => self.body(other, stand),
        };
        Query { body, ..self.tail(query) }
    }

    /// ORDER BY and LIMIT over the scratch.
    fn tail(&mut self, query: &Query) -> Query {
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
    fn is_free(&self, query: &Query) -> bool {
        let mentioned = query.ctes_mentioned();
        query.is_closed() && !self.open.iter().any(|name| mentioned.contains(name.as_str()))
    }

    // Pieces.

    /// A query over one SELECT whose rows, or partial groups, shards can give.
    fn piece(&mut self, select: &Select, query: &Query, stand: Stand<'_>) -> Result<Query, String> {
        if !reads_tables(&with_ctes(query, &self.with)) {
            let body = Body::Select(Box::new(self.select(select)));
            return Ok(Query { body, ..self.tail(query) });
        }
        let rows = self.attempt(query, Take::All, |this, query, select| this.rows(query, select, stand));
        rows.or_else(|_| {
            if matches!(stand, Stand::InnerArm) && !select.group.iter().all(|key| self.is_typed_column(key)) {
                return Err("an arm of a compound whose types are mixed".into());
            }
            self.attempt(query, Take::OfRows, |this, query, select| this.groups(query, select))
        })
    }

    /// Tries the query as it is, then without the subqueries that can be answered first.
    fn attempt(
        &mut self,
        query: &Query,
        take: Take,
        make: impl Fn(&mut Self, &Query, &Select) -> Result<Query, String>,
    ) -> Result<Query, String> {
        let Body::Select(select) = &query.body else { return Err("no SELECT".into()) };
        let before = (self.extras.clone(), self.first.len());
        make(self, query, select).or_else(|reason| {
            self.extras = before.0.clone();
            let taken = Taker {
                context: self.context,
                schema: self.schema,
                with: &self.with,
                extras: &mut self.extras,
                first: &mut self.first,
            }
            .take(query, take);
            let made = taken.ok_or(reason).and_then(|taken| match &taken.body {
                Body::Select(select) => make(self, &taken, select),
                _ => Err("no SELECT".into()),
            });
            if made.is_err() {
                self.extras = before.0;
                self.first.truncate(before.1);
            }
            made
        })
    }

    /// The rows of a SELECT that lie shard by shard, with what it sorts by behind them.
    fn rows(&mut self, query: &Query, select: &Select, stand: Stand<'_>) -> Result<Query, String> {
        let mut alone = with_ctes(&Query { ctes: Vec::new(), ..query.clone() }, &self.with);
        alone.limit = None;
        alone.offset = None;
        let context = Context::new(&alone, self.schema);
        let place = place_of_body(&alone.body, &alone.order, &context)?;
        let runs_on = match place {
            Place::Replicated => RunsOn::AnyOne,
            Place::Sharded(_) => RunsOn::Shards,
        };
        let table = self.part_name();
        let mut select = select.clone();
        let hidden = hidden_sort_columns(&mut select, &query.order)?;
        let outputs = &select.outputs;
        let (columns, references) = match stand {
            Stand::Arm(whole) => {
                let collation = |index| output_collation(whole, index, self.context);
                let column = |index| ScratchColumn { affinity: None, collation: collation(index) };
                let reference = |index| Expr::Column(scratch_column(&table, index));
                ((0..outputs.len()).map(column).collect(), (0..outputs.len()).map(reference).collect::<Vec<_>>())
            }
            Stand::Alone | Stand::InnerArm => {
                if matches!(stand, Stand::InnerArm) && !outputs.iter().all(|output| self.is_typed_column(&output.expr))
                {
                    return Err("an arm of a compound whose types are mixed".into());
                }
                let references = outputs.iter().enumerate();
                let references = references
                    .map(|(index, output)| reference(&output.expr, scratch_column(&table, index), &context))
                    .collect::<Result<Vec<_>, _>>()?;
                (outputs.iter().map(|output| column_type(&output.expr, &context)).collect::<Vec<_>>(), references)
            }
        };
        let width = outputs.len();
        let visible = width - hidden;
        let mut finish = over_part(&table, &references[..visible]);
        let names = select.outputs.iter().map(|output| output.name.clone());
        finish.outputs.iter_mut().zip(names).for_each(|(output, name)| output.name = name);
        let mut order = query.order.clone();
        for term in &mut order {
            if let OrderKey::Expr(expr) = &term.key {
                let place = select.outputs.iter().position(|output| output.expr == *expr).unwrap_or(0);
                term.key = OrderKey::Expr(references[place].clone());
            }
        }
        alone.body = Body::Select(Box::new(select));
        alone.order = Vec::new();
        let sql = self.extras.print(&alone);
        self.parts.push(place_rows(sql, width, runs_on));
        self.tables.push(ScratchTable { name: table, fill: Fill::Part { columns, finishes: Vec::new() } });
        let tail = self.tail(&Query { order: Vec::new(), ..query.clone() });
        Ok(Query { body: Body::Select(Box::new(finish)), order, ..tail })
    }

    /// The partial groups of a SELECT, and its own expressions over them.
    fn groups(&mut self, query: &Query, select: &Select) -> Result<Query, String> {
        if !can_group(select, &query.order) {
            return Err("it does not group".into());
        }
        let alone = with_ctes(&Query { ctes: Vec::new(), ..query.clone() }, &self.with);
        let context = Context::new(&alone, self.schema);
        let name = self.part_name();
        let grouping = Grouping::new(&alone, select, &query.order, String::new(), &name, &context, &mut self.extras)?;
        self.parts.push(grouping.part);
        self.tables.push(grouping.table);
        let mut finish = grouping.finish;
        let names = select.outputs.iter().map(|output| output.name.clone());
        finish.outputs.iter_mut().zip(names).for_each(|(output, name)| output.name = name);
        let finish = self.shallow(&finish);
        let order = grouping.order.iter().map(|term| self.term(term)).collect();
        let tail = self.tail(&Query { order: Vec::new(), ..query.clone() });
        Ok(Query { body: Body::Select(Box::new(finish)), order, ..tail })
    }

    fn part_name(&self) -> String {
        format!("part {}", self.tables.len() + 1)
    }

    fn is_typed_column(&self, expr: &Expr) -> bool {
        matches!(expr, Expr::Column(column) if is_typed(column, self.context))
    }

    // What is opened.

    fn select(&mut self, select: &Select) -> Select {
        let from = select.from.as_ref().map(|from| {
            let filters: Vec<&Expr> = select.filter.iter().flat_map(Expr::conjuncts).collect();
            self.from(from, &filters)
        });
        Select { from, ..self.shallow(select) }
    }

    /// The SELECT with everything but its FROM settled.
    fn shallow(&mut self, select: &Select) -> Select {
        match select.rewrite(&mut |expr| Ok::<_, std::convert::Infallible>(self.expr(expr))) {
            Ok(settled) => settled,
        }
    }

    fn term(&mut self, term: &OrderTerm) -> OrderTerm {
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
    fn from(&mut self, from: &From, filters: &[&Expr]) -> From {
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

    fn source(&mut self, source: &Source, filters: &[&Expr]) -> Source {
        let mut copy = source.clone();
        match &mut copy.kind {
            SourceKind::Table(name) => self.load(source.id, name, filters),
            SourceKind::Cte(_) => {}
            SourceKind::Derived(query) => **query = self.query(query),
            SourceKind::Function { arguments, .. } => *arguments = self.exprs(arguments),
        }
        copy
    }

    fn load(&mut self, source: SourceId, name: &str, filters: &[&Expr]) {
        let Some(table) = self.schema.table(name) else { return };
        let columns = self.columns.get(&source).cloned().unwrap_or_default();
        let filter = pushed(filters, source, table);
        let load = self.loads.entry(table.name.clone()).or_insert_with(|| Load {
            table,
            reads: Columns::default(),
            filter: Filter::Any(Vec::new()),
        });
        load.reads.read.extend(columns.read);
        load.reads.rowid |= columns.rowid;
        load.filter = match (std::mem::replace(&mut load.filter, Filter::None), filter) {
            (Filter::Any(mut known), Some(filter)) => {
                known.push(filter);
                Filter::Any(known)
            }
            _ => Filter::None,
        };
    }
}

/// What became of the body of a statement.
enum Settled {
    /// With its ORDER BY and LIMIT.
    Query(Query),
    /// Without them.
    Body(Body),
}

/// One SELECT of a compound, as a query of its own.
fn arm(select: &Select) -> Query {
    Query {
        ctes: Vec::new(),
        recursive: false,
        body: Body::Select(Box::new(select.clone())),
        order: Vec::new(),
        limit: None,
        offset: None,
    }
}

fn reads_tables(query: &Query) -> bool {
    let mut found = false;
    walk_query(query, &mut |node| found |= matches!(node, Node::Source(Source { kind: SourceKind::Table(_), .. })));
    found
}

/// Adds what the query sorts by to the results; how many columns that adds.
fn hidden_sort_columns(select: &mut Select, order: &[OrderTerm]) -> Result<usize, String> {
    let visible = select.outputs.len();
    for term in order {
        if let OrderKey::Expr(expr) = &term.key
            && !select.outputs.iter().any(|output| output.expr == *expr)
        {
            if select.distinct {
                return Err("a DISTINCT sorted by something that it does not give".into());
            }
            select.outputs.push(unnamed(expr.clone()));
        }
    }
    Ok(select.outputs.len() - visible)
}

fn column_type(expr: &Expr, context: &Context<'_>) -> ScratchColumn {
    ScratchColumn { affinity: affinity_of(expr, context), collation: collation_of(expr, context).unwrap_or_default() }
}

fn over_part(table: &str, outputs: &[Expr]) -> Select {
    Select {
        distinct: false,
        outputs: outputs.iter().cloned().map(unnamed).collect(),
        from: Some(From::Source(scratch_source(table))),
        filter: None,
        group: Vec::new(),
        group_places: Vec::new(),
        having: None,
        windows: Vec::new(),
    }
}
