//! Where the rows of a join are, and what ties relations to one shard.

use super::{FromPlace, Key, Result, place_from, subqueries_are_local};
use crate::analyze::Context;
use crate::sql::{BinaryOp, Column, Expr, Join, JoinConstraint, JoinKind};

/// Two columns whose values are equal.
pub(super) type Equality<'a> = (&'a Column, &'a Column);

/// `above` are equalities that hold for every row that matters.
pub(super) fn place_join(
    join: &Join,
    above: &[Equality<'_>],
    context: &Context<'_>,
    outer: &[Key],
) -> Result<FromPlace> {
    let mut demanded = equalities_of(&join.constraint);
    let inner = matches!(join.kind, JoinKind::Inner | JoinKind::Cross);
    if inner {
        demanded.extend(above);
    }
    // An outer join also gives rows that do not fulfil it.
    let below = if inner { demanded.as_slice() } else { &[] };
    let left = place_from(&join.left, below, context, outer)?;
    let right = place_from(&join.right, below, context, outer)?;
    let (left, right) = match (left, right) {
        (FromPlace::Replicated, FromPlace::Replicated) => {
            on_subqueries(join, &[], context, outer)?;
            return Ok(FromPlace::Replicated);
        }
        (FromPlace::Sharded(keys), FromPlace::Replicated) => {
            preserved_is_not(matches!(join.kind, JoinKind::Right | JoinKind::Full))?;
            on_subqueries(join, &keys, context, outer)?;
            return Ok(FromPlace::Sharded(keys));
        }
        (FromPlace::Replicated, FromPlace::Sharded(keys)) => {
            preserved_is_not(matches!(join.kind, JoinKind::Left | JoinKind::Full))?;
            on_subqueries(join, &keys, context, outer)?;
            return Ok(FromPlace::Sharded(keys));
        }
        (FromPlace::Sharded(left), FromPlace::Sharded(right)) => (left, right),
    };
    if !are_tied(&demanded, &left, &right, context) {
        return Err("a join of sharded tables on something other than their shard keys".into());
    }
    let (left_weak, right_weak) = match join.kind {
        JoinKind::Inner | JoinKind::Cross => (false, false),
        JoinKind::Left => (false, true),
        JoinKind::Right => (true, false),
        JoinKind::Full => (true, true),
    };
    let weaken =
        |keys: Vec<Key>, weak: bool| keys.into_iter().map(move |key| Key { strict: key.strict && !weak, ..key });
    let keys: Vec<Key> = weaken(left, left_weak).chain(weaken(right, right_weak)).collect();
    on_subqueries(join, &keys, context, outer)?;
    Ok(FromPlace::Sharded(keys))
}

fn preserved_is_not(replicated_is_preserved: bool) -> Result<()> {
    match replicated_is_preserved {
        true => Err(
            "an outer join that keeps all rows of a replicated table: those without a partner would come once a shard"
                .into(),
        ),
        false => Ok(()),
    }
}

fn on_subqueries(join: &Join, keys: &[Key], context: &Context<'_>, outer: &[Key]) -> Result<()> {
    let in_sight: Vec<Key> = keys.iter().chain(outer).cloned().collect();
    match &join.constraint {
        JoinConstraint::On(on) => subqueries_are_local(on, context, &in_sight),
        JoinConstraint::None | JoinConstraint::Using(_) => Ok(()),
    }
}

/// The equalities of columns that a predicate demands.
pub(super) fn equalities(predicate: &Expr) -> Vec<Equality<'_>> {
    predicate.conjuncts().into_iter().filter_map(equality).collect()
}

fn equality(conjunct: &Expr) -> Option<Equality<'_>> {
    let Expr::Binary(BinaryOp::Eq, a, b) = conjunct else { return None };
    match (a.as_ref(), b.as_ref()) {
        (Expr::Column(a), Expr::Column(b)) => Some((a, b)),
        _ => None,
    }
}

fn equalities_of(constraint: &JoinConstraint) -> Vec<Equality<'_>> {
    match constraint {
        JoinConstraint::None => Vec::new(),
        JoinConstraint::On(on) => equalities(on),
        JoinConstraint::Using(columns) => columns.iter().map(|column| (&column.left, &column.right)).collect(),
    }
}

/// Whether a key of one side equals a key of the other, straight or through the shard keys of other tables: what those are equal to lies where
/// they do, whether or not they are joined here.
fn are_tied(demanded: &[Equality<'_>], left: &[Key], right: &[Key], context: &Context<'_>) -> bool {
    let mut reached = left.to_vec();
    let mut known = 0;
    while known < reached.len() {
        known = reached.len();
        for (a, b) in demanded.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]) {
            if reached.iter().any(|key| key.column == *b) {
                continue;
            }
            let others = right.iter().find(|key| key.column == *b).cloned().or_else(|| table_key(b, context));
            let others = others.as_slice();
            if are_keys(a, b, &reached, others) {
                reached.extend_from_slice(others);
            }
        }
    }
    right.iter().any(|key| reached.iter().any(|other| other.column == key.column))
}

/// The column as the shard key of its table.
fn table_key(column: &Column, context: &Context<'_>) -> Option<Key> {
    let key = context.table(context.source(column.source)?)?.key()?;
    (key.name == column.name).then(|| Key { column: column.clone(), affinity: key.affinity, strict: true })
}

/// Whether a predicate demands that a key of one side equals one of the other.
pub(super) fn ties(predicate: &Expr, left: &[Key], right: &[Key]) -> bool {
    equalities(predicate).into_iter().any(|(a, b)| are_keys(a, b, left, right) || are_keys(b, a, left, right))
}

/// Equal values of two keys lie on one shard only when both columns convert what is compared with them alike.
fn are_keys(a: &Column, b: &Column, left: &[Key], right: &[Key]) -> bool {
    let find = |column: &Column, keys: &[Key]| keys.iter().find(|key| key.column == *column).map(|key| key.affinity);
    match (find(a, left), find(b, right)) {
        (Some(a), Some(b)) => a.hashes_like(b),
        _ => false,
    }
}
