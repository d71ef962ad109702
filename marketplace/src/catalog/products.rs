//! Products, and how much of each there is.

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::{Expectation, Reason, v1};
use uuid::Uuid;

use super::vendors::no_vendor;
use crate::checks::{NUMBER_MAX, number_is_sound, text_is_sound, word_is_sound};
use crate::error::{Error, Result};
use crate::events::low_stock_of;
use crate::ids::row_id;
use crate::market::Market;
use crate::rows::{Row, text};
use crate::time::now_ms;

/// In the order in which [`product`] reads them.
pub(super) const PRODUCT: &str =
    "vendor_id, sku, name, category, price_cents, currency, stock, reserved, sold, low_stock, rating_count, rating_sum";

pub(super) fn product(row: Vec<Value>) -> Result<v1::Product> {
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

impl Market {
    /// Makes a product, or changes what is said of it.
    pub(crate) async fn put_product(&self, request: v1::PutProductRequest) -> Result<v1::Product> {
        let v1::PutProductRequest { vendor_id, sku, name, category, price, currency, stock, low_stock } = request;
        word_is_sound("sku", &sku)?;
        text_is_sound("name", &name)?;
        text_is_sound("category", &category)?;
        let currency = if currency.is_empty() { "EUR".to_owned() } else { currency };
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(Error::invalid("`currency` is three capital letters: `EUR`"));
        }
        for (name, number) in [("price", price), ("stock", stock), ("low_stock", low_stock)] {
            number_is_sound(name, number)?;
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

    pub(crate) async fn adjust_stock(&self, request: v1::AdjustStockRequest) -> Result<v1::Product> {
        let v1::AdjustStockRequest { vendor_id, sku, by } = request;
        word_is_sound("vendor_id", &vendor_id)?;
        word_is_sound("sku", &sku)?;
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
}

pub(super) fn no_product(vendor: &str, sku: &str) -> Error {
    Error::not_found(format!("vendor `{}` sells no `{}`", vendor.escape_debug(), sku.escape_debug()))
}
