//! Row values where SQLite has no use for one: it says so only when it compiles the expression, and what it leaves out it never compiles.

use crate::sql::{BinaryOp, Expr, Node, Query, walk_query};

/// Whether a row value stands elsewhere than in a comparison with others as wide. Moved to another place of a statement it could fail it.
pub(crate) fn misuses_rows(query: &Query) -> bool {
    let (mut rows, mut compared) = (0, 0);
    walk_query(query, &mut |node| {
        if let Node::Expr(expr) = node {
            rows += usize::from(width(expr) > 1) + usize::from(width_behind_in(expr) > Some(1));
            compared += rows_compared(expr);
        }
    });
    rows > compared
}

/// How many values it is.
fn width(expr: &Expr) -> usize {
    match expr {
        Expr::Row(values) => values.len(),
        Expr::Scalar(query) => query.body.width(),
        _ => 1,
    }
}

/// How many columns the query gives in which rows are looked for.
fn width_behind_in(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::InQuery { query, .. } => Some(query.body.width()),
        _ => None,
    }
}

/// How many of what a comparison compares are rows, when all are as wide.
fn rows_compared(expr: &Expr) -> usize {
    let widths: Vec<usize> = comparands(expr).into_iter().map(width).chain(width_behind_in(expr)).collect();
    let Some(&first) = widths.first() else { return 0 };
    if first > 1 && widths.iter().all(|width| *width == first) { widths.len() } else { 0 }
}

/// The operands of a comparison; none of anything else.
fn comparands(expr: &Expr) -> Vec<&Expr> {
    use BinaryOp::{Eq, Gt, GtEq, Is, IsNot, Lt, LtEq, NotEq};
    match expr {
        Expr::Binary(Eq | NotEq | Is | IsNot | Lt | LtEq | Gt | GtEq, left, right) => vec![left, right],
        Expr::Between { expr, low, high, .. } => vec![expr, low, high],
        Expr::InQuery { expr, .. } => vec![expr],
        Expr::InList { expr, list, .. } => std::iter::once(expr.as_ref()).chain(list).collect(),
        Expr::Case { operand: Some(operand), whens, .. } => {
            let whens = whens.iter().map(|(when, _)| when);
            std::iter::once(operand.as_ref()).chain(whens).collect()
        }
        _ => Vec::new(),
    }
}
