//! What SQLite finds wrong only when it compiles it: what it leaves out of a statement it never compiles. Moved to another place of
//! a statement it could fail it.

use souk_merge::Collation;

use crate::sql::{BinaryOp, Expr, Node, OrderTerm, Query, walk_query};

/// What in a query SQLite may have left unchecked, if anything.
pub(crate) fn unchecked(query: &Query) -> Option<&'static str> {
    if misuses_rows(query) {
        Some("a row value where SQLite has no use for one")
    } else if names_unknown_collation(query) {
        Some("a collation that SQLite does not know")
    } else {
        None
    }
}

fn names_unknown_collation(query: &Query) -> bool {
    let is_unknown = |name: &str| Collation::by_name(name).is_none();
    let sorts = |order: &[OrderTerm]| order.iter().filter_map(|term| term.collation.as_deref()).any(is_unknown);
    let mut found = false;
    walk_query(query, &mut |node| {
        found |= match node {
            Node::Expr(Expr::Collate(_, name)) => is_unknown(name),
            Node::Query(query) => sorts(&query.order),
            _ => false,
        };
    });
    found || sorts(&query.order)
}

/// Whether a row value stands elsewhere than in a comparison with others as wide.
fn misuses_rows(query: &Query) -> bool {
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
    // Before a list SQLite takes only a row that is written out.
    if matches!(expr, Expr::InList { expr, .. } if !matches!(expr.as_ref(), Expr::Row(_))) {
        return 0;
    }
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
