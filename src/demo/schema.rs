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
            Table::Products => &[
                "vendor_id",
                "id",
                "sku",
                "name",
                "category",
                "price_cents",
                "rating_count",
                "rating_sum",
                "stock",
                "attributes",
            ],
            Table::Orders => &["vendor_id", "id", "customer", "status", "placed", "total_cents"],
            Table::OrderItems => &["vendor_id", "order_id", "line", "product_id", "quantity", "price_cents"],
            Table::Reviews => &["vendor_id", "id", "product_id", "stars", "body", "written"],
        }
    }
}

/// What a marketplace's shops are sorted by: a table that every shard holds a copy of. All other tables are the marketplace's own.
const CATEGORIES_TABLE: &str = "CREATE TABLE categories(
  name TEXT PRIMARY KEY NOT NULL,
  title TEXT NOT NULL,
  commission_bp INTEGER NOT NULL
) REPLICATED";

/// The statements that make all tables.
pub(super) fn statements() -> impl Iterator<Item = &'static str> {
    souk_marketplace::STATEMENTS.into_iter().chain([CATEGORIES_TABLE])
}

/// The INSERT of all categories. A statement rather than a load: every shard gets them, also those that are made later.
pub(super) fn insert_categories() -> String {
    let row = |category: &Category| format!("('{}', '{}', {})", category.name, category.title, category.commission_bp);
    let rows: Vec<String> = CATEGORIES.iter().map(row).collect();
    format!("INSERT INTO categories (name, title, commission_bp) VALUES {}", rows.join(", "))
}

/// Makes the tables, and fills the one that no vendor owns.
pub(super) async fn create(client: &Client) -> Result<(), Failure> {
    for sql in statements().map(str::to_owned).chain([insert_categories()]) {
        let request = ExecuteRequest { sql, ..ExecuteRequest::default() };
        client.write().execute(request).await.map_err(|status| Failure::of_status(&status))?;
    }
    Ok(())
}
