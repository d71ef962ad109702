//! The tables. A vendor's are in its own database; a customer's record of its orders is in that of a house, of which there are few.

use std::collections::HashSet;

use souk_coordinator::{Database, Statement};
use souk_proto::Reason;

use crate::error::{Error, Result};
use crate::rows::Row;

/// What makes them. `SHARD KEY` is souk's own; everything else is SQLite's. Amounts are in minor units of their currency.
pub const STATEMENTS: [&str; 15] = [
    "CREATE TABLE vendors(
  vendor_id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  country TEXT NOT NULL,
  city TEXT NOT NULL,
  joined TEXT NOT NULL
) SHARD KEY (vendor_id)",
    "CREATE TABLE products(
  vendor_id TEXT NOT NULL,
  id INTEGER NOT NULL,
  sku TEXT NOT NULL,
  name TEXT NOT NULL,
  category TEXT NOT NULL,
  price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
  currency TEXT NOT NULL DEFAULT 'EUR',
  rating_count INTEGER NOT NULL DEFAULT 0,
  rating_sum INTEGER NOT NULL DEFAULT 0,
  rating REAL AS (rating_sum * 1.0 / nullif(rating_count, 0)),
  stock INTEGER NOT NULL CHECK (stock >= 0),
  reserved INTEGER NOT NULL DEFAULT 0 CHECK (reserved >= 0),
  sold INTEGER NOT NULL DEFAULT 0,
  low_stock INTEGER NOT NULL DEFAULT 0,
  attributes TEXT NOT NULL DEFAULT '{}',
  PRIMARY KEY (vendor_id, id),
  UNIQUE (vendor_id, sku)
) SHARD KEY (vendor_id)",
    "CREATE INDEX products_by_rating ON products(category, rating DESC)",
    "CREATE INDEX products_by_sku ON products(sku)",
    "CREATE TABLE orders(
  vendor_id TEXT NOT NULL,
  id TEXT NOT NULL,
  customer TEXT NOT NULL,
  status TEXT NOT NULL,
  placed TEXT NOT NULL,
  total_cents INTEGER NOT NULL,
  currency TEXT NOT NULL DEFAULT 'EUR',
  expires_ms INTEGER,
  refund TEXT CHECK (refund IN ('due', 'paid')),
  PRIMARY KEY (vendor_id, id)
) SHARD KEY (vendor_id)",
    "CREATE INDEX orders_reserved ON orders(expires_ms) WHERE status = 'reserved'",
    "CREATE INDEX orders_refunded ON orders(id) WHERE refund = 'due'",
    "CREATE TABLE order_items(
  vendor_id TEXT NOT NULL,
  order_id TEXT NOT NULL,
  line INTEGER NOT NULL,
  product_id INTEGER NOT NULL,
  quantity INTEGER NOT NULL,
  price_cents INTEGER NOT NULL,
  PRIMARY KEY (vendor_id, order_id, line)
) SHARD KEY (vendor_id)",
    "CREATE TABLE reviews(
  vendor_id TEXT NOT NULL,
  id INTEGER NOT NULL,
  product_id INTEGER NOT NULL,
  customer TEXT NOT NULL DEFAULT '',
  stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
  body TEXT NOT NULL,
  written TEXT NOT NULL,
  PRIMARY KEY (vendor_id, id)
) SHARD KEY (vendor_id)",
    "CREATE TABLE audit(
  vendor_id TEXT NOT NULL,
  order_id TEXT NOT NULL,
  step TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (vendor_id, order_id, step)
) SHARD KEY (vendor_id)",
    "CREATE TABLE events(
  vendor_id TEXT NOT NULL,
  id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  customer TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  data TEXT NOT NULL,
  PRIMARY KEY (vendor_id, id),
  UNIQUE (vendor_id, seq)
) SHARD KEY (vendor_id)",
    "CREATE TABLE purchases(
  house TEXT NOT NULL,
  id TEXT NOT NULL,
  customer TEXT NOT NULL,
  request_key TEXT NOT NULL,
  digest INTEGER NOT NULL,
  state TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  deadline_ms INTEGER NOT NULL,
  total_cents INTEGER NOT NULL,
  currency TEXT NOT NULL,
  token TEXT NOT NULL,
  parts TEXT NOT NULL,
  refusals TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (house, id),
  UNIQUE (house, customer, request_key)
) SHARD KEY (house)",
    "CREATE TABLE schedules(
  house TEXT NOT NULL,
  job TEXT NOT NULL,
  done_ms INTEGER NOT NULL,
  PRIMARY KEY (house, job)
) SHARD KEY (house)",
    "CREATE INDEX purchases_of_customer ON purchases(house, customer, created_ms, id)",
    "CREATE INDEX purchases_open ON purchases(house, created_ms) WHERE state IN ('accepted', 'committed', 'aborted')",
];

/// Makes the tables that are missing. Those that are there must be these.
pub(crate) async fn make(database: &Database) -> Result<()> {
    let known = database.query(Statement::new("SELECT name FROM sqlite_schema", [])).await?;
    let known = known.into_iter().map(|row| Row::new(row).text()).collect::<Result<HashSet<String>>>()?;
    for sql in STATEMENTS {
        let words: Vec<&str> = sql.split([' ', '(']).collect();
        let (kind, name) = (words[1], words[2]);
        // What is there is not made again: that would be a change of the schema, for which all writes wait.
        if known.contains(name) {
            continue;
        }
        let sql = sql.replacen(&format!("CREATE {kind}"), &format!("CREATE {kind} IF NOT EXISTS"), 1);
        database.execute(Statement::new(sql, [])).await.map_err(|error| match error.reason {
            Reason::NoSuchTable | Reason::SqlSyntax => other_tables(&error),
            _ => Error::from(error),
        })?;
    }
    Ok(())
}

/// The cluster has tables of these names that are not these.
fn other_tables(error: &souk_coordinator::Error) -> Error {
    let message = format!("tables of this cluster have the marketplace's names and are others: {}", error.message);
    Error::new(Reason::WrongState, message)
}
