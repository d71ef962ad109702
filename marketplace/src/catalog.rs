//! What is sold: vendors, products, stock, reviews.

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::{Expectation, Reason, v1};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::events::{Telling, low_stock_of, tell};
use crate::ids::{now_ms, row_id};
use crate::market::Market;
use crate::order::{day_and_time, page, word_is_sound};
use crate::rows::{Row, text};
use crate::schema;

/// Bytes of a name or a review.
const TEXT_BYTES_MAX: usize = 4096;
/// An amount or a number of pieces is at most this: sums of many of them are no more than an integer holds.
const NUMBER_MAX: i64 = 1_000_000_000_000;
/// Reviews that are shown with a product.
const REVIEWS_SHOWN: u32 = 20;

const PRODUCT: &str =
    "vendor_id, sku, name, category, price_cents, currency, stock, reserved, sold, low_stock, rating_count, rating_sum";

fn product(row: Vec<Value>) -> Result<v1::Product> {
    let mut row = Row::new(row);
    Ok(v1::Product {
        vendor_id: row.text()?,
        sku: row.text()?,
        name: row.text()?,
        category: row.text()?,
        price: row.integer()?,
        currency: row.text()?,
        stock: row.integer()?,
        reserved: row.integer()?,
        sold: row.integer()?,
        low_stock: row.integer()?,
        rating_count: row.integer()?,
        rating_sum: row.integer()?,
    })
}

/// By what products are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Name,
    Price,
    PriceDown,
    RatingDown,
}

impl Sort {
    fn of(word: &str) -> Result<Sort> {
        match word {
            "" | "name" => Ok(Sort::Name),
            "price" => Ok(Sort::Price),
            "-price" => Ok(Sort::PriceDown),
            "-rating" => Ok(Sort::RatingDown),
            _ => Err(Error::invalid("`sort` is `name`, `price`, `-price` or `-rating`")),
        }
    }

    /// The term, and whether it goes down. Every product has one: those without a rating come last.
    fn term(self) -> (&'static str, bool) {
        match self {
            Sort::Name => ("name", false),
            Sort::Price => ("price_cents", false),
            Sort::PriceDown => ("price_cents", true),
            Sort::RatingDown => ("coalesce(rating, 0.0)", true),
        }
    }
}

/// Which products are wanted, as conditions with their parameters.
#[derive(Default)]
struct Filter {
    terms: Vec<String>,
    parameters: Vec<Value>,
}

impl Filter {
    fn of(request: &v1::BrowseRequest, sort: Sort) -> Result<Filter> {
        let v1::BrowseRequest { vendor_id, category, text: part, price_min, price_max, in_stock, cursor, .. } = request;
        let mut filter = Filter::default();
        for (column, word) in [("vendor_id", vendor_id), ("category", category)] {
            if !word.is_empty() {
                let place = filter.bind(text(word));
                filter.terms.push(format!("{column} = {place}"));
            }
        }
        if !part.is_empty() {
            text_is_sound("text", part)?;
            let pattern = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            let place = filter.bind(text(&format!("%{pattern}%")));
            filter.terms.push(format!("name LIKE {place} ESCAPE '\\'"));
        }
        for (compared, bound) in [(">=", *price_min), ("<=", *price_max)] {
            if bound > 0 {
                let place = filter.bind(Value::Integer(bound));
                filter.terms.push(format!("price_cents {compared} {place}"));
            }
        }
        if *in_stock {
            filter.terms.push("stock > 0".to_owned());
        }
        if !cursor.is_empty() {
            filter.beyond(Cursor::read(cursor)?, sort);
        }
        Ok(filter)
    }

    fn bind(&mut self, value: Value) -> String {
        self.parameters.push(value);
        format!("?{}", self.parameters.len())
    }

    /// What comes behind a cursor.
    fn beyond(&mut self, Cursor { at, vendor, sku }: Cursor, sort: Sort) {
        let (at, vendor, sku) = (self.bind(at), self.bind(text(&vendor)), self.bind(text(&sku)));
        let (term, is_down) = sort.term();
        let beyond = if is_down { "<" } else { ">" };
        self.terms.push(format!("({term} {beyond} {at} OR ({term} = {at} AND (vendor_id, sku) > ({vendor}, {sku})))"));
    }
}

impl Market {
    /// Makes a vendor; with the first one of a cluster the tables.
    pub(crate) async fn create_vendor(&self, request: v1::CreateVendorRequest) -> Result<v1::Vendor> {
        let v1::CreateVendorRequest { vendor_id, name, country, city } = request;
        id_is_sound(&vendor_id)?;
        text_is_sound("name", &name)?;
        {
            let _making = self.making.lock().await;
            schema::make(&self.database).await?;
        }
        let now = now_ms();
        let insert = "INSERT INTO vendors(vendor_id, name, country, city, joined) VALUES (?1, ?2, ?3, ?4, ?5)";
        let parameters = [&vendor_id, &name, &country, &city, &day_and_time(now)].map(|word| text(word));
        let event = tell(&Telling {
            vendor: &vendor_id,
            id: "vendor.created".to_owned(),
            kind: "vendor.created",
            customer: "",
            at_ms: now,
            data: serde_json::json!({ "name": name }).to_string(),
        });
        match self.database.transact(vec![Statement::new(insert, parameters), event]).await {
            Ok(_) => {}
            Err(error) if error.reason == Reason::Constraint => {
                let sql = "SELECT name, country, city FROM vendors WHERE vendor_id = ?1";
                let known = self.database.query(Statement::new(sql, [text(&vendor_id)])).await?;
                if known != [[&name, &country, &city].map(|word| text(word))] {
                    let message = format!("there is another vendor `{vendor_id}`");
                    return Err(Error::new(Reason::AlreadyExists, message));
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(v1::Vendor { vendor_id, name, country, city })
    }

    /// Makes a product, or changes what is said of it.
    pub(crate) async fn put_product(&self, request: v1::PutProductRequest) -> Result<v1::Product> {
        let v1::PutProductRequest { vendor_id, sku, name, category, price, currency, stock, low_stock } = request;
        id_is_sound(&vendor_id)?;
        word_is_sound("sku", &sku)?;
        text_is_sound("name", &name)?;
        text_is_sound("category", &category)?;
        let currency = if currency.is_empty() { "EUR".to_owned() } else { currency };
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Error::invalid("`currency` is three capital letters: `EUR`"));
        }
        for (name, number) in [("price", price), ("stock", stock), ("low_stock", low_stock)] {
            if !(0..=NUMBER_MAX).contains(&number) {
                return Err(Error::invalid(format!("`{name}` is {number}: it is 0 to {NUMBER_MAX}")));
            }
        }
        let is_there = self.has_vendor(&vendor_id).await?;
        let put = "INSERT INTO products(vendor_id, id, sku, name, category, price_cents, currency, stock, low_stock)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                   ON CONFLICT (vendor_id, sku) DO UPDATE SET name = excluded.name, category = excluded.category,
                   price_cents = excluded.price_cents, currency = excluded.currency, low_stock = excluded.low_stock";
        let put = Statement::new(
            put,
            [
                text(&vendor_id),
                Value::Integer(row_id(&[&sku])),
                text(&sku),
                text(&name),
                text(&category),
                Value::Integer(price),
                text(&currency),
                Value::Integer(stock),
                Value::Integer(low_stock),
            ],
        );
        match self.database.transact(vec![is_there, put]).await {
            Ok(_) => self.product(&vendor_id, &sku).await,
            Err(error) if error.reason == Reason::Expectation => Err(no_vendor(&vendor_id)),
            Err(error) => Err(error.into()),
        }
    }

    /// Refuses a vendor that is not there, before a row for it would make its shard; and what holds it to that in a transaction.
    pub(crate) async fn has_vendor(&self, vendor: &str) -> Result<Statement> {
        id_is_sound(vendor)?;
        let is_there = Statement::new("SELECT 1 FROM vendors WHERE vendor_id = ?1", [text(vendor)]);
        if self.database.query(is_there.clone()).await?.is_empty() {
            return Err(no_vendor(vendor));
        }
        Ok(is_there.expect(Expectation::GivesRows(true)))
    }

    pub(crate) async fn adjust_stock(&self, request: v1::AdjustStockRequest) -> Result<v1::Product> {
        let v1::AdjustStockRequest { vendor_id, sku, by } = request;
        if !(-NUMBER_MAX..=NUMBER_MAX).contains(&by) {
            return Err(Error::invalid(format!("`by` is {by}: it is {} to {NUMBER_MAX}", -NUMBER_MAX)));
        }
        let sql =
            "UPDATE products SET stock = stock + ?3 WHERE vendor_id = ?1 AND sku = ?2 AND stock + ?3 BETWEEN 0 AND ?4";
        let parameters = [text(&vendor_id), text(&sku), Value::Integer(by), Value::Integer(NUMBER_MAX)];
        let now = now_ms();
        let told = low_stock_of(&vendor_id, &sku, -by, &Uuid::now_v7().simple().to_string(), now);
        let adjust = Statement::new(sql, parameters).expect(Expectation::Changes(1));
        let done = self.database.transact(vec![adjust, told]).await;
        let is_refused = done.as_ref().is_err_and(|error| error.reason == Reason::Expectation);
        if !is_refused {
            done?;
        }
        let product = self.product(&vendor_id, &sku).await?;
        if is_refused {
            let message =
                format!("`{sku}` has a stock of {}: with {by} more it is not 0 to {NUMBER_MAX}", product.stock);
            return Err(Error::new(Reason::WrongState, message));
        }
        Ok(product)
    }

    pub(crate) async fn product(&self, vendor: &str, sku: &str) -> Result<v1::Product> {
        let sql = format!("SELECT {PRODUCT} FROM products WHERE vendor_id = ?1 AND sku = ?2");
        let found = self.database.query(Statement::new(sql, [text(vendor), text(sku)])).await?.pop();
        found.map(product).transpose()?.ok_or_else(|| no_product(vendor, sku))
    }

    pub(crate) async fn browse(&self, request: v1::BrowseRequest) -> Result<v1::BrowseResponse> {
        let size = page(request.page_size)?;
        let sort = Sort::of(&request.sort)?;
        let Filter { terms, parameters } = Filter::of(&request, sort)?;
        let filter = if terms.is_empty() { String::new() } else { format!(" WHERE {}", terms.join(" AND ")) };
        let (term, is_down) = sort.term();
        let down = if is_down { " DESC" } else { "" };
        let sql = format!(
            "SELECT {term}, {PRODUCT} FROM products{filter} ORDER BY {term}{down}, vendor_id, sku LIMIT {}",
            size + 1
        );
        let mut rows = self.database.query(Statement::new(sql, parameters)).await?;
        let is_more = rows.len() > size as usize;
        rows.truncate(size as usize);
        let mut last = None;
        let mut products = Vec::with_capacity(rows.len());
        for mut row in rows {
            last = Some(row.remove(0));
            products.push(product(row)?);
        }
        let next_cursor = match (products.last(), last) {
            (Some(product), Some(at)) if is_more => Cursor::write(&at, product),
            _ => String::new(),
        };
        Ok(v1::BrowseResponse { products, next_cursor })
    }

    pub(crate) async fn get_product(&self, request: v1::GetProductRequest) -> Result<v1::GetProductResponse> {
        let v1::GetProductRequest { vendor_id, sku } = request;
        let product = self.product(&vendor_id, &sku).await?;
        let sql = format!(
            "SELECT customer, stars, body, written FROM reviews WHERE vendor_id = ?1
             AND product_id = (SELECT id FROM products WHERE vendor_id = ?1 AND sku = ?2)
             ORDER BY written DESC, id LIMIT {REVIEWS_SHOWN}"
        );
        let rows = self.database.query(Statement::new(sql, [text(&vendor_id), text(&sku)])).await?;
        let review = |row| {
            let mut row = Row::new(row);
            Ok(v1::Review { customer: row.text()?, stars: row.integer()?, body: row.text()?, written: row.text()? })
        };
        let reviews = rows.into_iter().map(review).collect::<Result<_>>()?;
        Ok(v1::GetProductResponse { product: Some(product), reviews })
    }

    /// Adds a review, and its stars to the product's, in one transaction.
    pub(crate) async fn add_review(&self, request: v1::AddReviewRequest) -> Result<v1::Review> {
        let v1::AddReviewRequest { vendor_id, sku, customer, stars, body } = request;
        word_is_sound("customer", &customer)?;
        if !(1..=5).contains(&stars) {
            return Err(Error::invalid(format!("`stars` is {stars}: it is 1 to 5")));
        }
        if body.len() > TEXT_BYTES_MAX {
            return Err(Error::invalid(format!("`body` has {} bytes, over {TEXT_BYTES_MAX}", body.len())));
        }
        let sql = "SELECT id FROM products WHERE vendor_id = ?1 AND sku = ?2";
        let found = self.database.query(Statement::new(sql, [text(&vendor_id), text(&sku)])).await?.pop();
        let product_id = Row::new(found.ok_or_else(|| no_product(&vendor_id, &sku))?).integer()?;
        let (now, id) = (now_ms(), row_id(&[&customer, &sku]));
        let written = day_and_time(now);
        let insert = "INSERT INTO reviews(vendor_id, id, product_id, customer, stars, body, written) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let insert = Statement::new(
            insert,
            [
                text(&vendor_id),
                Value::Integer(id),
                Value::Integer(product_id),
                text(&customer),
                Value::Integer(stars),
                text(&body),
                text(&written),
            ],
        );
        let count = "UPDATE products SET rating_count = rating_count + 1, rating_sum = rating_sum + ?3 WHERE vendor_id = ?1 AND id = ?2";
        let parameters = [text(&vendor_id), Value::Integer(product_id), Value::Integer(stars)];
        let count = Statement::new(count, parameters).expect(Expectation::Changes(1));
        let event = tell(&Telling {
            vendor: &vendor_id,
            id: format!("review.added/{id}"),
            kind: "review.added",
            customer: &customer,
            at_ms: now,
            data: serde_json::json!({ "sku": sku, "stars": stars }).to_string(),
        });
        match self.database.transact(vec![insert, count, event]).await {
            Ok(_) => Ok(v1::Review { customer, stars, body, written }),
            Err(error) if error.reason == Reason::Constraint => {
                let message = format!("`{}` has reviewed `{sku}` before", customer.escape_debug());
                Err(Error::new(Reason::AlreadyExists, message))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Where a page ended: the next one begins behind it.
struct Cursor {
    at: Value,
    vendor: String,
    sku: String,
}

impl Cursor {
    fn write(at: &Value, last: &v1::Product) -> String {
        let at = match at {
            Value::Integer(number) => serde_json::json!(number),
            // To the last bit, which its digits may not give back.
            Value::Real(number) => serde_json::json!({ "bits": number.to_bits() }),
            Value::Text(name) => serde_json::json!(String::from_utf8_lossy(name)),
            Value::Null | Value::Blob(_) => serde_json::Value::Null,
        };
        serde_json::json!([at, last.vendor_id, last.sku]).to_string()
    }

    fn read(text: &str) -> Result<Cursor> {
        let unknown = || Error::invalid("`cursor` is none that was given: leave it out to begin anew");
        let (at, vendor, sku): (serde_json::Value, String, String) =
            serde_json::from_str(text).map_err(|_| unknown())?;
        let at = match &at {
            serde_json::Value::String(name) => crate::rows::text(name),
            serde_json::Value::Number(number) => Value::Integer(number.as_i64().ok_or_else(unknown)?),
            serde_json::Value::Object(real) => {
                let bits = real.get("bits").and_then(serde_json::Value::as_u64).ok_or_else(unknown)?;
                Value::Real(f64::from_bits(bits))
            }
            _ => return Err(unknown()),
        };
        Ok(Cursor { at, vendor, sku })
    }
}

/// What stands in names of files and in addresses.
fn id_is_sound(id: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || id.len() > 64 || !id.bytes().all(is_plain) {
        return Err(Error::invalid("`vendor_id` is 1 to 64 letters, digits, `-` and `_`"));
    }
    Ok(())
}

fn text_is_sound(name: &str, text: &str) -> Result<()> {
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(Error::invalid(format!("`{name}` has 1 to {TEXT_BYTES_MAX} bytes; it has {}", text.len())));
    }
    Ok(())
}

fn no_vendor(vendor: &str) -> Error {
    Error::not_found(format!("there is no vendor `{}`", vendor.escape_debug()))
}

fn no_product(vendor: &str, sku: &str) -> Error {
    Error::not_found(format!("vendor `{}` sells no `{}`", vendor.escape_debug(), sku.escape_debug()))
}
