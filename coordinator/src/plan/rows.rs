//! Fragments whose rows are rows of the answer.

use souk_merge::{Collation, SortKey};

use super::clock::Extras;
use super::{Extra, Part, PartLimit, PartMerge, RunsOn};
use crate::analyze::{Context, Lead, Place, collation_of, is_aggregated, lead, needs, own_windows, place_of_body};
use crate::sql::{Body, Expr, Literal, OrderKey, OrderTerm, Output, Query, Select};

/// The fragment of a query whose rows lie shard by shard: its own text, with what it sorts by among the columns and with
/// LIMIT plus OFFSET for its LIMIT.
pub(super) fn rows_part(query: &Query, context: &Context<'_>, extras: &mut Extras) -> Result<Part, String> {
    let mut fragment = query.clone();
    fragment.offset = None;
    let limit = match &mut fragment.limit {
        None => PartLimit::None,
        Some(limit) => {
            *limit = extras.parameter(Extra::Fetch);
            PartLimit::Fetch
        }
    };
    ordered_part(fragment, limit, context, extras)
}

/// The fragment of a query inside of another. A LIMIT that is a number goes with it; else all rows come, in any order.
pub(super) fn inner_rows_part(query: &Query, context: &Context<'_>, extras: &mut Extras) -> Result<Part, String> {
    let mut fragment = query.clone();
    fragment.offset = None;
    let limit = match number_of_rows(query) {
        Some(rows) => {
            fragment.limit = Some(Expr::Literal(Literal::Number(rows.to_string())));
            PartLimit::First(rows)
        }
        None => {
            fragment.limit = None;
            PartLimit::None
        }
    };
    show_sort_columns(&mut fragment)?;
    if limit == PartLimit::None {
        fragment.order.clear();
    }
    ordered_part(fragment, limit, context, extras)
}

/// The fragment of a DISTINCT over groups or windows that are complete on their shards: each shard gives distinct rows, which merge as groups.
/// None when the rows do not lie shard by shard. ORDER BY and LIMIT are left to who asks.
pub(super) fn distinct_part(query: &Query, context: &Context<'_>, extras: &mut Extras) -> Option<Part> {
    let Body::Select(select) = &query.body else { return None };
    let computes = is_aggregated(select, &query.order) || !own_windows(select, &query.order).is_empty();
    let all = Body::Select(Box::new(Select { distinct: false, ..(**select).clone() }));
    let lies_by_shard = |body| matches!(place_of_body(body, &query.order, context), Ok(Place::Sharded(_)));
    if !select.distinct || !computes || !lies_by_shard(&all) {
        return None;
    }
    let fragment = Query { order: Vec::new(), limit: None, offset: None, ..query.clone() };
    let keys = select.outputs.iter().map(|output| collation_of(&output.expr, context).unwrap_or_default()).collect();
    Some(Part {
        sql: extras.print(&fragment),
        width: select.outputs.len(),
        merge: PartMerge::Groups { keys, states: Vec::new() },
        runs_on: RunsOn::Shards,
        needs: if gives_a_row(select) { Vec::new() } else { needs(select, None, context) },
        lead: None,
        semi_join: None,
    })
}

/// LIMIT plus OFFSET, when both are written as numbers.
fn number_of_rows(query: &Query) -> Option<u64> {
    let number = |expr: &Expr| match expr {
        Expr::Literal(Literal::Number(digits)) => digits.parse::<u32>().ok().map(u64::from),
        _ => None,
    };
    let offset = query.offset.as_ref().map_or(Some(0), number)?;
    Some(number(query.limit.as_ref()?)? + offset)
}

fn ordered_part(
    mut fragment: Query,
    limit: PartLimit,
    context: &Context<'_>,
    extras: &mut Extras,
) -> Result<Part, String> {
    show_sort_columns(&mut fragment)?;
    let order = fragment.order.iter().map(|term| sort_key(term, &fragment.body, context));
    let order = order.collect::<Result<Vec<_>, _>>()?;
    let (needs, lead) = match &fragment.body {
        Body::Select(select) if !gives_a_row(select) => {
            let lead = lead_of(select, &order, context);
            (needs(select, lead.as_ref(), context), lead.map(|lead| lead.column))
        }
        Body::Select(_) | Body::Values(_) | Body::Compound { .. } => (Vec::new(), None),
    };
    Ok(Part {
        sql: extras.print(&fragment),
        width: fragment.body.width(),
        merge: PartMerge::Rows { order, limit },
        runs_on: RunsOn::Shards,
        needs,
        lead,
        semi_join: None,
    })
}

/// Whether it gives a row even of nothing: an aggregate without GROUP BY.
fn gives_a_row(select: &Select) -> bool {
    select.group.is_empty() && is_aggregated(select, &[])
}

/// The stored column that the first sort key is, if it is one and compares as bytes.
fn lead_of(select: &Select, order: &[SortKey], context: &Context<'_>) -> Option<Lead> {
    let first = order.first().filter(|key| key.collation == Collation::Binary)?;
    lead(&select.outputs.get(first.column)?.expr, select, context)
}

/// Turns every sort term that is no result column into a hidden one behind them.
fn show_sort_columns(fragment: &mut Query) -> Result<(), String> {
    let Body::Select(select) = &mut fragment.body else { return Ok(()) };
    for term in &mut fragment.order {
        if let OrderKey::Expr(expr) = &term.key {
            let known = select.outputs.iter().position(|output| output.expr == *expr);
            if known.is_none() && select.distinct {
                return Err("a DISTINCT sorted by something that it does not give".into());
            }
            let place = known.unwrap_or_else(|| {
                select.outputs.push(Output { expr: expr.clone(), name: None });
                select.outputs.len() - 1
            });
            term.key = OrderKey::Output(place);
        }
    }
    Ok(())
}

fn sort_key(term: &OrderTerm, body: &Body, context: &Context<'_>) -> Result<SortKey, String> {
    let OrderKey::Output(column) = term.key else { return Err("a sort term that is no column".into()) };
    debug_assert!(column < body.width());
    let collation = match &term.collation {
        Some(name) => collation_by_name(name)?,
        None => output_collation(body, column, context),
    };
    Ok(SortKey { column, descending: term.descending, nulls_last: term.has_nulls_last(), collation })
}

/// A collation that is built in; nodes have no others.
pub(super) fn collation_by_name(name: &str) -> Result<Collation, String> {
    Collation::by_name(name).ok_or_else(|| format!("the collation `{name}`"))
}

/// Of a compound the leftmost part that has a collation decides.
pub(super) fn output_collation(body: &Body, column: usize, context: &Context<'_>) -> Collation {
    fn first(body: &Body, column: usize, context: &Context<'_>) -> Option<Collation> {
        match body {
            Body::Select(select) => {
                let expr: &Expr = &select.outputs.get(column)?.expr;
                collation_of(expr, context)
            }
            Body::Values(_) => None,
            Body::Compound { left, right, .. } => {
                first(left, column, context).or_else(|| first(right, column, context))
            }
        }
    }
    first(body, column, context).unwrap_or_default()
}
