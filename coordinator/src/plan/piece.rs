//! Pieces: queries that shards can answer by themselves, so that only their rows come into the scratch.

use super::first::{Take, Taker, with_ctes};
use super::gather::{Gatherer, Stand};
use super::groups::{Grouping, reference, scratch_column, scratch_source, unnamed};
use super::rows::{distinct_part, inner_rows_part, output_collation};
use super::scatter::can_group;
use super::{Fill, Part, RunsOn, ScratchColumn, ScratchTable};
use crate::analyze::{Context, Place, affinity_of, collation_of, is_cast, is_typed, place_of_body};
use crate::sql::{
    Affinity, Body, Expr, From, Node, OrderKey, OrderTerm, Query, Select, Source, SourceKind, walk_query,
};

impl Gatherer<'_> {
    /// A query over one SELECT whose rows, or partial groups, shards can give.
    pub(super) fn piece(&mut self, select: &Select, query: &Query, stand: Stand<'_>) -> Result<Query, String> {
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
    pub(super) fn attempt(
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
                with: self.with.clone(),
                open: self.open.clone(),
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
        let mut shown = select.clone();
        let visible = shown.outputs.len();
        show_sort_columns(&mut shown, &query.order)?;
        alone.body = Body::Select(Box::new(shown.clone()));
        let context = Context::new(&alone, self.schema);
        let table = self.part_name();
        let (columns, references) = self.types(&shown, stand, &table, &context)?;
        let part = match place_of_body(&alone.body, &alone.order, &context) {
            Ok(place) => {
                let part = inner_rows_part(&alone, &context, &mut self.extras)?;
                let runs_on = if place == Place::Replicated { RunsOn::AnyOne } else { part.runs_on };
                Part { runs_on, ..part }
            }
            Err(reason) => distinct_part(&alone, &context, &mut self.extras).ok_or(reason)?,
        };
        self.parts.push(part);
        self.tables.push(ScratchTable { name: table.clone(), fill: Fill::Part { columns, finishes: Vec::new() } });
        let finish = named_as(over_part(&table, &references[..visible]), &shown);
        let mut order = query.order.clone();
        for term in &mut order {
            if let OrderKey::Expr(expr) = &term.key {
                let place = shown.outputs.iter().position(|output| output.expr == *expr).unwrap_or(0);
                term.key = OrderKey::Expr(references[place].clone());
            }
        }
        let tail = self.tail(&Query { order: Vec::new(), ..query.clone() });
        Ok(Query { body: Body::Select(Box::new(finish)), order, ..tail })
    }

    /// The columns of a piece's table, and what stands for each result over them.
    fn types(
        &self,
        select: &Select,
        stand: Stand<'_>,
        table: &str,
        context: &Context<'_>,
    ) -> Result<(Vec<ScratchColumn>, Vec<Expr>), String> {
        let outputs = select.outputs.iter().map(|output| &output.expr).enumerate();
        match stand {
            Stand::Arm(whole) => Ok(outputs
                .map(|(index, _)| {
                    let collation = output_collation(whole, index, self.context);
                    (
                        ScratchColumn { affinity: None, cast: false, collation },
                        Expr::Column(scratch_column(table, index)),
                    )
                })
                .unzip()),
            Stand::InnerArm if !outputs.clone().all(|(_, expr)| self.is_typed_column(expr)) => {
                Err("an arm of a compound whose types are mixed".into())
            }
            Stand::Alone | Stand::InnerArm => outputs
                .map(|(index, expr)| {
                    Ok((column_type(expr, context), reference(expr, scratch_column(table, index), context)?))
                })
                .collect::<Result<Vec<_>, String>>()
                .map(|typed| typed.into_iter().unzip()),
        }
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
        let finish = self.shallow(&named_as(grouping.finish, select));
        let order = grouping.order.iter().map(|term| self.term(term)).collect();
        let tail = self.tail(&Query { order: Vec::new(), ..query.clone() });
        Ok(Query { body: Body::Select(Box::new(finish)), order, ..tail })
    }

    pub(super) fn part_name(&self) -> String {
        format!("_souk_part {}", self.tables.len() + 1)
    }

    fn is_typed_column(&self, expr: &Expr) -> bool {
        matches!(expr, Expr::Column(column) if is_typed(column, self.context))
    }
}

fn reads_tables(query: &Query) -> bool {
    let mut found = false;
    walk_query(query, &mut |node| found |= matches!(node, Node::Source(Source { kind: SourceKind::Table(_), .. })));
    found
}

/// Adds what the query sorts by to the results.
fn show_sort_columns(select: &mut Select, order: &[OrderTerm]) -> Result<(), String> {
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
    Ok(())
}

/// The column of a scratch that holds what an expression gives.
pub(super) fn column_type(expr: &Expr, context: &Context<'_>) -> ScratchColumn {
    let affinity = affinity_of(expr, context);
    ScratchColumn {
        affinity,
        cast: affinity == Some(Affinity::Numeric) && is_cast(expr, context),
        collation: collation_of(expr, context).unwrap_or_default(),
    }
}

fn over_part(table: &str, outputs: &[Expr]) -> Select {
    Select::of(outputs.iter().cloned(), Some(From::Source(scratch_source(table))))
}

/// The SELECT with the names that `other` gives its results.
fn named_as(mut select: Select, other: &Select) -> Select {
    let names = other.outputs.iter().map(|output| output.name.clone());
    select.outputs.iter_mut().zip(names).for_each(|(output, name)| output.name = name);
    select
}
