//! The rows: the same for the same size, on every machine.

use std::collections::BTreeSet;

use souk_merge::{Batch, Value, ValueRef};

/// `SHARD KEY` is souk's own; [`plain`](crate::source::plain) takes it away.
pub(crate) const SCHEMA: [&str; 5] = [
    "CREATE TABLE products(
  id INTEGER NOT NULL,
  vendor_id INTEGER NOT NULL,
  sku TEXT NOT NULL,
  name TEXT NOT NULL,
  category TEXT NOT NULL,
  price INTEGER NOT NULL,
  rating REAL NOT NULL,
  stock INTEGER NOT NULL,
  PRIMARY KEY (vendor_id, id)
) SHARD KEY (vendor_id)",
    "CREATE INDEX products_by_rating ON products(category, rating DESC)",
    "CREATE INDEX products_by_sku ON products(sku)",
    "CREATE TABLE orders(
  id INTEGER NOT NULL,
  vendor_id INTEGER NOT NULL,
  product_id INTEGER NOT NULL,
  customer_id INTEGER NOT NULL,
  quantity INTEGER NOT NULL,
  total INTEGER NOT NULL,
  status TEXT NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (vendor_id, id)
) SHARD KEY (vendor_id)",
    // Written to between queries: the other tables stay as they are.
    "CREATE TABLE marks(vendor_id INTEGER NOT NULL, n INTEGER NOT NULL) SHARD KEY (vendor_id)",
];

/// A table and its columns in the order in which rows are made.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: [&'static str; COLUMNS],
}

const COLUMNS: usize = 8;

/// The tables that hold rows from the start, in the order of [`Vendor::batches`].
pub(crate) const TABLES: [Table; 2] = [
    Table { name: "products", columns: ["id", "vendor_id", "sku", "name", "category", "price", "rating", "stock"] },
    Table {
        name: "orders",
        columns: ["id", "vendor_id", "product_id", "customer_id", "quantity", "total", "status", "created_at"],
    },
];

const CATEGORIES: u64 = 20;
const WORDS: [&str; 12] = [
    "wireless", "brass", "linen", "walnut", "folding", "ceramic", "striped", "compact", "copper", "woven", "silent",
    "round",
];
const NOUNS: [&str; 8] = ["lamp", "speaker", "kettle", "blanket", "keyboard", "bowl", "chair", "headphones"];
const STATUSES: [&str; 4] = ["placed", "paid", "shipped", "delivered"];
const SEED: u64 = 0x736f_756b;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) vendors: u64,
    /// Products of a vendor.
    pub(crate) products: u64,
}

/// One vendor's rows.
pub(crate) struct Vendor {
    products: Batch,
    orders: Batch,
}

impl Vendor {
    /// The rows of each table.
    pub(crate) fn batches(self) -> [Batch; 2] {
        [self.products, self.orders]
    }
}

impl Size {
    /// Orders of a vendor.
    pub(crate) fn orders(self) -> u64 {
        self.products / 2
    }

    /// The rows of a vendor, who counts from 1.
    pub(crate) fn vendor(self, vendor: u64) -> Vendor {
        let mut random = Random::new(SEED ^ vendor);
        let prices: Vec<i64> = (0..self.products).map(|_| random.below(500_000) as i64 + 100).collect();
        let mut rows = Vendor { products: Batch::new(COLUMNS), orders: Batch::new(COLUMNS) };
        for (id, price) in (1..).zip(&prices) {
            self.product(vendor, id, *price, &mut random, &mut rows.products);
        }
        for id in 1..=self.orders() as i64 {
            self.order(vendor, id, &prices, &mut random, &mut rows.orders);
        }
        rows
    }

    fn product(self, vendor: u64, id: i64, price: i64, random: &mut Random, batch: &mut Batch) {
        let name = format!("{} {} {} {id}", random.pick(&WORDS), random.pick(&WORDS), random.pick(&NOUNS));
        batch.push_row([
            ValueRef::Integer(id),
            ValueRef::Integer(vendor as i64),
            ValueRef::Text(self.sku(vendor, id as u64).as_bytes()),
            ValueRef::Text(name.as_bytes()),
            ValueRef::Text(category(random.below(CATEGORIES)).as_bytes()),
            ValueRef::Integer(price),
            // So fine that no two products tie: which of them are the top 10 is never open.
            ValueRef::Real(1.0 + random.below(4_000_000_000) as f64 / 1e9),
            ValueRef::Integer(random.below(1_000) as i64),
        ]);
    }

    fn order(self, vendor: u64, id: i64, prices: &[i64], random: &mut Random, batch: &mut Batch) {
        let product = random.below(self.products) as usize;
        let quantity = random.below(5) as i64 + 1;
        let (month, day, hour) = (random.below(12) + 1, random.below(28) + 1, random.below(24));
        let created_at = format!("2026-{month:02}-{day:02} {hour:02}:00:00");
        batch.push_row([
            ValueRef::Integer(id),
            ValueRef::Integer(vendor as i64),
            ValueRef::Integer(product as i64 + 1),
            ValueRef::Integer(random.below(self.customers()) as i64 + 1),
            ValueRef::Integer(quantity),
            ValueRef::Integer(quantity * prices[product]),
            ValueRef::Text(random.pick(&STATUSES).as_bytes()),
            ValueRef::Text(created_at.as_bytes()),
        ]);
    }

    fn customers(self) -> u64 {
        (self.vendors * self.orders() / 10).max(1)
    }

    /// A vendor's products have consecutive numbers; about ten vendors sell each.
    fn sku(self, vendor: u64, id: u64) -> String {
        let numbers = (self.vendors * self.products / 10).max(self.products);
        let first = Random::new(SEED ^ (vendor << 32)).below(numbers);
        format!("SKU-{:07}", (first + id) % numbers)
    }

    /// Some different vendors; others for each run.
    pub(crate) fn some_vendors(self, run: u64, count: usize) -> BTreeSet<u64> {
        let mut random = Random::new(run);
        let mut vendors = BTreeSet::new();
        while vendors.len() < count.min(self.vendors as usize) {
            vendors.insert(random.below(self.vendors) + 1);
        }
        vendors
    }

    /// A vendor and the number of an article that it sells; another for each run.
    pub(crate) fn some_article(self, run: u64) -> (Value, Value) {
        let mut random = Random::new(run);
        let vendor = random.below(self.vendors) + 1;
        let sku = self.sku(vendor, random.below(self.products) + 1);
        (Value::Integer(vendor as i64), Value::text(&sku))
    }
}

/// A category; another for each run.
pub(crate) fn some_category(run: u64) -> Value {
    Value::text(&category(run % CATEGORIES))
}

fn category(number: u64) -> String {
    format!("category-{number:02}")
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014).
struct Random {
    state: u64,
}

impl Random {
    fn new(seed: u64) -> Random {
        let mut random = Random { state: seed };
        random.state = random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    fn pick(&mut self, choices: &[&'static str]) -> &'static str {
        choices[self.below(choices.len() as u64) as usize]
    }
}
