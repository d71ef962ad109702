//! One product, and what customers say of it.

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::{Expectation, Reason, v1};

use super::products::no_product;
use crate::checks::{text_fits, word_is_sound};
use crate::error::{Error, Result};
use crate::events::{Telling, tell};
use crate::ids::row_id;
use crate::market::Market;
use crate::rows::{Row, text};
use crate::time::{day_and_time, now_ms};

/// Reviews that are shown with a product.
const REVIEWS_SHOWN: u32 = 20;

impl Market {
    pub(crate) async fn get_product(&self, request: v1::GetProductRequest) -> Result<v1::GetProductResponse> {
        let v1::GetProductRequest { vendor_id, sku } = request;
        word_is_sound("vendor_id", &vendor_id)?;
        word_is_sound("sku", &sku)?;
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
        word_is_sound("vendor_id", &vendor_id)?;
        word_is_sound("sku", &sku)?;
        word_is_sound("customer", &customer)?;
        if !(1..=5).contains(&stars) {
            return Err(Error::invalid(format!("`stars` is {stars}: it is 1 to 5")));
        }
        text_fits("body", &body)?;
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
