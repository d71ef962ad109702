//! What no shard can change alone is changed over all rows, as one SQLite would.

use souk_merge::Value;
use souk_proto::{Reason, v1};

use crate::changes::{change, changed};
use crate::fixture::market;
use crate::support::{Layout, Oracle, Table, none, positional, text};

#[test]
fn what_no_shard_can_do_alone_is_done_over_all_rows() {
    let oracle = market(&[Layout::Ring(7), Layout::Own, Layout::Ring(1)]);
    for sql in [
        // The next rowid is the highest and one.
        "INSERT INTO products DEFAULT VALUES",
        "INSERT INTO products(vendor_id) VALUES ('v1'), ('one more') RETURNING id, (SELECT count(*) FROM products)",
        // Rows move.
        "UPDATE products SET vendor_id = 'v2' WHERE vendor_id = 'v1'",
        "UPDATE products SET vendor_id = CASE vendor_id WHEN 'v3' THEN 'v4' ELSE 'v3' END WHERE vendor_id IN ('v3', 'v4') RETURNING id, vendor_id",
        "UPDATE products SET vendor_id = 'somebody new', stock = 5 WHERE id % 11 = 0 RETURNING *",
        "UPDATE products SET vendor_id = NULL WHERE id % 13 = 0",
        "UPDATE products SET id = 70001 WHERE vendor_id = 'v2' AND id = (SELECT min(id) FROM products WHERE vendor_id = 'v2')",
        "UPDATE products SET id = id + 100000, stock = 1 WHERE id % 3 = 0 RETURNING id",
        "UPDATE products SET rowid = 70002 WHERE id = 70001",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 70002) ON CONFLICT (id) DO UPDATE SET vendor_id = 'v5', stock = 8 RETURNING vendor_id, stock",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 70002), ('v1', 70003) ON CONFLICT (id) DO UPDATE SET stock = 1, (name, id) = ('x', 70004)",
        // What other shards have is read.
        "UPDATE products SET (stock, price) = (SELECT (SELECT max(amount) FROM sales), 1)",
        "UPDATE products SET (stock, price) = (SELECT (SELECT max(amount) FROM sales), 2) WHERE vendor_id = 'v1'",
        "UPDATE products SET stock = (SELECT count(*) FROM sales) WHERE vendor_id = 'v2' RETURNING id, stock",
        "UPDATE products SET stock = (SELECT count(*) FROM products AS p WHERE p.id < products.id)",
        "UPDATE products SET stock = amount FROM sales WHERE sales.id = products.id AND products.vendor_id = 'v2'",
        "UPDATE products SET name = name || s.id FROM (SELECT max(id) AS id FROM sales) AS s WHERE products.id > 100000",
        "DELETE FROM products WHERE vendor_id = 'v4' AND stock < (SELECT avg(stock) FROM products) RETURNING id",
        "DELETE FROM products WHERE stock = (SELECT max(stock) FROM products)",
        "DELETE FROM sales WHERE product_id NOT IN (SELECT id FROM products)",
        "UPDATE categories SET label = 'x' WHERE id > (SELECT count(*) FROM sales) / 20",
        "UPDATE categories SET label = label || (SELECT count(*) FROM products) RETURNING id, label",
        "DELETE FROM categories WHERE id IN (SELECT max(id) % 7 FROM products GROUP BY vendor_id)",
        // What is returned, or set on a conflict, is a query.
        "UPDATE products SET stock = 2 WHERE vendor_id = 'v2' RETURNING (SELECT count(*) FROM sales), id",
        "DELETE FROM products WHERE vendor_id = 'v5' RETURNING (SELECT count(*) FROM sales)",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 90000), ('v2', 90001) RETURNING (SELECT count(*) FROM sales)",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 90000) ON CONFLICT (id) DO UPDATE SET stock = (SELECT count(*) FROM sales)",
        // Rows of other shards are in the way.
        "INSERT OR REPLACE INTO products(vendor_id, id, name) VALUES ('v1', 90001, 'mine now') RETURNING name",
        "REPLACE INTO products(vendor_id, id) SELECT 'v3', id FROM products WHERE id BETWEEN 90000 AND 90001",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 90001), ('v2', 90002) ON CONFLICT(id) DO UPDATE SET stock = excluded.id RETURNING vendor_id, stock",
        // It ends otherwise.
        "UPDATE OR ROLLBACK products SET id = 90001 WHERE id = 90002",
        "UPDATE OR ROLLBACK products SET stock = 1 WHERE vendor_id = 'v2'",
        "INSERT OR FAIL INTO products(vendor_id, id) VALUES ('v1', 90003), ('v2', 90003), ('v3', 90004)",
        "UPDATE OR IGNORE products SET id = 90001 WHERE id IN (90001, 90002)",
        "UPDATE OR REPLACE products SET id = 90001 WHERE id = 90002",
        "UPDATE products SET id = 90001 WHERE id > 90001",
        "INSERT INTO products(vendor_id, id) VALUES ('v1', 90010) RETURNING abs(-9223372036854775807 - 1), (SELECT 1)",
        // Nothing is otherwise than before.
        "UPDATE products SET vendor_id = vendor_id RETURNING count(*) OVER ()",
        "UPDATE products SET vendor_id = vendor_id",
        "UPDATE products SET stock = (SELECT max(id) FROM sales) WHERE id < 0",
    ] {
        change(&oracle, sql, &none());
    }
    let sql =
        "UPDATE products SET vendor_id = ?2, stock = (SELECT count(*) FROM sales WHERE amount > ?1) WHERE id % ?3 = 0";
    change(&oracle, sql, &positional([Value::Integer(10), text("v6"), Value::Integer(2)]));
}

#[test]
fn tables_of_every_kind_are_changed_over_all_rows() {
    let tables = [
        Table::sharded(
            "CREATE TABLE n(k TEXT, a COLLATE NOCASE, b, UNIQUE (k, a))",
            "k",
            "VALUES ('x', 'A', 1), ('y', 'b', 2.5), (NULL, NULL, x'00'), ('x', 'c', 1), ('z', 'D', 'q')",
        ),
        Table::sharded(
            "CREATE TABLE w(a TEXT COLLATE NOCASE, k TEXT, n INTEGER NOT NULL CHECK (n < 100), g AS (n * 2) STORED, PRIMARY KEY (k, a)) WITHOUT ROWID",
            "k",
            "VALUES ('A', 'x', 1), ('b', 'y', 2), ('c', 'y', 3), ('d', 'z', 4)",
        ),
        Table::sharded(
            "CREATE TABLE s(id INTEGER PRIMARY KEY, k INTEGER, r REAL, t TEXT, x ANY) STRICT",
            "k",
            "VALUES (1, 1, 1, '1', 1), (2, 2, 2.5, 'two', 2.0), (3, 3, -0.0, '', NULL)",
        ),
        Table::replicated("CREATE TABLE r(a UNIQUE, b)", "VALUES (1, 'one'), (2, 'two'), (3, 'three')"),
    ];
    let oracle = Oracle::new(&[Layout::Ring(7), Layout::Own, Layout::Ring(1)], &tables, &[]);
    let every = ["SELECT * FROM n", "SELECT * FROM w", "SELECT * FROM s", "SELECT * FROM r", "SELECT rowid, * FROM r"];
    for sql in [
        "UPDATE n SET k = 'y' WHERE k = 'x' AND a = 'c'",
        "UPDATE n SET k = 'y' WHERE k = 'z' RETURNING *",
        "UPDATE n SET a = CASE a WHEN 'b' THEN 'd' ELSE 'b' END, b = (SELECT count(*) FROM w) WHERE k = 'y' AND a <> 'c'",
        "UPDATE n SET k = 'y', a = 'B' WHERE k = 'x'",
        "DELETE FROM n WHERE b = (SELECT max(n) FROM w) OR k IS NULL RETURNING typeof(b)",
        "UPDATE n SET b = 1.0, k = k WHERE b = 1",
        "INSERT INTO n DEFAULT VALUES",
        "INSERT INTO n(a) VALUES (1) RETURNING (SELECT count(*) FROM n)",
        "UPDATE w SET k = 'x'",
        "UPDATE w SET k = 'x', a = a || 1 WHERE k <> 'x' RETURNING g, *",
        "UPDATE w SET k = 'y', n = n + 99 WHERE n = 2",
        "UPDATE w SET a = lower(a), k = 'z' WHERE a = 'A'",
        "UPDATE w SET n = (SELECT count(*) FROM n), a = upper(a)",
        "REPLACE INTO w(a, k, n) SELECT 'A', 'z', count(*) FROM s RETURNING (SELECT max(n) FROM w)",
        "UPDATE s SET k = k % 2, x = r",
        "UPDATE s SET k = 'no integer' WHERE id = 1",
        "UPDATE s SET r = (SELECT count(*) FROM n), t = r || k, k = 9",
        "INSERT OR FAIL INTO s VALUES (7, 7, 7, '7', 7), (8, 8, 8, '8', x'08'), (1, 1, 1, 1, 1), (9, 9, 9, '9', 9)",
        "UPDATE r SET a = 4 - a + (SELECT count(*) FROM w) * 0",
        "UPDATE r SET b = (SELECT group_concat(k) FROM (SELECT k FROM s ORDER BY id)) WHERE a > 1",
        "INSERT INTO r SELECT count(*) + 10, 'rows' FROM s RETURNING (SELECT count(*) FROM n), b",
        "INSERT OR REPLACE INTO r VALUES (13, (SELECT count(*) FROM s)) RETURNING (SELECT 1)",
        "DELETE FROM r WHERE a < (SELECT max(n) FROM w) RETURNING (SELECT count(*) FROM s)",
    ] {
        changed(&oracle, sql, &none(), sql.contains(" s "), every);
    }
}

#[test]
fn rows_are_inserted_where_they_are_read() {
    let tables = [
        Table::sharded(
            "CREATE TABLE told(k TEXT COLLATE BINARY, seq INTEGER, what, at TEXT DEFAULT CURRENT_DATE, UNIQUE (k, seq))",
            "k",
            "VALUES ('x', 1, 'a', ''), ('x', 2, 'b', ''), ('y', 7, 'c', ''), (NULL, 1, 'd', ''), ('1', 1, 'e', '')",
        ),
        Table::sharded(
            "CREATE TABLE w(k TEXT, a TEXT, n INTEGER CHECK (n < 100), PRIMARY KEY (k, a)) WITHOUT ROWID",
            "k",
            "VALUES ('x', 'A', 1), ('x', 'B', 2), ('y', 'A', 50)",
        ),
    ];
    let oracle = Oracle::new(&[Layout::Ring(7), Layout::Own, Layout::Ring(1)], &tables, &[]);
    let every = ["SELECT k, seq, what FROM told", "SELECT * FROM w"];
    for sql in [
        "INSERT INTO told(k, seq, what) SELECT 'x', 1 + (SELECT max(seq) FROM told WHERE k = 'x'), 'next'",
        "INSERT INTO told(k, seq, what) SELECT 'x', 1 + (SELECT max(seq) FROM told WHERE k = 'x'), a FROM w WHERE k = 'x' AND a = 'A' RETURNING seq, what",
        "INSERT INTO told(what, k, seq) SELECT count(*), 'y', 1 + coalesce(max(seq), 0) FROM told WHERE k = 'y'",
        // Each of several rows sees the number that was there before: the second is in the way.
        "INSERT INTO told(k, seq, what) SELECT 'x', (SELECT max(seq) + 1 FROM told WHERE k = 'x'), a FROM w WHERE k = 'x'",
        "INSERT OR IGNORE INTO told(k, seq, what) SELECT 'x', (SELECT max(seq) + 1 FROM told WHERE k = 'x'), a FROM w WHERE k = 'x'",
        "INSERT INTO told(k, seq, what) SELECT 'x', seq + 100, what FROM told WHERE k = 'x' ORDER BY seq DESC LIMIT 2",
        // Of another shard, of all shards, of none.
        "INSERT INTO told(k, seq, what) SELECT 'y', seq + 200, what FROM told WHERE k = 'x'",
        "INSERT INTO told(k, seq, what) SELECT 'x', 1000 + count(*), 'all' FROM told",
        "INSERT INTO told(k, seq, what) SELECT 'nobody yet', count(*), 'first' FROM told WHERE k = 'nobody yet'",
        "INSERT INTO told(k, seq, what) SELECT NULL, count(*), 'null' FROM told WHERE k IS NULL",
        "INSERT INTO told(k, seq, what) SELECT 1, 5 + count(*), 'one' FROM told WHERE k = 1",
        "INSERT INTO told SELECT 'x', 3000, 'all columns', at FROM told WHERE k = 'x' AND seq = 1",
        "INSERT INTO w SELECT 'x', a || '2', n FROM w WHERE k = 'x' AND n < 3",
        "INSERT INTO w SELECT 'x', 'A', n + 1 FROM w WHERE k = 'x' AND a = 'B' ON CONFLICT (k, a) DO UPDATE SET n = excluded.n * 2 RETURNING n",
        "REPLACE INTO w(k, a, n) SELECT 'y', a, 51 FROM w WHERE k = 'y'",
        "INSERT INTO w SELECT 'y', 'too much', n * 2 FROM w WHERE k = 'y'",
        "INSERT INTO w SELECT 'y', 'no', no_such FROM w WHERE k = 'y'",
        "WITH c AS (SELECT a, n FROM w WHERE k = 'x') INSERT INTO w SELECT 'x', a || 'c', n FROM c",
    ] {
        changed(&oracle, sql, &none(), false, every);
    }
    let sql = "INSERT INTO told(k, seq, what) SELECT ?1, ?2 + max(seq), ?3 FROM told WHERE k = ?1";
    for key in [text("x"), text("y"), Value::Integer(1), text("1"), text("new")] {
        changed(&oracle, sql, &positional([key, Value::Integer(1), text("bound")]), false, every);
    }
    // In a transaction each sees what those in front of it did.
    let next = "INSERT INTO told(k, seq, what) SELECT 'x', 1 + (SELECT max(seq) FROM told WHERE k = 'x'), 'in front'";
    transacted(
        &oracle,
        &[next, "DELETE FROM told WHERE k = 'x' AND seq < 3", next, "UPDATE w SET n = 0 WHERE k = 'x'"],
        every,
    );
    transacted(&oracle, &[next, next, "INSERT INTO w SELECT 'x', count(*), 5 FROM told WHERE k = 'x'"], every);
}

#[test]
fn foreign_keys_hold_whoever_changes_the_rows() {
    let tables = [
        Table::sharded(
            "CREATE TABLE shop(k TEXT, id INTEGER PRIMARY KEY, name TEXT, n INTEGER)",
            "k",
            "VALUES ('a', 1, 'one', 1), ('b', 2, 'two', 2), ('c', 3, 'three', 3)",
        ),
        Table::sharded(
            "CREATE TABLE item(k TEXT, id INTEGER PRIMARY KEY, shop INTEGER REFERENCES shop ON DELETE CASCADE, \
             kind INTEGER REFERENCES kind ON DELETE SET NULL)",
            "k",
            "VALUES ('a', 10, 1, 1), ('a', 11, 1, 2), ('b', 12, 2, 1), ('c', 13, NULL, NULL)",
        ),
        Table::replicated(
            "CREATE TABLE kind(id INTEGER PRIMARY KEY, label TEXT)",
            "VALUES (1, 'x'), (2, 'y'), (3, 'z')",
        ),
        Table::sharded("CREATE TABLE strict_one(k TEXT, a INTEGER) STRICT", "k", "VALUES ('a', 1), ('b', 2)"),
        Table::sharded(
            "CREATE TABLE tree(k TEXT, id INTEGER PRIMARY KEY, parent INTEGER REFERENCES tree ON DELETE CASCADE)",
            "k",
            "VALUES ('a', 1, NULL), ('a', 2, 1)",
        ),
        Table::sharded(
            "CREATE TABLE word(k TEXT NOT NULL DEFAULT none, id INTEGER PRIMARY KEY, state TEXT DEFAULT active, q TEXT DEFAULT \"it is\")",
            "k",
            "",
        ),
        Table::sharded("CREATE TABLE lost(k TEXT, a REFERENCES nowhere)", "k", ""),
        Table::sharded(
            "CREATE TABLE kept(k TEXT, id INTEGER PRIMARY KEY REFERENCES shop ON DELETE RESTRICT)",
            "k",
            "VALUES ('c', 3)",
        ),
    ];
    let order = ["kind", "shop", "item", "strict_one", "tree", "word", "lost", "kept"];
    let tables: Vec<Table> =
        order.iter().map(|name| tables.iter().find(|table| table.name == *name).expect(name).clone()).collect();
    let oracle = Oracle::new(&[Layout::Ring(7), Layout::Own, Layout::Ring(1)], &tables, &[]);
    let every = [
        "SELECT * FROM shop",
        "SELECT * FROM item",
        "SELECT * FROM kind",
        "SELECT * FROM strict_one",
        "SELECT * FROM tree",
        "SELECT * FROM word",
        "SELECT * FROM kept",
    ];
    for sql in [
        "UPDATE shop SET n = (SELECT count(*) FROM item)",
        "DELETE FROM shop WHERE n > 0 AND id = (SELECT min(shop) FROM item)",
        "INSERT INTO item VALUES ('b', 20, 99, NULL)",
        "INSERT INTO item VALUES ('b', 20, 2, 1), ('c', 21, 3, 3)",
        "REPLACE INTO shop VALUES ('c', 3, 'again', 9)",
        "DELETE FROM shop WHERE id = 3",
        "DELETE FROM kind WHERE id = 1",
        "DELETE FROM kind WHERE id < (SELECT count(*) FROM item)",
        "UPDATE strict_one SET k = 'q', a = CASE k WHEN 'b' THEN 'x' ELSE 9 END",
        "UPDATE OR REPLACE strict_one SET k = 'q', a = CASE k WHEN 'b' THEN 'x' ELSE 9 END",
        "UPDATE OR FAIL strict_one SET a = CASE k WHEN 'b' THEN 'x' ELSE 9 END",
        "UPDATE shop SET id = id + 100 WHERE k = 'b'",
        "UPDATE kind SET id = id + 100 WHERE id > (SELECT count(*) FROM item)",
        "UPDATE kind SET id = id + 100 WHERE id < 3 OR id > (SELECT count(*) FROM item)",
        "REPLACE INTO kind SELECT id, label || '!' FROM kind WHERE id < (SELECT count(*) FROM shop)",
        "DELETE FROM lost WHERE a > (SELECT count(*) FROM shop)",
        "UPDATE lost SET k = 'moved'",
        "DELETE FROM tree WHERE id = 1",
        "INSERT INTO tree VALUES ('a', 1, NULL), ('a', 2, 1), ('b', 3, NULL)",
        "DELETE FROM tree WHERE id <= 1 + (SELECT count(*) FROM shop WHERE id < 0)",
        "INSERT INTO word(k, id) VALUES ('x', 1)",
        "INSERT INTO word(id) VALUES (2)",
        "INSERT OR REPLACE INTO word(k, id) VALUES (NULL, 3), ('x', 1)",
        "INSERT OR IGNORE INTO word(k, id) VALUES ('a', 7), ('b', 7), ('c', 8)",
        "INSERT OR IGNORE INTO strict_one VALUES ('z', 'no integer'), ('z', 5)",
    ] {
        changed(&oracle, sql, &none(), false, every);
    }
    // Where a row that others refer to would go to another shard; and what would speak on one shard alone.
    let several = &oracle.clusters[0].1;
    for sql in [
        "REPLACE INTO shop VALUES ('c', 2, 'moved here', 1)",
        "CREATE TABLE \"trigger\"(k TEXT, a, UNIQUE (k, a) ON CONFLICT REPLACE) SHARD KEY (k)",
        "CREATE TABLE late(k TEXT, a UNIQUE ON CONFLICT REPLACE) SHARD KEY (k)",
        "CREATE TABLE late(id INTEGER PRIMARY KEY AUTOINCREMENT) REPLICATED",
    ] {
        let failure = several.execute(sql, &none()).expect_err(sql);
        assert_eq!(failure.reason, Some(Reason::UnsupportedSql), "{sql}: {failure:?}");
    }
}

#[test]
fn rows_that_move_take_no_rowid_of_others() {
    let tables = [
        Table::sharded("CREATE TABLE n(k TEXT, b INTEGER)", "k", "VALUES ('x', 1), ('y', 2), ('z', 3), ('x', 4)"),
        Table::replicated("CREATE TABLE r(b INTEGER)", "VALUES (1), (2), (3)"),
    ];
    let oracle = Oracle::new(&[Layout::Ring(7), Layout::Own], &tables, &[]);
    for sql in [
        "UPDATE n SET k = 'y', b = b + 1",
        "UPDATE n SET k = CASE b WHEN 2 THEN 'x' WHEN 3 THEN 'z' ELSE 'y' END, b = b * 10",
        "UPDATE r SET rowid = rowid + 100 WHERE b > (SELECT count(*) FROM n) / 3",
        "DELETE FROM r WHERE rowid = (SELECT max(rowid) FROM r) AND (SELECT count(*) FROM n) > 0",
        "INSERT INTO r VALUES (9)",
        "UPDATE r SET b = b + 1 WHERE b IN (SELECT b FROM r ORDER BY b LIMIT 2)",
    ] {
        changed(&oracle, sql, &none(), false, ["SELECT * FROM n", "SELECT rowid, * FROM r", "SELECT count(*) FROM r"]);
    }
}

#[test]
fn foreign_keys_act_once() {
    let oracle = Oracle::new(
        &[Layout::Ring(7), Layout::Own, Layout::Ring(1)],
        &[
            Table::replicated(
                "CREATE TABLE kind(id INTEGER PRIMARY KEY, code TEXT UNIQUE)",
                "VALUES (1, 'a'), (2, 'z')",
            ),
            Table::sharded(
                "CREATE TABLE doc(k TEXT, code TEXT, n INTEGER, UNIQUE (k, code))",
                "k",
                "VALUES ('v', 'a', 1), ('v', 'z', 1), ('w', 'a', 5)",
            ),
            Table::sharded(
                "CREATE TABLE name(k TEXT, code TEXT COLLATE NOCASE, n INTEGER, PRIMARY KEY (k, code)) WITHOUT ROWID",
                "k",
                "VALUES ('v', 'a', 1), ('w', 'b', 2)",
            ),
            Table::sharded(
                "CREATE TABLE line(k TEXT, id INTEGER PRIMARY KEY, code TEXT, kind TEXT REFERENCES kind(code) ON UPDATE CASCADE ON DELETE SET NULL, \
                 FOREIGN KEY (k, code) REFERENCES doc(k, code) ON DELETE CASCADE)",
                "k",
                "VALUES ('v', 1, 'a', 'a'), ('w', 2, 'a', 'z')",
            ),
            Table::sharded(
                "CREATE TABLE label(k TEXT, id INTEGER PRIMARY KEY, code TEXT, FOREIGN KEY (k, code) REFERENCES name(k, code) ON DELETE CASCADE)",
                "k",
                "VALUES ('v', 1, 'A'), ('w', 2, 'b')",
            ),
        ],
        &[
            "CREATE TRIGGER again AFTER INSERT ON doc WHEN new.n = 9 BEGIN INSERT INTO line(k, code) VALUES (new.k, new.code); END",
        ],
    );
    let every =
        ["SELECT * FROM kind", "SELECT * FROM doc", "SELECT * FROM name", "SELECT * FROM line", "SELECT * FROM label"];
    for sql in [
        "REPLACE INTO doc VALUES ('v', 'a', 9)",
        "REPLACE INTO doc SELECT k, code, 9 FROM doc WHERE k = 'w'",
        "UPDATE name SET code = upper(code) WHERE n <= (SELECT count(*) FROM doc)",
        "UPDATE kind SET code = CASE id WHEN 1 THEN 'b' ELSE 'y' END WHERE id <= (SELECT count(*) FROM doc)",
        "DELETE FROM kind WHERE id = (SELECT min(n) FROM name)",
        "DELETE FROM name WHERE n = (SELECT min(n) FROM name)",
    ] {
        // Rowids of `doc` are numbers of their shard.
        changed(&oracle, sql, &none(), false, every);
    }
    transacted(
        &oracle,
        &[
            "DELETE FROM doc WHERE k = 'v' AND code = 'a'",
            "INSERT INTO doc VALUES ('v', 'a', 2)",
            "INSERT INTO line(k, id, code) VALUES ('v', 200, 'a')",
        ],
        every,
    );
    transacted(
        &oracle,
        &[
            "UPDATE kind SET code = 'c' WHERE code = 'y'",
            "INSERT INTO kind VALUES (9, 'y')",
            "UPDATE line SET kind = 'y' WHERE k = 'w'",
        ],
        every,
    );
    transacted(&oracle, &["DELETE FROM doc WHERE k = 'w'", "INSERT INTO doc VALUES ('x', 'a', 1)"], every);
}

/// Runs statements of a transaction on both sides, where all of them succeed.
fn transacted<const N: usize>(oracle: &Oracle, statements: &[&str], every: [&str; N]) {
    statements.iter().for_each(|sql| oracle.plain.execute(sql));
    for (layout, cluster) in &oracle.clusters {
        let statement =
            |sql: &&str| v1::TransactStatement { sql: (*sql).to_owned(), ..v1::TransactStatement::default() };
        let statements = statements.iter().map(statement).collect();
        let request = v1::TransactRequest { statements, ..v1::TransactRequest::default() };
        cluster.transact(request).unwrap_or_else(|failure| panic!("{layout:?}: {failure:?}"));
    }
    oracle.exact(every);
}

#[test]
fn rows_are_numbered_once_whoever_comes_at_the_same_time() {
    let oracle = Oracle::new(
        &[Layout::Own],
        &[Table::sharded("CREATE TABLE t(k TEXT, id INTEGER PRIMARY KEY, n INTEGER)", "k", "")],
        &["CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END"],
    );
    let cluster = &oracle.clusters[0].1;
    let statement = |number: u64| format!("INSERT INTO t(k, n) VALUES ('new {number}', {number}), ('same', {number})");
    for done in cluster.execute_together(&(0..24).map(statement).collect::<Vec<_>>()) {
        assert_eq!(done.expect("an INSERT").rows_affected, 2);
    }
    let ids = cluster.query("SELECT count(*), count(DISTINCT id), max(id) FROM t", &none()).expect("numbers").rows;
    assert_eq!(ids, [[48, 48, 48].map(Value::Integer)]);
}

#[test]
fn a_table_that_counts_gives_no_rowid_twice() {
    let oracle = Oracle::new(
        &[Layout::Ring(3)],
        &[Table::sharded("CREATE TABLE t(k TEXT, id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER)", "k", "")],
        &["CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END"],
    );
    let cluster = &oracle.clusters[0].1;
    let mut last = 0;
    for key in ["a", "b", "a", "c"] {
        let insert = format!("INSERT INTO t(k, n) VALUES ('{key}', 1)");
        let id = cluster.execute(&insert, &none()).expect("a row").last_insert_rowid.expect("its id");
        assert!(id > last, "{id} comes behind {last}");
        last = id;
        cluster.execute("DELETE FROM t", &none()).expect("no row is left");
    }
}

#[test]
fn a_new_shard_has_replicated_rows_that_refer_to_others() {
    let oracle = Oracle::new(
        &[Layout::Own],
        &[
            Table::replicated("CREATE TABLE z(id INTEGER PRIMARY KEY, up REFERENCES z)", "VALUES (2, NULL), (1, 2)"),
            Table::replicated("CREATE TABLE a(z INTEGER REFERENCES z)", "VALUES (1), (2)"),
            Table::sharded("CREATE TABLE t(k TEXT, n INTEGER)", "k", ""),
        ],
        &[],
    );
    for sql in ["INSERT INTO t VALUES ('x', 1)", "INSERT INTO t VALUES ('y', 1), ('z', 2)"] {
        changed(&oracle, sql, &none(), false, ["SELECT * FROM t", "SELECT * FROM a", "SELECT k, z.id, up FROM t, z"]);
    }
}
