//! The sources of a SELECT and the predicates that filter them, whichever clause they stand in.

use crate::sql::{BinaryOp, Column, Expr, From, JoinConstraint, JoinKind, Select, Source, SourceId};

/// The sources of a FROM clause and what filters them.
#[derive(Default)]
pub(super) struct Shape<'a> {
    /// Each source, and whether an outer join may fill it with NULLs.
    pub(super) sources: Vec<(&'a Source, bool)>,
    pub(super) predicates: Vec<Scoped<'a>>,
    pub(super) ons: Vec<&'a Expr>,
}

/// A predicate, and the sources of which it leaves out rows: where a row of one does not fulfil it, that row gives nothing.
pub(super) struct Scoped<'a> {
    pub(super) predicate: Predicate<'a>,
    pub(super) sources: Vec<SourceId>,
}

pub(super) enum Predicate<'a> {
    Expr(&'a Expr),
    Equal(&'a Column, &'a Column),
}

impl<'a> Shape<'a> {
    /// Of a SELECT: its FROM clause, and its WHERE.
    pub(super) fn of(select: &'a Select) -> Shape<'a> {
        let mut shape = Shape::default();
        if let Some(from) = &select.from {
            shape.add(from, false);
        }
        if let Some(filter) = &select.filter {
            let all = shape.sources.iter().map(|(source, _)| source.id).collect();
            shape.add_predicate(filter, all);
        }
        shape
    }

    /// Adds a FROM clause; gives the sources in it.
    fn add(&mut self, from: &'a From, may_be_missing: bool) -> Vec<SourceId> {
        let join = match from {
            From::Source(source) => {
                self.sources.push((source, may_be_missing));
                return vec![source.id];
            }
            From::Join(join) => join,
        };
        let left = self.add(&join.left, may_be_missing || matches!(join.kind, JoinKind::Right | JoinKind::Full));
        let right = self.add(&join.right, may_be_missing || matches!(join.kind, JoinKind::Left | JoinKind::Full));
        let all: Vec<SourceId> = left.iter().chain(&right).copied().collect();
        let filtered = match join.kind {
            JoinKind::Inner | JoinKind::Cross => all.clone(),
            JoinKind::Left => right,
            JoinKind::Right => left,
            JoinKind::Full => Vec::new(),
        };
        match &join.constraint {
            JoinConstraint::None => {}
            JoinConstraint::On(on) => {
                self.ons.push(on);
                self.add_predicate(on, filtered);
            }
            JoinConstraint::Using(columns) => {
                for column in columns {
                    let predicate = Predicate::Equal(&column.left, &column.right);
                    self.predicates.push(Scoped { predicate, sources: filtered.clone() });
                }
            }
        }
        all
    }

    fn add_predicate(&mut self, predicate: &'a Expr, sources: Vec<SourceId>) {
        for conjunct in predicate.conjuncts() {
            self.predicates.push(Scoped { predicate: Predicate::Expr(conjunct), sources: sources.clone() });
        }
    }
}

impl<'a> Predicate<'a> {
    /// The column that this predicate makes equal to `column`.
    pub(super) fn equal_to(&self, column: &Column) -> Option<&'a Column> {
        let (a, b) = match self {
            Predicate::Equal(a, b) => (*a, *b),
            Predicate::Expr(Expr::Binary(BinaryOp::Eq, a, b)) => match (a.as_ref(), b.as_ref()) {
                (Expr::Column(a), Expr::Column(b)) => (a, b),
                _ => return None,
            },
            Predicate::Expr(_) => return None,
        };
        if a == column {
            Some(b)
        } else if b == column {
            Some(a)
        } else {
            None
        }
    }
}
