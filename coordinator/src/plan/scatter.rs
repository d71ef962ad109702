//! Statements that scatter as a whole: their rows lie shard by shard, or they group partial groups.

use super::clock::Extras;
use super::first::{Take, Taker};
use super::gather::Gatherer;
use super::rows::rows_part;
use super::{FinishStep, First, Kind, LimitTerms, RunsOn, Spread};
use crate::analyze::{Context, Place, is_aggregated, own_windows, pins, place_of_body};
use crate::sql::{Expr, OrderTerm, Query, Schema, Select};

/// How a statement scatters, or why that would not be exact.
pub(super) fn scatter(query: &Query, parameters: usize, schema: &Schema) -> Result<Spread, String> {
    let context = Context::new(query, schema);
    match streamed(query, Extras::new(parameters), Vec::new(), schema) {
        Ok(spread) => Ok(spread),
        Err(reason) => {
            let (mut extras, mut first) = (Extras::new(parameters), Vec::new());
            let mut taker = Taker {
                context: &context,
                schema,
                with: Vec::new(),
                open: Vec::new(),
                extras: &mut extras,
                first: &mut first,
            };
            if let Some(taken) = taker.take(query, Take::All)
                && let Ok(spread) = streamed(&taken, extras, first, schema)
            {
                return Ok(spread);
            }
            let mut gatherer = Gatherer::new(query, Extras::new(parameters), &context, schema);
            let finish = gatherer.pieces(query, reason)?;
            Ok(gatherer.into_spread(Kind::Scatter, &finish, pins(query, &context)))
        }
    }
}

/// Every shard gives rows of the answer.
fn streamed(query: &Query, mut extras: Extras, first: Vec<First>, schema: &Schema) -> Result<Spread, String> {
    let context = Context::new(query, schema);
    let place = place_of_body(&query.body, &query.order, &context)?;
    if query.limit.iter().chain(&query.offset).any(has_subquery) {
        return Err("a subquery in LIMIT or OFFSET".into());
    }
    let mut part = rows_part(query, &context, &mut extras)?;
    if place == Place::Replicated {
        part.runs_on = RunsOn::AnyOne;
    }
    let limit = (query.limit.is_some() || query.offset.is_some()).then(|| LimitTerms {
        limit: query.limit.as_ref().map(Expr::to_string),
        offset: query.offset.as_ref().map(Expr::to_string),
    });
    Ok(Spread {
        kind: Kind::Scatter,
        pin: pins(query, &context),
        first,
        parts: vec![part],
        finish: FinishStep::Stream { visible: query.body.width(), limit },
        extras: extras.extras,
    })
}

fn has_subquery(expr: &Expr) -> bool {
    expr.query().is_some() || expr.children().into_iter().any(has_subquery)
}

/// Whether a SELECT's rows could be had by grouping partial groups, which windows forbid.
pub(super) fn can_group(select: &Select, order: &[OrderTerm]) -> bool {
    own_windows(select, order).is_empty() && (select.distinct || is_aggregated(select, order))
}
