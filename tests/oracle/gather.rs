//! What is neither routed nor scattered is gathered: whatever SQLite accepts, the answer is SQLite's.

use souk_coordinator::{Limits, PlacementPolicy};
use souk_merge::Value;
use souk_proto::Reason;

use crate::fixture::{market, tables};
use crate::support::{Cluster, Layout, Oracle, Table, none, positional, text};

const SEVERAL: [Layout; 2] = [Layout::Ring(2), Layout::Ring(7)];

/// The plan that answers a statement on a cluster of seven shards.
pub(crate) fn plan(market: &Oracle, sql: &str) -> String {
    market.clusters[market.clusters.len() - 1]
        .1
        .query(sql, &none())
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .certificate
        .plan
}

#[test]
fn subqueries_are_answered_first_and_the_statement_still_scatters() {
    let market = market(&SEVERAL);
    for sql in [
        "SELECT id FROM products WHERE price > (SELECT avg(price) FROM products)",
        "SELECT count(*), sum(price) FROM products WHERE stock >= (SELECT max(stock) FROM products) - 3",
        "SELECT stock, count(*) FROM products WHERE id IN (SELECT product_id FROM sales WHERE amount > 3) GROUP BY stock",
        "SELECT id FROM products WHERE id NOT IN (SELECT product_id FROM sales WHERE product_id IS NOT NULL)",
        "SELECT id FROM products WHERE EXISTS (SELECT 1 FROM sales WHERE amount > 8) ORDER BY id DESC LIMIT 5",
        "SELECT id, (SELECT max(price) FROM products) - price FROM products ORDER BY 2, 1 LIMIT 7",
        "SELECT id FROM products WHERE (stock, id) IN (SELECT category, product_id FROM sales)",
        "SELECT id FROM products WHERE price = (SELECT price FROM products ORDER BY price DESC, id LIMIT 1)",
        "SELECT count(*) FROM products WHERE name IN (SELECT name FROM products WHERE stock > (SELECT avg(stock) FROM products))",
        "SELECT count(*), (SELECT count(*) FROM sales) FROM products",
        "SELECT count(*) + (SELECT max(amount) FROM sales WHERE category IN (SELECT stock FROM products)) FROM products",
        "SELECT stock, count(*) AS n FROM products GROUP BY stock HAVING n > (SELECT min(category) FROM sales) ORDER BY 1",
        "SELECT id FROM products WHERE name = (SELECT name FROM products WHERE 0)",
        "SELECT id FROM products WHERE '3' = (SELECT stock FROM products WHERE stock = 3)",
        "SELECT id FROM products WHERE id IN (SELECT CAST(product_id AS TEXT) FROM sales)",
        "SELECT id FROM products WHERE name COLLATE NOCASE IN (SELECT upper(name) FROM products)",
    ] {
        market.exact([sql]);
        assert_eq!(plan(&market, sql), "scatter", "{sql}");
    }
}

#[test]
fn joins_on_other_columns() {
    let market = market(&SEVERAL);
    market.exact([
        "SELECT p.id, s.id FROM products AS p JOIN sales AS s ON s.product_id = p.id WHERE p.stock > 3 AND s.amount > 2",
        "SELECT p.id, s.id FROM products AS p LEFT JOIN sales AS s ON s.product_id = p.id AND s.amount > 4 WHERE p.stock < 5",
        "SELECT p.id, s.id FROM products AS p LEFT JOIN sales AS s ON s.product_id = p.id WHERE s.id IS NULL",
        "SELECT p.id, s.id FROM products AS p LEFT JOIN sales AS s ON s.product_id = p.id AND p.stock > 2 WHERE s.amount IS NULL OR s.amount > 3",
        "SELECT p.id, s.id FROM products AS p RIGHT JOIN sales AS s ON s.product_id = p.id AND p.stock > 2 WHERE s.amount > 3",
        "SELECT p.id, s.id FROM products AS p FULL JOIN sales AS s ON s.product_id = p.id AND p.stock > 2 AND s.amount > 3",
        "SELECT p.id, q.id FROM products AS p JOIN products AS q ON p.stock = q.stock AND p.id < q.id WHERE p.price > 2",
        "SELECT c.label, count(s.id) FROM categories AS c LEFT JOIN sales AS s ON s.category = c.category GROUP BY c.label",
        "SELECT count(*) FROM products AS p, sales AS s, categories AS c WHERE p.stock = s.category AND c.category = p.stock AND c.id > 1",
        "SELECT p.id FROM products AS p LEFT JOIN (sales AS s JOIN categories AS c ON c.category = s.category AND s.amount > 3) ON s.product_id = p.id",
        "SELECT count(*) FROM products NATURAL JOIN sales",
        "SELECT id, stock FROM products JOIN categories USING (id)",
        "SELECT * FROM products FULL JOIN sales USING (id)",
    ]);
    let answer = market.clusters[1]
        .1
        .query("SELECT count(*) FROM products AS p JOIN sales AS s ON s.product_id = p.id", &none());
    assert_eq!(answer.expect("an answer").certificate.plan, "gather");
}

#[test]
fn windows_ctes_and_compounds() {
    let market = market(&SEVERAL);
    market.exact([
        "SELECT id, row_number() OVER (ORDER BY price DESC, id) FROM products WHERE stock > 2",
        "SELECT id, sum(price) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW) FROM products",
        "SELECT p.id, rank() OVER (ORDER BY s.amount, s.id) FROM products AS p JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id",
        "WITH big AS (SELECT * FROM products WHERE price > 3), n AS (SELECT stock, count(*) AS n FROM big GROUP BY stock) SELECT big.id, n.n FROM big JOIN n USING (stock)",
        "WITH top AS (SELECT id, price FROM products ORDER BY price DESC, id LIMIT 5) SELECT s.id FROM sales AS s JOIN top ON top.id = s.product_id",
        "WITH RECURSIVE chain(id, n) AS (SELECT min(id), 0 FROM products UNION ALL SELECT p.id, n + 1 FROM chain JOIN products AS p ON p.id = chain.id + 7 WHERE n < 9) SELECT * FROM chain",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n WHERE i < (SELECT max(stock) FROM products)) SELECT i FROM n",
        "WITH a AS MATERIALIZED (SELECT stock AS x FROM products), b AS NOT MATERIALIZED (SELECT x FROM a WHERE x > 2) SELECT count(*) FROM a, b WHERE a.x = b.x",
        "SELECT x FROM (SELECT stock AS x FROM products UNION SELECT category FROM sales EXCEPT SELECT 3) WHERE x > 1 ORDER BY x",
        "SELECT stock FROM products UNION SELECT * FROM (SELECT category FROM sales INTERSECT SELECT stock FROM products)",
        "SELECT count(*) FROM (SELECT name FROM products UNION ALL SELECT amount FROM sales UNION SELECT 1.5)",
        "SELECT x, typeof(x) FROM (SELECT stock AS x FROM products UNION ALL SELECT name FROM products) WHERE x = '3'",
        "SELECT id FROM products AS p WHERE price = (SELECT max(price) FROM products AS q WHERE q.stock = p.stock)",
        "SELECT id, (SELECT count(*) FROM sales AS s WHERE s.product_id = p.id AND s.amount > (SELECT avg(amount) FROM sales)) FROM products AS p",
        "SELECT max(id), name FROM products",
        "SELECT stock, max(id), price FROM products GROUP BY stock",
        "SELECT group_concat(id) FROM products",
        "SELECT group_concat(id, '-') FROM products WHERE stock > 1",
        "SELECT stock, string_agg(name, ',' ORDER BY price, id) FROM products GROUP BY stock",
        "SELECT json_group_array(json_object('a', id) ORDER BY id) FROM products",
        "SELECT count(DISTINCT stock), sum(DISTINCT price), group_concat(DISTINCT grade) FROM products WHERE grade = 'a'",
        "SELECT DISTINCT stock FROM products ORDER BY (stock % 3), stock",
        "SELECT id FROM products ORDER BY id LIMIT (SELECT min(id) + 2 FROM sales) OFFSET (SELECT count(*) FROM categories)",
        "SELECT d.k FROM (SELECT id AS k FROM products ORDER BY price, id LIMIT 5 OFFSET 3) AS d ORDER BY 1",
        "SELECT (SELECT group_concat(id) FROM (SELECT id FROM products ORDER BY price, id LIMIT 4))",
        "SELECT e.value, count(*) FROM products, json_each(json_array(stock, 'x')) AS e GROUP BY 1",
        "VALUES ((SELECT count(*) FROM products), (SELECT max(id) FROM sales)), (1, 2)",
        "SELECT id FROM products WHERE (stock, price) > (SELECT avg(stock), avg(price) FROM products)",
    ]);
}

#[test]
fn names_of_with_tables_mean_what_they_mean_where_they_stand() {
    let tables = [
        Table::sharded(
            "CREATE TABLE a(k INTEGER, x INTEGER)",
            "k",
            "VALUES (1, 2), (1, 5), (2, 4), (3, 1), (4, 9), (5, 3), (6, 8)",
        ),
        Table::sharded("CREATE TABLE b(k INTEGER, x INTEGER)", "k", "VALUES (1, 100), (2, 7), (3, 4)"),
    ];
    Oracle::new(&SEVERAL, &tables, &[]).exact([
        "WITH r AS (SELECT k, x FROM a) SELECT k FROM r WHERE x = (SELECT max(x) FROM r)",
        "WITH b AS (SELECT k, x FROM a) SELECT k FROM b WHERE x = (SELECT max(x) FROM b)",
        "SELECT count(*) FROM (WITH b AS (SELECT k, x FROM a) SELECT k FROM b WHERE x = (SELECT max(x) FROM b))",
        "WITH b AS (SELECT k, x FROM a) SELECT k FROM b GROUP BY k HAVING max(x) = (SELECT max(x) FROM b)",
        "WITH b AS (SELECT k, x FROM a) SELECT k, (SELECT max(x) FROM b) FROM b ORDER BY (SELECT max(x) FROM b), k",
        "WITH b AS (SELECT k, x FROM a) SELECT k FROM a WHERE x IN (WITH b AS (SELECT k, x + 1 AS x FROM a) SELECT x FROM b WHERE x > 3)",
        "WITH c AS (SELECT max(x) AS x FROM b) SELECT k FROM a WHERE x < (WITH b AS (SELECT k, x FROM a) SELECT max(b.x) + max(c.x) FROM b, c)",
        "WITH c AS (SELECT x FROM b) SELECT k, sum(x) OVER () FROM a WHERE x IN (WITH b AS (SELECT k, x FROM a) SELECT x FROM c UNION ALL SELECT x FROM b)",
        "WITH c AS (SELECT x FROM b) SELECT sum(x) OVER () FROM a WHERE x <= (WITH b AS (SELECT k, x FROM a) SELECT max(x) FROM c)",
        "WITH c AS (SELECT x FROM b) SELECT sum(x) OVER () FROM (WITH b AS (SELECT k, x FROM a) SELECT x FROM c WHERE x < (SELECT max(x) + 4 FROM b))",
        "WITH c AS (SELECT k, x FROM b), d AS (WITH b AS (SELECT k, x FROM a) SELECT c.k, c.x + b.x AS x FROM c JOIN b USING (k)) SELECT k, sum(x) OVER () FROM d",
        "WITH c AS (SELECT k, x FROM a WHERE x > (SELECT min(x) FROM b)) SELECT k, sum(x) OVER () FROM c WHERE x < (SELECT max(x) FROM c)",
        "WITH c AS MATERIALIZED (SELECT k, x FROM a), b AS (SELECT * FROM c) SELECT k FROM a WHERE x < (SELECT avg(x) FROM b)",
        "WITH b AS (SELECT * FROM c), c AS (SELECT k, x FROM a) SELECT k, sum(x) OVER () FROM b WHERE x < (SELECT avg(x) FROM c)",
        "WITH b AS (SELECT k, x FROM a) SELECT x, count(*) FROM b GROUP BY x HAVING x IN (SELECT max(x) FROM b GROUP BY k)",
    ]);
}

#[test]
fn parameters_reach_every_stage() {
    let market = market(&SEVERAL);
    market.exact_with([
        (
            "SELECT id FROM products WHERE price > (SELECT avg(price) FROM products WHERE stock > ?2) AND stock < ?1",
            positional([Value::Integer(7), Value::Integer(1)]),
        ),
        (
            "SELECT p.id FROM products AS p JOIN sales AS s ON s.product_id = p.id WHERE s.amount > ? AND p.name <> ?",
            positional([Value::Integer(2), text("x")]),
        ),
        (
            "SELECT id, sum(stock + ?) OVER (ORDER BY id) FROM products LIMIT ?",
            positional([Value::Integer(2), Value::Integer(4)]),
        ),
    ]);
}

#[test]
fn what_a_statement_never_comes_to_does_not_fail_it() {
    let overflow = "(SELECT sum(9223372036854775807) FROM products)";
    market(&SEVERAL).exact([
        format!("SELECT id, CASE WHEN stock > 100 THEN {overflow} ELSE 1 END FROM products").as_str(),
        format!("SELECT id FROM products WHERE stock > 100 AND price > {overflow}").as_str(),
        format!("SELECT coalesce(id, {overflow}) FROM products").as_str(),
        format!("SELECT coalesce(stock, {overflow}) FROM products").as_str(),
        "SELECT row_number() OVER (ORDER BY id) FROM products WHERE id < 0 AND json_extract('{', '$') = 1",
        "SELECT p.id FROM products AS p JOIN sales AS s ON s.product_id = p.id WHERE json(p.name) = 1",
        "SELECT count(*) FROM products WHERE id IN (SELECT product_id FROM sales WHERE no_such_function(id)) AND id IN ()",
        "SELECT count(*) FROM products WHERE (EXISTS (SELECT 1 FROM sales WHERE id IN (SELECT id FROM products) OR no_such_function(id)) AND 0) OR id < 5",
    ]);
}

#[test]
fn steps_that_are_too_deep_for_sqlite_do_not_fail_a_statement_that_is_not() {
    let deep = vec!["q.id"; 499].join(" AND ");
    market(&SEVERAL).exact([
        format!("SELECT s.id FROM categories AS q JOIN sales AS s ON s.category = q.category AND {deep} JOIN products AS p ON p.stock = s.category").as_str(),
        format!("SELECT s.id FROM categories AS q RIGHT JOIN products AS p ON p.stock = q.id AND {deep} LEFT JOIN sales AS s ON s.category = q.category").as_str(),
        format!("SELECT s.id FROM categories AS q RIGHT JOIN products AS p ON p.stock = q.id AND {deep} JOIN sales AS s USING (category)").as_str(),
    ]);
}

#[test]
fn an_aggregate_belongs_to_the_query_whose_columns_it_takes() {
    market(&SEVERAL).exact([
        "SELECT (SELECT sum(p.price)) FROM products AS p",
        "SELECT (SELECT sum(p.price) FROM categories AS c WHERE c.id = 1) FROM products AS p",
        "SELECT (SELECT sum(p.price + c.id) FROM categories AS c) FROM products AS p ORDER BY p.id",
        "SELECT p.stock, (SELECT count(p.grade)) FROM products AS p GROUP BY p.stock",
        "SELECT p.stock FROM products AS p GROUP BY p.stock HAVING (SELECT max(p.price)) > 5",
        "SELECT p.vendor_id, (SELECT group_concat(p.id, ',' ORDER BY p.id)) FROM products AS p GROUP BY p.vendor_id",
        "SELECT EXISTS (SELECT 1 FROM categories AS c WHERE c.id < max(p.id)) FROM products AS p",
        "SELECT (SELECT count(*) FROM sales AS s WHERE s.id > count(p.id)) FROM products AS p",
        "SELECT 1 FROM products AS p ORDER BY (SELECT sum(p.price))",
        "SELECT (SELECT count(*) OVER w FROM categories AS c WINDOW w AS (ORDER BY sum(p.price))) FROM products AS p",
    ]);
}

#[test]
fn a_with_table_that_nobody_reads_is_not_looked_into() {
    market(&SEVERAL).exact([
        "WITH idle AS (SELECT id, no_such_function(name) FROM products ORDER BY id LIMIT 3) SELECT count(*) FROM sales",
        "WITH idle AS (SELECT max(no_such_column) FROM products), also AS (SELECT * FROM idle) \
         SELECT s.id FROM sales AS s JOIN products AS p ON p.stock = s.category",
        "WITH one AS (SELECT id FROM products), two AS (SELECT id FROM one WHERE id > 3), three AS (SELECT nothing(id) FROM two) \
         SELECT id FROM two ORDER BY id LIMIT 4",
    ]);
}

#[test]
fn what_a_window_clause_holds_is_looked_at() {
    market(&SEVERAL).exact([
        // A subquery over sharded tables, named and in a window built on a named one.
        "SELECT c.id, count(*) OVER w FROM categories AS c WINDOW w AS (PARTITION BY c.id IN (SELECT product_id FROM sales))",
        "SELECT c.id, count(*) OVER (w ROWS 1 PRECEDING) FROM categories AS c \
         WINDOW w AS (PARTITION BY (SELECT count(*) FROM sales AS s WHERE s.category = c.id) % 2 ORDER BY c.id)",
        "SELECT id, count(*) OVER w FROM products WHERE vendor_id = 'v1' \
         WINDOW w AS (PARTITION BY vendor_id, id IN (SELECT product_id FROM sales))",
        "SELECT id, count(*) OVER w FROM products WINDOW w AS (PARTITION BY vendor_id, id IN (SELECT product_id FROM sales))",
        // An aggregate in a window that is used makes one row of all; in one that is not, it is nothing.
        "SELECT count(*) OVER w FROM products WINDOW w AS (PARTITION BY vendor_id ORDER BY count(*))",
        "SELECT count(*) OVER (w) FROM products WINDOW w AS (PARTITION BY vendor_id ORDER BY max(id))",
        "SELECT id FROM products WINDOW w AS (PARTITION BY vendor_id ORDER BY count(*))",
    ]);
}

/// CAST leaves a real that is asked to be NUMERIC as it is; a NUMERIC column would make an integer of it.
#[test]
fn what_a_cast_gives_is_kept_as_it_is() {
    market(&SEVERAL).exact([
        "SELECT CAST(price + 0.0 AS NUMERIC) FROM products LIMIT (SELECT count(*) FROM products)",
        "SELECT CAST(price * 2.0 AS NUMERIC) AS n FROM products LIMIT (SELECT max(id) + 1 FROM products) OFFSET (SELECT 1 WHERE 0)",
        "SELECT d.n, d.n < '3', typeof(d.n) FROM (SELECT CAST(4.0 * id AS NUMERIC) AS n FROM products ORDER BY 1 LIMIT 9) AS d",
        "SELECT a.n, b.id FROM (SELECT DISTINCT CAST(id * 1.0 AS DECIMAL(9, 2)) AS n FROM products) AS a JOIN sales AS b ON b.id = a.n",
        "SELECT n, count(*) OVER () FROM (SELECT CAST(id * 1.0 AS NUMERIC) AS n, vendor_id FROM products) WHERE n IN ('1', 2)",
        "SELECT CAST(id * 1.0 AS NUMERIC) AS n, count(*) FROM products GROUP BY n ORDER BY n LIMIT (SELECT count(*) FROM sales)",
        "SELECT CAST(1.0 * id AS NUMERIC) FROM products UNION SELECT CAST(id AS NUMERIC) FROM sales ORDER BY 1",
    ]);
}

#[test]
fn columns_of_table_functions_have_the_affinity_blob() {
    market(&SEVERAL).exact([
        "SELECT count(*) FROM products WHERE CAST(stock AS TEXT) IN (SELECT j.value FROM sales, json_each('[1, 2, 3, \"3\"]') AS j)",
        "SELECT count(*) FROM products WHERE CAST(stock AS TEXT) = (SELECT min(j.value) FROM sales, json_each('[3]') AS j)",
        "SELECT count(*) FROM products WHERE (CAST(stock AS TEXT), 1) IN (SELECT j.atom, 1 FROM sales, json_tree('[1, 2, 3]') AS j)",
        "SELECT j.value, count(*) FROM products, json_each('[1, 2, \"2\"]') AS j GROUP BY j.value HAVING j.value = CAST(2 AS TEXT)",
        "SELECT count(*) FROM products WHERE '0' || stock IN (SELECT j.json FROM sales, json_each('3') AS j)",
        "SELECT count(*) FROM products WHERE '0' || stock IN (SELECT j.root FROM sales, json_tree('3', '$') AS j)",
        "SELECT d.v FROM (SELECT j.value AS v, count(*) FROM products, json_each('[1, 2]') AS j GROUP BY 1) AS d JOIN categories AS c ON CAST(c.id AS TEXT) = d.v",
    ]);
}

#[test]
fn the_queries_behind_in_bring_their_collations() {
    market(&SEVERAL).exact([
        "SELECT id FROM categories WHERE 'A' IN (SELECT grade FROM products)",
        "SELECT id, 'b' IN (SELECT p.grade FROM products AS p WHERE p.stock > 0) FROM sales",
        "SELECT id FROM sales WHERE ('B', id) IN (SELECT grade, id FROM products)",
        "SELECT count(*) FROM products WHERE grade IN (SELECT upper(grade) COLLATE BINARY FROM products)",
        "SELECT count(*) FROM products WHERE upper(grade) COLLATE BINARY IN (SELECT grade FROM products)",
        "SELECT count(*) FROM products WHERE name IN (SELECT upper(name) COLLATE NOCASE FROM products)",
        "SELECT count(*) FROM products WHERE lower(name) || '' IN (SELECT grade FROM products)",
        "SELECT count(*) FROM products WHERE grade NOT IN (SELECT p.name FROM products AS p WHERE p.name IS NOT NULL)",
        // Columns of table functions compare as bytes, and so does what the left side brings.
        "SELECT s.id FROM sales AS s JOIN json_each('[\"B\", \"b\", \"A\"]') AS j WHERE j.value IN (SELECT grade FROM products)",
        "SELECT s.id, j.value FROM sales AS s JOIN json_each('[\"B\", \"a\"]') AS j WHERE (j.value, 1) IN (SELECT grade, 1 FROM products)",
        "SELECT count(*) FROM sales WHERE (SELECT p.name, 1 FROM products AS p ORDER BY p.id LIMIT 1) IN (SELECT grade, 1 FROM products)",
        "SELECT count(*) FROM sales WHERE (SELECT 'B', 1 FROM categories WHERE id = 1) IN (SELECT grade, 1 FROM products)",
        "SELECT count(*) FROM sales WHERE (SELECT label, 1 FROM categories WHERE id = 1) IN (SELECT name, 1 FROM products)",
        // Rows compared with the first row of a query.
        "SELECT id FROM sales WHERE ('A', 1) = (SELECT grade, 1 FROM products WHERE grade IS NOT NULL ORDER BY id LIMIT 1)",
        "SELECT id FROM sales WHERE (SELECT grade, 1 FROM products WHERE grade IS NOT NULL ORDER BY id LIMIT 1) IS ('B', 1)",
        "SELECT id FROM sales WHERE ('B', id) < (SELECT grade, 5 FROM products WHERE grade = 'b' ORDER BY id LIMIT 1)",
        "SELECT id, (id, 'x') IN ((1, 'x'), (2, 'y')) FROM sales WHERE (vendor_id, id) IN (('v1', 1), ('v2', 2))",
    ]);
}

#[test]
fn row_values_that_sqlite_never_computes_fail_nothing() {
    market(&SEVERAL).exact([
        "WITH w AS (SELECT vendor_id AS v, (id, -1) AS n FROM products) SELECT v, count(*) FROM w GROUP BY v ORDER BY v",
        "SELECT count(*) FROM products WHERE (id, stock) > (2, 3) AND (id, 1) IN (SELECT id, 1 FROM sales)",
        "SELECT id, CASE (id, 1) WHEN (1, 1) THEN 'a' WHEN (SELECT 2, 1) THEN 'b' END FROM products ORDER BY 1",
        "SELECT count(*) FROM (SELECT (SELECT name FROM sales WHERE (1, sales.id) IN (SELECT amount FROM sales) LIMIT 1) FROM products)",
        "SELECT count(*) FROM (SELECT (SELECT name FROM sales WHERE sales.id IN (SELECT id, amount FROM sales) LIMIT 1) FROM products)",
        "SELECT count(*) FROM (SELECT (SELECT name FROM sales WHERE sales.amount = 'x' COLLATE nonesuch LIMIT 1) FROM products)",
    ]);
    let cluster = &market(&[Layout::Ring(7)]).clusters[0].1;
    // Behind a key that is unique SQLite looks at no further one.
    for unused in ["upper((1, id))", "(1, id) IN (SELECT id FROM sales)", "id IN (SELECT id, amount FROM sales)"] {
        let sql = format!("SELECT id FROM products WHERE id < 4 ORDER BY id, {unused}");
        let answer = cluster.query(&sql, &none()).expect(&sql);
        assert_eq!(answer.rows, [1, 2, 3].map(|id| vec![Value::Integer(id)]), "{sql}");
    }
}

#[test]
fn views_may_be_called_as_steps_of_a_plan_are() {
    let views = [
        "CREATE VIEW \"part 1\" AS SELECT id, stock AS n FROM products",
        "CREATE VIEW \"part 1 rows\" AS SELECT n FROM \"part 1\"",
    ];
    Oracle::new(&[Layout::Ring(7)], &tables(), &views).exact([
        "SELECT n, row_number() OVER (ORDER BY n, id) FROM \"part 1\" ORDER BY id",
        "SELECT n, count(*) OVER () FROM (SELECT CAST(n * 1.0 AS NUMERIC) AS n FROM \"part 1\" ORDER BY id LIMIT 2)",
        "SELECT sum(n) FROM \"part 1 rows\"",
        "SELECT a.id, b.n FROM \"part 1\" AS a JOIN \"part 1 rows\" AS b ON a.n = b.n ORDER BY 1, 2",
    ]);
}

#[test]
fn the_schema_is_answered() {
    let market = market(&SEVERAL);
    market.exact([
        "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name",
        "SELECT name FROM sqlite_master WHERE type = 'table'",
        "PRAGMA table_info(products)",
        "PRAGMA table_xinfo('sales')",
        "SELECT name, type FROM pragma_table_info('products') ORDER BY cid",
        "SELECT m.name, (SELECT count(*) FROM products) FROM sqlite_schema AS m WHERE m.type = 'table'",
        "SELECT count(*) FROM sqlite_schema AS m JOIN products AS p ON p.stock = length(m.name)",
        "SELECT i.name FROM sqlite_schema AS m, pragma_index_list(m.name) AS i ORDER BY 1",
    ]);
}

#[test]
fn tables_of_every_kind_are_loaded() {
    let tables = [
        Table::sharded(
            "CREATE TABLE a(k INTEGER NOT NULL, id INTEGER NOT NULL, x TEXT COLLATE NOCASE NOT NULL, y UNIQUE CHECK (y > 0), PRIMARY KEY (k, id)) WITHOUT ROWID",
            "k",
            "VALUES (1, 2, 'a', 3), (1, 1, 'B', 4), (2, 2, 'A', 5), (3, 1, 'b', 1), (4, 7, 'c', 2)",
        ),
        Table::sharded(
            "CREATE TABLE g(k INTEGER, a INTEGER, b INTEGER AS (a * 2), c TEXT AS (a || 'x') STORED NOT NULL)",
            "k",
            "",
        ),
        Table::sharded(
            "CREATE TABLE s(k INTEGER NOT NULL, b BLOB NOT NULL, t TEXT NOT NULL, r REAL NOT NULL, n ANY, UNIQUE (k, b)) STRICT",
            "k",
            "VALUES (1, x'01', 'a', 1.5, 1), (2, x'02', 'b', 2, 'x'), (3, x'01', 'c', 0.5, NULL)",
        ),
        Table::replicated("CREATE TABLE r(a UNIQUE, b NOT NULL)", "VALUES (1, 'x'), (2, 'y'), (NULL, 'z')"),
        Table::sharded("CREATE TABLE rowid(k, rowid, oid, _rowid_)", "k", "VALUES (1, 2, 3, 4), (2, 3, 4, 5)"),
    ];
    let tables: Vec<Table> = tables
        .into_iter()
        .map(|mut table| {
            // Only a key that holds the shard key is unique over all shards.
            table.sql = table.sql.replace("y UNIQUE CHECK", "y CHECK");
            table
        })
        .collect();
    let oracle = Oracle::new(&SEVERAL, &tables, &[]);
    oracle.exact([
        "SELECT a.id, b.id FROM a JOIN a AS b ON a.x = b.x",
        "SELECT group_concat(x) FROM a",
        "SELECT count(*) OVER () FROM a",
        "SELECT (SELECT max(rowid) FROM a) FROM r ORDER BY rowid",
        "SELECT x.n, y.n FROM s AS x JOIN s AS y ON x.r > y.r",
        "SELECT count(*) OVER (), t FROM s",
        "SELECT r.rowid, s.t FROM r JOIN s ON s.n = r.a OR r.a IS NULL",
        "SELECT x.rowid, y.oid FROM rowid AS x JOIN rowid AS y ON x.rowid = y.rowid",
        "SELECT b, row_number() OVER (ORDER BY b) FROM r",
        "SELECT sum(1) OVER () FROM g",
        "SELECT g.b, h.c FROM g JOIN g AS h ON g.a = h.b",
    ]);
}

#[test]
fn what_is_gathered_is_bounded() {
    let limits = Limits { gather_bytes_max: 20_000, ..Limits::default() };
    let cluster = Cluster::start_with(2, PlacementPolicy::Ring { shards: 5 }, limits);
    cluster.execute("CREATE TABLE t(k INTEGER, a TEXT) SHARD KEY (k)", &none()).expect("a table");
    let rows: Vec<_> = (0..100).map(|k| vec![Value::Integer(k), text(&"x".repeat(1000))]).collect();
    cluster.load("t", &["k".to_owned(), "a".to_owned()], &rows).expect("rows");
    let failure = cluster.query("SELECT a, rank() OVER (ORDER BY a) FROM t", &none()).expect_err("100 KB");
    assert_eq!(failure.reason, Some(Reason::GatherTooLarge), "{failure:?}");
    assert!(failure.message.contains("`t`") && failure.message.contains("gather_bytes_max"), "{failure:?}");
    // Fewer rows, or fewer columns, are within the bound; and what was gathered before is gone.
    for (sql, expected) in [
        ("SELECT count(*) OVER () FROM t WHERE k < 10 ORDER BY a LIMIT 1", 10),
        ("SELECT count(*) OVER () FROM t LIMIT 1", 100),
        ("SELECT count(*) OVER () FROM t WHERE k BETWEEN 3 AND 9 AND a IS NOT NULL LIMIT 1", 7),
    ] {
        let answer = cluster.query(sql, &none()).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        assert_eq!(answer.rows, [[Value::Integer(expected)]], "{sql}");
        assert_eq!(answer.certificate.plan, "gather");
    }
}

#[test]
fn keys_that_no_one_database_could_hold_are_an_error() {
    let table = Table::sharded("CREATE TABLE t(k INTEGER, id INTEGER PRIMARY KEY)", "k", "");
    let oracle = Oracle::new(&[Layout::Ring(7)], &[table], &[]);
    let cluster = &oracle.clusters[0].1;
    let rows: Vec<Vec<Value>> = (0..20).map(|k| vec![Value::Integer(k), Value::Integer(1)]).collect();
    for row in rows {
        // Some shards refuse a second one.
        let _ = cluster.load("t", &["k".to_owned(), "id".to_owned()], &[row]);
    }
    let failure =
        cluster.query("SELECT id, row_number() OVER (ORDER BY id) FROM t", &none()).expect_err("no one database");
    assert_eq!(failure.reason, Some(Reason::Constraint), "{failure:?}");
    assert!(failure.message.contains('t'), "{failure:?}");
}
