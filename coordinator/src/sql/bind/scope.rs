//! What names mean at a place in a statement.

use super::super::ast::*;
use super::Result;

/// A table of a WITH clause.
#[derive(Debug, Clone)]
pub(super) struct CteName {
    /// As the statement calls it.
    pub(super) name: String,
    /// As the tree calls it, where it is the only one of this name.
    pub(super) unique: String,
    pub(super) columns: Vec<String>,
}

/// The sources of one SELECT, and its aliases once they are known.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) sources: Vec<ScopeSource>,
    pub(super) aliases: Vec<(String, Expr)>,
    /// Columns that USING or NATURAL merged into one of the left, each with the kind of its join.
    pub(super) merged: Vec<(Column, JoinKind)>,
    /// There is a RIGHT or FULL join.
    pub(super) has_right_join: bool,
}

#[derive(Debug)]
pub(super) struct ScopeSource {
    pub(super) id: SourceId,
    pub(super) alias: String,
    pub(super) columns: Vec<ScopeColumn>,
    pub(super) has_rowid: bool,
}

#[derive(Debug)]
pub(super) struct ScopeColumn {
    pub(super) name: String,
    pub(super) hidden: bool,
}

impl ScopeSource {
    fn find(&self, name: &str) -> Option<Column> {
        let column = self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))?;
        Some(self.column(&column.name))
    }

    fn column(&self, name: &str) -> Column {
        Column { source: self.id, table: self.alias.clone(), name: name.to_owned() }
    }

    fn answers_to(&self, qualifier: Option<&str>) -> bool {
        qualifier.is_none_or(|qualifier| qualifier.eq_ignore_ascii_case(&self.alias))
    }
}

/// Whether a table's rows have their number under this name, unless a column has it.
pub(crate) fn is_rowid(name: &str) -> bool {
    ["rowid", "_rowid_", "oid"].iter().any(|rowid| rowid.eq_ignore_ascii_case(name))
}

impl Scope {
    /// What a name means here: a column, else the rowid, else an alias.
    pub(super) fn resolve(&self, qualifier: Option<&str>, name: &str) -> Result<Option<Expr>> {
        if let Some(expr) = self.column(qualifier, name)? {
            return Ok(Some(expr));
        }
        let sources = || self.sources.iter().filter(|source| source.answers_to(qualifier));
        let mut rowids = sources().filter(|source| source.has_rowid && is_rowid(name));
        if let (Some(source), None) = (rowids.next(), rowids.next()) {
            return Ok(Some(Expr::Column(source.column(name))));
        }
        let alias = self.aliases.iter().find(|(alias, _)| qualifier.is_none() && alias.eq_ignore_ascii_case(name));
        Ok(alias.map(|(_, expr)| expr.clone()))
    }

    /// The column of this name. Of columns that USING merged the left one counts, of a RIGHT join the right one, and of a FULL join
    /// the first that is not NULL.
    fn column(&self, qualifier: Option<&str>, name: &str) -> Result<Option<Expr>> {
        let mut found: Vec<Column> = Vec::new();
        for source in self.sources.iter().filter(|source| source.answers_to(qualifier)) {
            let Some(column) = source.find(name) else { continue };
            let merged = self.merged.iter().find(|(known, _)| *known == column).map(|(_, kind)| *kind);
            match merged {
                _ if found.is_empty() => {}
                None => return Err(format!("`{name}` is ambiguous")),
                Some(JoinKind::Inner | JoinKind::Cross | JoinKind::Left) => continue,
                Some(JoinKind::Right) => found.clear(),
                Some(JoinKind::Full) => {}
            }
            found.push(column);
        }
        if found.len() <= 1 {
            return Ok(found.pop().map(Expr::Column));
        }
        let list = found.into_iter().map(Expr::Column).collect();
        let arguments = Arguments::List { distinct: false, list, order: Vec::new() };
        Ok(Some(Expr::Function(Function { name: "coalesce".to_owned(), arguments, filter: None, over: None })))
    }

    /// Whether USING or NATURAL merged columns of this name.
    pub(super) fn is_merged(&self, name: &str) -> bool {
        self.merged.iter().any(|(column, _)| column.name.eq_ignore_ascii_case(name))
    }

    /// The columns of `*` or `table.*`.
    pub(super) fn star(&self, table: Option<&str>) -> Result<Vec<Expr>> {
        let columns = self.sources.iter().filter(|source| source.answers_to(table)).flat_map(|source| {
            source.columns.iter().filter(|column| !column.hidden).map(|column| source.column(&column.name))
        });
        if table.is_some() {
            return Ok(columns.map(Expr::Column).collect());
        }
        let is_merged = |column: &Column| self.merged.iter().any(|(known, _)| known == column);
        let columns = columns.filter(|column| !is_merged(column));
        columns.map(|column| self.star_column(column)).collect()
    }

    fn star_column(&self, column: Column) -> Result<Expr> {
        match self.has_right_join && self.is_merged(&column.name) {
            true => Ok(self.column(None, &column.name)?.unwrap_or(Expr::Column(column))),
            false => Ok(Expr::Column(column)),
        }
    }

    /// The leftmost column of this name among the first `sources` sources.
    pub(super) fn leftmost(&self, range: std::ops::Range<usize>, name: &str) -> Option<Column> {
        self.sources[range].iter().find_map(|source| source.find(name))
    }
}
