//! The twin: an empty in-memory SQLite with the cluster's schema. SQLite itself says what a statement means.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, config::DbConfig};

use super::SqlError;

/// An empty database with the schema. One thread at a time.
pub(crate) struct Twin {
    connection: Connection,
    roots: HashMap<i64, Root>,
    triggers: BTreeSet<String>,
    has_foreign_keys: bool,
    reads: Arc<Mutex<Reads>>,
    stop: Arc<Mutex<Option<StopCheck>>>,
}

/// What a root page is the root of.
struct Root {
    /// The table, or the table of the index.
    table: String,
    /// The columns of the index; none of a table.
    indexed: Vec<String>,
}

/// Whether what runs should stop now.
pub(crate) type StopCheck = Box<dyn Fn() -> bool + Send>;

/// Virtual machine steps between two looks at the stop check.
const STEPS_PER_LOOK: i32 = 1000;

/// What the authorizer saw while a statement was prepared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads {
    /// Tables and views that the statement touches, each with the columns that SQLite says it reads, in SQLite's spelling; a
    /// rowid is `ROWID`. Columns that only USING or NATURAL name are not among them.
    pub(crate) tables: BTreeMap<String, BTreeSet<String>>,
    /// The columns of the indices that it goes by, by table: they decide in which order rows come where nothing else does.
    pub(crate) indexed: BTreeMap<String, BTreeSet<String>>,
    /// Whether it reads the schema itself: `sqlite_schema`, `pragma_table_info(...)` and their kin.
    pub(crate) schema: bool,
    /// Names that it may not touch, with the reason.
    pub(crate) denied: Option<String>,
    /// Functions that it calls, in lower case.
    pub(crate) functions: BTreeSet<String>,
    /// Whether it may change rows.
    may_write: bool,
    /// Tables and views of which it may change rows, be it by a trigger.
    pub(crate) written: BTreeSet<String>,
    /// The triggers and views that have parts of it done.
    within: BTreeSet<String>,
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
    /// What SQLite makes of it.
    pub(super) program: Program,
}

/// What a statement that changes rows touches, be it by a foreign key or a trigger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    /// Tables and views, in SQLite's spelling.
    pub(crate) tables: BTreeSet<String>,
    /// Those of which rows may be changed.
    pub(crate) written: BTreeSet<String>,
    /// Whether triggers may fire.
    pub(crate) fires: bool,
    /// Whether the schema itself is read.
    pub(crate) reads_schema: bool,
}

/// The bytecode of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// Instruction after instruction. Texts stand behind their lengths, so that none can pass for an instruction.
    instructions: String,
    /// The root pages of what it opens. The authorizer does not hear of a table of which a statement reads nothing but the
    /// columns that USING or NATURAL name.
    opened: Vec<i64>,
}

impl Twin {
    /// An empty database in which `script` has been run.
    pub(crate) fn new<'a>(script: impl IntoIterator<Item = &'a str>) -> Result<Twin, rusqlite::Error> {
        let mut connection = Connection::open_in_memory()?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Foreign keys are the shards' to look at: a statement does not read the tables that they lead to.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
        for statement in script {
            connection.execute_batch(statement)?;
        }
        let roots = roots(&connection)?;
        let triggers = triggers(&connection)?;
        let foreign_keys = "SELECT 1 FROM pragma_table_list AS t, pragma_foreign_key_list(t.name)";
        let has_foreign_keys = connection.prepare(foreign_keys)?.exists([])?;
        let reads = Arc::new(Mutex::new(Reads::default()));
        let seen = Arc::clone(&reads);
        connection.authorizer(Some(move |context: AuthContext<'_>| seen.lock().authorize(&context)))?;
        let stop: Arc<Mutex<Option<StopCheck>>> = Arc::default();
        let asked = Arc::clone(&stop);
        let handler = move || asked.lock().as_ref().is_some_and(|stop| stop());
        connection.progress_handler(STEPS_PER_LOOK, Some(handler))?;
        Ok(Twin { connection, roots, triggers, has_foreign_keys, reads, stop })
    }

    /// What SQLite says about one statement that reads.
    pub(crate) fn describe(&self, text: &str) -> Result<Described, SqlError> {
        self.describe_with(text, Reads::default())
    }

    /// What SQLite says about one statement that changes rows, and what that touches where foreign keys are enforced and triggers fire.
    pub(super) fn describe_change(&self, text: &str) -> Result<(Described, Touched), SqlError> {
        let describe = || self.describe_with(text, Reads { may_write: true, ..Reads::default() });
        let described = describe()?;
        if !self.has_foreign_keys {
            let touched = self.touched(described.reads.clone());
            return Ok((described, touched));
        }
        let enforce = |on| self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, on);
        enforce(true).map_err(SqlError::from_sqlite)?;
        let enforced = describe();
        enforce(false).map_err(SqlError::from_sqlite)?;
        Ok((described, self.touched(enforced?.reads)))
    }

    fn touched(&self, reads: Reads) -> Touched {
        let Reads { tables, written, within, schema, .. } = reads;
        let tables = tables.into_keys().chain(written.iter().cloned()).collect();
        // A view of the same name makes it one trigger too many, which makes nobody wrong.
        let fires = within.iter().any(|name| self.triggers.contains(name));
        Touched { tables, written, fires, reads_schema: schema }
    }

    fn describe_with(&self, text: &str, reads: Reads) -> Result<Described, SqlError> {
        *self.reads.lock() = reads;
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
        let program = self.program(text).map_err(SqlError::from_sqlite)?;
        for root in &program.opened {
            let Some(Root { table, indexed }) = self.roots.get(root) else {
                // `sqlite_schema` is no table of the schema.
                reads.schema = true;
                continue;
            };
            reads.tables.entry(table.clone()).or_default();
            reads.indexed.entry(table.clone()).or_default().extend(indexed.iter().cloned());
        }
        Ok(Described { columns, parameters, readonly, reads, program })
    }

    /// What SQLite makes of a statement.
    pub(super) fn program(&self, text: &str) -> Result<Program, rusqlite::Error> {
        let mut statement = self.connection.prepare(&format!("EXPLAIN {text}"))?;
        let mut rows = statement.raw_query();
        let mut program = Program { instructions: String::new(), opened: Vec::new() };
        while let Some(row) = rows.next()? {
            for column in 1..=6 {
                program.push(row.get_ref(column)?);
            }
            if row.get_ref(1)? == ValueRef::Text(b"OpenRead") {
                program.opened.push(row.get(3)?);
            }
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

impl Program {
    /// The opcode or an operand.
    fn push(&mut self, operand: ValueRef<'_>) {
        // Nothing fails to be written into a string.
        let _ = match operand {
            ValueRef::Integer(operand) => write!(self.instructions, "{operand} "),
            ValueRef::Text(operand) => {
                write!(self.instructions, "{}:{} ", operand.len(), String::from_utf8_lossy(operand))
            }
            _ => write!(self.instructions, "- "),
        };
    }
}

fn roots(connection: &Connection) -> rusqlite::Result<HashMap<i64, Root>> {
    let mut schema = connection.prepare(
        "SELECT s.rootpage, s.tbl_name, i.name FROM sqlite_schema AS s LEFT JOIN pragma_index_info(s.name) AS i
         WHERE s.rootpage > 0",
    )?;
    let mut roots: HashMap<i64, Root> = HashMap::new();
    let mut rows = schema.query([])?;
    while let Some(row) = rows.next()? {
        let table = row.get(1)?;
        let root = roots.entry(row.get(0)?).or_insert_with(|| Root { table, indexed: Vec::new() });
        root.indexed.extend(row.get::<_, Option<String>>(2)?);
    }
    Ok(roots)
}

fn triggers(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// Functions whose value depends on the connection that runs them.
const CONNECTION_FUNCTIONS: &[&str] =
    &["changes", "total_changes", "last_insert_rowid", "load_extension", "fts3_tokenizer", "sqlite_offset"];

impl Reads {
    fn authorize(&mut self, context: &AuthContext<'_>) -> Authorization {
        if let Some(within) = context.accessor.filter(|_| self.may_write) {
            self.within.insert(within.to_owned());
        }
        let denied = match context.action {
            AuthAction::Select | AuthAction::Recursive => return Authorization::Allow,
            AuthAction::Read { table_name, .. } if is_of_schema(table_name) => {
                self.schema = true;
                return Authorization::Allow;
            }
            AuthAction::Read { table_name, .. } if is_internal(table_name) => format!("reading `{table_name}`"),
            AuthAction::Read { table_name, column_name } => {
                let columns = self.tables.entry(table_name.to_owned()).or_default();
                if !column_name.is_empty() {
                    columns.insert(column_name.to_owned());
                }
                return Authorization::Allow;
            }
            AuthAction::Function { function_name } if CONNECTION_FUNCTIONS.contains(&function_name) => {
                format!("the function `{function_name}`")
            }
            AuthAction::Function { function_name } => {
                self.functions.insert(function_name.to_ascii_lowercase());
                return Authorization::Allow;
            }
            AuthAction::Insert { table_name }
            | AuthAction::Update { table_name, .. }
            | AuthAction::Delete { table_name }
                if self.may_write =>
            {
                if !is_internal(table_name) {
                    self.written.insert(table_name.to_owned());
                    return Authorization::Allow;
                }
                format!("writing to `{table_name}`")
            }
            AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. } => {
                "writing in a query; use the call that executes statements".into()
            }
            AuthAction::Pragma { pragma_name, .. } if is_schema_pragma(pragma_name) => {
                self.schema = true;
                return Authorization::Allow;
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

/// Pragmas that tell of the schema and of the build alone, so that an empty database with the schema answers them.
const SCHEMA_PRAGMAS: &[&str] = &[
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "collation_list",
    "compile_options",
    "function_list",
    "module_list",
    "pragma_list",
    "encoding",
];

fn is_schema_pragma(name: &str) -> bool {
    SCHEMA_PRAGMAS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The schema's own table, and the table functions of the pragmas above.
fn is_of_schema(table: &str) -> bool {
    let lower = table.to_ascii_lowercase();
    let schema_tables = ["sqlite_schema", "sqlite_master", "sqlite_temp_schema", "sqlite_temp_master"];
    schema_tables.contains(&lower.as_str()) || lower.strip_prefix("pragma_").is_some_and(is_schema_pragma)
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
            let tables: Vec<&str> = described.reads.tables.keys().map(String::as_str).collect();
            assert_eq!(tables, ["t", "u"], "{text}");
        }
        let schema = twin.describe("SELECT count(*) FROM sqlite_schema NATURAL JOIN sqlite_schema AS s");
        assert!(schema.expect("the schema may be read").reads.schema);
    }

    #[test]
    fn a_literal_passes_for_no_instruction() {
        let twin = Twin::new(["CREATE TABLE t(a); CREATE TABLE u(b)"]).expect("twin");
        let reads =
            twin.describe("SELECT '\nOpenRead 0 3 0 0\n', ' 8:OpenRead 0 9 0 ' FROM t").expect("a SELECT").reads;
        assert!(!reads.schema, "nothing of the schema is read");
        assert_eq!(reads.tables.keys().collect::<Vec<_>>(), ["t"]);
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
            assert_eq!(reads.tables.keys().collect::<Vec<_>>(), ["t", "u"], "{text}");
        }
    }

    #[track_caller]
    fn check_touched(twin: &Twin, text: &str, fires: bool, tables: &[&str], written: &[&str]) {
        let (_, touched) = twin.describe_change(text).expect(text);
        assert!(touched.written.iter().eq(written), "{text} writes {:?}", touched.written);
        assert!(touched.tables.iter().eq(tables), "{text} touches {:?}", touched.tables);
        assert_eq!(touched.fires, fires, "{text}");
    }

    #[test]
    fn what_triggers_do_is_part_of_a_statement() {
        let twin = Twin::new([
            "CREATE TABLE t(a, b); CREATE TABLE u(a); CREATE TABLE v(a); CREATE TABLE w(a); CREATE VIEW x AS SELECT a FROM v",
            "CREATE TRIGGER one AFTER UPDATE OF a ON t BEGIN INSERT INTO u SELECT a FROM x; END",
            "CREATE TRIGGER two AFTER INSERT ON u WHEN new.a > 1 BEGIN DELETE FROM w; END",
            "CREATE TRIGGER three BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'no'); END",
            "CREATE TRIGGER four INSTEAD OF INSERT ON x BEGIN INSERT INTO v VALUES (new.a); END",
        ]);
        let twin = twin.expect("twin");
        let check = |text, fires, tables: &[&str], written: &[&str]| check_touched(&twin, text, fires, tables, written);
        check("UPDATE t SET b = 1", false, &["t"], &["t"]);
        check("UPDATE t SET a = 1", true, &["t", "u", "v", "w", "x"], &["t", "u", "w"]);
        check("INSERT INTO t VALUES (1, 2)", false, &["t"], &["t"]);
        check("DELETE FROM t", true, &["t"], &["t"]);
        check("INSERT INTO x VALUES (1)", true, &["v", "x"], &["v", "x"]);
        check("DELETE FROM w WHERE a IN (SELECT a FROM x)", false, &["v", "w", "x"], &["w"]);
    }

    #[test]
    fn what_foreign_keys_do_is_part_of_a_statement() {
        let twin = Twin::new([
            "CREATE TABLE p(id INTEGER PRIMARY KEY, n); CREATE TABLE log(n)",
            "CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE)",
            "CREATE TABLE d(c REFERENCES c ON DELETE SET NULL, e REFERENCES p)",
            "CREATE TRIGGER t AFTER UPDATE ON d BEGIN INSERT INTO log VALUES (1); END",
        ]);
        let twin = twin.expect("twin");
        let check = |text, fires, tables: &[&str], written: &[&str]| check_touched(&twin, text, fires, tables, written);
        check("DELETE FROM p WHERE n = 1", true, &["c", "d", "log", "p"], &["c", "d", "log", "p"]);
        check("UPDATE p SET n = 1", false, &["p"], &["p"]);
        check("UPDATE p SET id = id + 1", false, &["c", "d", "p"], &["p"]);
        check("INSERT INTO d VALUES (1, 2)", false, &["c", "d", "p"], &["d"]);
        check("INSERT INTO log VALUES (2)", false, &["log"], &["log"]);
        let (described, _) = twin.describe_change("INSERT INTO d VALUES (1, 2)").expect("an INSERT");
        assert!(described.reads.tables.is_empty(), "by itself it reads nothing: {:?}", described.reads.tables);
    }

    #[test]
    fn what_does_not_only_read_rows_is_denied_by_name() {
        let twin = Twin::new(["CREATE TABLE t(a)"]).expect("twin");
        for (text, names) in [
            ("ATTACH 'x' AS y", "ATTACH"),
            ("PRAGMA user_version", "PRAGMA user_version"),
            ("SELECT * FROM pragma_user_version", "pragma_user_version"),
            ("SELECT * FROM dbstat", "dbstat"),
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
