//! Row values where SQLite has no use for one: it says so only when it compiles the expression, and what it leaves out it never compiles.

use crate::sql::{BinaryOp, Expr, Node, Query, walk_query};

/// Whether a row value stands elsewhere than in a comparison. Moved to another place of a statement it could fail it.
pub(crate) fn misuses_rows(query: &Query) -> bool {
    let (mut rows, mut compared) = (0, 0);
    walk_query(query, &mut |node| {
        if let Node::Expr(expr) = node {
            rows += usize::from(is_row(expr));
            compared += comparands(expr).into_iter().filter(|operand| is_row(operand)).count();
        }
    });
    rows > compared
}

fn is_row(expr: &Expr) -> bool {
    match expr {
        Expr::Row(_) => true,
        Expr::Scalar(query) => query.body.width() > 1,
        _ => false,
    }
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
