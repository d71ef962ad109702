//! Whether a relation's rows lie shard by shard, so that every shard can work on its own rows alone.
//!
//! A relation is *replicated* when each shard computes the same rows, and *sharded* when each of its rows is computed on
//! exactly one shard. A sharded relation may have key columns: a row whose key column holds `v` lies on the shard that owns
//! `v`. A key is *strict* when that holds for NULL too; an outer join makes keys weak. Equality never holds for NULL, so a
//! weak key is enough to tie relations; grouping treats NULLs as equal, so it needs a strict one.
//!
//! Each refusal below is a known source of wrong answers.

mod joins;

use joins::{Equality, equalities, place_join, ties};

use super::{Context, is_aggregated, own_windows};
use crate::sql::{
    Affinity, Body, Column, Expr, From, Function, JoinConstraint, JoinKind, Node, OrderKey, OrderTerm, Over, Query,
    Select, SetOp, Source, SourceKind, walk_query,
};

/// Why a relation does not lie shard by shard: a phrase.
type Result<T> = std::result::Result<T, String>;

/// Where a relation's rows are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// The same rows on every shard.
    Replicated,
    /// Each row on exactly one shard; which result columns are strict keys.
    Sharded(Vec<KeyOutput>),
}

/// A result column that tells the shard.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeyOutput {
    pub(crate) index: usize,
    affinity: Affinity,
    strict: bool,
}

/// A column that tells the shard of its row.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    column: Column,
    affinity: Affinity,
    strict: bool,
}

/// Where the rows of a FROM clause are.
#[derive(Debug, Clone)]
enum FromPlace {
    Replicated,
    Sharded(Vec<Key>),
}

/// The place of a query's body with the ORDER BY that follows it: its rows, before any LIMIT.
pub(crate) fn place_of_body(body: &Body, order: &[OrderTerm], context: &Context<'_>) -> Result<Place> {
    place_body(body, order, context, &[])
}

/// Whether the rows of a SELECT that neither groups nor deduplicates lie shard by shard.
pub(crate) fn rows_lie_by_shard(rows: &Select, context: &Context<'_>) -> Result<()> {
    match place_select(rows, &[], context, &[])? {
        Place::Sharded(_) => Ok(()),
        Place::Replicated => Err("an aggregate over replicated tables beside sharded ones".into()),
    }
}

fn place_body(body: &Body, order: &[OrderTerm], context: &Context<'_>, outer: &[Key]) -> Result<Place> {
    match body {
        Body::Values(rows) => {
            rows.iter().flatten().try_for_each(|expr| subqueries_are_local(expr, context, outer))?;
            Ok(Place::Replicated)
        }
        Body::Select(select) => place_select(select, order, context, outer),
        Body::Compound { op, left, right } => {
            let left = place_body(left, &[], context, outer)?;
            let right = place_body(right, &[], context, outer)?;
            compound(*op, left, right)
        }
    }
}

fn compound(op: SetOp, left: Place, right: Place) -> Result<Place> {
    let (left, right) = match (left, right) {
        (Place::Replicated, Place::Replicated) => return Ok(Place::Replicated),
        (Place::Sharded(left), Place::Sharded(right)) => (left, right),
        _ => {
            return Err("a compound of sharded and replicated rows: the replicated ones would come once a shard".into());
        }
    };
    let shared: Vec<KeyOutput> = left
        .into_iter()
        .filter_map(|key| {
            let other = right.iter().find(|other| other.index == key.index && other.affinity == key.affinity)?;
            Some(KeyOutput { strict: key.strict && other.strict, ..key })
        })
        .collect();
    if op != SetOp::UnionAll && !shared.iter().any(|key| key.strict) {
        return Err("a UNION, EXCEPT or INTERSECT whose parts do not all give the shard key".into());
    }
    Ok(Place::Sharded(shared))
}

/// The place of a derived table, a WITH table or another query that stands for rows.
fn place_query(query: &Query, context: &Context<'_>, outer: &[Key]) -> Result<Place> {
    let place = place_body(&query.body, &query.order, context, outer)?;
    if matches!(place, Place::Sharded(_)) && (query.limit.is_some() || query.offset.is_some()) {
        return Err("a LIMIT inside a subquery over a sharded table".into());
    }
    Ok(place)
}

fn place_select(select: &Select, order: &[OrderTerm], context: &Context<'_>, outer: &[Key]) -> Result<Place> {
    let from = select
        .from
        .as_ref()
        .map_or(Ok(FromPlace::Replicated), |from| place_from(from, &filtered(select), context, outer))?;
    let keys = match from {
        FromPlace::Replicated => {
            select_subqueries(select, order, context, outer)?;
            return Ok(Place::Replicated);
        }
        FromPlace::Sharded(keys) => keys,
    };
    let in_sight: Vec<Key> = keys.iter().chain(outer).cloned().collect();
    select_subqueries(select, order, context, &in_sight)?;
    let is_strict_key = |expr: &Expr| matches!(expr, Expr::Column(column) if keys.iter().any(|key| key.strict && key.column == *column));
    if is_aggregated(select, order) && !select.group.iter().any(is_strict_key) {
        return Err("an aggregate that does not group by the shard key".into());
    }
    for window in own_windows(select, order) {
        if !partition(window, select).iter().any(is_strict_key) {
            return Err("a window function that does not partition by the shard key".into());
        }
    }
    if select.distinct && !select.outputs.iter().any(|output| is_strict_key(&output.expr)) {
        return Err("a DISTINCT without the shard key".into());
    }
    let outputs = select.outputs.iter().enumerate().filter_map(|(index, output)| {
        let Expr::Column(column) = &output.expr else { return None };
        let key = keys.iter().find(|key| key.column == *column)?;
        Some(KeyOutput { index, affinity: key.affinity, strict: key.strict })
    });
    Ok(Place::Sharded(outputs.collect()))
}

/// The PARTITION BY of a window call, through the window's name.
fn partition<'a>(function: &'a Function, select: &'a Select) -> &'a [Expr] {
    let named = |name: &str| select.windows.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let window = match &function.over {
        Some(Over::Window(window)) => Some(window),
        Some(Over::Name(name)) => named(name).map(|(_, window)| window),
        None => None,
    };
    match window {
        Some(window) if window.partition.is_empty() => match &window.base {
            Some(base) => named(base).map_or(&[], |(_, window)| &window.partition),
            None => &[],
        },
        Some(window) => &window.partition,
        None => &[],
    }
}

/// The equalities that WHERE demands.
fn filtered(select: &Select) -> Vec<Equality<'_>> {
    select.filter.as_ref().map_or_else(Vec::new, equalities)
}

/// `above` are equalities that hold for every row that matters.
fn place_from(from: &From, above: &[Equality<'_>], context: &Context<'_>, outer: &[Key]) -> Result<FromPlace> {
    match from {
        From::Source(source) => place_source(source, context, outer),
        From::Join(join) => place_join(join, above, context, outer),
    }
}

fn place_source(source: &Source, context: &Context<'_>, outer: &[Key]) -> Result<FromPlace> {
    let name = |index: usize, names: &[String]| names.get(index).cloned();
    match &source.kind {
        SourceKind::Table(_) => {
            let table = context.table(source).ok_or("an unknown table")?;
            let key = table.key().map(|key| Key {
                column: Column { source: source.id, table: source.alias.clone(), name: key.name.clone() },
                affinity: key.affinity,
                strict: true,
            });
            Ok(key.map_or(FromPlace::Replicated, |key| FromPlace::Sharded(vec![key])))
        }
        // Its rows come from the row beside it, wherever that is.
        SourceKind::Function { arguments, .. } => {
            arguments.iter().try_for_each(|expr| subqueries_are_local(expr, context, outer))?;
            Ok(FromPlace::Replicated)
        }
        SourceKind::Derived(query) => {
            let names = output_names(&query.body);
            Ok(renamed(place_query(query, context, outer)?, source, |index| name(index, &names)))
        }
        SourceKind::Cte(cte_name) => {
            let cte = context.cte(cte_name).ok_or("an unknown WITH table")?;
            if !context.reaches_sharded(&cte.query) {
                return Ok(FromPlace::Replicated);
            }
            if mentions(&cte.query, cte_name) {
                return Err("a recursive WITH table over a sharded table".into());
            }
            Ok(renamed(place_query(&cte.query, context, &[])?, source, |index| name(index, &cte.columns)))
        }
    }
}

fn mentions(query: &Query, cte: &str) -> bool {
    let mut found = false;
    walk_query(query, &mut |node| {
        if let Node::Source(Source { kind: SourceKind::Cte(name), .. }) = node {
            found |= name == cte;
        }
    });
    found
}

fn renamed(place: Place, source: &Source, name: impl Fn(usize) -> Option<String>) -> FromPlace {
    let Place::Sharded(outputs) = place else { return FromPlace::Replicated };
    let keys = outputs.into_iter().filter_map(|output| {
        let column = Column { source: source.id, table: source.alias.clone(), name: name(output.index)? };
        Some(Key { column, affinity: output.affinity, strict: output.strict })
    });
    FromPlace::Sharded(keys.collect())
}

fn output_names(body: &Body) -> Vec<String> {
    match body {
        Body::Select(select) => select.outputs.iter().map(|output| output.name.clone().unwrap_or_default()).collect(),
        Body::Values(_) => Vec::new(),
        Body::Compound { left, .. } => output_names(left),
    }
}

fn select_subqueries(select: &Select, order: &[OrderTerm], context: &Context<'_>, keys: &[Key]) -> Result<()> {
    for conjunct in select.filter.iter().flat_map(Expr::conjuncts) {
        if !is_membership_of_keys(conjunct, context, keys)? {
            subqueries_are_local(conjunct, context, keys)?;
        }
    }
    let outputs = select.outputs.iter().map(|output| &output.expr);
    let order = order.iter().filter_map(|term| match &term.key {
        OrderKey::Expr(expr) => Some(expr),
        OrderKey::Output(_) => None,
    });
    let mut rest = outputs.chain(&select.group).chain(&select.having).chain(select.window_exprs()).chain(order);
    rest.try_for_each(|expr| subqueries_are_local(expr, context, keys))
}

/// `key IN (SELECT key FROM ...)` as a conjunct: only members on the row's own shard can make it true. Anywhere else a
/// NULL among the members of another shard would show, so only here.
fn is_membership_of_keys(conjunct: &Expr, context: &Context<'_>, keys: &[Key]) -> Result<bool> {
    let Expr::InQuery { negated: false, expr, query } = conjunct else { return Ok(false) };
    let Expr::Column(column) = expr.as_ref() else { return Ok(false) };
    let Some(key) = keys.iter().find(|key| key.column == *column) else { return Ok(false) };
    match place_query(query, context, keys) {
        Ok(Place::Sharded(outputs)) => {
            Ok(outputs.iter().any(|output| output.index == 0 && output.affinity.hashes_like(key.affinity)))
        }
        _ => Ok(false),
    }
}

/// Every subquery of an expression is over replicated tables alone, or tied to the row by equality of shard keys.
fn subqueries_are_local(expr: &Expr, context: &Context<'_>, keys: &[Key]) -> Result<()> {
    expr.children().into_iter().try_for_each(|child| subqueries_are_local(child, context, keys))?;
    match expr.query() {
        Some(query) => is_local(query, context, keys),
        None => Ok(()),
    }
}

fn is_local(query: &Query, context: &Context<'_>, keys: &[Key]) -> Result<()> {
    if !context.reaches_sharded(query) {
        return Ok(());
    }
    query.ctes.iter().try_for_each(|_| Err("a WITH clause inside a subquery over a sharded table".to_owned()))?;
    body_is_local(&query.body, &query.order, context, keys)?;
    query.limit.iter().chain(&query.offset).try_for_each(|expr| subqueries_are_local(expr, context, keys))
}

fn body_is_local(body: &Body, order: &[OrderTerm], context: &Context<'_>, keys: &[Key]) -> Result<()> {
    match body {
        Body::Select(select) => select_is_local(select, order, context, keys),
        Body::Values(rows) => rows.iter().flatten().try_for_each(|expr| subqueries_are_local(expr, context, keys)),
        Body::Compound { left, right, .. } => {
            body_is_local(left, &[], context, keys)?;
            body_is_local(right, &[], context, keys)
        }
    }
}

/// Tied: all rows that can matter to the outer row lie on its shard, so whatever else the subquery does is exact.
fn select_is_local(select: &Select, order: &[OrderTerm], context: &Context<'_>, keys: &[Key]) -> Result<()> {
    let Some(from) = &select.from else { return select_subqueries(select, order, context, keys) };
    let place = place_from(from, &filtered(select), context, keys)?;
    let FromPlace::Sharded(own) = place else { return select_subqueries(select, order, context, keys) };
    let tied = select.filter.as_ref().is_some_and(|filter| ties(filter, &own, keys)) || inner_on_ties(from, &own, keys);
    if !tied {
        return Err("a subquery over a sharded table that is not tied to the row by the shard key".into());
    }
    let in_sight: Vec<Key> = own.iter().chain(keys).cloned().collect();
    select_subqueries(select, order, context, &in_sight)
}

/// An equality with the outer row in the ON clause of an inner join at the top.
fn inner_on_ties(from: &From, own: &[Key], keys: &[Key]) -> bool {
    match from {
        From::Join(join) if matches!(join.kind, JoinKind::Inner | JoinKind::Cross) => {
            let here = matches!(&join.constraint, JoinConstraint::On(on) if ties(on, own, keys));
            here || inner_on_ties(&join.left, own, keys) || inner_on_ties(&join.right, own, keys)
        }
        From::Join(_) | From::Source(_) => false,
    }
}
