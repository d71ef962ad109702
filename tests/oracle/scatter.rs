//! Each condition under which a SELECT may be scattered, with rows that would show it broken: souk answers exactly or refuses.

use crate::fixture::market;
use crate::gather::plan;
use crate::support::{Layout, Oracle, Table, none};

/// Shards that a client can count on to be several.
const SEVERAL: [Layout; 2] = [Layout::Ring(2), Layout::Ring(7)];

#[test]
fn sharded_tables_join_by_their_shard_keys() {
    let market = market(&SEVERAL);
    // A sale of a product of another vendor: partners on different shards.
    market.exact([
        "SELECT p.id, s.id FROM products AS p JOIN sales AS s ON s.product_id = p.id",
        "SELECT count(*) FROM products AS p, sales AS s",
        "SELECT count(*) FROM products AS p JOIN sales AS s ON s.vendor_id = p.vendor_id OR s.product_id = p.id",
        "SELECT count(*) FROM products AS p JOIN sales AS s ON s.vendor_id <> p.vendor_id",
        "SELECT count(*) FROM products AS p JOIN sales AS s ON s.vendor_id IS p.vendor_id AND 1 OR s.id = p.id",
        "SELECT count(*) FROM products AS p JOIN sales AS s ON s.vendor_id || '' = p.vendor_id",
        "SELECT count(*) FROM products AS p JOIN sales AS s ON s.vendor_id = p.name",
        "SELECT count(*) FROM products AS p JOIN products AS q ON p.vendor_id = q.vendor_id JOIN sales AS s ON s.product_id = p.id",
        "SELECT p.id, s.id FROM products AS p LEFT JOIN sales AS s ON s.product_id = p.id",
    ]);
    market.exact([
        "SELECT count(*) FROM products AS p JOIN sales AS s ON s.vendor_id = p.vendor_id JOIN products AS q ON q.vendor_id = s.vendor_id",
        "SELECT count(*) FROM products AS p JOIN sales AS s ON p.vendor_id = s.vendor_id JOIN products AS q ON q.vendor_id = p.vendor_id",
        "SELECT count(*) FROM products AS p JOIN sales AS s ON (p.vendor_id = s.vendor_id) AND p.stock > s.category",
    ]);
    market.never_wrong([
        "SELECT count(*) FROM products AS p JOIN sales AS s ON s.vendor_id IS p.vendor_id",
        "SELECT count(*) FROM products AS p JOIN sales AS s ON s.vendor_id = p.vendor_id COLLATE NOCASE",
        "SELECT count(*) FROM products AS p JOIN sales AS s WHERE (s.vendor_id, s.product_id) = (p.vendor_id, p.id)",
        "SELECT count(*) FROM products AS p NATURAL JOIN sales AS s",
        "SELECT count(*) FROM products AS p LEFT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id LEFT JOIN products AS q ON q.vendor_id = s.vendor_id",
        "SELECT count(*) FROM products AS p LEFT JOIN sales AS s ON 1 WHERE s.vendor_id = p.vendor_id",
    ]);
}

#[test]
fn shard_keys_are_equal_through_others() {
    let market = market(&SEVERAL);
    for (expected, sql) in [
        (
            "scatter",
            "SELECT count(*) FROM products AS p, sales AS s, products AS q \
             WHERE p.vendor_id = q.vendor_id AND s.vendor_id = q.vendor_id AND s.product_id = p.id",
        ),
        (
            "scatter",
            "SELECT p.id, s.id FROM products AS p JOIN sales AS s ON s.product_id = p.id JOIN products AS q ON q.vendor_id = p.vendor_id \
             AND s.vendor_id = q.vendor_id AND q.id < 9",
        ),
        (
            "scatter",
            "SELECT id FROM products AS p WHERE EXISTS (SELECT 1 FROM sales AS s, products AS q \
             WHERE s.vendor_id = p.vendor_id AND q.vendor_id = p.vendor_id AND s.product_id = q.id AND q.stock > p.stock)",
        ),
        (
            "gather",
            "SELECT count(*) FROM products AS p LEFT JOIN sales AS s ON s.product_id = p.id JOIN products AS q ON q.vendor_id = p.vendor_id \
             AND q.vendor_id = s.vendor_id",
        ),
        (
            "gather",
            "SELECT count(*) FROM products AS p JOIN sales AS s ON s.product_id = p.id LEFT JOIN products AS q ON q.vendor_id = p.vendor_id \
             AND q.vendor_id = s.vendor_id",
        ),
        (
            "gather",
            "SELECT count(*) FROM products AS p, sales AS s, products AS q WHERE p.vendor_id = q.name AND s.vendor_id = q.name OR s.id = p.id",
        ),
        (
            "gather",
            "SELECT count(*) FROM products AS p, sales AS s, products AS q WHERE p.vendor_id = q.vendor_id AND s.category = q.stock",
        ),
        (
            "gather",
            "SELECT count(*) FROM products AS p, sales AS s, categories AS c WHERE p.vendor_id = c.label AND s.vendor_id = c.label",
        ),
    ] {
        market.exact([sql]);
        assert_eq!(plan(&market, sql), expected, "{sql}");
    }
}

#[test]
fn groups_and_windows_of_the_shard_key_are_deduplicated() {
    let market = market(&SEVERAL);
    for (expected, sql) in [
        ("scatter", "SELECT DISTINCT count(*) FROM products GROUP BY vendor_id"),
        (
            "scatter",
            "SELECT DISTINCT max(stock) AS m, 1 FROM products GROUP BY vendor_id HAVING count(*) > 3 ORDER BY m DESC LIMIT 1 OFFSET 1",
        ),
        ("scatter", "SELECT DISTINCT count(*) % 3 FROM sales GROUP BY category, vendor_id ORDER BY count(*) % 3"),
        ("scatter", "SELECT DISTINCT count(*) + (SELECT count(*) FROM sales) FROM products GROUP BY vendor_id"),
        (
            "scatter",
            "SELECT DISTINCT rank() OVER (PARTITION BY vendor_id ORDER BY stock) FROM products ORDER BY 1 DESC",
        ),
        ("scatter", "SELECT DISTINCT stock, count(*) OVER w FROM products WINDOW w AS (PARTITION BY vendor_id)"),
        ("scatter", "SELECT stock FROM products UNION SELECT DISTINCT count(*) FROM sales GROUP BY vendor_id"),
        ("gather", "SELECT sum(n) FROM (SELECT DISTINCT count(*) AS n FROM products GROUP BY vendor_id) WHERE n > 2"),
        ("scatter", "SELECT DISTINCT max(id) FROM products GROUP BY vendor_id ORDER BY min(id)"),
        ("scatter", "SELECT DISTINCT length(name), max(price) FROM products GROUP BY vendor_id"),
        ("scatter", "SELECT DISTINCT length(group_concat(id)) FROM products GROUP BY vendor_id ORDER BY 1"),
        ("gather", "SELECT DISTINCT group_concat(id ORDER BY id) FROM products GROUP BY vendor_id ORDER BY min(id)"),
        ("gather", "SELECT DISTINCT length(name), max(price) FROM products GROUP BY stock"),
        ("gather", "SELECT DISTINCT rank() OVER (PARTITION BY stock ORDER BY id) FROM products"),
        ("gather", "SELECT DISTINCT group_concat(id ORDER BY id) FROM products GROUP BY stock"),
    ] {
        market.exact([sql]);
        assert_eq!(plan(&market, sql), expected, "{sql}");
    }
}

#[test]
fn a_replicated_table_is_not_preserved_against_a_sharded_one() {
    let market = market(&SEVERAL);
    market.exact([
        "SELECT c.id, s.id FROM categories AS c LEFT JOIN sales AS s ON s.category = c.category",
        "SELECT c.id, s.id FROM sales AS s RIGHT JOIN categories AS c ON s.category = c.category",
        "SELECT c.id, s.id FROM sales AS s FULL JOIN categories AS c ON s.category = c.category",
        "SELECT c.id, count(s.id) FROM categories AS c LEFT JOIN sales AS s ON s.category = c.category GROUP BY c.id",
        "SELECT c.id, (SELECT count(*) FROM sales AS s WHERE s.category = c.category) FROM categories AS c",
        "SELECT id FROM categories AS c WHERE NOT EXISTS (SELECT 1 FROM sales AS s WHERE s.category = c.category)",
    ]);
}

#[test]
fn subqueries_are_replicated_or_tied() {
    let market = market(&SEVERAL);
    market.exact([
        "SELECT id FROM products WHERE stock > (SELECT avg(stock) FROM products)",
        "SELECT id, (SELECT max(price) FROM products) FROM products",
        "SELECT id FROM products WHERE id IN (SELECT product_id FROM sales)",
        "SELECT id FROM products WHERE id NOT IN (SELECT product_id FROM sales)",
        "SELECT id FROM products WHERE EXISTS (SELECT 1 FROM sales WHERE amount > 8)",
        "SELECT id FROM products AS p WHERE EXISTS (SELECT 1 FROM sales AS s WHERE s.product_id = p.id)",
        "SELECT id FROM products AS p WHERE EXISTS (SELECT 1 FROM sales AS s WHERE s.vendor_id = p.vendor_id OR s.product_id = p.id)",
        "SELECT id FROM products AS p WHERE (SELECT count(*) FROM sales AS s WHERE s.vendor_id <> p.vendor_id) > 70",
        "SELECT id FROM products WHERE NOT vendor_id IN (SELECT vendor_id FROM sales WHERE amount > 5)",
        "SELECT id FROM products WHERE vendor_id NOT IN (SELECT vendor_id FROM sales WHERE amount > 5)",
        "SELECT id, vendor_id IN (SELECT vendor_id FROM sales WHERE category = 1) FROM products",
        "SELECT id FROM products WHERE vendor_id IN (SELECT vendor_id FROM sales ORDER BY id LIMIT 2)",
        "SELECT id FROM products WHERE vendor_id IN (SELECT vendor_id FROM sales EXCEPT SELECT 'v1')",
        "SELECT id FROM products WHERE vendor_id IN (SELECT max(vendor_id) FROM sales)",
        "SELECT id FROM products WHERE (vendor_id, id) IN (SELECT vendor_id, product_id FROM sales)",
        "SELECT count(*), (SELECT count(*) FROM sales) FROM products",
        "SELECT count(*) FROM products HAVING count(*) < (SELECT count(*) FROM sales)",
        "SELECT id FROM products ORDER BY (SELECT count(*) FROM sales AS s WHERE s.category = products.stock), id",
        "SELECT id FROM products LIMIT (SELECT count(*) FROM categories)",
        "SELECT id FROM products ORDER BY id LIMIT (SELECT min(id) + 2 FROM sales)",
        "SELECT id FROM products AS p WHERE stock = (SELECT max(category) FROM sales AS s WHERE s.vendor_id = p.vendor_id AND s.id IN (SELECT id FROM sales WHERE amount > 5))",
    ]);
}

#[test]
fn derived_tables_give_their_rows_shard_by_shard() {
    let market = market(&SEVERAL);
    market.never_wrong([
        "SELECT count(*) FROM (SELECT id FROM products ORDER BY id LIMIT 3)",
        "SELECT d.id FROM (SELECT id FROM products ORDER BY price DESC, id LIMIT 5 OFFSET 2) AS d",
        "SELECT d.n FROM (SELECT stock, count(*) AS n FROM products GROUP BY stock) AS d WHERE d.n > 3",
        "SELECT max(n) FROM (SELECT stock, count(*) AS n FROM products GROUP BY stock)",
        "SELECT n FROM (SELECT count(*) AS n FROM products)",
        "SELECT count(*) FROM (SELECT DISTINCT stock FROM products)",
        "SELECT count(*) FROM (SELECT stock FROM products UNION SELECT category FROM sales)",
        "SELECT count(*) FROM (SELECT id, row_number() OVER (ORDER BY id) AS r FROM products) WHERE r < 5",
        "WITH top AS (SELECT id FROM products ORDER BY id LIMIT 3) SELECT * FROM top",
        "WITH one AS (SELECT count(*) AS n FROM products) SELECT n FROM one",
        "WITH d AS (SELECT DISTINCT grade FROM products) SELECT count(*) FROM d",
        "WITH RECURSIVE chain(i) AS (SELECT min(id) FROM products UNION ALL SELECT i + 1 FROM chain WHERE i < 5) SELECT i FROM chain",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT p.id FROM products AS p JOIN n ON n.i = p.stock",
        "SELECT count(*) FROM (SELECT vendor_id, max(price) AS price FROM products GROUP BY vendor_id) AS d JOIN products AS p ON p.vendor_id = d.vendor_id AND p.price = d.price",
        "SELECT count(*) FROM (SELECT s.vendor_id FROM products AS p LEFT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id GROUP BY s.vendor_id)",
        "SELECT d.v, count(*) FROM (SELECT s.vendor_id AS v FROM products AS p LEFT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id) AS d GROUP BY d.v",
        "SELECT DISTINCT s.vendor_id FROM products AS p LEFT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id",
    ]);
    market.exact([
        "SELECT count(*) FROM (SELECT id FROM products ORDER BY id LIMIT 3)",
        "SELECT max(n) FROM (SELECT stock, count(*) AS n FROM products GROUP BY stock)",
    ]);
}

#[test]
fn compounds_that_compare_rows_hold_the_shard_key() {
    market(&SEVERAL).never_wrong([
        "SELECT stock FROM products UNION SELECT category FROM sales",
        "SELECT stock FROM products EXCEPT SELECT category FROM sales",
        "SELECT stock FROM products INTERSECT SELECT category FROM sales",
        "SELECT vendor_id FROM products UNION SELECT name FROM products",
        "SELECT id, vendor_id FROM products EXCEPT SELECT product_id, vendor_id FROM sales",
        "SELECT vendor_id, id FROM products EXCEPT SELECT name, stock FROM products",
        "SELECT vendor_id FROM products UNION SELECT label FROM categories",
        "SELECT label FROM categories EXCEPT SELECT name FROM products",
        "SELECT stock FROM products UNION ALL SELECT category FROM sales UNION SELECT 5",
        "SELECT name FROM products UNION SELECT grade FROM products ORDER BY 1",
        "SELECT vendor_id FROM products UNION SELECT vendor_id FROM sales ORDER BY 1 LIMIT 3",
        "SELECT vendor_id, count(*) FROM products GROUP BY vendor_id EXCEPT SELECT vendor_id, count(*) FROM sales GROUP BY vendor_id",
        "SELECT count(*) FROM products UNION SELECT count(*) FROM sales",
    ]);
}

#[test]
fn aggregates_decompose_or_group_by_the_shard_key() {
    let market = market(&SEVERAL);
    market.exact([
        "SELECT group_concat(id) FROM products",
        "SELECT stock, string_agg(name, ',' ORDER BY id) FROM products GROUP BY stock",
        "SELECT json_group_array(id ORDER BY id) FROM products",
        "SELECT json_group_object(id, name) FROM products",
    ]);
    market.exact([
        "SELECT vendor_id, group_concat(id, ',' ORDER BY id) FROM products GROUP BY vendor_id",
        "SELECT vendor_id, json_group_array(id ORDER BY id), sum(price) FROM products GROUP BY vendor_id HAVING count(*) > 3",
        "SELECT stock, vendor_id, group_concat(id, ',' ORDER BY id) FROM products GROUP BY stock, vendor_id",
        "SELECT avg(price), sum(DISTINCT stock), count(DISTINCT vendor_id), count(DISTINCT name) FROM products",
        "SELECT avg(stock) FILTER (WHERE vendor_id = 'v1' OR vendor_id = 'v2') FROM products",
    ]);
}

#[test]
fn a_bare_column_comes_from_the_row_of_the_extreme() {
    market(&SEVERAL).never_wrong([
        "SELECT max(id), name FROM products",
        "SELECT min(id), vendor_id, price FROM products",
        "SELECT stock, max(id), price FROM products GROUP BY stock",
        "SELECT vendor_id, max(id), name FROM products GROUP BY vendor_id",
        "SELECT max(id), name, count(*) FROM products WHERE stock = 3",
        "SELECT max(id) + 1, name || 'x' FROM products HAVING count(*) > 1",
    ]);
}

#[test]
fn windows_partition_by_the_shard_key() {
    let market = market(&SEVERAL);
    market.exact([
        "SELECT id, row_number() OVER (ORDER BY id) FROM products",
        "SELECT id, count(*) OVER () FROM products",
        "SELECT id, sum(price) OVER (PARTITION BY stock ORDER BY id) FROM products",
        "SELECT id, rank() OVER w FROM products WINDOW w AS (PARTITION BY stock ORDER BY id)",
        "SELECT id, count(*) OVER (PARTITION BY vendor_id), count(*) OVER (PARTITION BY stock) FROM products",
        "SELECT id FROM products ORDER BY row_number() OVER (ORDER BY id DESC)",
        "SELECT stock, rank() OVER (ORDER BY count(*)) FROM products GROUP BY stock",
        "SELECT id, count(*) OVER (PARTITION BY vendor_id || '') FROM products",
        "SELECT id, count(*) OVER (PARTITION BY vendor_id COLLATE NOCASE) FROM products",
    ]);
    market.exact([
        "SELECT id, count(*) OVER (PARTITION BY vendor_id) FROM products ORDER BY id LIMIT 9",
        "SELECT id, lag(id) OVER (PARTITION BY stock, vendor_id ORDER BY id) FROM products",
        "SELECT id, sum(price) OVER (w ORDER BY id) FROM products WINDOW w AS (PARTITION BY vendor_id)",
        "SELECT vendor_id, stock, rank() OVER (PARTITION BY vendor_id ORDER BY stock) FROM products GROUP BY vendor_id, stock",
    ]);
    // A COLLATE inside of a window, a FILTER or an aggregate's ORDER BY is not that of the call's result.
    market.exact([
        "SELECT group_concat(grade, '-') OVER (PARTITION BY vendor_id ORDER BY name COLLATE NOCASE, id) FROM products ORDER BY 1",
        "SELECT max(grade || '') OVER (PARTITION BY vendor_id ORDER BY name COLLATE NOCASE, id) FROM products ORDER BY 1",
        "SELECT vendor_id, group_concat(grade, '' ORDER BY name COLLATE NOCASE, id) AS g FROM products GROUP BY vendor_id ORDER BY g",
        "SELECT vendor_id, max(grade || '') FILTER (WHERE name COLLATE NOCASE > 'a') AS g FROM products GROUP BY vendor_id ORDER BY g",
        "SELECT vendor_id, max(grade COLLATE BINARY) AS g FROM products GROUP BY vendor_id ORDER BY g, 1",
    ]);
    // Rows without a partner come with a NULL key from every shard.
    market.never_wrong([
        "SELECT s.vendor_id, count(*) OVER (PARTITION BY s.vendor_id) FROM products AS p LEFT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id",
        "SELECT s.vendor_id, count(*) FROM products AS p LEFT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id GROUP BY s.vendor_id",
        "SELECT s.vendor_id, group_concat(p.id, ',' ORDER BY p.id) FROM products AS p LEFT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id GROUP BY s.vendor_id",
    ]);
}

#[test]
fn the_present_is_the_same_on_every_shard() {
    let market = market(&[Layout::Ring(7)]);
    market.exact([
        "SELECT count(DISTINCT unixepoch('subsec')), count(DISTINCT strftime('%f')) FROM products",
        "SELECT count(DISTINCT julianday('now')), count(DISTINCT CURRENT_TIMESTAMP) FROM products",
        "SELECT DISTINCT date('now') = CURRENT_DATE, strftime('%Y', 'now') = strftime('%Y') FROM products",
        "SELECT count(*) FROM (SELECT DISTINCT vendor_id, julianday() AS j FROM products) GROUP BY j HAVING count(*) > 1",
        "SELECT date('2024-02-30'), date('2024-01-31', '+1 month'), strftime('%s', '2024-01-01') FROM products",
    ]);
    market.exact([
        "SELECT count(DISTINCT random()) FROM products",
        "SELECT id FROM products WHERE random() IS NOT NULL",
        "SELECT length(hex(randomblob(4))) FROM products",
    ]);
}

#[test]
fn rowids_count_the_rows_of_one_shard_alone() {
    let bare = Table::sharded("CREATE TABLE bare(k INTEGER, a)", "k", "VALUES (1, 'x'), (2, 'y'), (3, 'z'), (4, 'w')");
    let oracle = Oracle::new(&SEVERAL, &[bare], &[]);
    oracle.exact([
        "SELECT rowid FROM bare",
        "SELECT max(oid), count(DISTINCT _rowid_) FROM bare",
        "SELECT count(a) FROM bare WHERE rowid = 1",
        "SELECT count(*) FROM bare AS x JOIN bare AS y ON x.rowid = y.rowid AND x.a = y.a",
    ]);
    oracle.exact(["SELECT * FROM bare", "SELECT max(k) FROM bare"]);
    market(&SEVERAL).exact(["SELECT rowid, id, oid FROM products WHERE rowid < 9 ORDER BY rowid"]);
}

#[test]
fn a_distinct_compares_across_shards() {
    let market = market(&SEVERAL);
    market.never_wrong([
        "SELECT DISTINCT lower(name) FROM products ORDER BY lower(name)",
        "SELECT DISTINCT s.vendor_id, p.stock FROM products AS p LEFT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id",
        "SELECT DISTINCT stock, count(*) OVER (PARTITION BY vendor_id) FROM products",
        "SELECT DISTINCT stock FROM products LIMIT 3",
    ]);
}

#[test]
fn an_order_of_hidden_columns_shows_none_of_them() {
    let market = market(&[Layout::Ring(7)]);
    let answer = market.clusters[0]
        .1
        .query("SELECT id FROM products ORDER BY price, stock + 1, grade LIMIT 3", &none())
        .expect("rows");
    assert_eq!(answer.names, ["id"]);
    assert!(answer.rows.iter().all(|row| row.len() == 1));
}
