//! Which calls aggregate.

use std::collections::HashSet;

use crate::sql::{
    Arguments, Body, Expr, Function, Node, OrderKey, OrderTerm, Query, Select, SourceId, own_sources, walk_expr,
    walk_query,
};

const AGGREGATES: &[&str] = &[
    "avg",
    "count",
    "group_concat",
    "json_group_array",
    "json_group_object",
    "jsonb_group_array",
    "jsonb_group_object",
    "median",
    "percentile",
    "percentile_cont",
    "percentile_disc",
    "string_agg",
    "sum",
    "total",
];

/// Whether a call is an aggregate of its own SELECT: a window call is not, `max(a, b)` is not.
pub(crate) fn is_aggregate(function: &Function) -> bool {
    if function.over.is_some() {
        return false;
    }
    match (function.name.as_str(), &function.arguments) {
        ("min" | "max", Arguments::List { list, .. }) => list.len() == 1,
        (name, _) => AGGREGATES.contains(&name),
    }
}

/// Whether a SELECT with this ORDER BY groups its rows. An aggregate in the WINDOW clause counts when there is a window call:
/// SQLite resolves the windows that calls use, and one too many only makes a plan more careful.
pub(crate) fn is_aggregated(select: &Select, order: &[OrderTerm]) -> bool {
    !select.group.is_empty()
        || select.having.is_some()
        || own_exprs(select, order).any(contains_aggregate)
        || (select.window_exprs().any(contains_aggregate) && !own_windows(select, order).is_empty())
}

fn own_exprs<'a>(select: &'a Select, order: &'a [OrderTerm]) -> impl Iterator<Item = &'a Expr> {
    let order = order.iter().filter_map(|term| match &term.key {
        OrderKey::Expr(expr) => Some(expr),
        OrderKey::Output(_) => None,
    });
    select.outputs.iter().map(|output| &output.expr).chain(&select.having).chain(order)
}

fn contains_aggregate(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if is_aggregate(function))
        || expr.children().into_iter().any(contains_aggregate)
}

/// The window calls of a SELECT with this ORDER BY, those of subqueries not among them.
pub(crate) fn own_windows<'a>(select: &'a Select, order: &'a [OrderTerm]) -> Vec<&'a Function> {
    let mut windows = Vec::new();
    for expr in own_exprs(select, order) {
        collect_windows(expr, &mut windows);
    }
    windows
}

fn collect_windows<'a>(expr: &'a Expr, windows: &mut Vec<&'a Function>) {
    if let Expr::Function(function) = expr
        && function.over.is_some()
    {
        windows.push(function);
    }
    expr.children().into_iter().for_each(|child| collect_windows(child, windows));
}

/// Whether an aggregate stands in a subquery and takes columns of an outer query alone: SQLite computes it there, over the
/// outer query's rows.
pub(crate) fn aggregates_outside(query: &Query) -> bool {
    let mut found = false;
    walk_query(query, &mut |node| {
        if let Node::Query(query) = node {
            found |= body_aggregates_outside(&query.body, &query.order);
        }
    });
    found
}

fn body_aggregates_outside(body: &Body, order: &[OrderTerm]) -> bool {
    match body {
        Body::Select(select) => {
            let own = select.from.as_ref().map(own_sources).unwrap_or_default();
            own_exprs(select, order).chain(select.window_exprs()).any(|expr| expr_aggregates_outside(expr, &own))
        }
        Body::Values(rows) => rows.iter().flatten().any(|expr| expr_aggregates_outside(expr, &HashSet::new())),
        Body::Compound { left, right, .. } => body_aggregates_outside(left, &[]) || body_aggregates_outside(right, &[]),
    }
}

fn expr_aggregates_outside(expr: &Expr, own: &HashSet<SourceId>) -> bool {
    let is_outside = match expr {
        Expr::Function(function) if is_aggregate(function) => {
            let (mut any, mut of_own) = (false, false);
            walk_expr(expr, &mut |node| {
                if let Node::Expr(Expr::Column(column)) = node {
                    any = true;
                    of_own |= own.contains(&column.source);
                }
            });
            any && !of_own
        }
        _ => false,
    };
    is_outside || expr.children().into_iter().any(|child| expr_aggregates_outside(child, own))
}
