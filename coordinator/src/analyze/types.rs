//! Collation and affinity of expressions, by the rules of `sqlite3ExprCollSeq` and `sqlite3ExprAffinity`.

use souk_merge::Collation;

use super::Context;
use crate::sql::{Affinity, Arguments, Body, Column, Expr, Function, Query, SourceKind, UnaryOp, is_rowid};

/// The collation that a COLLATE inside the expression gives it. Of a call only its arguments count, not what they are sorted by, its
/// FILTER or its window.
pub(crate) fn explicit_collation(expr: &Expr) -> Option<Collation> {
    match expr {
        Expr::Collate(_, name) => Collation::by_name(name),
        Expr::Function(Function { arguments: Arguments::List { list, .. }, .. }) => {
            list.iter().find_map(explicit_collation)
        }
        Expr::Function(Function { arguments: Arguments::Star, .. }) => None,
        other => other.children().into_iter().find_map(explicit_collation),
    }
}

/// The collation that the expression brings to a comparison; none where the other side, or BINARY, decides.
pub(crate) fn collation_of(expr: &Expr, context: &Context<'_>) -> Option<Collation> {
    type_of(expr, context).collation
}

/// The affinity that the expression lends to a comparison; none for most that are not columns.
pub(crate) fn affinity_of(expr: &Expr, context: &Context<'_>) -> Option<Affinity> {
    type_of(expr, context).affinity
}

/// Whether the expression's affinity is that of a CAST: then its values need not be as a column of that affinity would hold them. CAST
/// leaves a real that is asked to be NUMERIC as it is, which a NUMERIC column makes an integer of where it can.
pub(crate) fn is_cast(expr: &Expr, context: &Context<'_>) -> bool {
    type_of(expr, context).cast
}

/// What an expression brings to a comparison.
#[derive(Default)]
struct Type {
    affinity: Option<Affinity>,
    collation: Option<Collation>,
    /// Whether the affinity is that of a CAST.
    cast: bool,
}

/// Both at once: a column of nested tables is followed down to its table once, not twice at every level.
fn type_of(expr: &Expr, context: &Context<'_>) -> Type {
    let implicit = match expr {
        Expr::Column(column) => column_type(column, context).unwrap_or_default(),
        Expr::Collate(inner, _) => Type { collation: None, ..type_of(inner, context) },
        Expr::Cast(inner, type_name) => {
            Type { affinity: Some(Affinity::of_declared(type_name)), cast: true, ..type_of(inner, context) }
        }
        Expr::Unary(UnaryOp::Plus, inner) => Type { affinity: None, cast: false, ..type_of(inner, context) },
        Expr::Scalar(query) => {
            let of_output = output(query, 0).map(|expr| type_of(expr, context)).unwrap_or_default();
            Type { collation: None, ..of_output }
        }
        _ => Type::default(),
    };
    Type { collation: explicit_collation(expr).or(implicit.collation), ..implicit }
}

fn output(query: &Query, index: usize) -> Option<&Expr> {
    fn first(body: &Body, index: usize) -> Option<&Expr> {
        match body {
            Body::Select(select) => select.outputs.get(index).map(|output| &output.expr),
            Body::Values(rows) => rows.first()?.get(index),
            Body::Compound { left, .. } => first(left, index),
        }
    }
    first(&query.body, index)
}

/// Affinity and collation of a column, through derived tables.
fn column_type(column: &Column, context: &Context<'_>) -> Option<Type> {
    let source = context.source(column.source)?;
    match &source.kind {
        SourceKind::Table(_) => {
            let table = context.table(source)?;
            let (affinity, collation) = match table.column(&column.name) {
                Some(index) => {
                    let info = &table.columns[index];
                    (info.affinity, info.collation.unwrap_or_default())
                }
                None => (Affinity::Integer, Collation::Binary),
            };
            Some(Type { affinity: Some(affinity), collation: Some(collation), cast: false })
        }
        SourceKind::Derived(query) => {
            let index = output_index(query, &column.name)?;
            Some(through(output(query, index)?, context))
        }
        SourceKind::Cte(name) => {
            let cte = context.cte(name)?;
            let index = cte.columns.iter().position(|known| *known == column.name)?;
            Some(through(output(&cte.query, index)?, context))
        }
        SourceKind::Function { name, .. } => {
            let affinity = affinity_of_function_column(name, &column.name);
            Some(Type { affinity: Some(affinity), collation: Some(Collation::Binary), cast: false })
        }
    }
}

/// No table function that is built in declares types. But its hidden columns, which are its arguments, are declared `HIDDEN`, and the affinity of
/// that word, as of any that names no type, is NUMERIC.
fn affinity_of_function_column(function: &str, column: &str) -> Affinity {
    let is_pragma = function.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("pragma_"));
    let hidden = if is_pragma { ["arg", "schema"] } else { ["json", "root"] };
    match column {
        _ if is_rowid(column) => Affinity::Integer,
        _ if hidden.iter().any(|hidden| hidden.eq_ignore_ascii_case(column)) => Affinity::Numeric,
        _ => Affinity::Blob,
    }
}

/// Whether a column's type is known: SQLite mixes the types of a compound's parts, which is not followed here.
pub(crate) fn is_typed(column: &Column, context: &Context<'_>) -> bool {
    let simple = |query: &Query| matches!(query.body, Body::Select(_));
    match context.source(column.source).map(|source| &source.kind) {
        Some(SourceKind::Table(_) | SourceKind::Function { .. }) => true,
        Some(SourceKind::Derived(query)) => simple(query),
        Some(SourceKind::Cte(name)) => context.cte(name).is_some_and(|cte| simple(&cte.query)),
        None => false,
    }
}

/// A derived table's column has the affinity of its expression; BLOB where that has none.
fn through(expr: &Expr, context: &Context<'_>) -> Type {
    let Type { affinity, collation, cast } = type_of(expr, context);
    Type { affinity: Some(affinity.unwrap_or(Affinity::Blob)), collation: Some(collation.unwrap_or_default()), cast }
}

fn output_index(query: &Query, name: &str) -> Option<usize> {
    fn first(body: &Body, name: &str) -> Option<usize> {
        match body {
            Body::Select(select) => select.outputs.iter().position(|output| output.name.as_deref() == Some(name)),
            Body::Values(_) => name.strip_prefix("column")?.parse::<usize>().ok()?.checked_sub(1),
            Body::Compound { left, .. } => first(left, name),
        }
    }
    first(&query.body, name)
}
