//! What is asked, of each contender in its own way.
//!
//! Every query ends with a condition that always holds, `? >= 0`, whose parameter is another each time: nobody can answer from what
//! was kept of an earlier answer, but where a query is to be asked again.

use std::cell::Cell;

use souk_merge::Value;

use crate::rows::{Size, some_category};

/// A query and how a walk over shards answers it.
pub(crate) struct Query {
    /// `Q` and a number, and what it is about.
    pub(crate) name: &'static str,
    /// What souk and one SQLite are asked.
    pub(crate) sql: &'static str,
    pub(crate) parameters: Parameters,
    /// What a walk asks each shard.
    pub(crate) shard_sql: &'static str,
    /// What a walk makes of the shards' rows.
    pub(crate) merge: Merge,
    /// The column that rows are ordered by.
    pub(crate) order: Option<usize>,
    /// Runs for each hundred that were asked for: quick queries can have more.
    pub(crate) runs_percent: u32,
    /// What p50 should stay below, in milliseconds.
    pub(crate) goal_ms: Option<f64>,
}

/// What a query is asked with, but for the number that comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameters {
    None,
    VendorAndSku,
    Sku,
    Category,
    /// One of these texts, in turn.
    OneOf(&'static [&'static str]),
}

/// What a walk makes of the shards' rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Merge {
    /// Only the shard of the vendor in the first parameter is asked.
    OneShard,
    /// One shard after the other.
    Concatenate,
    /// The first rows of an order.
    Top { column: usize, descending: bool, limit: u64 },
    /// Rows with the same first `keys` columns become one: the other columns are added up.
    /// With `average`, the first of its columns is divided by the second.
    Add { keys: usize, average: Option<(usize, usize)> },
    /// How many different integers there are.
    CountDistinct,
    /// No walk answers it: rows of one vendor meet those of others.
    None,
}

/// Numbers of which each is given once.
#[derive(Debug, Default)]
pub(crate) struct Serial(Cell<i64>);

impl Serial {
    /// The next number.
    pub(crate) fn next(&self) -> i64 {
        self.0.replace(self.0.get() + 1)
    }
}

impl Query {
    /// The short name: `Q1`.
    pub(crate) fn short(&self) -> &'static str {
        self.name.split(' ').next().unwrap_or(self.name)
    }

    /// Whether this is the query with a short name.
    pub(crate) fn is(&self, short: &str) -> bool {
        self.short().eq_ignore_ascii_case(short)
    }

    /// What run number `run` is asked with: never the same again.
    pub(crate) fn parameters(&self, size: Size, run: u64, serial: &Serial) -> Vec<Value> {
        let mut parameters = self.parameters.of_run(size, run);
        parameters.push(Value::Integer(serial.next()));
        parameters
    }
}

impl Parameters {
    fn of_run(self, size: Size, run: u64) -> Vec<Value> {
        match self {
            Parameters::None => Vec::new(),
            Parameters::VendorAndSku => {
                let (vendor, sku) = size.some_article(run);
                vec![vendor, sku]
            }
            Parameters::Sku => vec![size.some_article(run).1],
            Parameters::Category => vec![some_category(run)],
            Parameters::OneOf(texts) => vec![Value::text(texts[run as usize % texts.len()])],
        }
    }
}

/// All queries.
pub(crate) const ALL: [Query; 9] = [
    Query {
        name: "Q1 point query by key",
        sql: "SELECT * FROM products WHERE vendor_id = ? AND sku = ? AND ? >= 0",
        parameters: Parameters::VendorAndSku,
        shard_sql: "SELECT * FROM products WHERE vendor_id = ? AND sku = ? AND ? >= 0",
        merge: Merge::OneShard,
        order: None,
        runs_percent: 1000,
        goal_ms: Some(1.0),
    },
    Query {
        name: "Q2 top 10 of a category",
        sql: "SELECT * FROM products WHERE category = ? AND ? >= 0 ORDER BY rating DESC LIMIT 10",
        parameters: Parameters::Category,
        shard_sql: "SELECT * FROM products WHERE category = ? AND ? >= 0 ORDER BY rating DESC LIMIT 10",
        merge: Merge::Top { column: 6, descending: true, limit: 10 },
        order: Some(6),
        runs_percent: 300,
        goal_ms: Some(25.0),
    },
    Query {
        name: "Q3 COUNT, SUM, AVG",
        sql: "SELECT COUNT(*), SUM(price), AVG(rating) FROM products WHERE ? >= 0",
        parameters: Parameters::None,
        shard_sql: "SELECT COUNT(*), SUM(price), SUM(rating) FROM products WHERE ? >= 0",
        merge: Merge::Add { keys: 0, average: Some((2, 0)) },
        order: None,
        runs_percent: 100,
        goal_ms: Some(40.0),
    },
    Query {
        name: "Q4 GROUP BY category",
        sql: "SELECT category, COUNT(*), AVG(price) FROM products WHERE ? >= 0 GROUP BY category ORDER BY 2 DESC",
        parameters: Parameters::None,
        shard_sql: "SELECT category, COUNT(*), SUM(price) FROM products WHERE ? >= 0 GROUP BY category",
        merge: Merge::Add { keys: 1, average: Some((2, 1)) },
        order: Some(1),
        runs_percent: 100,
        goal_ms: None,
    },
    Query {
        name: "Q5 LIKE, first 20 by price",
        sql: "SELECT * FROM products WHERE name LIKE '%wireless%' AND ? >= 0 ORDER BY price LIMIT 20",
        parameters: Parameters::None,
        shard_sql: "SELECT * FROM products WHERE name LIKE '%wireless%' AND ? >= 0 ORDER BY price LIMIT 20",
        merge: Merge::Top { column: 5, descending: false, limit: 20 },
        order: Some(5),
        runs_percent: 100,
        goal_ms: None,
    },
    Query {
        name: "Q6 an article at every vendor",
        sql: "SELECT * FROM products WHERE sku = ? AND ? >= 0",
        parameters: Parameters::Sku,
        shard_sql: "SELECT * FROM products WHERE sku = ? AND ? >= 0",
        merge: Merge::Concatenate,
        order: None,
        runs_percent: 300,
        goal_ms: None,
    },
    Query {
        name: "Q7 join by vendor, totals by category",
        sql: "SELECT p.category, SUM(o.total) FROM orders o \
              JOIN products p ON p.vendor_id = o.vendor_id AND p.id = o.product_id WHERE ? >= 0 GROUP BY p.category",
        parameters: Parameters::None,
        shard_sql: "SELECT p.category, SUM(o.total) FROM orders o \
                    JOIN products p ON p.vendor_id = o.vendor_id AND p.id = o.product_id WHERE ? >= 0 GROUP BY p.category",
        merge: Merge::Add { keys: 1, average: None },
        order: None,
        runs_percent: 20,
        goal_ms: None,
    },
    Query {
        name: "Q8 COUNT DISTINCT customers",
        sql: "SELECT COUNT(DISTINCT customer_id) FROM orders WHERE ? >= 0",
        parameters: Parameters::None,
        shard_sql: "SELECT DISTINCT customer_id FROM orders WHERE ? >= 0",
        merge: Merge::CountDistinct,
        order: None,
        runs_percent: 100,
        goal_ms: None,
    },
    Query {
        name: "Q9 every order",
        sql: "SELECT * FROM orders WHERE ? >= 0",
        parameters: Parameters::None,
        shard_sql: "SELECT * FROM orders WHERE ? >= 0",
        merge: Merge::Concatenate,
        order: None,
        runs_percent: 100,
        goal_ms: None,
    },
];
