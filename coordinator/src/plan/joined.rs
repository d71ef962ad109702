//! The rows that an opened SELECT works on, as one piece: a join that shards can make by themselves, or rows that a subquery filters.
//!
//! `SELECT ..., rank() OVER (ORDER BY o.total) FROM orders AS o JOIN items AS i USING (vendor_id, id) WHERE ...` cannot be taken apart over
//! shards, but its join can: only joined and filtered rows come, with the columns that the rest of the SELECT reads.

use std::collections::HashSet;

use super::first::{Take, with_ctes};
use super::gather::Gatherer;
use super::groups::{scratch_column, scratch_source};
use super::piece::column_type;
use super::rows::inner_rows_part;
use super::{Fill, RunsOn, ScratchTable};
use crate::analyze::{Context, Place, is_typed, place_of_body};
use crate::sql::{
    Arguments, BinaryOp, Body, Column, Expr, From, JoinConstraint, Literal, Node, Query, Select, SourceId, map_query,
    own_sources, walk_query,
};

impl Gatherer<'_> {
    /// The query over the rows of its FROM and WHERE, loaded as one table; none when shards cannot give these.
    pub(super) fn joined(&mut self, query: &Query, select: &Select) -> Option<Query> {
        let from = select.from.as_ref()?;
        let is_join = is_equi_join(from, select.filter.as_ref());
        let filters_by_subquery = select.filter.as_ref().is_some_and(has_subquery);
        if !is_join && (!filters_by_subquery || depends_on_order(query)) {
            return None;
        }
        let own = own_sources(from);
        let columns = columns_read(query, select, &own);
        if !columns.iter().all(|column| is_typed(column, self.context)) {
            return None;
        }
        let mut outputs: Vec<_> = columns.iter().cloned().map(Expr::Column).collect();
        if outputs.is_empty() {
            outputs.push(Expr::Literal(Literal::Number("1".into())));
        }
        let rows = Select { filter: select.filter.clone(), ..Select::of(outputs, select.from.clone()) };
        let rows = Query::of(Body::Select(Box::new(rows)));
        if !self.is_free(&rows) || !self.context.reaches_sharded(&rows) {
            return None;
        }
        let table = self.part_name();
        self.attempt(&rows, Take::All, |this, rows, _| this.load_rows(rows, &table)).ok()?;
        Some(self.over_rows(query, select, &columns, &own, &table))
    }

    fn load_rows(&mut self, rows: &Query, table: &str) -> Result<Query, String> {
        let alone = with_ctes(rows, &self.with);
        let context = Context::new(&alone, self.schema);
        let place = place_of_body(&alone.body, &[], &context)?;
        let Body::Select(select) = &alone.body else { return Err("no SELECT".into()) };
        let columns: Vec<_> = select.outputs.iter().map(|output| column_type(&output.expr, &context)).collect();
        let mut part = inner_rows_part(&alone, &context, &mut self.extras)?;
        if place == Place::Replicated {
            part.runs_on = RunsOn::AnyOne;
        }
        self.parts.push(part);
        self.tables.push(ScratchTable { name: table.to_owned(), fill: Fill::Part { columns, finishes: Vec::new() } });
        Ok(rows.clone())
    }

    /// The query with its own columns taken from the table.
    fn over_rows(
        &mut self,
        query: &Query,
        select: &Select,
        columns: &[Column],
        own: &HashSet<SourceId>,
        table: &str,
    ) -> Query {
        let select = Select { from: Some(From::Source(scratch_source(table))), filter: None, ..select.clone() };
        let mut moved = Query { ctes: Vec::new(), body: Body::Select(Box::new(select)), ..query.clone() };
        map_query(&mut moved, &mut |expr| {
            if let Expr::Column(column) = expr
                && own.contains(&column.source)
                && let Some(index) = columns.iter().position(|known| known == column)
            {
                *expr = Expr::Column(scratch_column(table, index));
            }
        });
        let body = match &moved.body {
            Body::Select(select) => Body::Select(Box::new(self.shallow(select))),
            other => other.clone(),
        };
        Query { body, ..self.tail(&moved) }
    }
}

/// Whether at least one equality ties each source to another: a product would be larger than what it is made of.
fn is_equi_join(from: &From, filter: Option<&Expr>) -> bool {
    fn count(from: &From, joins: &mut usize, equalities: &mut usize) {
        let From::Join(join) = from else { return };
        *joins += 1;
        match &join.constraint {
            JoinConstraint::None => {}
            JoinConstraint::On(on) => *equalities += count_equalities(on),
            JoinConstraint::Using(columns) => *equalities += columns.len(),
        }
        count(&join.left, joins, equalities);
        count(&join.right, joins, equalities);
    }
    let (mut joins, mut equalities) = (0, filter.map_or(0, count_equalities));
    count(from, &mut joins, &mut equalities);
    joins > 0 && equalities >= joins
}

fn count_equalities(predicate: &Expr) -> usize {
    let is_equality = |expr: &&Expr| match expr {
        Expr::Binary(BinaryOp::Eq, a, b) => match (a.as_ref(), b.as_ref()) {
            (Expr::Column(a), Expr::Column(b)) => a.source != b.source,
            _ => false,
        },
        _ => false,
    };
    predicate.conjuncts().into_iter().filter(is_equality).count()
}

fn has_subquery(expr: &Expr) -> bool {
    expr.query().is_some() || expr.children().into_iter().any(has_subquery)
}

/// Whether the answer shows in which order rows come: then they must come as from the table itself.
fn depends_on_order(query: &Query) -> bool {
    const COLLECT: [&str; 6] = [
        "group_concat",
        "string_agg",
        "json_group_array",
        "json_group_object",
        "jsonb_group_array",
        "jsonb_group_object",
    ];
    let mut found = false;
    walk_query(query, &mut |node| {
        if let Node::Expr(Expr::Function(function)) = node {
            let ordered = matches!(&function.arguments, Arguments::List { order, .. } if !order.is_empty());
            found |= COLLECT.contains(&function.name.as_str()) && !ordered;
        }
    });
    found
}

/// The columns of these sources that the rest of the query reads.
fn columns_read(query: &Query, select: &Select, own: &HashSet<SourceId>) -> Vec<Column> {
    let rest = Select { from: None, filter: None, ..select.clone() };
    let rest = Query { ctes: Vec::new(), body: Body::Select(Box::new(rest)), ..query.clone() };
    let mut columns: Vec<Column> = Vec::new();
    walk_query(&rest, &mut |node| {
        if let Node::Expr(Expr::Column(column)) = node
            && own.contains(&column.source)
            && !columns.contains(column)
        {
            columns.push(column.clone());
        }
    });
    columns
}
