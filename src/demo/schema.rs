//! The marketplace's tables.

use souk_proto::v1::ExecuteRequest;

use super::words::{CATEGORIES, Category};
use crate::{client::Client, failure::Failure};

/// A table that vendors fill, and the columns in the order in which rows are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Vendors,
    Products,
    Orders,
    OrderItems,
    Reviews,
}

impl Table {
    /// In the order in which they are loaded.
    pub(super) const ALL: [Table; 5] =
        [Table::Vendors, Table::Products, Table::Orders, Table::OrderItems, Table::Reviews];

    pub(super) fn name(self) -> &'static str {
        match self {
            Table::Vendors => "vendors",
            Table::Products => "products",
            Table::Orders => "orders",
            Table::OrderItems => "order_items",
            Table::Reviews => "reviews",
        }
    }

    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Table::Vendors => &["vendor_id", "name", "country", "city", "joined"],
            Table::Products => {
                &["vendor_id", "id", "sku", "name", "category", "price_cents", "rating", "stock", "attributes"]
            }
            Table::Orders => &["vendor_id", "id", "customer", "status", "placed", "total_cents"],
            Table::OrderItems => &["vendor_id", "order_id", "line", "product_id", "quantity", "price_cents"],
            Table::Reviews => &["vendor_id", "id", "product_id", "stars", "body", "written"],
        }
    }
}

/// `SHARD KEY` and `REPLICATED` are souk's own; everything else is SQLite's.
pub(super) const STATEMENTS: [&str; 8] = [
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
  price_cents INTEGER NOT NULL,
  rating REAL NOT NULL,
  stock INTEGER NOT NULL,
  attributes TEXT NOT NULL,
  PRIMARY KEY (vendor_id, id)
) SHARD KEY (vendor_id)",
    "CREATE INDEX products_by_rating ON products(category, rating DESC)",
    "CREATE INDEX products_by_sku ON products(sku)",
    "CREATE TABLE orders(
  vendor_id TEXT NOT NULL,
  id INTEGER NOT NULL,
  customer TEXT NOT NULL,
  status TEXT NOT NULL,
  placed TEXT NOT NULL,
  total_cents INTEGER NOT NULL,
  PRIMARY KEY (vendor_id, id)
) SHARD KEY (vendor_id)",
    "CREATE TABLE order_items(
  vendor_id TEXT NOT NULL,
  order_id INTEGER NOT NULL,
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
  stars INTEGER NOT NULL,
  body TEXT NOT NULL,
  written TEXT NOT NULL,
  PRIMARY KEY (vendor_id, id)
) SHARD KEY (vendor_id)",
    "CREATE TABLE categories(
  name TEXT PRIMARY KEY NOT NULL,
  title TEXT NOT NULL,
  commission_bp INTEGER NOT NULL
) REPLICATED",
];

/// The INSERT of all categories. A statement rather than a load: every shard gets them, also those that are made later.
pub(super) fn insert_categories() -> String {
    let row = |category: &Category| format!("('{}', '{}', {})", category.name, category.title, category.commission_bp);
    let rows: Vec<String> = CATEGORIES.iter().map(row).collect();
    format!("INSERT INTO categories (name, title, commission_bp) VALUES {}", rows.join(", "))
}

/// Makes the tables, and fills the one that no vendor owns.
pub(super) async fn create(client: &Client) -> Result<(), Failure> {
    for sql in STATEMENTS.map(str::to_owned).into_iter().chain([insert_categories()]) {
        let request = ExecuteRequest { sql, ..ExecuteRequest::default() };
        client.write().execute(request).await.map_err(|status| Failure::of_status(&status))?;
    }
    Ok(())
}
