//! The statements that write events, and the rows that come back. Each runs on its vendor's shard within the transaction of what it tells of, and takes the vendor's
//! next number there.

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::v1;

use crate::error::Result;
use crate::rows::{Row, text};

/// An event in the making.
#[derive(Debug)]
pub(crate) struct Telling<'t> {
    pub(crate) vendor: &'t str,
    /// One of a kind at the vendor.
    pub(crate) id: String,
    pub(crate) kind: &'t str,
    pub(crate) customer: &'t str,
    pub(crate) at_ms: i64,
    /// JSON.
    pub(crate) data: String,
}

const COLUMNS: &str = "vendor_id, id, seq, kind, customer, at_ms, data";

/// Writes an event.
pub(crate) fn tell(telling: &Telling<'_>) -> Statement {
    let Telling { vendor, id, kind, customer, at_ms, data } = telling;
    let sql = format!(
        "INSERT INTO events({COLUMNS})
         SELECT ?1, ?2, 1 + coalesce((SELECT max(seq) FROM events WHERE vendor_id = ?1), 0), ?3, ?4, ?5, ?6"
    );
    Statement::new(sql, [text(vendor), text(id), text(kind), text(customer), Value::Integer(*at_ms), text(data)])
}

/// Writes `inventory.low` of each product that an order has just taken to its threshold or under it.
pub(crate) fn low_stock_after_order(vendor: &str, order: &str, at_ms: i64) -> Statement {
    let sql = format!(
        "INSERT INTO events({COLUMNS})
         SELECT ?1, 'inventory.low/' || ?2 || '/' || p.sku,
                row_number() OVER (ORDER BY p.id) + coalesce((SELECT max(seq) FROM events WHERE vendor_id = ?1), 0),
                'inventory.low', '', ?3, json_object('sku', p.sku, 'stock', p.stock, 'low_stock', p.low_stock)
         FROM order_items AS i JOIN products AS p ON p.vendor_id = i.vendor_id AND p.id = i.product_id
         WHERE i.vendor_id = ?1 AND i.order_id = ?2 AND p.stock <= p.low_stock AND p.stock + i.quantity > p.low_stock"
    );
    Statement::new(sql, [text(vendor), text(order), Value::Integer(at_ms)])
}

/// Writes `inventory.low` of a product from which so much was just taken, if that took it to its threshold or under it. `id` names what took it.
pub(crate) fn low_stock_of(vendor: &str, sku: &str, taken: i64, id: &str, at_ms: i64) -> Statement {
    let sql = format!(
        "INSERT INTO events({COLUMNS})
         SELECT ?1, 'inventory.low/' || ?4 || '/' || p.sku, 1 + coalesce((SELECT max(seq) FROM events WHERE vendor_id = ?1), 0),
                'inventory.low', '', ?5, json_object('sku', p.sku, 'stock', p.stock, 'low_stock', p.low_stock)
         FROM products AS p WHERE p.vendor_id = ?1 AND p.sku = ?2 AND p.stock <= p.low_stock AND p.stock + ?3 > p.low_stock"
    );
    Statement::new(sql, [text(vendor), text(sku), Value::Integer(taken), text(id), Value::Integer(at_ms)])
}

/// Writes `inventory.low` of each product of a vendor that is at its threshold or under it, once for each time of looking.
pub(crate) fn low_stock_at(vendor: &str, due_ms: i64, at_ms: i64) -> Statement {
    let sql = format!(
        "INSERT INTO events({COLUMNS})
         SELECT ?1, 'inventory.low/at ' || ?2 || '/' || p.sku,
                row_number() OVER (ORDER BY p.id) + coalesce((SELECT max(seq) FROM events WHERE vendor_id = ?1), 0),
                'inventory.low', '', ?3, json_object('sku', p.sku, 'stock', p.stock, 'low_stock', p.low_stock)
         FROM products AS p WHERE p.vendor_id = ?1 AND p.stock <= p.low_stock AND p.low_stock > 0
         AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.vendor_id = ?1 AND e.id = 'inventory.low/at ' || ?2 || '/' || p.sku)"
    );
    Statement::new(sql, [text(vendor), Value::Integer(due_ms), Value::Integer(at_ms)])
}

/// A vendor's events behind a number and up to another, the first so many.
pub(super) fn between(vendor: &str, behind: i64, to: i64, rows_max: usize) -> Statement {
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE vendor_id = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT {rows_max}"
    );
    Statement::new(sql, [text(vendor), Value::Integer(behind), Value::Integer(to)])
}

pub(super) fn event(row: Vec<Value>) -> Result<v1::Event> {
    let mut row = Row::new(row);
    Ok(v1::Event {
        vendor_id: row.text()?,
        id: row.text()?,
        seq: row.integer()?,
        kind: row.text()?,
        customer: row.text()?,
        at: row.integer()?,
        data: row.text()?,
    })
}
