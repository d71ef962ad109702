//! Stage 3: text to statement.
//!
//! SQLite (the [twin](Twin)) says what a text is; sqlparser and the [binder](bind) make a tree of it; the [judge](judge)
//! believes the tree only when SQLite reads both alike.

mod tokens;

mod ast;
mod bind;
mod change;
mod dialect;
mod evaluate;
mod judge;
mod operands;
mod parse;
mod print;
mod rewrite;
mod schema;
mod twin;
mod walk;
mod writes;

use sqlparser::tokenizer::{Token, TokenWithSpan};

pub(crate) use ast::*;
pub(crate) use bind::is_rowid;
pub(crate) use change::{Change, Clause, Insert, mentions};
pub(crate) use evaluate::Evaluator;
pub(crate) use judge::Verdict;
pub(crate) use print::quote;
pub(crate) use schema::{Affinity, ColumnInfo, Distribution, Schema, TableInfo, ViewInfo};
use tokens::tokenize;
pub(crate) use twin::{Described, Touched, Twin};
pub(crate) use walk::{Node, map_query, own_sources, walk_expr, walk_query};
pub(crate) use writes::{Declared, SchemaStatement, WriteStatement, read_write};

/// What a statement may be before it is parsed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) bytes_max: usize,
    pub(crate) tokens_max: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { bytes_max: 32 * 1024, tokens_max: 10_000 }
    }
}

/// Why a text is no statement that can be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SqlError {
    /// SQLite does not accept it; its own words.
    #[error("{0}")]
    Syntax(String),
    /// A name that the schema does not know; SQLite's own words.
    #[error("{0}")]
    NoSuchName(String),
    /// Valid, and refused.
    #[error("{0} is not supported")]
    Unsupported(String),
    #[error("the statement has {has} {what}; at most {max} are accepted: bind long values as parameters")]
    TooLarge { what: &'static str, has: usize, max: usize },
    /// SQLite failed while it evaluated an expression; its own words.
    #[error("{0}")]
    Runtime(String),
    /// SQLite was stopped while it compiled it.
    #[error("the deadline passed while SQLite compiled the statement; simplify it, or allow more time")]
    Deadline,
    /// Not tokenized here; SQLite has the last word.
    #[error("{0}")]
    Unparsed(String),
}

impl SqlError {
    /// What SQLite said while it prepared a statement.
    pub(crate) fn from_sqlite(error: rusqlite::Error) -> SqlError {
        SqlError::from_sqlite_text(&error)
    }

    /// As [`SqlError::from_sqlite`], of an error that is kept.
    pub(crate) fn from_sqlite_text(error: &rusqlite::Error) -> SqlError {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) {
            return SqlError::Deadline;
        }
        let message = match error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            rusqlite::Error::MultipleStatement => "more than one statement; send them one by one".into(),
            other => other.to_string(),
        };
        if message.starts_with("no such table") || message.starts_with("no such column") {
            SqlError::NoSuchName(message)
        } else {
            SqlError::Syntax(message)
        }
    }
}

/// A SELECT that SQLite accepts.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) described: Described,
    pub(crate) verdict: Verdict,
}

/// Prepares a text that should be one SELECT: bounds, SQLite's own view, and the tree when there is one to believe.
///
/// Runs sqlparser, whose trees are deep: call it on a thread with a large stack. SQLite may take seconds for a statement of
/// many joins and ORs: what watches the twin ends that.
pub(crate) fn prepare(twin: &Twin, schema: &Schema, text: &str, bounds: &Bounds) -> Result<Statement, SqlError> {
    let tokens = tokenize(text, bounds);
    if let Err(error @ (SqlError::TooLarge { .. } | SqlError::Syntax(_))) = tokens {
        return Err(error);
    }
    if tokens.as_ref().is_ok_and(|tokens| are_several(tokens)) {
        return Err(SqlError::from_sqlite(rusqlite::Error::MultipleStatement));
    }
    let described = twin.describe(text)?;
    if described.columns.is_empty() || !described.readonly {
        return Err(SqlError::Unsupported("a statement that gives no rows".into()));
    }
    let verdict = match tokens {
        Ok(tokens) => judge::judge(twin, schema, text, &described.program, tokens)?,
        Err(error) => Verdict::Opaque(error.to_string()),
    };
    Ok(Statement { described, verdict })
}

/// A statement that changes rows, and what SQLite says of it.
#[derive(Debug, Clone)]
pub(crate) struct ChangeStatement {
    /// Name and declared type of each column that RETURNING gives.
    pub(crate) columns: Vec<(String, Option<String>)>,
    /// The name of each parameter, with its prefix; none for `?`.
    pub(crate) parameters: Vec<Option<String>>,
    pub(crate) touched: Touched,
    pub(crate) change: Change,
}

/// Reads a text that should be an INSERT, an UPDATE or a DELETE: SQLite's own view first.
pub(crate) fn prepare_change(twin: &Twin, text: &str, bounds: &Bounds) -> Result<ChangeStatement, SqlError> {
    let tokens = tokenize(text, bounds)?;
    if are_several(&tokens) {
        return Err(SqlError::from_sqlite(rusqlite::Error::MultipleStatement));
    }
    let (Described { columns, parameters, .. }, touched) = twin.describe_change(text)?;
    if change::highest_parameter(&tokens) != parameters.len() {
        // `:1`, `$a::b`: names that are taken apart differently here.
        return Err(SqlError::Unsupported("a parameter with such a name".into()));
    }
    let end = tokens.iter().position(|token| matches!(token.token, Token::SemiColon | Token::EOF));
    let change = change::take_apart(text, &tokens[..end.unwrap_or(tokens.len())]);
    let change = change.unwrap_or_else(|| Err(SqlError::Unsupported("this kind of statement".into())))?;
    Ok(ChangeStatement { columns, parameters, touched, change })
}

/// Whether anything but a semicolon follows a semicolon.
fn are_several(tokens: &[TokenWithSpan]) -> bool {
    let is_end = |token: &TokenWithSpan| matches!(token.token, Token::SemiColon | Token::EOF);
    tokens.iter().skip_while(|token| token.token != Token::SemiColon).any(|token| !is_end(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "CREATE TABLE t(k TEXT, a INTEGER, b REAL, c TEXT COLLATE NOCASE, d); \
                          CREATE TABLE u(k TEXT, id INTEGER PRIMARY KEY, a, j); \
                          CREATE INDEX t_a ON t(a)";
    /// Each with its name and its columns.
    const VIEWS: [(&str, &[&str], &str); 7] = [
        ("plain", &["p", "b"], "CREATE VIEW plain(p, b) AS SELECT a, b FROM t WHERE a > 1"),
        ("grouped", &["k", "a + 1", "n"], "CREATE VIEW grouped AS SELECT k, a + 1, count(*) AS n FROM t GROUP BY k, a"),
        (
            "of_views",
            &["p", "n"],
            "CREATE VIEW IF NOT EXISTS of_views AS SELECT p, n FROM plain JOIN grouped ON n = p;",
        ),
        ("every", &["a"], "CREATE VIEW every AS SELECT a FROM t UNION ALL SELECT id FROM u"),
        ("with_table", &["m"], "CREATE VIEW with_table AS WITH c(x) AS (SELECT max(a) FROM t) SELECT x AS m FROM c"),
        ("fixed", &["x", "y"], "CREATE VIEW fixed(x, y) AS VALUES (1, 2), (3, 4)"),
        ("a view", &["the a"], "CREATE VIEW main.[a view](\"the a\") AS SELECT a FROM t INDEXED BY t_a"),
    ];

    fn column(name: &str, declared: &str) -> ColumnInfo {
        ColumnInfo {
            name: name.into(),
            declared_type: declared.into(),
            affinity: Affinity::of_declared(declared),
            collation: Some(souk_merge::Collation::Binary),
            not_null: false,
            primary_key: 0,
            unique: false,
            default: None,
            hidden: false,
            generated: false,
        }
    }

    fn table(name: &str, columns: &[(&str, &str)]) -> TableInfo {
        TableInfo {
            name: name.into(),
            columns: columns.iter().map(|(name, declared)| column(name, declared)).collect(),
            distribution: Distribution::Sharded { key: 0 },
            rowid_alias: None,
            without_rowid: false,
            strict: false,
            parents: Vec::new(),
            referenced: false,
            referenced_columns: Vec::new(),
            refers_to_itself: false,
            has_insert_triggers: false,
        }
    }

    fn check(text: &str) -> Result<Statement, SqlError> {
        let views = VIEWS.map(|(_, _, sql)| sql);
        let twin = Twin::new(std::iter::once(SCHEMA).chain(views)).expect("twin");
        let schema = Schema::new(vec![
            table("t", &[("k", "TEXT"), ("a", "INTEGER"), ("b", "REAL"), ("c", "TEXT"), ("d", "")]),
            table("u", &[("k", "TEXT"), ("id", "INTEGER"), ("a", ""), ("j", "")]),
        ]);
        let view = |(name, columns, sql): (&str, &[&str], &str)| ViewInfo {
            name: name.into(),
            sql: sql.into(),
            columns: columns.iter().map(|column| (*column).into()).collect(),
        };
        let schema = schema.with_views(VIEWS.into_iter().map(view).collect());
        prepare(&twin, &schema, text, &Bounds::default())
    }

    fn check_judged(text: &str) {
        match check(text).expect(text).verdict {
            Verdict::Judged(_) => {}
            Verdict::Opaque(reason) => panic!("{text}: opaque: {reason}"),
        }
    }

    #[test]
    fn what_sqlparser_reads_otherwise_is_read_as_sqlite_does() {
        for text in [
            "SELECT a || b = c FROM t",
            "SELECT d ->> '$.k' + 1 FROM t",
            "SELECT a LIKE b = 1 FROM t",
            "SELECT 0xFF, 0x7fffffffffffffff & a FROM t",
            "SELECT a IS b, a IS NOT b, a IS NULL, a IS NOT NULL, a ISNULL, a NOTNULL, a NOT NULL FROM t",
            "SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b FROM t",
            "SELECT -a || b, - -a, ~a + 1, NOT a = b FROM t",
            "SELECT a < b = c, a & b | d << 2 >> 1, a + b * d % 3 FROM t",
            "SELECT a BETWEEN 1 AND 2 AND b, a NOT BETWEEN b AND d FROM t",
            "SELECT c COLLATE BINARY = 'x' FROM t ORDER BY c COLLATE NOCASE DESC NULLS FIRST",
            "SELECT a == b, a <> b, a != b FROM t",
            "SELECT c LIKE 'a!%' ESCAPE '!', c NOT LIKE 'x', c GLOB '*', c NOT GLOB '[a-z]*' FROM t",
        ] {
            check_judged(text);
        }
    }

    #[test]
    fn the_shapes_that_scatter_pass_the_judge() {
        for text in [
            "SELECT * FROM t",
            "SELECT t.*, x.id FROM t JOIN u AS x ON t.k = x.k WHERE x.a IN (1, 2, 3)",
            "SELECT a + 1 AS n FROM t WHERE n > 5 ORDER BY n, 1 DESC, b LIMIT 10 OFFSET 2",
            "SELECT typeof(a), typeof(a), count(*) FROM t GROUP BY 1",
            "SELECT a AS x, count(*) FROM t GROUP BY x HAVING count(*) > 1 ORDER BY count(*) DESC",
            "SELECT count(DISTINCT a), sum(b) FILTER (WHERE a > 1), total(a), avg(b), min(c), max(c) FROM t",
            "SELECT CASE a WHEN 1 THEN 'x' ELSE 'y' END, CAST(b AS INTEGER), iif(a, 1, 2) FROM t",
            "SELECT * FROM t WHERE (a, b) = (1, 2) AND (a, b) IN (VALUES (1, 2))",
            "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.k AND u.a > t.a)",
            "SELECT (SELECT max(id) FROM u WHERE u.k = t.k) FROM t",
            "SELECT a FROM t UNION ALL SELECT a FROM u ORDER BY 1 LIMIT ?",
            "SELECT a FROM t UNION SELECT a FROM u INTERSECT SELECT b FROM t ORDER BY a",
            "SELECT * FROM t LEFT JOIN u USING (k) WHERE u.id IS NULL",
            "SELECT * FROM t NATURAL JOIN u",
            "SELECT t.k FROM t, u AS v WHERE t.a = v.a AND t.k = :key AND v.k = :key OR t.b = ?",
            "WITH x AS (SELECT k, sum(a) AS s FROM t GROUP BY k) SELECT * FROM x WHERE s > 10",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n",
            "SELECT k, row_number() OVER (PARTITION BY k ORDER BY a DESC) FROM t",
            "SELECT j ->> '$.a', json_extract(j, '$.b'), e.value FROM u, json_each(u.j) AS e",
            "SELECT DISTINCT upper(c), replace(c, 'a', 'b'), substr(c, 1, 2), trim(c) FROM t",
            "SELECT rowid, t.rowid FROM t",
            "SELECT max(a, b), min(a, 1), glob('a', c), like('x', c) FROM t",
            "VALUES (1, 2), (3, 4)",
            "SELECT \"a\", [b], `c`, 'it''s', x'0aFF', 1e3, .5, 5., NULL, TRUE, CURRENT_TIMESTAMP FROM t",
            "SELECT * FROM (SELECT a, b FROM t WHERE a > 1) AS s WHERE s.b < 2 ORDER BY s.a",
            "SELECT group_concat(c, ', ' ORDER BY a) FROM t GROUP BY k",
            "SELECT * FROM t WHERE a IN ()",
            "SELECT date(a), time, date FROM (SELECT a, b AS time, c AS date FROM t)",
        ] {
            check_judged(text);
        }
    }

    #[test]
    fn views_are_read_as_their_queries() {
        for text in [
            "SELECT * FROM plain",
            "SELECT x.p, plain.b FROM plain JOIN plain AS x ON x.p = plain.p WHERE x.b > 1 ORDER BY plain.b",
            "SELECT n, \"a + 1\" FROM grouped WHERE k = 'x'",
            "SELECT * FROM of_views",
            "SELECT count(*) FROM main.every WHERE a > 2",
            "SELECT a FROM every UNION SELECT p FROM plain ORDER BY 1",
            "SELECT x.m, y.m FROM with_table AS x, with_table AS y",
            "SELECT x + y FROM fixed",
            "SELECT \"the a\" FROM \"a view\"",
            "SELECT a FROM t WHERE a IN (SELECT p FROM plain WHERE plain.b = t.b) OR a IN every",
            "SELECT k, n FROM t NATURAL JOIN grouped",
            "WITH plain AS (SELECT 1 AS p) SELECT p FROM plain",
        ] {
            check_judged(text);
        }
        let read = check("SELECT p FROM of_views WHERE n > 1").expect("a SELECT");
        let Verdict::Judged(tree) = read.verdict else { panic!("it is judged") };
        let mut tables = Vec::new();
        walk_query(&tree, &mut |node| {
            if let Node::Source(Source { kind: SourceKind::Table(name), .. }) = node {
                tables.push(name.clone());
            }
        });
        assert_eq!(tables, ["t", "t"], "the tables behind the views are in the tree: {tree}");
    }

    #[test]
    fn what_sqlparser_does_not_read_is_read() {
        for text in [
            "SELECT a IN (SELECT a FROM u), a NOT IN ((SELECT a FROM u), 2), a IN ((SELECT a FROM u)) FROM t",
            "SELECT (a, b) IN (VALUES (1, 2)), (a, b) NOT IN ((1, 2), (3, 4)), a IN (1) IN (0, 1), a IN () FROM t",
            "WITH one AS (SELECT 1) SELECT a IN one, a NOT IN \"one\", NULL IN one FROM t",
            "SELECT ((SELECT max(a) FROM t)) + 1, (((a))), (VALUES (1)), (SELECT a, b FROM t) = (1, 2) FROM t",
            "SELECT * FROM ((SELECT a FROM t)) AS x",
            "SELECT a FROM t NOT INDEXED WHERE a > 1",
            "SELECT x.a FROM main.t AS x INDEXED BY \"t_a\", u NOT INDEXED WHERE x.a > 1 AND u.a = x.a",
            "SELECT a FROM (SELECT a FROM t INDEXED BY t_a WHERE a < 5)",
            "SELECT a IS TRUE, a IS NOT FALSE, NOT a IS TRUE, (a > 1) IS NOT TRUE, a = TRUE, TRUE + 1 FROM t",
            "SELECT ALL a FROM t",
            "SELECT CAST(a AS UNSIGNED BIG INT), CAST(a AS DECIMAL(10, -2)), CAST(a AS 'text'), CAST(a AS \"my type\"), \
             CAST(a AS VARYING CHARACTER(255)) FROM t",
            "SELECT value, e.rowid FROM jsonb_each('[1]') AS e",
            "SELECT value FROM json_each WHERE json = '[1]'",
        ] {
            check_judged(text);
        }
    }

    #[test]
    fn joins_are_read() {
        for text in [
            "SELECT * FROM t JOIN (u JOIN t AS w ON u.k = w.k) ON t.k = u.k",
            "SELECT a.a FROM (t AS a JOIN (t AS b JOIN t AS c ON b.a = c.a) ON a.a = b.a)",
            "SELECT * FROM (t, u) LEFT JOIN t AS x ON x.a = u.a, u AS y WHERE t.a = u.a",
            "SELECT * FROM t, u ON t.a = u.a",
            "SELECT * FROM t, u USING (k)",
            "SELECT * FROM t JOIN u ON t.a IS DISTINCT FROM u.a, u AS w WHERE w.a IN (1, 2)",
            "SELECT * FROM t CROSS JOIN u ON t.a = u.a",
            "SELECT * FROM t FULL JOIN u USING (k)",
            "SELECT k, t.k, u.k FROM t FULL JOIN u USING (k) WHERE t.a > 1 ORDER BY t.k",
            "SELECT * FROM t NATURAL FULL OUTER JOIN u",
            "SELECT *, k FROM t RIGHT JOIN u USING (k, a)",
            "SELECT k FROM t LEFT JOIN u USING (k) LEFT JOIN u AS w USING (k)",
        ] {
            check_judged(text);
        }
    }

    #[test]
    fn with_tables_and_windows_are_read() {
        for text in [
            "WITH x AS MATERIALIZED (SELECT a FROM t), y(b) AS NOT MATERIALIZED (SELECT a FROM x) SELECT * FROM x, y, y AS z",
            "WITH t AS (SELECT a FROM main.t) SELECT a FROM t UNION ALL SELECT a FROM main.t",
            "WITH x AS (SELECT 1 AS n) SELECT (WITH x AS (SELECT 2 AS n) SELECT n FROM x), n FROM x",
            "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n LIMIT 5), m AS (SELECT * FROM n) SELECT * FROM m",
            "SELECT sum(b) OVER (ORDER BY a ROWS 1 PRECEDING EXCLUDE CURRENT ROW) FROM t",
            "SELECT sum(b) OVER (w GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES), \
             max(b) OVER (PARTITION BY k ORDER BY a ROWS CURRENT ROW EXCLUDE GROUP) \
             FROM t WINDOW w AS (ORDER BY a)",
            "SELECT max(a) FROM t UNION SELECT min(a) FROM u ORDER BY max(a)",
            "SELECT t.a FROM t UNION SELECT u.id FROM u ORDER BY t.a DESC",
            "SELECT a AS x, b FROM t UNION ALL SELECT id, j FROM u ORDER BY b, x COLLATE NOCASE",
        ] {
            check_judged(text);
        }
    }

    #[test]
    fn errors_are_sqlites_own() {
        assert_eq!(check("SELECT nope FROM t").unwrap_err(), SqlError::NoSuchName("no such column: nope".into()));
        assert_eq!(check("SELECT 1 FROM nope").unwrap_err(), SqlError::NoSuchName("no such table: nope".into()));
        assert!(matches!(check("SELEC 1").unwrap_err(), SqlError::Syntax(message) if message.contains("syntax error")));
        assert!(
            matches!(check("SELECT 1; SELECT 2").unwrap_err(), SqlError::Syntax(message) if message.contains("more than one"))
        );
        assert!(matches!(check("SELECT \"x\" FROM t").unwrap_err(), SqlError::NoSuchName(_)));
    }
}
