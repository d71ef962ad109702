//! Looking through what is sold, page by page.

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::v1;

use super::products::{PRODUCT, product};
use crate::checks::{page, text_fits};
use crate::error::{Error, Result};
use crate::market::Market;
use crate::rows::{Row, text};

/// By what products are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Name,
    Price,
    PriceDown,
    RatingDown,
}

/// The words for them.
const SORTS: [(&str, Sort); 5] = [
    ("", Sort::Name),
    ("name", Sort::Name),
    ("price", Sort::Price),
    ("-price", Sort::PriceDown),
    ("-rating", Sort::RatingDown),
];

/// See [`SORTS`].
pub(crate) fn sorts() -> [&'static str; SORTS.len()] {
    SORTS.map(|(word, _)| word)
}

impl Sort {
    fn of(word: &str) -> Result<Sort> {
        let known = SORTS.iter().find(|(known, _)| *known == word);
        known.map(|(_, sort)| *sort).ok_or_else(|| Error::invalid("`sort` is `name`, `price`, `-price` or `-rating`"))
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
            text_fits("text", part)?;
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
}

impl Market {
    pub(crate) async fn list_categories(&self, _: v1::ListCategoriesRequest) -> Result<v1::ListCategoriesResponse> {
        let sql = "SELECT category, count(*) FROM products GROUP BY category ORDER BY category";
        let rows = self.database.query(Statement::new(sql, [])).await?;
        let category = |row| {
            let mut row = Row::new(row);
            Ok(v1::Category { name: row.text()?, products: row.integer()? })
        };
        Ok(v1::ListCategoriesResponse { categories: rows.into_iter().map(category).collect::<Result<_>>()? })
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

    fn read(cursor: &str) -> Result<Cursor> {
        let unknown = || Error::invalid("`cursor` is none that was given: leave it out to begin anew");
        let (at, vendor, sku): (serde_json::Value, String, String) =
            serde_json::from_str(cursor).map_err(|_| unknown())?;
        let at = match &at {
            serde_json::Value::String(name) => text(name),
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
