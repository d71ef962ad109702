//! Which conjuncts of a statement speak of one table alone, so that only rows that fulfil them have to be fetched.
//!
//! A conjunct of WHERE or of an ON filters the rows below it, but not past an outer join: the side that an outer join may fill with NULLs is
//! filtered by that join's ON alone, and the side whose rows it keeps by what stands above it alone.

use crate::analyze::is_aggregate;
use crate::sql::{
    BinaryOp, Column, Expr, Join, JoinConstraint, JoinKind, Node, SourceId, TableInfo, UsingColumn, walk_expr,
};

/// The conjuncts of a WHERE clause.
pub(super) fn filters_of_where(filter: Option<&Expr>) -> Vec<Expr> {
    filter.into_iter().flat_map(Expr::conjuncts).cloned().collect()
}

/// The conjuncts that filter the left and the right side of a join, of those that filter the join.
pub(super) fn above(join: &Join, filters: &[Expr]) -> (Vec<Expr>, Vec<Expr>) {
    let equal = |column: &UsingColumn| {
        let (left, right) = (Expr::Column(column.left.clone()), Expr::Column(column.right.clone()));
        Expr::Binary(BinaryOp::Eq, Box::new(left), Box::new(right))
    };
    let on: Vec<Expr> = match &join.constraint {
        JoinConstraint::On(on) => on.conjuncts().into_iter().cloned().collect(),
        JoinConstraint::Using(columns) => columns.iter().map(equal).collect(),
        JoinConstraint::None => Vec::new(),
    };
    let all: Vec<Expr> = filters.iter().chain(&on).cloned().collect();
    match join.kind {
        JoinKind::Inner | JoinKind::Cross => (all.clone(), all),
        JoinKind::Left => (filters.to_vec(), on),
        JoinKind::Right => (on, filters.to_vec()),
        JoinKind::Full => (Vec::new(), Vec::new()),
    }
}

/// What these conjuncts demand of the rows of one source, in columns of source 0 called as the table; none when it is nothing.
pub(super) fn pushed(filters: &[Expr], source: SourceId, table: &TableInfo) -> Option<Expr> {
    let own = filters.iter().filter(|filter| speaks_of(filter, source));
    let moved = own.map(|filter| moved(filter, table));
    moved.reduce(|left, right| Expr::Binary(BinaryOp::And, Box::new(left), Box::new(right)))
}

/// Whether an expression reads this source and nothing else.
fn speaks_of(expr: &Expr, source: SourceId) -> bool {
    let (mut own, mut other) = (false, false);
    walk_expr(expr, &mut |node| match node {
        Node::Expr(Expr::Column(column)) if column.source == source => own = true,
        Node::Expr(Expr::Column(_)) | Node::Query(_) => other = true,
        Node::Expr(Expr::Function(function)) if is_aggregate(function) || function.over.is_some() => other = true,
        Node::Expr(_) | Node::Source(_) | Node::Using(_) => {}
    });
    own && !other
}

fn moved(filter: &Expr, table: &TableInfo) -> Expr {
    let moved = filter.rewrite(&mut |part| {
        Ok::<_, std::convert::Infallible>(match part {
            Expr::Column(column) => {
                Some(Expr::Column(Column { source: SourceId(0), table: table.name.clone(), name: column.name.clone() }))
            }
            _ => None,
        })
    });
    match moved {
        Ok(moved) => moved,
    }
}
