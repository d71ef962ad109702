//! What a statement of a call may do: read tables, and a writer's change rows of them. A list of what is allowed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::scope::ScopeNames;

/// Functions that reach outside of the rows, or whose value belongs to a connection.
const FUNCTIONS_DENIED: [&str; 5] =
    ["load_extension", "changes", "total_changes", "last_insert_rowid", "fts3_tokenizer"];

/// Decides for one connection.
pub(crate) struct Authorizer {
    /// Set while the connection runs statements of its own.
    pub(crate) trusted: Arc<AtomicBool>,
    /// The scope's views, when a reader has one.
    pub(crate) scope: Option<ScopeNames>,
    /// Whether rows may be changed.
    pub(crate) writes: bool,
}

impl Authorizer {
    pub(crate) fn decide(&self, context: AuthContext<'_>) -> Authorization {
        if self.trusted.load(Ordering::Relaxed) || self.allows(context) {
            Authorization::Allow
        } else {
            Authorization::Deny
        }
    }

    fn allows(&self, context: AuthContext<'_>) -> bool {
        match context.action {
            AuthAction::Select | AuthAction::Recursive => true,
            AuthAction::Function { function_name } => allows_function(function_name),
            AuthAction::Read { table_name, column_name } => {
                let reach =
                    Reach { table_name, column_name, database: context.database_name, accessor: context.accessor };
                self.allows_read(&reach)
            }
            AuthAction::Insert { table_name }
            | AuthAction::Delete { table_name }
            | AuthAction::Update { table_name, .. } => self.writes && !is_internal(table_name),
            _ => false,
        }
    }

    fn allows_read(&self, reach: &Reach<'_>) -> bool {
        match &self.scope {
            Some(scope) => scope.allows(reach).unwrap_or_else(|| !is_internal(reach.table_name)),
            None => !is_internal(reach.table_name),
        }
    }
}

/// A column that a statement wants to read.
struct Reach<'a> {
    table_name: &'a str,
    column_name: &'a str,
    database: Option<&'a str>,
    accessor: Option<&'a str>,
}

impl ScopeNames {
    /// Whether a read is allowed; none when it has nothing to do with the scope.
    fn allows(&self, reach: &Reach<'_>) -> Option<bool> {
        let is_temp = reach.database.is_some_and(|name| name.eq_ignore_ascii_case("temp"));
        if self.gates.iter().any(|gate| gate == reach.table_name) {
            return Some(true);
        }
        let index = self.tables.iter().position(|table| table.eq_ignore_ascii_case(reach.table_name))?;
        // Of a view or a subquery with that name SQLite says that it is read, without a database.
        let is_named_only = reach.database.is_none() && reach.column_name.is_empty();
        Some(is_temp || is_named_only || reach.accessor == Some(self.gates[index].as_str()))
    }
}

fn allows_function(name: &str) -> bool {
    !FUNCTIONS_DENIED.iter().any(|denied| name.eq_ignore_ascii_case(denied)) && !has_prefix(name, "sqlite_")
}

/// Tables that are SQLite's or the node's own, and table-valued functions that look at more than rows.
pub(crate) fn is_internal(table: &str) -> bool {
    ["sqlite_", "_souk_", "pragma_", "fts3tokenize"].iter().any(|prefix| has_prefix(table, prefix))
        || table.eq_ignore_ascii_case("dbstat")
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
