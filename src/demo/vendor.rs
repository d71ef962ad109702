//! The rows of one vendor.

use souk_merge::ValueRef::{self, Integer, Text};

use super::{
    date::{DAYS, date},
    random::Random,
    schema::Table,
    words::{
        ADJECTIVES, CATEGORIES, COLORS, Category, ORDER_STATUS, PLACES, REVIEW_CLOSINGS, REVIEW_OPENINGS, TAGS,
        VENDOR_FIRST, VENDOR_LAST,
    },
};

/// Customers of the whole marketplace.
const CUSTOMERS: u64 = 50_000;

/// Takes rows as they are made.
pub(super) trait Rows {
    /// One row, in the order of the table's columns.
    fn row(&mut self, table: Table, values: &[ValueRef<'_>]);
}

/// A vendor in the making.
struct Maker<'a, R: Rows> {
    random: Random,
    id: String,
    /// When it joined, in days after the marketplace's first.
    joined: i64,
    /// Price of each product, by its id less one.
    cents: Vec<i64>,
    out: &'a mut R,
}

/// The name of vendor `number` of `vendors`: `v0042`.
pub(super) fn vendor_id(number: u64, vendors: u64) -> String {
    let digits = (vendors.to_string().len()).max(4);
    format!("v{number:0digits$}")
}

/// Makes every row of vendor `number`, from 1: `products` products, half as many orders and reviews.
pub(super) fn make(seed: u64, number: u64, id: String, products: u64, out: &mut impl Rows) {
    let mut random = Random::new(seed, number);
    let joined = random.between(0, DAYS / 2);
    let mut maker = Maker { random, id, joined, cents: Vec::with_capacity(products as usize), out };
    maker.vendor(number);
    let specialities = maker.specialities();
    for id in 1..=products as i64 {
        maker.product(id, specialities);
    }
    for id in 1..=products as i64 / 2 {
        maker.order(id);
        maker.review(id);
    }
}

impl<R: Rows> Maker<'_, R> {
    fn vendor(&mut self, number: u64) {
        let name = format!("{} {}", self.random.pick(VENDOR_FIRST), self.random.pick(VENDOR_LAST));
        // There are fewer names than vendors: a later one says which of them it is.
        let names = (VENDOR_FIRST.len() * VENDOR_LAST.len()) as u64;
        let name = if number > names { format!("{name} No. {}", number / names + 1) } else { name };
        let (country, city) = self.random.pick(PLACES);
        let joined = date(self.joined);
        let row = [text(&self.id), text(&name), text(country), text(city), text(&joined)];
        self.out.row(Table::Vendors, &row);
    }

    /// Most vendors sell two or three kinds of goods.
    fn specialities(&mut self) -> [&'static Category; 3] {
        std::array::from_fn(|_| &CATEGORIES[self.random.below(CATEGORIES.len() as u64) as usize])
    }

    fn product(&mut self, id: i64, specialities: [&'static Category; 3]) {
        let category = self.random.pick(&specialities);
        let cents = self.price(category);
        self.cents.push(cents);
        let random = &mut self.random;
        let sku = format!("{}-{}-{id:05}", category.code, &self.id[1..]);
        let name =
            format!("{} {} {}", random.pick(ADJECTIVES), random.pick(category.materials), random.pick(category.nouns));
        // The better of two throws: most people are content.
        let stars_of_ten = random.between(10, 50).max(random.between(20, 50));
        let stock = if random.one_in(12) { 0 } else { random.between(1, 250) };
        let attributes = attributes(random);
        let row = [
            text(&self.id),
            Integer(id),
            text(&sku),
            text(&name),
            text(category.name),
            Integer(cents),
            Integer(10),
            Integer(stars_of_ten),
            Integer(stock),
            text(&attributes),
        ];
        self.out.row(Table::Products, &row);
    }

    /// Cheap goods are more usual than dear ones, and prices end as they do in shops.
    fn price(&mut self, category: &Category) -> i64 {
        let (low, high) = category.cents;
        let dear = self.random.between(low, high).min(self.random.between(low, high));
        let ending = *self.random.pick(&[&0, &50, &90, &95, &99]);
        dear / 100 * 100 + ending
    }

    /// An order of one, two or three of the vendor's products.
    fn order(&mut self, id: i64) {
        let lines = 1 + i64::from(self.random.one_in(3)) + i64::from(self.random.one_in(6));
        let mut total = 0;
        for line in 1..=lines {
            let product = self.product_id();
            let quantity = if self.random.one_in(4) { self.random.between(2, 5) } else { 1 };
            let cents = self.cents[product as usize - 1];
            total += quantity * cents;
            let row = [text(&self.id), Integer(id), Integer(line), Integer(product), Integer(quantity), Integer(cents)];
            self.out.row(Table::OrderItems, &row);
        }
        let customer = self.customer();
        let status = self.random.pick(ORDER_STATUS);
        let placed = self.day();
        let row = [text(&self.id), Integer(id), text(&customer), text(status), text(&placed), Integer(total)];
        self.out.row(Table::Orders, &row);
    }

    fn review(&mut self, id: i64) {
        let product = self.product_id();
        let stars = self.random.between(1, 5).max(self.random.between(1, 5));
        let opening = self.random.pick(REVIEW_OPENINGS[stars as usize - 1]);
        let body = format!("{opening} {}", self.random.pick(REVIEW_CLOSINGS));
        let written = self.day();
        let row = [text(&self.id), Integer(id), Integer(product), Integer(stars), text(&body), text(&written)];
        self.out.row(Table::Reviews, &row);
    }

    fn product_id(&mut self) -> i64 {
        1 + self.random.below(self.cents.len() as u64) as i64
    }

    fn customer(&mut self) -> String {
        format!("c{:05}", self.random.below(CUSTOMERS))
    }

    /// A day since the vendor joined.
    fn day(&mut self) -> String {
        date(self.random.between(self.joined, DAYS - 1))
    }
}

/// For example `{"color":"teal","weight_g":420,"tags":["gift"]}`.
fn attributes(random: &mut Random) -> String {
    let color = random.pick(COLORS);
    let weight_g = random.between(1, 300) * 10;
    let first = random.pick(TAGS);
    let second = random.pick(TAGS);
    let tags = if first == second { format!("\"{first}\"") } else { format!("\"{first}\",\"{second}\"") };
    format!("{{\"color\":\"{color}\",\"weight_g\":{weight_g},\"tags\":[{tags}]}}")
}

fn text(text: &str) -> ValueRef<'_> {
    Text(text.as_bytes())
}
