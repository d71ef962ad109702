//! What names mean at a place in a statement.

use super::super::ast::*;
use super::Result;

/// A table of a WITH clause.
#[derive(Debug, Clone)]
pub(super) struct CteName {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
}

/// The sources of one SELECT, and its aliases once they are known.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) sources: Vec<ScopeSource>,
    pub(super) aliases: Vec<(String, Expr)>,
    /// Columns that USING or NATURAL merged into one of the left.
    pub(super) merged: Vec<Column>,
    /// A RIGHT or FULL join: a merged column is neither side's then.
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

fn is_rowid(name: &str) -> bool {
    ["rowid", "_rowid_", "oid"].iter().any(|rowid| rowid.eq_ignore_ascii_case(name))
}

impl Scope {
    /// What a name means here: a column, else the rowid, else an alias.
    pub(super) fn resolve(&self, qualifier: Option<&str>, name: &str) -> Result<Option<Expr>> {
        let sources = || self.sources.iter().filter(|source| source.answers_to(qualifier));
        let mut found: Vec<Column> = sources().filter_map(|source| source.find(name)).collect();
        if qualifier.is_none() && found.len() > 1 {
            if self.has_right_join {
                return Err(format!("`{name}` of a RIGHT or FULL join with USING"));
            }
            found.retain(|column| !self.merged.contains(column));
        }
        match found.len() {
            0 => {}
            1 => return Ok(found.pop().map(Expr::Column)),
            _ => return Err(format!("`{name}` is ambiguous")),
        }
        let mut rowids = sources().filter(|source| source.has_rowid && is_rowid(name));
        if let (Some(source), None) = (rowids.next(), rowids.next()) {
            return Ok(Some(Expr::Column(source.column(name))));
        }
        let alias = self.aliases.iter().find(|(alias, _)| qualifier.is_none() && alias.eq_ignore_ascii_case(name));
        Ok(alias.map(|(_, expr)| expr.clone()))
    }

    /// The columns of `*` or `table.*`.
    pub(super) fn star(&self, table: Option<&str>) -> Result<Vec<Column>> {
        if self.has_right_join && !self.merged.is_empty() && table.is_none() {
            return Err("`*` of a RIGHT or FULL join with USING".into());
        }
        let columns = self.sources.iter().filter(|source| source.answers_to(table)).flat_map(|source| {
            source.columns.iter().filter(|column| !column.hidden).map(|column| source.column(&column.name))
        });
        Ok(columns.filter(|column| table.is_some() || !self.merged.contains(column)).collect())
    }

    /// The leftmost column of this name among the first `sources` sources.
    pub(super) fn leftmost(&self, range: std::ops::Range<usize>, name: &str) -> Option<Column> {
        self.sources[range].iter().find_map(|source| source.find(name))
    }
}
