//! sqlparser's tree to ours: names resolved as SQLite resolves them, stars expanded, parameters numbered.
//!
//! What SQLite's grammar does not know is an error here, and so is what is rare: the statement is opaque then.

mod compound;
mod expr;
mod from;
mod scope;
mod view;

use std::collections::{HashMap, HashSet};

use sqlparser::ast as sp;
use sqlparser::tokenizer::Location;

use self::scope::{CteName, Scope};

pub(crate) use self::scope::is_rowid;
use super::ast::*;
use super::parse::Parsed;
use super::schema::{Schema, ViewInfo};

/// Why a statement has no tree: a phrase.
type Result<T> = std::result::Result<T, String>;

/// What becomes of the name of a view.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Views {
    /// The derived table that the view is.
    Read,
    /// Its name, as if it were a table.
    Named,
}

/// Binds a statement that SQLite accepted; the views in it, each once, are given beside it.
pub(super) fn bind<'a>(parsed: &Parsed, schema: &'a Schema, views: Views) -> Result<(Query, Vec<&'a ViewInfo>)> {
    let mut binder = Binder {
        schema,
        materialized: parsed.materialized.clone(),
        sources: 0,
        views,
        views_read: Vec::new(),
        scopes: Vec::new(),
        ctes: Vec::new(),
        cte_names: Vec::new(),
    };
    let query = binder.query(&parsed.query, Naming::Free)?;
    let mut views = binder.views_read;
    views.sort_by(|a, b| a.name.cmp(&b.name));
    views.dedup_by(|a, b| a.name == b.name);
    Ok((query, views))
}

struct Binder<'a> {
    schema: &'a Schema,
    /// Whether a WITH table is MATERIALIZED or NOT MATERIALIZED, by the place of the parenthesis that closes it.
    materialized: HashMap<Location, bool>,
    /// Sources numbered so far.
    sources: usize,
    views: Views,
    /// One for each time that a view is read.
    views_read: Vec<&'a ViewInfo>,
    /// From the outermost query to the one being bound.
    scopes: Vec<Scope>,
    /// Tables of WITH clauses in sight, inner ones last.
    ctes: Vec<CteName>,
    /// Every WITH table of the statement, in sight or not, as the tree calls it.
    cte_names: Vec<String>,
}

/// Whether the result columns need names that the print can refer to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    Free,
    Named,
}

/// The query with those of its WITH tables that it reads. SQLite does not so much as look up a name in another one: what is wrong
/// there is nobody's error, and no shard may be asked for it.
fn read_alone(ctes: Vec<Cte>, query: Query) -> Query {
    let mut kept: Vec<Cte> = Vec::new();
    let mut read: HashSet<String> = query.ctes_mentioned().into_iter().map(str::to_owned).collect();
    // Each reads only those before it, and itself.
    for cte in ctes.into_iter().rev() {
        if read.contains(&cte.name) {
            read.extend(cte.query.ctes_mentioned().into_iter().map(str::to_owned));
            kept.push(cte);
        }
    }
    kept.reverse();
    Query { ctes: kept, ..query }
}

fn unsupported<T>(what: impl std::fmt::Display) -> Result<T> {
    Err(format!("{what} is not in the tree"))
}

fn ident(name: &sp::ObjectName) -> Result<&str> {
    match name.0.as_slice() {
        [sp::ObjectNamePart::Identifier(ident)] => Ok(&ident.value),
        [sp::ObjectNamePart::Identifier(schema), sp::ObjectNamePart::Identifier(ident)]
            if schema.value.eq_ignore_ascii_case("main") =>
        {
            Ok(&ident.value)
        }
        _ => unsupported(format_args!("the name {name}")),
    }
}

impl<'a> Binder<'a> {
    fn query(&mut self, query: &sp::Query, naming: Naming) -> Result<Query> {
        let ctes_before = self.ctes.len();
        let bound = self.query_with_ctes(query, naming);
        self.ctes.truncate(ctes_before);
        bound
    }

    fn query_with_ctes(&mut self, query: &sp::Query, naming: Naming) -> Result<Query> {
        if query.fetch.is_some() || !query.locks.is_empty() || !query.pipe_operators.is_empty() {
            return unsupported("FETCH or FOR");
        }
        let mut ctes = Vec::new();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            ctes.push(self.cte(cte)?);
        }
        let recursive = query.with.as_ref().is_some_and(|with| with.recursive);
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(sp::LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(sp::LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
            Some(_) => return unsupported("LIMIT BY"),
        };
        let terms = order_terms(query.order_by.as_ref())?;
        let (body, order) = match unwrapped(query.body.as_ref()) {
            sp::SetExpr::Select(select) => {
                let order_by = |binder: &mut Self, outputs: &[Output]| {
                    terms.iter().map(|term| binder.order_term(term, outputs)).collect::<Result<_>>()
                };
                let (select, order) = self.select(select, naming, order_by)?;
                (Body::Select(Box::new(select)), order)
            }
            other => self.compound(other, naming, &terms)?,
        };
        // LIMIT sees no columns of its own query, and in SQLite none of an outer one either.
        let limit = limit.map(|expr| self.expr(expr)).transpose()?;
        let offset = offset.map(|expr| self.expr(expr)).transpose()?;
        Ok(read_alone(ctes, Query { ctes: Vec::new(), recursive, body, order, limit, offset }))
    }

    fn cte(&mut self, cte: &sp::Cte) -> Result<Cte> {
        let name = &cte.alias.name.value;
        let unique = self.unique_name(name);
        self.cte_names.push(unique.clone());
        let given: Vec<String> = cte.alias.columns.iter().map(|column| column.name.value.clone()).collect();
        let outer_scopes = std::mem::take(&mut self.scopes);
        let outer_ctes = self.ctes.len();
        let bound = self.cte_query(name, &unique, &given, &cte.query);
        self.ctes.truncate(outer_ctes);
        self.scopes = outer_scopes;
        let (columns, query) = bound?;
        self.ctes.push(CteName { name: name.clone(), unique: unique.clone(), columns: columns.clone() });
        let materialized = self.materialized.get(&cte.closing_paren_token.0.span.start).copied();
        Ok(Cte { name: unique, columns, query, materialized })
    }

    /// A name that no other WITH table, no table and no view has.
    fn unique_name(&self, name: &str) -> String {
        let is_known = |name: &str| {
            self.cte_names.iter().any(|known| known.eq_ignore_ascii_case(name))
                || self.schema.table(name).is_some()
                || self.schema.view(name).is_some()
        };
        let mut unique = name.to_owned();
        let mut number = 1;
        while is_known(&unique) {
            number += 1;
            unique = format!("{name} {number}");
        }
        unique
    }

    fn cte_query(
        &mut self,
        name: &str,
        unique: &str,
        given: &[String],
        query: &sp::Query,
    ) -> Result<(Vec<String>, Query)> {
        // A recursive table is in sight of its own right side, so its column names come from the left side first.
        if let sp::SetExpr::SetOperation { left, .. } = query.body.as_ref() {
            let columns = match given {
                [] => output_names(&self.body(left, Naming::Named)?),
                given => given.to_vec(),
            };
            self.ctes.push(CteName { name: name.to_owned(), unique: unique.to_owned(), columns });
        }
        let bound = self.query(query, Naming::Named)?;
        let columns = if given.is_empty() { output_names(&bound.body) } else { given.to_vec() };
        Ok((columns, bound))
    }

    /// Binds a SELECT, and what follows it, which may speak of its sources and its outputs.
    fn select<T>(
        &mut self,
        select: &sp::Select,
        naming: Naming,
        rest: impl FnOnce(&mut Self, &[Output]) -> Result<T>,
    ) -> Result<(Select, T)> {
        self.scopes.push(Scope::default());
        let bound = self.select_in_scope(select, naming, rest);
        self.scopes.pop();
        bound
    }

    fn select_in_scope<T>(
        &mut self,
        select: &sp::Select,
        naming: Naming,
        rest: impl FnOnce(&mut Self, &[Output]) -> Result<T>,
    ) -> Result<(Select, T)> {
        let distinct = match &select.distinct {
            None | Some(sp::Distinct::All) => false,
            Some(sp::Distinct::Distinct) => true,
            Some(sp::Distinct::On(_)) => return unsupported("DISTINCT ON"),
        };
        let from = self.from(&select.from)?;
        let mut outputs = self.outputs(&select.projection)?;
        self.scope().aliases =
            outputs.iter().filter_map(|output| output.name.clone().map(|name| (name, output.expr.clone()))).collect();
        let filter = select.selection.as_ref().map(|expr| self.expr(expr)).transpose()?;
        let sp::GroupByExpr::Expressions(group_terms, modifiers) = &select.group_by else {
            return unsupported("GROUP BY ALL");
        };
        if !modifiers.is_empty() {
            return unsupported("GROUP BY with a modifier");
        }
        let group_places = group_terms.iter().map(ordinal).collect();
        let group = group_terms.iter().map(|term| self.group_term(term, &outputs)).collect::<Result<Vec<_>>>()?;
        let having = select.having.as_ref().map(|expr| self.expr(expr)).transpose()?;
        let windows = select.named_window.iter().map(|window| self.named_window(window)).collect::<Result<_>>()?;
        let rest = rest(self, &outputs)?;
        match naming {
            Naming::Free => outputs.iter_mut().for_each(|output| output.name = None),
            Naming::Named => name_outputs(&mut outputs),
        }
        Ok((Select { distinct, outputs, from, filter, group, group_places, having, windows }, rest))
    }

    fn scope(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("a scope is pushed before anything in it is bound")
    }

    fn outputs(&mut self, items: &[sp::SelectItem]) -> Result<Vec<Output>> {
        let mut outputs = Vec::new();
        for item in items {
            match item {
                sp::SelectItem::UnnamedExpr(expr) => outputs.push(Output { expr: self.expr(expr)?, name: None }),
                sp::SelectItem::ExprWithAlias { expr, alias } => {
                    outputs.push(Output { expr: self.expr(expr)?, name: Some(alias.value.clone()) });
                }
                sp::SelectItem::Wildcard(_) => outputs.extend(self.star(None)?),
                sp::SelectItem::QualifiedWildcard(sp::SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    outputs.extend(self.star(Some(ident(name)?))?);
                }
                other => return unsupported(other),
            }
        }
        Ok(outputs)
    }

    fn star(&mut self, table: Option<&str>) -> Result<Vec<Output>> {
        let columns = self.scope().star(table)?;
        Ok(columns.into_iter().map(|expr| Output { expr, name: None }).collect())
    }

    /// A number names a result column; anything else is an expression over the sources, then over the aliases.
    fn group_term(&mut self, expr: &sp::Expr, outputs: &[Output]) -> Result<Expr> {
        match ordinal(expr) {
            Some(index) => Ok(outputs.get(index).ok_or("GROUP BY term out of range")?.expr.clone()),
            None => self.expr(expr),
        }
    }

    /// A number or an alias names a result column; anything else is an expression.
    fn order_term(&mut self, term: &sp::OrderByExpr, outputs: &[Output]) -> Result<OrderTerm> {
        let (bare, collation) = peel_collation(&term.expr)?;
        let key = match (ordinal(bare), bare) {
            (Some(index), _) if index < outputs.len() => OrderKey::Output(index),
            (None, sp::Expr::Identifier(name)) if let Some(index) = alias_index(outputs, &name.value) => {
                OrderKey::Output(index)
            }
            (Some(_), _) => return Err("ORDER BY term out of range".into()),
            (None, _) => {
                let expr = self.expr(bare)?;
                match outputs.iter().position(|output| output.expr == expr) {
                    Some(index) if collation.is_none() => OrderKey::Output(index),
                    // SQLite sorts by a COLLATE of a result column beside it, by its number with COLLATE in its place.
                    _ => OrderKey::Expr(expr),
                }
            }
        };
        with_options(key, collation, &term.options)
    }
}

/// Without parentheses around all of it.
fn unwrapped(body: &sp::SetExpr) -> &sp::SetExpr {
    match body {
        sp::SetExpr::Query(query)
            if query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none() =>
        {
            unwrapped(&query.body)
        }
        other => other,
    }
}

fn order_terms(order: Option<&sp::OrderBy>) -> Result<Vec<&sp::OrderByExpr>> {
    match order.map(|order| &order.kind) {
        None => Ok(Vec::new()),
        Some(sp::OrderByKind::Expressions(terms)) => Ok(terms.iter().collect()),
        Some(sp::OrderByKind::All(_)) => unsupported("ORDER BY ALL"),
    }
}

fn with_options(key: OrderKey, collation: Option<String>, options: &sp::OrderByOptions) -> Result<OrderTerm> {
    let descending = match &options.sort {
        None | Some(sp::OrderBySort::Asc) => false,
        Some(sp::OrderBySort::Desc) => true,
        Some(sp::OrderBySort::Using(_)) => return unsupported("ORDER BY USING"),
    };
    Ok(OrderTerm { key, collation, descending, nulls_last: options.nulls_first.map(|first| !first) })
}

/// The place of the result column that an integer literal names, from 0.
fn ordinal(expr: &sp::Expr) -> Option<usize> {
    match expr {
        sp::Expr::Nested(inner) => ordinal(inner),
        sp::Expr::Value(value) => match &value.value {
            sp::Value::Number(digits, _) => digits.parse::<usize>().ok()?.checked_sub(1),
            _ => None,
        },
        _ => None,
    }
}

fn peel_collation(expr: &sp::Expr) -> Result<(&sp::Expr, Option<String>)> {
    match expr {
        sp::Expr::Nested(inner) => peel_collation(inner),
        sp::Expr::Collate { expr, collation } => Ok((expr, Some(ident(collation)?.to_owned()))),
        other => Ok((other, None)),
    }
}

fn alias_index(outputs: &[Output], name: &str) -> Option<usize> {
    outputs.iter().position(|output| output.name.as_deref().is_some_and(|alias| alias.eq_ignore_ascii_case(name)))
}

fn column_name(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        _ => None,
    }
}

/// Gives every result column a name that is its own: the alias, the column's name, or one that no text can guess.
fn name_outputs(outputs: &mut [Output]) {
    for index in 0..outputs.len() {
        let wanted = outputs[index].name.clone().or_else(|| column_name(&outputs[index].expr).map(str::to_owned));
        let taken = |name: &str| {
            outputs[..index]
                .iter()
                .any(|other| other.name.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name)))
        };
        let name = wanted.filter(|name| !taken(name)).unwrap_or_else(|| format!("_column {}", index + 1));
        outputs[index].name = Some(name);
    }
}

/// The names of a body's result columns, which must have been named.
fn output_names(body: &Body) -> Vec<String> {
    match body {
        Body::Select(select) => select.outputs.iter().filter_map(|output| output.name.clone()).collect(),
        Body::Values(rows) => (1..=rows.first().map_or(0, Vec::len)).map(|index| format!("column{index}")).collect(),
        Body::Compound { left, .. } => output_names(left),
    }
}
