//! Golden plans: the whole text of each, so that a change of planner or printer is seen as a difference.

use crate::blessed;
use crate::shop::shop;
use crate::support::none;

const STATEMENTS: &[&str] = &[
    "SELECT * FROM products WHERE vendor_id = 'v1' AND price > 2",
    "SELECT count(*) FROM products WHERE vendor_id IN ('v1', 'v2', 'v3')",
    "SELECT label FROM days ORDER BY day",
    "SELECT 1 + 1",
    "SELECT name, price FROM products WHERE stock > 3",
    "SELECT name FROM products ORDER BY price DESC, name LIMIT 3 OFFSET 2",
    "SELECT id, price FROM products ORDER BY price NULLS LAST, name",
    "SELECT count(*), sum(price), max(name) FROM products",
    "SELECT name, avg(price) AS mean FROM products WHERE stock > 0 GROUP BY name HAVING count(*) > 1 ORDER BY mean DESC LIMIT 5",
    "SELECT DISTINCT name FROM products",
    "SELECT stock, count(DISTINCT name), total(DISTINCT price) FROM products GROUP BY stock",
    "SELECT p.name, s.amount FROM products AS p JOIN sales AS s USING (vendor_id) WHERE s.product_id = p.id",
    "SELECT d.label, sum(s.amount) FROM sales AS s LEFT JOIN days AS d ON d.day = s.day GROUP BY 1",
    "SELECT name FROM products AS p WHERE EXISTS (SELECT 1 FROM sales AS s WHERE s.vendor_id = p.vendor_id AND s.product_id = p.id)",
    "SELECT name FROM products WHERE price > (SELECT avg(price) FROM products) AND id IN (SELECT product_id FROM sales WHERE amount > 3)",
    "SELECT name FROM products UNION SELECT day FROM sales ORDER BY 1",
    "SELECT id FROM sales WHERE day < date('now') LIMIT ?",
    "SELECT p.name, s.amount FROM products AS p JOIN sales AS s ON s.product_id = p.id WHERE p.stock > 3 AND s.amount > 2",
    "SELECT p.name, sum(s.amount) FROM products AS p LEFT JOIN sales AS s ON s.product_id = p.id AND s.day = 'd1' GROUP BY p.name",
    "SELECT name, row_number() OVER (ORDER BY price DESC, id) FROM products WHERE stock > 2",
    "SELECT name, max(price) FROM products",
    "SELECT name, group_concat(id, ',') FROM products GROUP BY name",
    "WITH RECURSIVE chain(id, n) AS (SELECT min(id), 0 FROM products UNION ALL SELECT p.id, n + 1 FROM chain JOIN products AS p ON p.id = chain.id + 7 WHERE n < 9) SELECT * FROM chain",
    "SELECT name FROM products AS p WHERE price = (SELECT max(price) FROM products AS q WHERE q.stock = p.stock)",
    "SELECT count(*) FROM (SELECT id FROM products ORDER BY price, id LIMIT 5) AS top JOIN sales ON product_id = top.id",
    "SELECT * FROM products FULL JOIN sales USING (id)",
    "SELECT random() % 10, id\nFROM products",
    "SELECT name FROM sqlite_schema",
];

#[test]
fn every_plan_is_as_it_was() {
    let shop = shop();
    let cluster = &shop.clusters[0].1;
    let mut found = String::new();
    for sql in STATEMENTS {
        let params = if sql.contains('?') { vec![(String::new(), souk_merge::Value::Integer(5))] } else { none() };
        let plan = cluster.explain(sql, &params).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        found += &format!("-- {}\n{}\n\n", sql.replace('\n', "\n-- "), plan.text);
        shop.exact_with(if sql.contains("random") || sql.contains("sqlite_schema") {
            None
        } else {
            Some((*sql, params))
        });
    }
    blessed::check("tests/explain/plans.txt", &found);
}
