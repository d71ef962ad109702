//! The tables that most tests share: a small marketplace.

use crate::support::{Layout, Oracle, Table};

const PRODUCTS: &str = "
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
SELECT
  CASE i % 7 WHEN 6 THEN NULL ELSE 'v' || (i % 7) END,
  i,
  substr('abcABCxyz ', i % 9 + 1, 1 + i % 3),
  CASE i % 5 WHEN 4 THEN NULL ELSE i % 11 END,
  (i * 37 % 41) / 4.0,
  substr('AbaB', i % 4 + 1, 1),
  CASE i % 3 WHEN 0 THEN '{\"size\":' || i % 5 || ',\"tags\":[\"a\",' || i || ']}' WHEN 1 THEN '{\"size\":null}' ELSE '[1,2]' END,
  CASE i % 6 WHEN 0 THEN i WHEN 1 THEN 'text' || i WHEN 2 THEN NULL WHEN 3 THEN x'00ff' WHEN 4 THEN i + 0.5 ELSE '' END
FROM n";

const SALES: &str = "
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90)
SELECT CASE i % 8 WHEN 7 THEN NULL ELSE 'v' || (i % 8) END, i, i * 13 % 67, i % 4, CASE i % 10 WHEN 3 THEN NULL ELSE i * 3 % 17 / 2.0 END
FROM n";

const CATEGORIES: &str =
    "VALUES (1, 0, 'zero'), (2, 1, 'One'), (3, 2, 'two'), (4, 3, NULL), (5, 3, 'THREE'), (6, 99, 'none')";

/// `products` and `sales`, sharded by `vendor_id`, and `categories`, replicated.
pub(crate) fn tables() -> Vec<Table> {
    vec![
        Table::sharded(
            "CREATE TABLE products(vendor_id TEXT, id INTEGER PRIMARY KEY, name TEXT, stock INTEGER, price REAL, \
             grade TEXT COLLATE NOCASE, data TEXT, extra)",
            "vendor_id",
            PRODUCTS,
        ),
        Table::sharded(
            "CREATE TABLE sales(vendor_id TEXT, id INTEGER PRIMARY KEY, product_id INTEGER, category INTEGER, amount REAL)",
            "vendor_id",
            SALES,
        ),
        Table::replicated(
            "CREATE TABLE categories(id INTEGER PRIMARY KEY, category INTEGER, label TEXT COLLATE NOCASE)",
            CATEGORIES,
        ),
    ]
}

pub(crate) fn market(layouts: &[Layout]) -> Oracle {
    Oracle::new(layouts, &tables(), &["CREATE INDEX products_by_stock ON products(stock, price)"])
}
