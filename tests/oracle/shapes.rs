//! What must be answered, whatever the number of shards: exact, and not refused.

use souk_merge::Value;

use crate::fixture::market;
use crate::support::{Layout, blob, named, none, null, positional, real, text};

#[test]
fn projections_and_expressions() {
    market(&Layout::ALL).exact([
        "SELECT * FROM products",
        "SELECT p.*, p.id + 1 FROM products AS p",
        "SELECT id AS n, \"name\", [stock], `price` FROM main.products",
        "SELECT ID, Products.Vendor_Id FROM PRODUCTS",
        "SELECT stock + price * 2 - id % 3, stock / 2, stock / 2.0, -stock, +name, ~stock, stock << 2 | 1 & 3 FROM products",
        "SELECT name || '-' || stock, name || stock = 'a1', NOT stock = 3, NOT stock IS NULL FROM products",
        "SELECT stock = 1 = 1, stock < 3 < 1, 1 < stock = 0, stock IS 3 IS 1, -stock % 2 FROM products",
        "SELECT CASE WHEN stock > 5 THEN 'many' WHEN stock IS NULL THEN 'none' END, CASE stock WHEN 1 THEN 'one' ELSE name END FROM products",
        "SELECT CAST(price AS INTEGER), CAST(stock AS TEXT), CAST(name AS BLOB), CAST('12abc' AS NUMERIC), CAST(extra AS REAL) FROM products",
        "SELECT abs(price), round(price, 1), length(name), upper(name), substr(name, 2), coalesce(stock, 'none'), typeof(extra), quote(extra), hex(extra), max(stock, id), min(name, grade), iif(stock > 3, 1, 0) FROM products",
        "SELECT 0xFF, 1e3, .5, 'it''s', x'0aFF', NULL, TRUE, 9223372036854775807, -9223372036854775808 FROM products",
        "SELECT printf('%05d|%-5s|%.2f', stock, name, price), format('%q', name) FROM products",
        "SELECT id, (stock, price) = (1, 2.5), (stock, id) < (3, 10), (1, 2) IN (VALUES (1, 2)) FROM products",
        "SELECT 1 FROM products; ",
        "/* first */ SELECT id -- last\nFROM products -- end",
        "SELECT id FROM products WHERE stock IN (SELECT category FROM categories) /**/",
        "SELECT 1",
        "SELECT 1 + 1 AS two, 'x' WHERE 1 = 1",
        "VALUES (1, 'a'), (2, 'b')",
        "SELECT * FROM categories",
        "SELECT count(*), max(label) FROM categories",
    ]);
}

#[test]
fn predicates() {
    market(&Layout::ALL).exact([
        "SELECT id FROM products WHERE stock BETWEEN 2 AND 5 AND NOT name BETWEEN 'a' AND 'b'",
        "SELECT id FROM products WHERE name LIKE 'a%' OR name LIKE '%B' OR name NOT LIKE '_b%'",
        "SELECT id FROM products WHERE name LIKE 'a!%' ESCAPE '!' OR name LIKE 'x!_%' ESCAPE '!' OR 'a_' LIKE 'a!_' ESCAPE '!'",
        "SELECT id FROM products WHERE name GLOB '[a-c]*' OR name NOT GLOB '?'",
        "SELECT id FROM products WHERE extra IS NULL OR extra IS 'text1' OR extra IS NOT x'00ff'",
        "SELECT id FROM products WHERE extra IS DISTINCT FROM 6 AND stock IS NOT DISTINCT FROM NULL",
        "SELECT id FROM products WHERE stock ISNULL OR price NOTNULL AND name NOT NULL",
        "SELECT id FROM products WHERE (stock > 3) IS TRUE OR (stock > 8) IS NOT FALSE",
        "SELECT id FROM products WHERE stock IN (1, 2, '3', 4.0, NULL) OR name IN ('a', 'B')",
        "SELECT id FROM products WHERE stock NOT IN (1, 2) AND name NOT IN ()",
        "SELECT id FROM products WHERE grade = 'a' AND grade IN ('B', 'A') AND name = 'A' COLLATE NOCASE",
        "SELECT id FROM products WHERE (stock, price) >= (3, 1.5) AND (stock, price) IN ((3, 7.5), (4, 2.25)) OR (vendor_id, stock) = ('v1', 1)",
        "SELECT id FROM products WHERE stock",
        "SELECT id FROM products WHERE name",
        "SELECT id FROM products WHERE stock = '3' OR price = '2.5' OR name = 3 OR extra = 6 OR extra = '6'",
        "SELECT id FROM products WHERE id = 7 OR vendor_id = 'v3' AND stock > 2",
        "SELECT id FROM products WHERE NOT (vendor_id = 'v1' OR vendor_id = 'v2')",
        "SELECT id FROM products WHERE vendor_id > 'v2' AND vendor_id <= 'v5'",
        "SELECT id FROM products WHERE vendor_id IS NULL",
        "SELECT id FROM products WHERE vendor_id = NULL",
        "SELECT id FROM products WHERE 1 = 0",
    ]);
}

#[test]
fn order() {
    market(&Layout::ALL).exact([
        "SELECT id FROM products ORDER BY id",
        "SELECT stock, name FROM products ORDER BY stock",
        "SELECT stock, name FROM products ORDER BY stock DESC, name ASC",
        "SELECT stock AS s, name AS n FROM products ORDER BY s DESC, n",
        "SELECT stock, name FROM products ORDER BY 2, 1 DESC",
        "SELECT id FROM products ORDER BY stock % 3, -price, name",
        "SELECT id FROM products ORDER BY price DESC, vendor_id",
        "SELECT id, extra FROM products ORDER BY extra",
        "SELECT id, extra FROM products ORDER BY extra DESC, id DESC",
        "SELECT id, stock FROM products ORDER BY stock NULLS LAST, id",
        "SELECT id, stock FROM products ORDER BY stock DESC NULLS FIRST, id",
        "SELECT id, stock FROM products ORDER BY stock ASC NULLS FIRST, extra DESC NULLS LAST, id",
        "SELECT id, name FROM products ORDER BY name COLLATE NOCASE, id",
        "SELECT name FROM products ORDER BY name COLLATE NOCASE",
        "SELECT name FROM products ORDER BY name COLLATE NOCASE DESC LIMIT 5",
        "SELECT name FROM products ORDER BY name COLLATE RTRIM DESC",
        "SELECT name FROM products ORDER BY name COLLATE BINARY",
        "SELECT grade, id FROM products ORDER BY grade, id",
        "SELECT grade, id FROM products ORDER BY grade COLLATE BINARY DESC, id",
        "SELECT id FROM products ORDER BY lower(name) || grade, id",
        "SELECT id FROM products ORDER BY CASE WHEN stock > 3 THEN 0 ELSE 1 END, id",
        "SELECT id FROM products ORDER BY data ->> '$.size', id",
        "SELECT id, stock AS price FROM products ORDER BY price, id",
        "SELECT * FROM products ORDER BY stock, id",
        "SELECT * FROM products ORDER BY grade, name || 'x', id",
        "SELECT p.id FROM products AS p ORDER BY p.stock DESC, p.id",
        "SELECT id, id, stock FROM products ORDER BY id",
        "SELECT vendor_id, stock FROM products ORDER BY stock, 'constant', 1",
    ]);
}

#[test]
fn limit_and_offset() {
    let market = market(&Layout::ALL);
    market.exact([
        "SELECT id FROM products LIMIT 10",
        "SELECT id FROM products LIMIT 10 OFFSET 55",
        "SELECT id FROM products LIMIT 1000",
        "SELECT id FROM products LIMIT 0",
        "SELECT id FROM products LIMIT 3, 4",
        "SELECT id FROM products ORDER BY price, id LIMIT 5",
        "SELECT id FROM products ORDER BY price DESC, id LIMIT 5 OFFSET 3",
        "SELECT id FROM products ORDER BY stock LIMIT 7 OFFSET 2",
        "SELECT id FROM products ORDER BY id LIMIT -1",
        "SELECT id FROM products ORDER BY id LIMIT -1 OFFSET 50",
        "SELECT id FROM products ORDER BY id LIMIT 5 OFFSET -3",
        "SELECT id FROM products ORDER BY id LIMIT '3'",
        "SELECT id FROM products ORDER BY id LIMIT 3.0 OFFSET '1'",
        "SELECT id FROM products ORDER BY id LIMIT 2 + 3 OFFSET abs(-2)",
        "SELECT id FROM products ORDER BY id LIMIT 9223372036854775807 OFFSET 9223372036854775807",
        "SELECT id FROM products ORDER BY id LIMIT 10 OFFSET 9223372036854775800",
        "SELECT id FROM products ORDER BY id LIMIT NULL",
        "SELECT id FROM products ORDER BY id LIMIT 1.5",
        "SELECT id FROM products ORDER BY id LIMIT 'x'",
        "SELECT id FROM products ORDER BY id LIMIT 1 OFFSET NULL",
        "SELECT id FROM products ORDER BY id LIMIT 9223372036854775808",
        "SELECT stock, count(*) FROM products GROUP BY stock ORDER BY 2 DESC, 1 LIMIT 3 OFFSET 1",
        "SELECT count(*) FROM products LIMIT 0",
        "SELECT count(*) FROM products LIMIT 1 OFFSET 1",
        "SELECT DISTINCT stock FROM products ORDER BY stock LIMIT 4 OFFSET 2",
    ]);
    market.exact_with([
        ("SELECT id FROM products ORDER BY id LIMIT ?", positional([Value::Integer(4)])),
        ("SELECT id FROM products ORDER BY id LIMIT ?1 OFFSET ?2", positional([Value::Integer(4), text("7")])),
        (
            "SELECT id FROM products ORDER BY id LIMIT :limit OFFSET $from",
            named([("$from", real(2.0)), (":limit", Value::Integer(3))]),
        ),
        ("SELECT id FROM products ORDER BY id LIMIT ?", positional([null()])),
        ("SELECT id FROM products ORDER BY id LIMIT ?", positional([real(1.5)])),
        ("SELECT id FROM products ORDER BY id LIMIT ?1 + ?1", positional([Value::Integer(2)])),
        ("SELECT stock, count(*) FROM products GROUP BY stock ORDER BY 1 LIMIT ?", positional([Value::Integer(2)])),
    ]);
}

#[test]
fn distinct() {
    market(&Layout::ALL).exact([
        "SELECT DISTINCT stock FROM products",
        "SELECT DISTINCT vendor_id FROM products",
        "SELECT DISTINCT stock, name FROM products ORDER BY 2, 1",
        "SELECT DISTINCT stock % 3 AS m FROM products ORDER BY m DESC",
        "SELECT DISTINCT extra FROM products ORDER BY extra",
        "SELECT DISTINCT lower(grade) FROM products",
        "SELECT DISTINCT vendor_id, stock FROM products ORDER BY stock, vendor_id LIMIT 5",
        "SELECT DISTINCT name FROM products ORDER BY name COLLATE NOCASE DESC, 1",
        "SELECT DISTINCT vendor_id, name FROM products ORDER BY name COLLATE RTRIM LIMIT 3",
        "SELECT DISTINCT count(*) FROM products",
        "SELECT DISTINCT count(*) FROM products GROUP BY stock",
        "SELECT DISTINCT p.stock FROM products AS p JOIN categories AS c ON c.category = p.stock",
    ]);
}

#[test]
fn aggregates() {
    market(&Layout::ALL).exact([
        "SELECT count(*), count(), count(stock), count(DISTINCT stock), count(DISTINCT grade) FROM products",
        "SELECT sum(stock), total(stock), avg(stock), min(stock), max(stock) FROM products",
        "SELECT sum(price), total(price), avg(price), min(price), max(price) FROM products",
        "SELECT sum(DISTINCT stock), avg(DISTINCT price), total(DISTINCT stock), min(DISTINCT name), max(DISTINCT name) FROM products",
        "SELECT sum(extra), avg(extra), total(extra), min(extra), max(extra), count(extra), count(DISTINCT extra) FROM products",
        "SELECT sum(name), avg(name), typeof(sum(name)), min(name), max(name) FROM products",
        "SELECT lower(min(grade)), lower(max(grade)), count(DISTINCT grade COLLATE BINARY) FROM products",
        "SELECT count(*) FILTER (WHERE stock > 3), sum(price) FILTER (WHERE stock IS NULL), max(name) FILTER (WHERE 0) FROM products",
        "SELECT count(*), sum(stock), total(stock), avg(stock), min(stock), group_concat(name) IS NULL FROM products WHERE vendor_id = 'v1' AND 0",
        "SELECT count(*), sum(stock), total(stock), avg(stock), min(stock), max(price) FROM products WHERE id < 0",
        "SELECT sum(stock) + count(*) * 2, sum(price) / count(price), max(stock) - min(stock), -sum(stock), sum(stock) || 'x' FROM products",
        "SELECT CASE WHEN count(*) > 10 THEN sum(stock) ELSE 0 END, coalesce(max(name), 'none'), typeof(avg(stock)), round(avg(price), 2) FROM products",
        "SELECT sum(stock * 2 + 1), max(length(name)), count(CASE WHEN stock > 2 THEN 1 END), sum(stock > 3) FROM products",
        "SELECT max(stock), max(stock), sum(stock) + max(stock) FROM products ORDER BY sum(stock)",
        "SELECT count(*) FROM products HAVING count(*) > 5",
        "SELECT count(*) FROM products HAVING max(stock) > 500",
        "SELECT 'x', count(*), 1 + 1 FROM products",
        "SELECT count(*) > 1 AND max(name) LIKE '%z%', sum(stock) IN (1, 2), min(stock) IS NULL, max(stock) BETWEEN 1 AND 100 FROM products",
        "SELECT max(price) = '10.0', min(id) = '1', max(name) = 5, min(stock) < 'a' FROM products",
    ]);
}

#[test]
fn groups() {
    market(&Layout::ALL).exact([
        "SELECT stock, count(*) FROM products GROUP BY stock",
        "SELECT stock, count(*) FROM products GROUP BY 1 ORDER BY 1",
        "SELECT typeof(stock), typeof(stock), count(*) FROM products GROUP BY 1",
        "SELECT stock AS s, sum(price) AS p FROM products GROUP BY s ORDER BY p DESC, s",
        "SELECT vendor_id, count(*), group_concat(id) IS NOT NULL FROM products GROUP BY vendor_id",
        "SELECT vendor_id, stock, avg(price) FROM products GROUP BY vendor_id, stock ORDER BY 1, 2",
        "SELECT stock % 3, min(name), max(name) FROM products GROUP BY stock % 3 ORDER BY stock % 3",
        "SELECT lower(grade), count(*) FROM products GROUP BY grade ORDER BY grade",
        "SELECT count(*), sum(price) FROM products GROUP BY name COLLATE NOCASE ORDER BY name COLLATE NOCASE",
        "SELECT name COLLATE NOCASE = 'A', count(*) FROM products GROUP BY name COLLATE NOCASE",
        "SELECT name, name, count(*) FROM products GROUP BY 1",
        "SELECT name, name FROM products GROUP BY 1, 2 ORDER BY 2",
        "SELECT typeof(extra), count(*) FROM products GROUP BY typeof(extra)",
        "SELECT CASE WHEN stock > 3 THEN 'a' ELSE 'b' END AS kind, count(*) FROM products GROUP BY kind ORDER BY kind",
        "SELECT extra, count(*) FROM products GROUP BY extra ORDER BY extra",
        "SELECT count(*) FROM products GROUP BY stock ORDER BY stock DESC",
        "SELECT stock, count(*) AS n FROM products GROUP BY stock HAVING n > 4 ORDER BY n DESC, stock",
        "SELECT stock FROM products GROUP BY stock HAVING sum(price) > 20 AND stock IS NOT NULL",
        "SELECT stock, sum(price) FROM products GROUP BY stock HAVING count(DISTINCT vendor_id) > 2 ORDER BY max(id)",
        "SELECT stock + 1, stock + 1 + count(*) FROM products GROUP BY stock + 1 ORDER BY stock + 1",
        "SELECT stock, sum(price) FILTER (WHERE name > 'b') FROM products GROUP BY stock ORDER BY 2 NULLS LAST, 1",
        "SELECT stock, count(DISTINCT vendor_id), sum(DISTINCT price) FROM products GROUP BY stock",
        "SELECT 1, count(*) FROM products GROUP BY 'constant'",
        "SELECT stock, price, count(*) FROM products WHERE id > 1000 GROUP BY stock, price",
        "SELECT stock = 1, name = 1, count(*) FROM products GROUP BY stock, name",
        "SELECT vendor_id, max(price), name FROM products GROUP BY vendor_id, name",
        "SELECT data ->> '$.size', count(*) FROM products GROUP BY data ->> '$.size'",
    ]);
}

#[test]
fn joins() {
    market(&Layout::ALL).exact([
        "SELECT p.id, s.id FROM products AS p JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id",
        "SELECT p.id, s.id FROM products AS p, sales AS s WHERE s.vendor_id = p.vendor_id AND s.product_id = p.id",
        "SELECT p.id, s.id FROM products p INNER JOIN sales s USING (vendor_id) WHERE s.category = 2 AND p.stock > 5",
        "SELECT vendor_id, count(*), sum(s.amount) FROM products JOIN sales AS s USING (vendor_id) GROUP BY vendor_id",
        "SELECT p.id, s.id FROM products AS p LEFT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id",
        "SELECT p.id, s.id FROM products AS p RIGHT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id",
        "SELECT p.id, s.id FROM products AS p FULL JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id",
        "SELECT p.id FROM products AS p LEFT JOIN sales AS s ON s.vendor_id = p.vendor_id AND s.product_id = p.id WHERE s.id IS NULL",
        "SELECT s.id, c.label FROM sales AS s JOIN categories AS c ON c.category = s.category",
        "SELECT s.id, c.label FROM categories AS c JOIN sales AS s ON c.category = s.category",
        "SELECT s.id, c.label FROM sales AS s LEFT JOIN categories AS c ON c.category = s.category AND c.label > 'o'",
        "SELECT c.label, count(*), sum(s.amount) FROM sales AS s JOIN categories AS c USING (category) GROUP BY c.label ORDER BY 2 DESC, 3",
        "SELECT p.id, s.id, c.id FROM products p JOIN sales s ON p.vendor_id = s.vendor_id AND p.id = s.product_id JOIN categories c ON c.category = s.category ORDER BY 1, 2, 3",
        "SELECT a.id, b.id FROM products AS a JOIN products AS b ON a.vendor_id = b.vendor_id AND a.id < b.id WHERE a.stock = b.stock",
        "SELECT a.id, b.id, s.id FROM products a JOIN products b ON a.vendor_id = b.vendor_id JOIN sales s ON s.vendor_id = b.vendor_id WHERE a.id + 7 = b.id AND s.product_id = a.id",
        "SELECT p.id, c.id FROM products p CROSS JOIN categories c WHERE c.id = p.stock",
        "SELECT p.id, j.value FROM products AS p, json_each(p.data, '$.tags') AS j WHERE json_valid(p.data) AND p.id % 3 = 0",
        "SELECT count(*) FROM products p JOIN sales s ON s.vendor_id = p.vendor_id",
    ]);
}

#[test]
fn subqueries() {
    market(&Layout::ALL).exact([
        "SELECT id FROM products AS p WHERE EXISTS (SELECT 1 FROM sales AS s WHERE s.vendor_id = p.vendor_id AND s.product_id = p.id)",
        "SELECT id FROM products AS p WHERE NOT EXISTS (SELECT 1 FROM sales AS s WHERE s.vendor_id = p.vendor_id AND s.product_id = p.id)",
        "SELECT id, (SELECT count(*) FROM sales AS s WHERE s.vendor_id = p.vendor_id) FROM products AS p",
        "SELECT id, (SELECT s.amount FROM sales AS s WHERE s.vendor_id = p.vendor_id ORDER BY s.id DESC LIMIT 1) FROM products AS p",
        "SELECT id FROM products AS p WHERE id IN (SELECT product_id FROM sales AS s WHERE s.vendor_id = p.vendor_id)",
        "SELECT id FROM products WHERE vendor_id IN (SELECT vendor_id FROM sales WHERE amount > 7)",
        "SELECT id FROM products WHERE stock IN (SELECT category FROM categories WHERE label IS NOT NULL)",
        "SELECT id, (SELECT max(label) FROM categories AS c WHERE c.category = p.stock) FROM products AS p",
        "SELECT id FROM products WHERE stock > (SELECT avg(category) FROM categories)",
        "SELECT d.vendor_id, d.n FROM (SELECT vendor_id, count(*) AS n FROM products GROUP BY vendor_id) AS d WHERE d.n > 5",
        "SELECT avg(n) FROM (SELECT vendor_id, count(*) AS n FROM products GROUP BY vendor_id)",
        "SELECT d.id + 1 FROM (SELECT id, stock FROM products WHERE price > 2) AS d WHERE d.stock > 1 ORDER BY d.id",
        "WITH big AS (SELECT * FROM products WHERE price > 3) SELECT count(*), sum(price) FROM big",
        "WITH big AS (SELECT vendor_id, id FROM products WHERE price > 3) SELECT b.id, s.id FROM big AS b JOIN sales AS s ON s.vendor_id = b.vendor_id",
        "WITH few(v, n) AS (SELECT vendor_id, count(*) FROM sales GROUP BY vendor_id) SELECT n, count(*) FROM few GROUP BY n ORDER BY n",
        "SELECT id, row_number() OVER (PARTITION BY vendor_id ORDER BY id) FROM products",
        "SELECT id, sum(price) OVER (PARTITION BY vendor_id ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), rank() OVER w FROM products WINDOW w AS (PARTITION BY vendor_id ORDER BY stock)",
        "SELECT vendor_id, group_concat(id, '+' ORDER BY id) FROM products GROUP BY vendor_id",
    ]);
}

#[test]
fn compounds() {
    market(&Layout::ALL).exact([
        "SELECT id FROM products UNION ALL SELECT id FROM sales",
        "SELECT id, 'p' AS kind FROM products WHERE stock > 5 UNION ALL SELECT id, 's' FROM sales WHERE amount > 5 ORDER BY 1, 2",
        "SELECT vendor_id FROM products UNION ALL SELECT vendor_id FROM sales UNION ALL SELECT 'x'",
        "SELECT count(*) FROM products UNION ALL SELECT count(*) FROM sales",
        "SELECT stock, count(*) FROM products GROUP BY stock UNION ALL SELECT category, sum(amount) FROM sales GROUP BY 1 ORDER BY 1, 2 LIMIT 5",
        "SELECT id FROM products UNION ALL SELECT category FROM categories ORDER BY 1 LIMIT 10 OFFSET 3",
        "SELECT vendor_id, stock FROM products UNION SELECT vendor_id, category FROM sales",
        "SELECT vendor_id FROM products EXCEPT SELECT vendor_id FROM sales WHERE category > 2",
        "SELECT vendor_id FROM products INTERSECT SELECT vendor_id FROM sales",
        "SELECT vendor_id, id FROM products UNION ALL SELECT vendor_id, id FROM sales ORDER BY vendor_id DESC, id LIMIT 7",
    ]);
}

#[test]
fn json() {
    market(&Layout::ALL).exact([
        "SELECT id, data -> '$.size', data ->> '$.size', data ->> 0 FROM products",
        "SELECT id FROM products WHERE data ->> '$.size' > 2",
        "SELECT data ->> '$.size' + 1, data -> '$.tags' ->> 1, 'x' || (data ->> '$.size') FROM products",
        "SELECT json_extract(data, '$.tags[1]'), json_type(data), json_array_length(data), json_valid(data), json_quote(name) FROM products",
        "SELECT sum(data ->> '$.size'), count(data ->> '$.size') FROM products",
        "SELECT json_object('id', id, 'name', name), json_array(stock, price) FROM products ORDER BY id",
    ]);
}

#[test]
fn parameters() {
    market(&Layout::ALL).exact_with([
        (
            "SELECT id, ?, ?, ?, ?, ? FROM products",
            positional([null(), Value::Integer(i64::MIN), real(-0.0), text("é"), blob(b"\0\xff")]),
        ),
        ("SELECT id FROM products WHERE stock > ? AND name < ?", positional([Value::Integer(3), text("b")])),
        ("SELECT id FROM products WHERE stock > ?2 AND name < ?1", positional([text("b"), Value::Integer(3)])),
        (
            "SELECT id, :a, @b, $c FROM products WHERE stock = :a",
            named([("$c", blob(b"x")), (":a", Value::Integer(2)), ("@b", null())]),
        ),
        (
            "SELECT ?1 || name, ?1 FROM products WHERE name <> ?1 ORDER BY id LIMIT ?2",
            positional([text("a"), Value::Integer(3)]),
        ),
        ("SELECT stock + ?, count(*) FROM products GROUP BY 1", positional([Value::Integer(1)])),
        (
            "SELECT stock, sum(price * ?1) FROM products GROUP BY stock HAVING count(*) > ?2 ORDER BY 2 + ?3, 1",
            positional([real(0.5), Value::Integer(2), Value::Integer(1)]),
        ),
        ("SELECT id FROM products WHERE vendor_id = ?", positional([text("v1")])),
        ("SELECT id FROM products WHERE vendor_id IN (?, ?)", positional([text("v1"), null()])),
        ("SELECT id FROM products WHERE vendor_id IS ?", positional([null()])),
        ("SELECT id FROM products WHERE name = ?", positional([text("a' OR 1=1 --")])),
        ("SELECT ?3", positional([null(), null(), text("third")])),
        ("SELECT typeof(?), count(*) FROM products", positional([blob(b"")])),
    ]);
}

#[test]
fn names_are_those_of_sqlite() {
    let market = market(&[Layout::Ring(7)]);
    market.exact([
        "SELECT id, id + 1, count(*) FROM products GROUP BY id",
        "SELECT  stock  +  1 , max( price ) FROM products GROUP BY stock",
        "SELECT p.id, P.NAME, \"id\", p.id AS \"a b\", 'x' FROM products AS p",
        "SELECT count(*), sum(stock) AS s, CASE WHEN 1 THEN 2 END FROM products",
        "SELECT * FROM products p JOIN sales s USING (vendor_id) WHERE s.product_id = p.id",
    ]);
    let answer = market.clusters[0].1.query("SELECT id AS n, stock, 1 FROM products", &none()).expect("an answer");
    assert_eq!(answer.declared, ["INTEGER", "INTEGER", ""]);
}
