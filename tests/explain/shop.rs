//! A small marketplace on four shards of two nodes.

use crate::support::{Layout, Oracle, Table};

/// What the plans are of.
pub(crate) const SCHEMA: [&str; 3] = [
    "CREATE TABLE products(vendor_id TEXT, id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, price REAL, stock INTEGER)",
    "CREATE TABLE sales(vendor_id TEXT, id INTEGER PRIMARY KEY, product_id INTEGER, amount INTEGER, day TEXT)",
    "CREATE TABLE days(day TEXT PRIMARY KEY, label TEXT)",
];

const PRODUCTS: &str = "
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
SELECT 'v' || (i % 8), i, substr('LampVasePotRug', i % 5 * 3 + 1, 3), i * 7 % 19 / 4.0, i * 5 % 11 FROM n";

const SALES: &str = "
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
SELECT 'v' || (i % 8), i, i * 3 % 40 + 1, i % 5, 'd' || (i % 3) FROM n";

/// The tables with their rows, and beside them one plain SQLite.
pub(crate) fn shop() -> Oracle {
    let [products, sales, days] = SCHEMA;
    let tables = [
        Table::sharded(products, "vendor_id", PRODUCTS),
        Table::sharded(sales, "vendor_id", SALES),
        Table::replicated(days, "VALUES ('d0', 'today'), ('d1', 'yesterday'), ('d2', NULL)"),
    ];
    Oracle::new(&[Layout::Ring(4)], &tables, &[])
}
