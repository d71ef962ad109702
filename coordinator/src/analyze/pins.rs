//! Which shard keys the predicates pin.
//!
//! A sharded source is pinned to a set of keys when leaving out its rows with other keys cannot change the answer. Predicates
//! that filter pairs (WHERE, the ON of inner joins) pin any source below them; the ON of an outer join pins only the side that may
//! be missing. NULL is special: a side that an outer join may fill with NULLs is not pinned by `IS NULL`.

use super::Context;
use super::shape::{Predicate, Shape};
use crate::sql::{Affinity, BinaryOp, Body, Column, Expr, Literal, OrderKey, Query, Select, SourceKind, UnaryOp};

/// A key in the words of the statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Constant {
    /// A literal, as SQL.
    Literal(String),
    /// `?N`, from 1.
    Parameter(usize),
}

/// The keys that can matter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pin {
    /// Any.
    All,
    /// These, after the affinity of the key column was applied. With `nulls`, a NULL among them matches NULL keys; without,
    /// it matches nothing.
    Keys { constants: Vec<Constant>, affinity: Affinity, nulls: bool },
    /// Those in both.
    Both(Box<Pin>, Box<Pin>),
    /// Those in either.
    Either(Box<Pin>, Box<Pin>),
}

impl Pin {
    /// No key at all.
    fn none() -> Pin {
        Pin::Keys { constants: Vec::new(), affinity: Affinity::Blob, nulls: false }
    }

    fn both(self, other: Pin) -> Pin {
        match (self, other) {
            (Pin::All, pin) | (pin, Pin::All) => pin,
            (a, b) => Pin::Both(Box::new(a), Box::new(b)),
        }
    }

    fn either(self, other: Pin) -> Pin {
        match (self, other) {
            (Pin::All, _) | (_, Pin::All) => Pin::All,
            (a, b) => Pin::Either(Box::new(a), Box::new(b)),
        }
    }
}

/// The keys that can matter to any sharded source of the statement.
pub(crate) fn pins(query: &Query, context: &Context<'_>) -> Pin {
    let mut found = Vec::new();
    Finder { context, found: &mut found }.query(query, &[]);
    found.into_iter().reduce(Pin::either).unwrap_or_else(Pin::none)
}

/// A key column of an outer query, with its pin.
#[derive(Debug, Clone)]
struct Pinned {
    column: Column,
    affinity: Affinity,
    pin: Pin,
}

struct Finder<'a, 'f> {
    context: &'a Context<'a>,
    found: &'f mut Vec<Pin>,
}

impl Finder<'_, '_> {
    fn query(&mut self, query: &Query, outer: &[Pinned]) {
        for cte in &query.ctes {
            self.query(&cte.query, &[]);
        }
        self.body(&query.body, query, outer);
        for expr in query.limit.iter().chain(&query.offset) {
            self.subqueries(expr, outer);
        }
    }

    fn body(&mut self, body: &Body, query: &Query, outer: &[Pinned]) {
        match body {
            Body::Values(rows) => rows.iter().flatten().for_each(|expr| self.subqueries(expr, outer)),
            Body::Compound { left, right, .. } => {
                self.body(left, query, outer);
                self.body(right, query, outer);
            }
            Body::Select(select) => self.select(select, query, outer),
        }
    }

    fn select(&mut self, select: &Select, query: &Query, outer: &[Pinned]) {
        let shape = Shape::of(select);
        let own = self.pin_sources(&shape, outer);
        self.found.extend(own.iter().map(|pinned| pinned.pin.clone()));
        let in_sight: Vec<Pinned> = own.into_iter().chain(outer.iter().cloned()).collect();
        for (source, _) in &shape.sources {
            match &source.kind {
                SourceKind::Derived(query) => self.query(query, outer),
                SourceKind::Function { arguments, .. } => {
                    arguments.iter().for_each(|expr| self.subqueries(expr, &in_sight));
                }
                SourceKind::Table(_) | SourceKind::Cte(_) => {}
            }
        }
        shape.ons.iter().for_each(|on| self.subqueries(on, &in_sight));
        let outputs = select.outputs.iter().map(|output| &output.expr);
        let rest = select.filter.iter().chain(&select.group).chain(&select.having).chain(select.window_exprs());
        outputs.chain(rest).for_each(|expr| self.subqueries(expr, &in_sight));
        for term in &query.order {
            if let OrderKey::Expr(expr) = &term.key {
                self.subqueries(expr, &in_sight);
            }
        }
    }

    fn subqueries(&mut self, expr: &Expr, outer: &[Pinned]) {
        expr.children().into_iter().for_each(|child| self.subqueries(child, outer));
        if let Some(query) = expr.query() {
            self.query(query, outer);
        }
    }

    /// Each sharded source with its pin: its own predicates first, then what equality hands on until nothing changes.
    fn pin_sources(&self, shape: &Shape<'_>, outer: &[Pinned]) -> Vec<Pinned> {
        let mut pinned: Vec<Pinned> = Vec::new();
        for (source, may_be_missing) in &shape.sources {
            let Some(key) = self.context.table(source).and_then(|table| table.key()) else { continue };
            let column = Column { source: source.id, table: source.alias.clone(), name: key.name.clone() };
            let direct =
                shape.predicates.iter().filter(|scoped| scoped.sources.contains(&source.id)).filter_map(|scoped| {
                    match scoped.predicate {
                        Predicate::Expr(expr) => Some(pin_of(expr, &column, key.affinity, !may_be_missing)),
                        Predicate::Equal(..) => None,
                    }
                });
            let pin = direct.fold(Pin::All, Pin::both);
            pinned.push(Pinned { column, affinity: key.affinity, pin });
        }
        while hand_on(shape, &mut pinned, outer) {}
        pinned
    }
}

/// Gives one unpinned source the pin of a column that it must equal; false when there is none left to give.
fn hand_on(shape: &Shape<'_>, pinned: &mut [Pinned], outer: &[Pinned]) -> bool {
    for index in 0..pinned.len() {
        if pinned[index].pin != Pin::All {
            continue;
        }
        let found = shape
            .predicates
            .iter()
            .filter(|scoped| scoped.sources.contains(&pinned[index].column.source))
            .filter_map(|scoped| scoped.predicate.equal_to(&pinned[index].column))
            .find_map(|other| {
                let known = pinned.iter().chain(outer).find(|known| known.column == *other)?;
                let usable = known.pin != Pin::All && known.affinity.hashes_like(pinned[index].affinity);
                usable.then(|| known.pin.clone())
            });
        if let Some(pin) = found {
            pinned[index].pin = pin;
            return true;
        }
    }
    false
}

/// The keys for which a predicate can be true.
pub(super) fn pin_of(predicate: &Expr, key: &Column, affinity: Affinity, nulls: bool) -> Pin {
    let is_key = |expr: &Expr| matches!(expr, Expr::Column(column) if column == key);
    let keys = |constants: Vec<Constant>, nulls| Pin::Keys { constants, affinity, nulls };
    match predicate {
        Expr::Binary(BinaryOp::And, left, right) => {
            pin_of(left, key, affinity, nulls).both(pin_of(right, key, affinity, nulls))
        }
        Expr::Binary(BinaryOp::Or, left, right) => {
            pin_of(left, key, affinity, nulls).either(pin_of(right, key, affinity, nulls))
        }
        Expr::Binary(op @ (BinaryOp::Eq | BinaryOp::Is), left, right) => {
            let other = match (is_key(left), is_key(right)) {
                (true, false) => right,
                (false, true) => left,
                _ => return Pin::All,
            };
            match (constant(other), op) {
                (Some(constant), BinaryOp::Eq) => keys(vec![constant], false),
                (Some(constant), _) if nulls => keys(vec![constant], true),
                _ => Pin::All,
            }
        }
        Expr::Unary(UnaryOp::IsNull, operand) if nulls && is_key(operand) => {
            keys(vec![Constant::Literal("NULL".into())], true)
        }
        Expr::InList { negated: false, expr, list } if is_key(expr) => {
            match list.iter().map(constant).collect::<Option<Vec<_>>>() {
                Some(constants) => keys(constants, false),
                None => Pin::All,
            }
        }
        _ => Pin::All,
    }
}

/// A literal or a parameter; anything else could carry an affinity or a collation of its own.
pub(super) fn constant(expr: &Expr) -> Option<Constant> {
    match expr {
        Expr::Literal(literal @ (Literal::Null | Literal::Number(_) | Literal::Text(_) | Literal::Blob(_))) => {
            Some(Constant::Literal(literal.to_string()))
        }
        Expr::Unary(UnaryOp::Minus, operand) => match operand.as_ref() {
            Expr::Literal(Literal::Number(digits)) => Some(Constant::Literal(format!("-{digits}"))),
            _ => None,
        },
        Expr::Parameter(number) => Some(Constant::Parameter(*number)),
        _ => None,
    }
}
