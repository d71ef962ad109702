//! Fragments whose rows are rows of the answer.

use souk_merge::{Collation, SortKey};

use super::clock::Extras;
use super::scatter::width;
use super::{Extra, Part, PartMerge, RunsOn};
use crate::analyze::{Context, collation_of};
use crate::sql::{Body, Expr, OrderKey, OrderTerm, Output, Query};

/// The fragment of a query whose rows lie shard by shard: its own text, with what it sorts by among the columns and with
/// LIMIT plus OFFSET for its LIMIT.
pub(super) fn rows_part(query: &Query, context: &Context<'_>, extras: &mut Extras) -> Result<Part, String> {
    let mut fragment = query.clone();
    let limited = query.limit.is_some();
    fragment.limit = limited.then(|| extras.parameter(Extra::Fetch));
    fragment.offset = None;
    show_sort_columns(&mut fragment)?;
    let order = fragment.order.iter().map(|term| sort_key(term, &fragment.body, context)).collect::<Result<_, _>>()?;
    Ok(Part {
        sql: extras.print(&fragment),
        width: width(&fragment.body),
        merge: PartMerge::Rows { order, limited },
        runs_on: RunsOn::Shards,
        semi_join: None,
    })
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
    debug_assert!(column < width(body));
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
