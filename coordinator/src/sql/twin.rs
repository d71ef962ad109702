//! The twin: an empty in-memory SQLite with the cluster's schema. SQLite itself says what a statement means.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, config::DbConfig};

use super::SqlError;

/// An empty database with the schema. One thread at a time.
pub(crate) struct Twin {
    connection: Connection,
    /// The table of each root page, its own or an index's.
    roots: HashMap<i64, String>,
    reads: Arc<Mutex<Reads>>,
    stop: Arc<Mutex<Option<StopCheck>>>,
}

/// Whether what runs should stop now.
pub(crate) type StopCheck = Box<dyn Fn() -> bool + Send>;

/// Virtual machine steps between two looks at the stop check.
const STEPS_PER_LOOK: i32 = 1000;

/// What the authorizer saw while a statement was prepared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads {
    /// Tables that the statement touches.
    pub(crate) tables: BTreeSet<String>,
    /// Names that it may not touch, with the reason.
    pub(crate) denied: Option<String>,
    /// Functions that it calls, in lower case.
    pub(crate) functions: BTreeSet<String>,
}

/// A statement as SQLite sees it.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    /// Name and declared type of each result column.
    pub(crate) columns: Vec<(String, Option<String>)>,
    /// The name of each parameter, with its prefix; none for `?`.
    pub(crate) parameters: Vec<Option<String>>,
    pub(crate) readonly: bool,
    pub(crate) reads: Reads,
}

impl Twin {
    /// An empty database in which `script` has been run.
    pub(crate) fn new<'a>(script: impl IntoIterator<Item = &'a str>) -> Result<Twin, rusqlite::Error> {
        let mut connection = Connection::open_in_memory()?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        for statement in script {
            connection.execute_batch(statement)?;
        }
        let roots = roots(&connection)?;
        let reads = Arc::new(Mutex::new(Reads::default()));
        let seen = Arc::clone(&reads);
        connection.authorizer(Some(move |context: AuthContext<'_>| seen.lock().authorize(&context)))?;
        let stop: Arc<Mutex<Option<StopCheck>>> = Arc::default();
        let asked = Arc::clone(&stop);
        let handler = move || asked.lock().as_ref().is_some_and(|stop| stop());
        connection.progress_handler(STEPS_PER_LOOK, Some(handler))?;
        Ok(Twin { connection, roots, reads, stop })
    }

    /// What SQLite says about one statement that reads.
    pub(crate) fn describe(&self, text: &str) -> Result<Described, SqlError> {
        *self.reads.lock() = Reads::default();
        let prepared = self.connection.prepare(text);
        let mut reads = self.reads.lock().clone();
        if let Some(denied) = reads.denied {
            return Err(SqlError::Unsupported(denied));
        }
        let statement = prepared.map_err(SqlError::from_sqlite)?;
        if statement.is_explain() != 0 {
            return Err(SqlError::Unsupported("EXPLAIN".into()));
        }
        let columns = statement
            .columns()
            .map(|column| (column.name().to_owned(), column.decl_type().map(str::to_owned)))
            .collect();
        let parameters = (1..=statement.parameter_count())
            .map(|index| statement.parameter_name(index).filter(|name| !name.starts_with('?')).map(str::to_owned))
            .collect();
        let readonly = statement.readonly();
        drop(statement);
        reads.tables.extend(self.opened(text)?);
        Ok(Described { columns, parameters, readonly, reads })
    }

    /// Tables that the program opens. The authorizer does not hear of a table of which a statement reads nothing but
    /// the columns that USING or NATURAL name.
    fn opened(&self, text: &str) -> Result<Vec<String>, SqlError> {
        let program = self.program(text).map_err(SqlError::from_sqlite)?;
        let root = |line: &String| line.strip_prefix("OpenRead ")?.split(' ').nth(1)?.parse::<i64>().ok();
        let table = |root| {
            let known = self.roots.get(&root).cloned();
            known.ok_or_else(|| SqlError::Unsupported("reading `sqlite_schema`".into()))
        };
        program.iter().filter_map(root).map(table).collect()
    }

    /// The bytecode of a statement, an instruction a line.
    pub(crate) fn program(&self, text: &str) -> Result<Vec<String>, rusqlite::Error> {
        let mut statement = self.connection.prepare(&format!("EXPLAIN {text}"))?;
        let mut rows = statement.raw_query();
        let mut program = Vec::new();
        while let Some(row) = rows.next()? {
            let mut line = row.get::<_, String>(1)?;
            for column in [2, 3, 4, 6] {
                line.push_str(&format!(" {}", row.get::<_, i64>(column)?));
            }
            if let ValueRef::Text(operand) = row.get_ref(5)? {
                line.push(' ');
                line.push_str(&String::from_utf8_lossy(operand));
            }
            program.push(line);
        }
        Ok(program)
    }

    /// From now on statements are interrupted when `stop` says so.
    pub(crate) fn watch(&self, stop: Option<StopCheck>) {
        *self.stop.lock() = stop;
    }

    /// The connection, for evaluating what needs no rows.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

fn roots(connection: &Connection) -> rusqlite::Result<HashMap<i64, String>> {
    let mut schema = connection.prepare("SELECT rootpage, tbl_name FROM sqlite_schema WHERE rootpage > 0")?;
    let roots = schema.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    roots.collect()
}

/// Functions whose value depends on the connection that runs them.
const CONNECTION_FUNCTIONS: &[&str] =
    &["changes", "total_changes", "last_insert_rowid", "load_extension", "fts3_tokenizer", "sqlite_offset"];

impl Reads {
    fn authorize(&mut self, context: &AuthContext<'_>) -> Authorization {
        let denied = match context.action {
            AuthAction::Select | AuthAction::Recursive => return Authorization::Allow,
            AuthAction::Read { table_name, .. } if is_internal(table_name) => format!("reading `{table_name}`"),
            AuthAction::Read { table_name, .. } => {
                self.tables.insert(table_name.to_owned());
                return Authorization::Allow;
            }
            AuthAction::Function { function_name } if CONNECTION_FUNCTIONS.contains(&function_name) => {
                format!("the function `{function_name}`")
            }
            AuthAction::Function { function_name } => {
                self.functions.insert(function_name.to_ascii_lowercase());
                return Authorization::Allow;
            }
            AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. } => {
                "writing in a query; use the call that executes statements".into()
            }
            AuthAction::Pragma { pragma_name, .. } => format!("PRAGMA {pragma_name}"),
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => "ATTACH and DETACH".into(),
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
                "a transaction in a query; each call is atomic by itself".into()
            }
            _ => "this kind of statement".into(),
        };
        self.denied.get_or_insert(denied);
        Authorization::Deny
    }
}

fn is_internal(table: &str) -> bool {
    let lower = table.to_ascii_lowercase();
    lower.starts_with("sqlite_") || lower.starts_with("pragma_") || lower.starts_with("_souk") || lower == "dbstat"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_the_authorizer_is_not_told_of_are_named() {
        let twin = Twin::new(["CREATE TABLE t(a); CREATE TABLE u(a PRIMARY KEY)"]).expect("twin");
        for text in [
            "SELECT count(*) FROM t NATURAL JOIN u",
            "SELECT count(*) FROM t JOIN u USING (a)",
            "SELECT count(*) FROM t, u",
            "SELECT 1 FROM t WHERE EXISTS (SELECT 1 FROM u)",
        ] {
            let described = twin.describe(text).expect(text);
            assert_eq!(described.reads.tables, ["t", "u"].map(str::to_owned).into(), "{text}");
        }
        let schema = twin.describe("SELECT count(*) FROM sqlite_schema NATURAL JOIN sqlite_schema AS s");
        assert!(matches!(schema, Err(SqlError::Unsupported(_))), "{schema:?}");
    }

    #[test]
    fn every_table_that_is_read_is_known() {
        let twin =
            Twin::new(["CREATE TABLE t(k, a)", "CREATE TABLE u(k, b)", "CREATE INDEX i ON u(k, b)"]).expect("twin");
        for text in [
            "SELECT count(*) FROM t JOIN u USING (k)",
            "SELECT 1 FROM t NATURAL JOIN u",
            "SELECT t.a FROM t JOIN u USING (k)",
            "SELECT EXISTS (SELECT 1 FROM t AS x NATURAL JOIN t AS y), (SELECT count(*) FROM u)",
        ] {
            let reads = twin.describe(text).expect(text).reads;
            assert_eq!(reads.tables, BTreeSet::from(["t".to_owned(), "u".to_owned()]), "{text}");
        }
    }

    #[test]
    fn what_does_not_only_read_rows_is_denied_by_name() {
        let twin = Twin::new(["CREATE TABLE t(a)"]).expect("twin");
        for (text, names) in [
            ("ATTACH 'x' AS y", "ATTACH"),
            ("PRAGMA user_version", "PRAGMA user_version"),
            ("SELECT * FROM pragma_table_info('t')", "pragma_table_info"),
            ("SELECT * FROM sqlite_schema", "sqlite_"),
            ("BEGIN", "transaction"),
            ("SELECT last_insert_rowid()", "last_insert_rowid"),
            ("INSERT INTO t VALUES (1) RETURNING a", "writing"),
            ("EXPLAIN SELECT 1", "EXPLAIN"),
        ] {
            match twin.describe(text) {
                Err(SqlError::Unsupported(what)) => assert!(what.contains(names), "{text}: {what}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
