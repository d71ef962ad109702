//! The queries that show what souk does.

use super::vendor::vendor_id;
use crate::{failure::Failure, say::say, sql::Runner};

/// A query, and what it shows.
struct Showcase {
    shows: &'static str,
    sql: String,
}

fn showcases(vendors: u64) -> [Showcase; 6] {
    let vendor = vendor_id(vendors.min(42), vendors);
    [
        Showcase {
            shows: "One vendor's best products: the key names the shard, and only that one is asked.",
            sql: format!(
                "SELECT id, sku, name, price_cents, rating\nFROM products\nWHERE vendor_id = '{vendor}'\nORDER BY rating DESC, id\nLIMIT 5"
            ),
        },
        Showcase {
            shows: "The ten best lamps of all vendors: each shard gives its first ten, and they are merged in order.",
            sql: "SELECT vendor_id, name, price_cents, rating\nFROM products\nWHERE category = 'lighting'\nORDER BY rating DESC\nLIMIT 10".to_owned(),
        },
        Showcase {
            shows: "Aggregates over everything: counts and sums are combined exactly, never averaged twice.",
            sql: "SELECT count(*) AS products, sum(stock) AS units, avg(rating) AS rating, avg(price_cents) / 100 AS price\nFROM products".to_owned(),
        },
        Showcase {
            shows: "Groups over all shards, filtered after they are whole.",
            sql: "SELECT category, count(*) AS products, min(price_cents) AS cheapest, round(avg(rating), 3) AS rating\nFROM products\nGROUP BY category\nHAVING avg(price_cents) > 10000\nORDER BY products DESC".to_owned(),
        },
        Showcase {
            shows: "A search in every shard.",
            sql: "SELECT vendor_id, name, price_cents, attributes ->> 'color' AS color\nFROM products\nWHERE name LIKE '%walnut%lamp%' AND stock > 0\nORDER BY price_cents, vendor_id, id\nLIMIT 5".to_owned(),
        },
        Showcase {
            shows: "A join inside each vendor's shard, with a table that every shard holds a copy of.",
            sql: "SELECT c.title, sum(i.quantity) AS sold, sum(i.quantity * i.price_cents) / 100.0 AS revenue\nFROM orders AS o\nJOIN order_items AS i ON i.vendor_id = o.vendor_id AND i.order_id = o.id\nJOIN products AS p ON p.vendor_id = i.vendor_id AND p.id = i.product_id\nJOIN categories AS c ON c.name = p.category\nWHERE o.status = 'delivered'\nGROUP BY c.title\nORDER BY revenue DESC\nLIMIT 5".to_owned(),
        },
    ]
}

/// Runs them one after the other.
pub(super) async fn show(runner: &Runner, vendors: u64) -> Result<(), Failure> {
    for (number, Showcase { shows, sql }) in (1..).zip(showcases(vendors)) {
        say(format!("{number}. {shows}\n\n{sql};\n"))?;
        runner.run(&sql).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::one_database::loaded, *};

    #[test]
    fn every_query_has_something_to_show() {
        let connection = loaded(60);
        for Showcase { shows, sql } in showcases(60) {
            let mut statement = connection.prepare(&sql).unwrap();
            let rows = statement.query_map([], |_| Ok(())).unwrap().count();
            assert!(rows > 0, "{shows}");
        }
    }
}
