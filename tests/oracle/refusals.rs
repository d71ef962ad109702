//! Errors, bounds and what a client may not do: refused early, with a stable reason, and nothing falls over.

use souk_merge::Value;
use souk_proto::{Reason, v1};

use crate::fixture::market;
use crate::support::{Layout, Options, Oracle, Table, named, none, null, positional, text};

struct Market(Oracle);

impl Market {
    fn start() -> Market {
        Market(market(&[Layout::Ring(7)]))
    }

    fn reason(&self, sql: &str) -> (Option<Reason>, String) {
        match self.0.clusters[0].1.query(sql, &none()) {
            Err(failure) => (failure.reason, failure.message),
            Ok(answer) => panic!("{sql:.100}: gives {} rows", answer.rows.len()),
        }
    }

    #[track_caller]
    fn check(&self, sql: &str, expected: Reason) {
        let (reason, message) = self.reason(sql);
        assert_eq!(reason, Some(expected), "{sql:.100}: {message}");
    }

    /// The coordinator is still there.
    #[track_caller]
    fn is_alive(&self) {
        self.0.exact(["SELECT count(*) FROM products"]);
    }
}

#[test]
fn one_statement_at_a_time() {
    let market = Market::start();
    for sql in [
        "SELECT 1; DROP TABLE products",
        "SELECT 1; SELECT 2",
        "SELECT 1;;SELECT 2",
        "SELECT id FROM products; --\n DELETE FROM products",
    ] {
        let (reason, message) = market.reason(sql);
        assert!(matches!(reason, Some(Reason::InvalidArgument | Reason::SqlSyntax)), "{sql}: {reason:?} {message}");
        assert!(message.contains("one statement"), "{sql}: {message}");
    }
    market.0.exact([
        "SELECT count(*) FROM products;",
        "SELECT count(*) FROM products ; ; -- end",
        "SELECT ';' FROM products",
    ]);
}

#[test]
fn names_of_souk_itself_are_refused() {
    let market = Market::start();
    let cluster = &market.0.clusters[0].1;
    for sql in [
        "CREATE TABLE _souk_shard(k INTEGER) SHARD KEY (k)",
        "CREATE TABLE \"_souk_part 1\"(id INTEGER PRIMARY KEY) REPLICATED",
        "CREATE VIEW _Souk AS SELECT 1",
        "CREATE INDEX _souk_i ON products(stock)",
        "ALTER TABLE products RENAME TO _souk_products",
    ] {
        let failure = cluster.execute(sql, &none()).expect_err(sql);
        assert_eq!(failure.reason, Some(Reason::InvalidArgument), "{sql}: {failure:?}");
        assert!(failure.message.contains("_souk"), "{sql}: {failure:?}");
    }
    cluster.execute("CREATE VIEW souk AS SELECT 1", &none()).expect("a name like others");
    market.is_alive();
}

#[test]
fn a_nul_byte_does_not_end_the_text() {
    let market = Market::start();
    for sql in ["SELECT 1\0", "SELECT id FROM products\0 WHERE 0", "\0", "SELECT 'a\0b'"] {
        let (reason, message) = market.reason(sql);
        assert!(matches!(reason, Some(Reason::InvalidArgument | Reason::SqlSyntax)), "{sql:?}: {reason:?} {message}");
    }
}

#[test]
fn texts_that_are_no_statement() {
    let market = Market::start();
    for sql in [
        "",
        "   ",
        "-- nothing",
        ";",
        "SELEC 1",
        "SELECT FROM",
        "SELECT 'open",
        "SELECT (1",
        "SELECT 1 +",
        "SELECT id FROM products WHERE",
        "SELECT /* open",
        "\u{feff}SELECT id FRM products",
    ] {
        let (reason, message) = market.reason(sql);
        let is_right = matches!(reason, Some(Reason::SqlSyntax | Reason::InvalidArgument | Reason::UnsupportedSql));
        assert!(is_right, "{sql}: {reason:?} {message}");
    }
    market.check("SELECT * FROM missing", Reason::NoSuchTable);
    market.check("SELECT missing FROM products", Reason::NoSuchTable);
    // No fallback to a text.
    market.check("SELECT id FROM products WHERE name = \"missing\"", Reason::NoSuchTable);
    market.check("SELECT missing(1)", Reason::SqlSyntax);
    market.check("SELECT id FROM products GROUP BY 7", Reason::SqlSyntax);
    market.check("SELECT id FROM products ORDER BY 7", Reason::SqlSyntax);
    market.check("SELECT sum(count(*)) FROM products", Reason::SqlSyntax);
}

#[test]
fn large_statements_are_refused_before_they_are_read() {
    let market = Market::start();
    market.check(&format!("SELECT '{}'", "x".repeat(33 * 1024)), Reason::TooLarge);
    market.check(&format!("SELECT {}1", "1+".repeat(50_000)), Reason::TooLarge);
    market.check(&format!("SELECT 1 WHERE 1{}", " AND 1".repeat(20_000)), Reason::TooLarge);
    market.check(&format!("SELECT {}1", "1+".repeat(5_001)), Reason::TooLarge);
    market.is_alive();
}

#[test]
fn deep_statements_do_not_overflow_a_stack() {
    let market = Market::start();
    let nested = |open: &str, middle: &str, close: &str, depth: usize| {
        format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
    };
    let repeated = [format!("SELECT {}", "(".repeat(100_000)), format!("SELECT {}", nested("(", "1", ")", 100_000))];
    for sql in repeated {
        market.check(&sql, Reason::TooLarge);
    }
    for depth in [100, 300, 500, 1000, 2400] {
        for sql in [
            format!("SELECT {}", nested("(", "1", ")", depth)),
            format!("SELECT id FROM products WHERE {}1", "NOT ".repeat(depth)),
            format!("SELECT {}1", "- ".repeat(depth)),
            format!("SELECT {}1 FROM products", "1+".repeat(depth)),
            format!("SELECT id FROM products WHERE id = 1{}", " OR id = 2".repeat(depth)),
            format!("SELECT 'a'{} FROM products", "||'b'".repeat(depth)),
            format!("SELECT {}", nested("CASE WHEN 1 THEN ", "1", " END", depth)),
            format!("SELECT {}", nested("abs(", "1", ")", depth)),
            format!("SELECT {}", nested("CAST(", "1", " AS TEXT)", depth)),
            format!("SELECT {}", nested("(SELECT ", "1", ")", depth)),
            format!("SELECT * FROM {}", nested("(SELECT * FROM ", "products", ")", depth)),
            format!("SELECT {}", nested("1 IN (", "1", ")", depth)),
            format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(depth)),
            format!("SELECT 1 FROM products{}", ", categories".repeat(depth)),
            format!("SELECT 1 FROM categories AS a{}", " JOIN categories USING (id)".repeat(depth)),
            format!("SELECT CAST(1 AS {})", nested("ARRAY<", "INT", ">", depth)),
            format!("SELECT id FROM products WHERE id BETWEEN 1 AND {}", nested("(2 BETWEEN 1 AND ", "3", ")", depth)),
            format!(
                "WITH {} SELECT 1",
                (0..depth).map(|index| format!("a{index} AS (SELECT 1)")).collect::<Vec<_>>().join(", ")
            ),
            format!("SELECT id FROM products WHERE id{}", " IS NOT NULL".repeat(depth)),
            format!("SELECT data{} FROM products", " -> 'a'".repeat(depth)),
            format!("SELECT name{} FROM products", " COLLATE NOCASE".repeat(depth)),
        ] {
            let wrong: Vec<String> = market
                .0
                .verdicts(&sql, &none())
                .into_iter()
                .filter_map(|(_, verdict)| match verdict {
                    crate::support::Verdict::Different(what) if !what.contains("TooLarge") => Some(what),
                    _ => None,
                })
                .collect();
            assert!(wrong.is_empty(), "depth {depth} {sql:.60}...: {}", wrong.join("\n"));
        }
    }
    market.is_alive();
}

#[test]
fn wide_statements() {
    let market = Market::start();
    let list = |count: usize| (0..count).map(|index| index.to_string()).collect::<Vec<_>>().join(",");
    market.0.exact([format!("SELECT id FROM products WHERE id IN ({})", list(3000)).as_str()]);
    for sql in [format!("SELECT {}", list(2001)), format!("SELECT ?{}", 40_000), format!("SELECT max({})", list(2000))]
    {
        let answers = market.0.verdicts(&sql, &none());
        assert!(
            !matches!(&answers[0].1, crate::support::Verdict::Different(what) if what.contains("Internal")),
            "{answers:?}"
        );
    }
    market.is_alive();
}

#[test]
fn only_reading_and_only_rows() {
    let market = Market::start();
    for (sql, names) in [
        ("ATTACH 'x.db' AS x", "ATTACH"),
        ("DETACH x", "DETACH"),
        ("PRAGMA user_version", "PRAGMA"),
        ("PRAGMA journal_mode = DELETE", "PRAGMA"),
        ("SELECT * FROM pragma_database_list", "pragma_"),
        ("EXPLAIN QUERY PLAN SELECT * FROM products", "EXPLAIN"),
        ("BEGIN", "transaction"),
        ("COMMIT", "transaction"),
        ("ROLLBACK", "transaction"),
        ("SAVEPOINT s", "transaction"),
        ("SELECT load_extension('x')", "load_extension"),
        ("SELECT last_insert_rowid()", "last_insert_rowid"),
        ("SELECT changes(), total_changes()", "changes"),
        ("INSERT INTO products(vendor_id, id) VALUES ('v1', 1)", ""),
        ("INSERT INTO products(vendor_id, id) VALUES ('v1', 999) RETURNING id", ""),
        ("UPDATE products SET vendor_id = 'v2'", ""),
        ("DELETE FROM products", ""),
        ("DELETE FROM products RETURNING *", ""),
        ("CREATE TABLE x(a)", ""),
        ("CREATE TEMP TABLE x(a)", ""),
        ("DROP TABLE products", ""),
        ("ALTER TABLE products RENAME TO x", ""),
        ("VACUUM", ""),
        ("VACUUM INTO 'x.db'", ""),
        ("REINDEX", ""),
        ("ANALYZE", ""),
    ] {
        let (reason, message) = market.reason(sql);
        assert_eq!(reason, Some(Reason::UnsupportedSql), "{sql}: {message}");
        assert!(message.contains(names), "{sql}: `{message}` names `{names}`");
    }
    for sql in [
        "SELECT readfile('/etc/passwd')",
        "SELECT * FROM dbstat",
        "SELECT fts3_tokenizer('simple')",
        "SELECT sqlite_offset(id) FROM products",
        "SELECT writefile('x', 'y')",
    ] {
        let (reason, message) = market.reason(sql);
        let is_right = matches!(reason, Some(Reason::UnsupportedSql | Reason::SqlSyntax | Reason::NoSuchTable));
        assert!(is_right, "{sql}: {reason:?} {message}");
    }
    market.is_alive();
}

/// SQLite alone takes most of a second to compile it: forty tables, each tied to the next nine by every pair of indexed columns.
fn slow_to_compile() -> String {
    let tables: Vec<String> = (0..40).map(|table| format!("t AS x{table}")).collect();
    let pairs = (0..40).flat_map(|left| (left + 1..40.min(left + 10)).map(move |right| (left, right)));
    let ties = pairs.flat_map(|(left, right)| {
        [("a", "b"), ("b", "c"), ("c", "a")].map(|(own, other)| format!("x{left}.{own}=x{right}.{other}"))
    });
    format!("SELECT 1 FROM {} WHERE {}", tables.join(", "), ties.collect::<Vec<_>>().join(" AND "))
}

#[test]
fn compiling_ends_at_the_deadline() {
    let table = Table::sharded("CREATE TABLE t(k INTEGER, a, b, c)", "k", "VALUES (1, 1, 1, 1)");
    let indices = ["CREATE INDEX i1 ON t(a, b, c)", "CREATE INDEX i2 ON t(b, c, a)", "CREATE INDEX i3 ON t(c, a, b)"];
    let oracle = Oracle::new(&[Layout::Ring(2)], &[table], &indices);
    let cluster = &oracle.clusters[0].1;
    let options = Options { query: v1::QueryOptions { deadline_ms: 50, ..Default::default() }, ..Default::default() };
    let failure = cluster.query_with(&slow_to_compile(), &none(), options).expect_err("it takes longer");
    assert_eq!(failure.reason, Some(Reason::Deadline), "{failure:?}");
    assert!(failure.message.contains("compiled"), "{failure:?}");
    oracle.exact(["SELECT count(*) FROM t"]);
}

#[test]
fn bombs_end_at_the_deadline() {
    let market = Market::start();
    let options =
        |ms| Options { query: v1::QueryOptions { deadline_ms: ms, ..Default::default() }, ..Default::default() };
    for sql in [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n, categories",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT p.id FROM products AS p WHERE p.id = (SELECT max(i) FROM n)",
        "SELECT count(*) FROM categories a, categories b, categories c, categories d, categories e, categories f, categories g, categories h, categories i, categories j, categories k, categories l",
        "SELECT count(*) FROM products p, categories a, categories b, categories c, categories d, categories e, categories f, categories g, categories h, categories i",
    ] {
        match market.0.clusters[0].1.query_with(sql, &none(), options(300)) {
            Err(failure) => assert_eq!(failure.reason, Some(Reason::Deadline), "{sql}: {failure:?}"),
            Ok(answer) => panic!("{sql}: ends with {:?}", answer.rows),
        }
    }
    market.is_alive();
}

#[test]
fn large_values_and_answers_are_bounded() {
    let market = Market::start();
    for sql in ["SELECT length(replace(hex(zeroblob(900000000)), '0', 'xxxxxxxx'))", "SELECT zeroblob(3000000000)"] {
        let (reason, message) = market.reason(sql);
        assert!(
            matches!(reason, Some(Reason::TooLarge | Reason::SqlRuntime | Reason::Deadline)),
            "{sql}: {reason:?} {message}"
        );
    }
    let bounded = |rows_max, bytes_max| Options {
        query: v1::QueryOptions { rows_max, bytes_max, ..Default::default() },
        ..Default::default()
    };
    let cluster = &market.0.clusters[0].1;
    for options in [bounded(59, 0), bounded(0, 100)] {
        let failure = cluster.query_with("SELECT * FROM products", &none(), options).expect_err("bounded");
        assert_eq!(failure.reason, Some(Reason::TooLarge), "{failure:?}");
    }
    assert_eq!(
        cluster.query_with("SELECT * FROM products", &none(), bounded(60, 0)).expect("just enough").rows.len(),
        60
    );
    market.is_alive();
}

#[test]
fn errors_of_sqlite_are_errors_here() {
    let market = Market::start();
    market.0.exact([
        "SELECT abs(-9223372036854775807 - 1) FROM products",
        "SELECT json_extract('{', '$') FROM products",
        "SELECT json(name) FROM products",
        "SELECT id FROM products WHERE json_extract(name, '$.a') = 1",
        "SELECT max(json(name)) FROM products",
        "SELECT sum(9223372036854775807) FROM products",
        "SELECT id FROM products WHERE name LIKE 'a' ESCAPE 'ab'",
        "SELECT id FROM products ORDER BY json(name)",
        "SELECT zeroblob(-1), CAST(1 AS TEXT) FROM products",
        "SELECT length(printf('%.*c', 2000000000, 'x'))",
    ]);
    market.0.fails("SELECT abs(-9223372036854775807 - 1) FROM products", &none(), Reason::SqlRuntime);
    market.0.fails("SELECT json(name) FROM products", &none(), Reason::SqlRuntime);
}

#[test]
fn parameters_must_fit() {
    let market = Market::start();
    for (sql, params) in [
        ("SELECT ?", none()),
        ("SELECT ?, ?", positional([null()])),
        ("SELECT ?", positional([null(), null()])),
        ("SELECT 1", positional([null()])),
        ("SELECT :a", named([(":b", null())])),
        ("SELECT :a", named([("a", null())])),
        ("SELECT :a", named([(":a", null()), (":a", Value::Integer(1))])),
        ("SELECT :a, :b", named([(":a", text("x"))])),
        ("SELECT id FROM products WHERE vendor_id = ?", none()),
    ] {
        market.0.fails(sql, &params, Reason::InvalidArgument);
    }
}
