//! FROM clauses.

use std::ops::Range;

use sqlparser::ast as sp;

use super::super::ast::*;
use super::scope::{ScopeColumn, ScopeSource};
use super::{Binder, Naming, Result, ident, output_names, unsupported};

const JSON_FUNCTIONS: [&str; 4] = ["json_each", "json_tree", "jsonb_each", "jsonb_tree"];
/// Columns of `json_each` and `json_tree`; the last two are hidden.
const JSON_COLUMNS: [&str; 10] = ["key", "value", "type", "atom", "id", "parent", "fullkey", "path", "json", "root"];

impl Binder<'_> {
    pub(super) fn from(&mut self, tables: &[sp::TableWithJoins]) -> Result<Option<From>> {
        let mut from = None;
        for table in tables {
            from = Some(self.table_with_joins(table, from)?);
        }
        Ok(from)
    }

    /// Comma and JOIN bind alike in SQLite, to the left.
    fn table_with_joins(&mut self, table: &sp::TableWithJoins, left: Option<From>) -> Result<From> {
        let start = if left.is_some() { 0 } else { self.scope().sources.len() };
        let mut from = match left {
            None => self.factor(&table.relation)?,
            Some(left) => {
                let right = self.factor(&table.relation)?;
                join(left, right, JoinKind::Inner, JoinConstraint::None)
            }
        };
        for joined in &table.joins {
            from = self.join(from, start, joined)?;
        }
        Ok(from)
    }

    fn join(&mut self, left: From, start: usize, joined: &sp::Join) -> Result<From> {
        use sp::JoinOperator as Op;
        let (kind, constraint) = match &joined.join_operator {
            Op::Join(constraint) | Op::Inner(constraint) => (JoinKind::Inner, constraint),
            Op::CrossJoin(constraint) => (JoinKind::Cross, constraint),
            Op::Left(constraint) | Op::LeftOuter(constraint) => (JoinKind::Left, constraint),
            Op::Right(constraint) | Op::RightOuter(constraint) => (JoinKind::Right, constraint),
            Op::FullOuter(constraint) => (JoinKind::Full, constraint),
            _ => return unsupported("this join"),
        };
        let middle = self.scope().sources.len();
        let right = self.factor(&joined.relation)?;
        let constraint = match constraint {
            sp::JoinConstraint::None => JoinConstraint::None,
            sp::JoinConstraint::On(on) => JoinConstraint::On(self.expr(on)?),
            sp::JoinConstraint::Using(names) => {
                let names = names.iter().map(|name| ident(name).map(str::to_owned)).collect::<Result<Vec<_>>>()?;
                self.using(start..middle, names, kind)?
            }
            sp::JoinConstraint::Natural => {
                let names = self.common_names(start..middle);
                if names.is_empty() { JoinConstraint::None } else { self.using(start..middle, names, kind)? }
            }
        };
        self.scope().has_right_join |= matches!(kind, JoinKind::Right | JoinKind::Full);
        Ok(join(left, right, kind, constraint))
    }

    fn common_names(&mut self, left: Range<usize>) -> Vec<String> {
        let scope = self.scope();
        let right = left.end..scope.sources.len();
        let names = scope.sources[right].iter().flat_map(|source| &source.columns);
        let names = names.filter(|column| !column.hidden && scope.leftmost(left.clone(), &column.name).is_some());
        names.map(|column| column.name.clone()).collect()
    }

    fn using(&mut self, left: Range<usize>, names: Vec<String>, kind: JoinKind) -> Result<JoinConstraint> {
        let scope = self.scope();
        let right = left.end..scope.sources.len();
        let mut columns = Vec::new();
        for name in names {
            let on_left = scope.leftmost(left.clone(), &name).ok_or("USING names no column of the left")?;
            let on_right = scope.leftmost(right.clone(), &name).ok_or("USING names no column of the right")?;
            if scope.has_right_join && scope.is_merged(&name) {
                return Err(format!("a second USING of `{name}` beside a RIGHT or FULL join"));
            }
            scope.merged.push((on_right.clone(), kind));
            columns.push(UsingColumn { name, left: on_left, right: on_right });
        }
        Ok(JoinConstraint::Using(columns))
    }

    fn factor(&mut self, factor: &sp::TableFactor) -> Result<From> {
        match factor {
            sp::TableFactor::Table { name, alias, args, .. } => self.table(name, alias.as_ref(), args.as_ref()),
            sp::TableFactor::Derived { lateral: false, subquery, alias, .. } => self.derived(subquery, alias.as_ref()),
            sp::TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.table_with_joins(table_with_joins, None)
            }
            other => unsupported(other),
        }
    }

    fn table(
        &mut self,
        name: &sp::ObjectName,
        alias: Option<&sp::TableAlias>,
        args: Option<&sp::TableFunctionArgs>,
    ) -> Result<From> {
        let is_qualified = name.0.len() > 1;
        let name = ident(name)?;
        let alias = alias_of(alias)?.unwrap_or_else(|| name.to_owned());
        if let Some(args) = args {
            return self.table_function(name, alias, &args.args);
        }
        let cte = self.ctes.iter().rev().find(|cte| !is_qualified && cte.name.eq_ignore_ascii_case(name));
        if let Some(cte) = cte {
            let kind = SourceKind::Cte(cte.unique.clone());
            let columns = visible(cte.columns.clone());
            return Ok(self.source(alias, kind, columns, false));
        }
        if let Some(view) = self.schema.view(name) {
            let kind = self.view(view)?;
            return Ok(self.source(alias, kind, visible(view.columns.clone()), false));
        }
        let Some(table) = self.schema.table(name) else { return self.table_function(name, alias, &[]) };
        let columns = table.columns.iter();
        let columns = columns.map(|column| ScopeColumn { name: column.name.clone(), hidden: column.hidden }).collect();
        let (name, has_rowid) = (table.name.clone(), !table.without_rowid);
        Ok(self.source(alias, SourceKind::Table(name), columns, has_rowid))
    }

    /// Its arguments may also be given to its hidden columns.
    fn table_function(&mut self, name: &str, alias: String, args: &[sp::FunctionArg]) -> Result<From> {
        let name = name.to_ascii_lowercase();
        if !JSON_FUNCTIONS.contains(&name.as_str()) {
            return unsupported(format_args!("the table `{name}`"));
        }
        let arguments = args.iter().map(|arg| self.argument(arg)).collect::<Result<_>>()?;
        let column = |(index, name): (usize, &&str)| ScopeColumn { name: (*name).to_owned(), hidden: index >= 8 };
        let columns = JSON_COLUMNS.iter().enumerate().map(column).collect();
        Ok(self.source(alias, SourceKind::Function { name, arguments }, columns, true))
    }

    /// A derived table sees the outer queries, but not its siblings.
    fn derived(&mut self, query: &sp::Query, alias: Option<&sp::TableAlias>) -> Result<From> {
        let siblings = self.scopes.pop().expect("a FROM clause is bound in its scope");
        let bound = self.query(query, Naming::Named);
        self.scopes.push(siblings);
        let query = bound?;
        let columns = visible(output_names(&query.body));
        let alias = alias_of(alias)?.unwrap_or_else(|| self.unnamed());
        Ok(self.source(alias, SourceKind::Derived(Box::new(query)), columns, false))
    }

    /// A name that no text can guess.
    fn unnamed(&self) -> String {
        format!("_derived {}", self.sources)
    }

    /// A source that no text names.
    pub(super) fn next_source(&mut self) -> (SourceId, String) {
        let (id, alias) = (SourceId(self.sources), self.unnamed());
        self.sources += 1;
        (id, alias)
    }

    fn source(&mut self, alias: String, kind: SourceKind, columns: Vec<ScopeColumn>, has_rowid: bool) -> From {
        let id = SourceId(self.sources);
        self.sources += 1;
        self.scope().sources.push(ScopeSource { id, alias: alias.clone(), columns, has_rowid });
        From::Source(Source { id, alias, kind })
    }
}

fn join(left: From, right: From, kind: JoinKind, constraint: JoinConstraint) -> From {
    From::Join(Box::new(Join { left, right, kind, constraint }))
}

fn visible(names: Vec<String>) -> Vec<ScopeColumn> {
    names.into_iter().map(|name| ScopeColumn { name, hidden: false }).collect()
}

fn alias_of(alias: Option<&sp::TableAlias>) -> Result<Option<String>> {
    match alias {
        Some(alias) if !alias.columns.is_empty() => unsupported("an alias with columns"),
        other => Ok(other.map(|alias| alias.name.value.clone())),
    }
}
