//! Triggers do what they do in one database, on whatever shards.

use souk_merge::Value;
use souk_proto::{Reason, v1};

use crate::changes::changed;
use crate::support::{Layout, Oracle, Table, none, text};

const EVERY: [&str; 7] = [
    "SELECT * FROM t",
    "SELECT * FROM log",
    "SELECT * FROM notes",
    "SELECT name, n FROM totals",
    "SELECT * FROM p",
    "SELECT * FROM c",
    "SELECT * FROM w",
];

const TRIGGERS: [&str; 11] = [
    // Another row of the same shard, without a rowid, and one that every shard has.
    "CREATE TRIGGER t_in AFTER INSERT ON t BEGIN
       INSERT INTO log(k, what, n) VALUES (new.k, 'in', new.n);
       UPDATE totals SET n = n + 1 WHERE name = 'rows';
     END",
    // A row of another shard, and what all shards have.
    "CREATE TRIGGER t_n AFTER UPDATE OF n ON t WHEN new.n IS NOT old.n BEGIN
       INSERT INTO log(k, what, n) VALUES ('of all', old.k || ' to ' || coalesce(new.n, 'nothing'), (SELECT sum(n) FROM t));
       REPLACE INTO totals VALUES ('changed', new.id);
     END",
    "CREATE TRIGGER t_kept BEFORE DELETE ON t WHEN old.n < 0 BEGIN SELECT RAISE(ABORT, 'those stay'); END",
    "CREATE TRIGGER t_skip BEFORE UPDATE OF s ON t WHEN new.s = 'skip' BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER t_end BEFORE UPDATE OF s ON t WHEN new.s = 'end' BEGIN SELECT RAISE(ROLLBACK, 'all of it'); END",
    "CREATE TRIGGER t_out AFTER DELETE ON t BEGIN INSERT INTO notes VALUES (old.s, old.id); DELETE FROM log WHERE k = old.k; END",
    // Fired by what the trigger above does.
    "CREATE TRIGGER note AFTER INSERT ON notes WHEN new.v % 2 = 0 BEGIN INSERT INTO p VALUES (coalesce(new.k, 'k'), new.v); END",
    // Fired by a foreign key.
    "CREATE TRIGGER c_out AFTER DELETE ON c BEGIN UPDATE totals SET n = n + old.n WHERE name = 'gone'; END",
    "CREATE TRIGGER w_in INSTEAD OF INSERT ON w BEGIN INSERT INTO t(k, n, s) VALUES (new.k, new.n + 1, 'by the view'); END",
    "CREATE TRIGGER w_out INSTEAD OF DELETE ON w BEGIN UPDATE t SET n = -1 WHERE k = old.k AND n = old.n; END",
    "CREATE TRIGGER w_n INSTEAD OF UPDATE OF n ON w BEGIN UPDATE t SET n = new.n WHERE k = old.k AND n = old.n; END",
];

fn shop() -> Oracle {
    let rows = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20) ";
    let p = "CREATE TABLE p(k TEXT, id INTEGER, PRIMARY KEY (k, id)) WITHOUT ROWID";
    let c = "CREATE TABLE c(k TEXT, p INTEGER, n INTEGER, FOREIGN KEY (k, p) REFERENCES p ON DELETE CASCADE)";
    let more: Vec<&str> = ["CREATE VIEW w AS SELECT k, n FROM t WHERE n > 1"].into_iter().chain(TRIGGERS).collect();
    Oracle::new(
        &[Layout::Ring(7), Layout::Own, Layout::Ring(1)],
        &[
            Table::sharded(
                "CREATE TABLE t(k TEXT, id INTEGER PRIMARY KEY, n INTEGER, s TEXT)",
                "k",
                &format!("{rows} SELECT 'k' || i % 5, i, i % 4 - 1, 's' || i FROM c"),
            ),
            Table::sharded("CREATE TABLE log(k TEXT, at INTEGER PRIMARY KEY, what TEXT, n INTEGER)", "k", ""),
            Table::sharded("CREATE TABLE notes(k TEXT, v INTEGER)", "k", ""),
            Table::replicated(
                "CREATE TABLE totals(name TEXT PRIMARY KEY, n INTEGER)",
                "SELECT 'rows', 20 UNION ALL SELECT 'gone', 0",
            ),
            Table::sharded(p, "k", &format!("{rows} SELECT 'k' || i % 5, i FROM c")),
            Table::sharded(c, "k", &format!("{rows} SELECT 'k' || i % 5, i, i * 10 FROM c")),
        ],
        &more,
    )
}

fn both(oracle: &Oracle, sql: &str) {
    oracle.plain.execute(sql);
    for (layout, cluster) in &oracle.clusters {
        cluster.execute(sql, &none()).unwrap_or_else(|failure| panic!("{layout:?} {sql}: {failure:?}"));
    }
}

#[test]
fn triggers_do_what_they_do_in_one_database() {
    let oracle = shop();
    for sql in [
        "INSERT INTO t(k, id, n, s) VALUES ('k1', 100, 3, 'new')",
        "INSERT INTO t(k, n, s) VALUES ('k1', 3, 'open'), ('nobody yet', 4, 'open'), (NULL, NULL, NULL) RETURNING k, id, n",
        "INSERT INTO t(k, id) SELECT k, id + 1000 FROM t WHERE n = 1",
        "INSERT OR IGNORE INTO t(k, id) VALUES ('k2', 1), ('k2', 200)",
        "INSERT INTO t(k, id) VALUES ('k2', 1)",
        "INSERT INTO t(k, id, n) VALUES ('k2', 2, 50) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
        "REPLACE INTO t(k, id, n) VALUES ('k0', 3, 9)",
        "UPDATE t SET n = n + 1 WHERE k = 'k1'",
        "UPDATE t SET n = n WHERE k = 'k1' RETURNING id",
        "UPDATE t SET n = NULL WHERE id % 7 = 0",
        "UPDATE t SET s = 'skip' WHERE k = 'k2'",
        "UPDATE t SET s = CASE id % 2 WHEN 0 THEN 'skip' ELSE 'other' END",
        "UPDATE t SET s = 'end' WHERE id = 8",
        "UPDATE t SET k = 'moved', n = 77 WHERE id IN (5, 6)",
        "DELETE FROM t WHERE n < 0",
        "DELETE FROM t WHERE id IN (4, 6, 9) RETURNING s",
        "DELETE FROM t WHERE k = 'k4' AND n >= 0",
        "DELETE FROM t WHERE id < 0",
        "INSERT INTO notes VALUES ('k1', 400), ('k9', 401), (NULL, 402)",
        "INSERT INTO notes SELECT k, id FROM p WHERE id % 2 = 0",
        "DELETE FROM p WHERE id % 3 = 0",
        "UPDATE p SET id = id + 500 WHERE k = 'k2'",
        "UPDATE p SET k = 'k8' WHERE k = 'k1' AND NOT EXISTS (SELECT 1 FROM c WHERE c.k = p.k AND c.p = p.id)",
        "DELETE FROM c WHERE n > 150",
        "REPLACE INTO p SELECT k, id FROM p WHERE k = 'k3'",
        "INSERT INTO c VALUES ('k1', 1, 5)",
        "INSERT INTO c VALUES ('k1', 12345, 5)",
        "INSERT INTO w(k, n) VALUES ('k1', 10), ('by a view', 20)",
        "UPDATE w SET n = n * 2 WHERE k = 'k1'",
        "DELETE FROM w WHERE n > 10",
        "DELETE FROM totals WHERE name = 'changed'",
        "DELETE FROM log",
    ] {
        changed(&oracle, sql, &none(), true, EVERY);
    }
}

#[test]
fn triggers_fire_in_transactions_too() {
    let oracle = shop();
    let statements = [
        "INSERT INTO t(k, id, n, s) VALUES ('k1', 300, 3, 'one')",
        "UPDATE t SET n = n + 1 WHERE id = 300",
        "SELECT count(*), max(at) FROM log",
        "DELETE FROM t WHERE id IN (300, 2)",
        "DELETE FROM p WHERE id = (SELECT max(v) FROM notes)",
    ];
    oracle.plain.execute("BEGIN");
    let counted = oracle.plain.query(statements[2], &none()).expect("a count").rows;
    assert_eq!(counted[0][0], Value::Integer(0));
    for sql in statements {
        oracle.plain.execute(sql);
    }
    oracle.plain.execute("COMMIT");
    for (layout, cluster) in &oracle.clusters {
        let statement =
            |sql: &&str| v1::TransactStatement { sql: (*sql).to_owned(), ..v1::TransactStatement::default() };
        let statements = statements.iter().map(statement).collect();
        let request = v1::TransactRequest { request_id: "once".into(), statements, ..v1::TransactRequest::default() };
        let first = cluster.transact(request.clone()).unwrap_or_else(|failure| panic!("{layout:?}: {failure:?}"));
        assert_eq!(first.results[3].rows_affected, 2);
        assert!(cluster.transact(request).expect("again").repeated);
    }
    oracle.exact(EVERY);
}

#[test]
fn triggers_come_and_go_with_the_schema() {
    let oracle = Oracle::new(
        &[Layout::Ring(3)],
        &[Table::sharded("CREATE TABLE t(k TEXT, id INTEGER PRIMARY KEY, n INTEGER)", "k", "")],
        &[],
    );
    let every = ["SELECT * FROM t"];
    let both = |sql: &str| both(&oracle, sql);
    let insert = "INSERT INTO t(k, id, n) VALUES ('a', (SELECT count(*) * 10 FROM t), 1)";
    changed(&oracle, insert, &none(), true, every);
    both(
        "CREATE TRIGGER more AFTER INSERT ON t WHEN new.n < 3 BEGIN\n  INSERT INTO t(k, n) VALUES (new.k || 'b', new.n + 1); -- ;\nEND;",
    );
    changed(&oracle, insert, &none(), true, every);
    both("ALTER TABLE t RENAME COLUMN n TO m");
    changed(&oracle, "INSERT INTO t(k, id, m) VALUES ('c', 500, 2)", &none(), true, every);
    both("CREATE TRIGGER IF NOT EXISTS more AFTER INSERT ON t BEGIN DELETE FROM t; END");
    both("DROP TRIGGER more");
    changed(&oracle, "INSERT INTO t(k, id, m) VALUES ('d', 600, 2)", &none(), true, every);
    let cluster = &oracle.clusters[0].1;
    both("CREATE TRIGGER kept AFTER INSERT ON t BEGIN DELETE FROM t WHERE m = 0; END");
    let loaded = cluster.load("t", &["k".into(), "m".into()], &[vec![text("a"), text("b")]]);
    assert_eq!(loaded.expect_err("triggers are not run by a load").reason, Some(Reason::UnsupportedSql));
    for (sql, reason) in [
        ("CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", Reason::UnsupportedSql),
        ("CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; SELECT 2", Reason::SqlSyntax),
        ("CREATE TRIGGER x AFTER INSERT ON nowhere BEGIN SELECT 1; END", Reason::NoSuchTable),
        ("CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1", Reason::SqlSyntax),
        ("CREATE TRIGGER _souk_x AFTER INSERT ON t BEGIN SELECT 1; END", Reason::InvalidArgument),
        ("DROP TRIGGER nowhere", Reason::SqlSyntax),
    ] {
        let failure = cluster.execute(sql, &none()).expect_err(sql);
        assert_eq!(failure.reason, Some(reason), "{sql}: {failure:?}");
    }
    // One may name what comes later, or is gone.
    both("CREATE TRIGGER early AFTER INSERT ON t BEGIN INSERT INTO later VALUES (new.m); END");
    assert!(cluster.execute("INSERT INTO t(k, m) VALUES ('e', 5)", &none()).is_err());
    oracle.plain.execute("CREATE TABLE later(m INTEGER, PRIMARY KEY (m))");
    cluster.execute("CREATE TABLE later(m INTEGER, PRIMARY KEY (m)) REPLICATED", &none()).expect("a table");
    changed(&oracle, "INSERT INTO t(k, id, m) VALUES ('e', 700, 5)", &none(), true, ["SELECT * FROM later"]);
    both("DROP TABLE later");
    both("DROP TRIGGER early");
    oracle.exact(every);
}

#[test]
fn a_table_is_not_dropped_where_that_would_fire_triggers() {
    let oracle = Oracle::new(
        &[Layout::Ring(3)],
        &[
            Table::sharded("CREATE TABLE p(k TEXT, id INTEGER PRIMARY KEY)", "k", "VALUES ('a', 1)"),
            Table::sharded(
                "CREATE TABLE c(k TEXT, id INTEGER PRIMARY KEY REFERENCES p ON DELETE CASCADE)",
                "k",
                "VALUES ('a', 1)",
            ),
            Table::sharded("CREATE TABLE d(k TEXT, c INTEGER REFERENCES c ON DELETE CASCADE)", "k", "VALUES ('a', 1)"),
        ],
        &["CREATE TRIGGER gone AFTER DELETE ON d BEGIN SELECT 1; END"],
    );
    let cluster = &oracle.clusters[0].1;
    let failure = cluster.execute("DROP TABLE p", &none()).expect_err("it fires");
    assert_eq!(failure.reason, Some(Reason::UnsupportedSql), "{failure:?}");
    both(&oracle, "DROP TRIGGER gone");
    both(&oracle, "DROP TABLE p");
}

#[test]
fn only_the_rows_that_shards_refuse_are_left_out_of_what_every_shard_has() {
    let oracle = Oracle::new(
        &[Layout::Ring(3)],
        &[Table::replicated("CREATE TABLE r(id INTEGER PRIMARY KEY, j TEXT, CHECK (j ->> 'a' > 0))", "")],
        &[],
    );
    let cluster = &oracle.clusters[0].1;
    let json = |id: i64| match id {
        7 => "not json",
        13 => "{\"a\":-1}",
        _ => "{\"a\":1}",
    };
    let rows: Vec<Vec<Value>> = (1..=40).map(|id| vec![Value::Integer(id), text(json(id))]).collect();
    let load = cluster.load("r", &["id".into(), "j".into()], &rows).expect("a load");
    assert_eq!(load.loaded, 38);
    let rejected: Vec<u64> = load.rejected.iter().map(|rejected| rejected.row).collect();
    assert_eq!(rejected, [6, 12]);
    assert_eq!(
        cluster.query("SELECT count(*), sum(id) FROM r", &none()).expect("a sum").rows,
        [[38, 800].map(Value::Integer)]
    );
}
