//! What must be stored for a SELECT to give any row: nodes leave out shards that are known to hold nothing of the kind.
//!
//! Only of tables whose rows an outer join does not fill up, and only of columns that compare as bytes.

use souk_merge::Collation;

use super::Context;
use super::pins::{Constant, Pin, constant, pin_of};
use super::shape::{Predicate, Scoped, Shape};
use crate::sql::{Affinity, BinaryOp, Column, Expr, MatchOp, Node, Select, Source, SourceId, SourceKind, walk_expr};

/// A row of this table whose column passes the test: where there is none, the SELECT gives no row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Need {
    pub(crate) column: Stored,
    /// What the constants are converted by before they are compared.
    pub(crate) affinity: Affinity,
    pub(crate) test: Test<Constant>,
    /// The column that leads the order is of the same row.
    pub(crate) of_lead: bool,
}

/// The stored column that the first key of an order is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lead {
    pub(crate) column: Stored,
    /// Whose row it is.
    pub(crate) source: SourceId,
}

/// A column of a sharded table, under its names in the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) table: String,
    pub(crate) column: String,
}

/// What a stored value is compared with, by SQLite's order of values and BINARY; NULL passes none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test<T> {
    /// Equal to one of them.
    Among(Vec<T>),
    AtLeast(T),
    AtMost(T),
}

/// Functions that fail for no value; what else a predicate calls may fail for rows that another predicate leaves out.
const NEVER_FAIL: [&str; 18] = [
    "coalesce",
    "ifnull",
    "iif",
    "instr",
    "length",
    "likelihood",
    "likely",
    "lower",
    "ltrim",
    "max",
    "min",
    "nullif",
    "round",
    "rtrim",
    "substr",
    "trim",
    "typeof",
    "upper",
];

/// What a SELECT needs; nothing when it could fail for a row of a shard that is left out. Of one that aggregates, what its groups
/// need: without GROUP BY it gives a row whatever is stored.
pub(crate) fn needs(select: &Select, lead: Option<&Lead>, context: &Context<'_>) -> Vec<Need> {
    let shape = Shape::of(select);
    let mut needs = Vec::new();
    if filters_may_fail(&shape, context) {
        return needs;
    }
    for Scoped { predicate, sources } in &shape.predicates {
        let Predicate::Expr(conjunct) = predicate else { continue };
        for column in columns_of(conjunct) {
            let known = sources.contains(&column.source).then(|| stored(column, &shape, context)).flatten();
            let Some((stored, affinity)) = known else { continue };
            let of_lead = lead.is_some_and(|lead| lead.source == column.source);
            let tests = tests_of(conjunct, column, affinity).into_iter();
            needs.extend(tests.map(|test| Need { column: stored.clone(), affinity, test, of_lead }));
        }
    }
    needs
}

/// The stored column whose values an expression gives, when that is so for every row of a SELECT, none of which can fail it.
pub(crate) fn lead(expr: &Expr, select: &Select, context: &Context<'_>) -> Option<Lead> {
    let Expr::Column(column) = expr else { return None };
    let shape = Shape::of(select);
    let outputs = select.outputs.iter().map(|output| &output.expr);
    let mut computed = outputs.chain(&select.group).chain(&select.having).chain(select.window_exprs());
    if filters_may_fail(&shape, context) || computed.any(|expr| may_fail(expr, context)) {
        return None;
    }
    let (stored, _) = stored(column, &shape, context)?;
    Some(Lead { column: stored, source: column.source })
}

/// Whether finding the rows of a SELECT may be an error for some of them. Only of tables alone it is known.
fn filters_may_fail(shape: &Shape<'_>, context: &Context<'_>) -> bool {
    let is_table = |source: &Source| matches!(source.kind, SourceKind::Table(_));
    let fails = |scoped: &Scoped<'_>| match scoped.predicate {
        Predicate::Expr(expr) => may_fail(expr, context),
        Predicate::Equal(a, b) => [a, b].into_iter().any(|column| is_computed(column, context)),
    };
    !shape.sources.iter().all(|(source, _)| is_table(source)) || shape.predicates.iter().any(fails)
}

/// Whether computing an expression may be an error for some row.
fn may_fail(expr: &Expr, context: &Context<'_>) -> bool {
    let mut found = false;
    walk_expr(expr, &mut |node| {
        found |= match node {
            Node::Expr(Expr::Function(function)) => !NEVER_FAIL.contains(&function.name.as_str()),
            Node::Expr(Expr::Binary(BinaryOp::Arrow | BinaryOp::LongArrow | BinaryOp::Concat, ..)) => true,
            // A pattern that is not written out may be longer than SQLite takes.
            Node::Expr(Expr::Match { op, pattern, escape, .. }) => {
                let like = matches!(op, MatchOp::Like | MatchOp::Glob);
                !like || !matches!(pattern.as_ref(), Expr::Literal(_)) || escape.is_some()
            }
            Node::Expr(Expr::Column(column)) => is_computed(column, context),
            Node::Source(source) => !matches!(source.kind, SourceKind::Table(_)),
            Node::Expr(_) | Node::Query(_) | Node::Using(_) => false,
        };
    });
    found
}

/// Whether a column's value comes from an expression.
fn is_computed(column: &Column, context: &Context<'_>) -> bool {
    let table = context.source(column.source).and_then(|source| context.table(source));
    table.is_some_and(|table| table.column(&column.name).is_some_and(|index| table.columns[index].generated))
}

fn stored(column: &Column, shape: &Shape<'_>, context: &Context<'_>) -> Option<(Stored, Affinity)> {
    let (source, _) = shape.sources.iter().find(|(source, missing)| source.id == column.source && !missing)?;
    let table = context.table(source).filter(|table| table.key().is_some())?;
    let info = &table.columns[table.column(&column.name)?];
    let affinity = match info.affinity {
        // A number is compared as it is, not as it would be stored.
        Affinity::Integer | Affinity::Real | Affinity::Numeric => Affinity::Numeric,
        other @ (Affinity::Text | Affinity::Blob) => other,
    };
    let known = info.collation == Some(Collation::Binary) && !info.hidden;
    known.then(|| (Stored { table: table.name.clone(), column: info.name.clone() }, affinity))
}

/// The columns that a predicate mentions, each once; not those in its subqueries.
fn columns_of(predicate: &Expr) -> Vec<&Column> {
    fn add<'e>(columns: &mut Vec<&'e Column>, expr: &'e Expr) {
        if let Expr::Column(column) = expr
            && !columns.contains(&column)
        {
            columns.push(column);
        }
    }
    let mut columns = Vec::new();
    match predicate {
        // A chain of OR is what `pin_of` follows.
        Expr::Binary(BinaryOp::Or, ..) => walk_expr(predicate, &mut |node| {
            if let Node::Expr(expr) = node {
                add(&mut columns, expr);
            }
        }),
        other => other.children().into_iter().for_each(|child| add(&mut columns, child)),
    }
    columns
}

fn tests_of(conjunct: &Expr, column: &Column, affinity: Affinity) -> Vec<Test<Constant>> {
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(found) if found == column);
    let at_least = |expr: &Expr| constant(expr).map(Test::AtLeast);
    let at_most = |expr: &Expr| constant(expr).map(Test::AtMost);
    match conjunct {
        Expr::Between { negated: false, expr, low, high } if is_column(expr) => {
            at_least(low).into_iter().chain(at_most(high)).collect()
        }
        Expr::Binary(BinaryOp::Gt | BinaryOp::GtEq, left, right) if is_column(left) => {
            at_least(right).into_iter().collect()
        }
        Expr::Binary(BinaryOp::Lt | BinaryOp::LtEq, left, right) if is_column(left) => {
            at_most(right).into_iter().collect()
        }
        Expr::Binary(BinaryOp::Gt | BinaryOp::GtEq, left, right) if is_column(right) => {
            at_most(left).into_iter().collect()
        }
        Expr::Binary(BinaryOp::Lt | BinaryOp::LtEq, left, right) if is_column(right) => {
            at_least(left).into_iter().collect()
        }
        other => constants(pin_of(other, column, affinity, false)).map(Test::Among).into_iter().collect(),
    }
}

/// The constants of a pin; none for any value.
fn constants(pin: Pin) -> Option<Vec<Constant>> {
    match pin {
        Pin::All => None,
        Pin::Keys { constants, .. } => Some(constants),
        // Those of either are too many, which does no harm.
        Pin::Both(a, b) => constants(*a).or_else(|| constants(*b)),
        Pin::Either(a, b) => {
            let mut all = constants(*a)?;
            all.extend(constants(*b)?);
            Some(all)
        }
    }
}
