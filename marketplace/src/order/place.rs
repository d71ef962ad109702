//! Placing an order.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use souk_coordinator::Statement;
use souk_proto::{Reason, v1};

use super::draft::{Draft, Wanted};
use super::purchase::{Item, Part, Purchase, State};
use super::read::just_placed;
use super::vendor::no_such_product;
use crate::error::{Error, Result};
use crate::ids::{house_of, new_order};
use crate::market::Market;
use crate::payment::Money;
use crate::rows::{Row, text};
use crate::time::now_ms;

/// A vendor's lines with what its products are now.
struct Priced {
    part: Part,
    currency: String,
    missing: Vec<v1::Refusal>,
}

impl Market {
    /// Places an order, or gives what became of it before.
    pub(crate) async fn place_order(&self, request: v1::PlaceOrderRequest) -> Result<v1::PlaceOrderResponse> {
        let draft = Draft::checked(request)?;
        let house = house_of(&draft.customer);
        let purchase = match self.priced(&draft, house.clone()).await {
            Ok(purchase) => purchase,
            // What was ordered before may not be sold any more.
            Err(error) => {
                let known = self.purchase_of_key(&house, &draft.customer, &draft.key).await?;
                return self.again(&draft, known.ok_or(error)?).await;
            }
        };
        if !self.accept(&purchase).await? {
            let known = self.purchase_of_key(&house, &draft.customer, &draft.key).await?;
            let known = known.ok_or_else(|| Error::internal("an order was there, and is not any more"))?;
            return self.again(&draft, known).await;
        }
        let order = self.drive(purchase).await?;
        Ok(v1::PlaceOrderResponse { order: Some(just_placed(&order)), repeated: false })
    }

    /// What became of an order that its customer named so; none when there is none. One for other content than `lines`, where those are given, is refused.
    pub(crate) async fn placed_before(&self, request: v1::PlaceOrderRequest) -> Result<Option<v1::PlaceOrderResponse>> {
        let house = house_of(&request.customer);
        let known = self.purchase_of_key(&house, &request.customer, &request.idempotency_key).await?;
        let Some(known) = known else { return Ok(None) };
        if !request.lines.is_empty() {
            return self.again(&Draft::checked(request)?, known).await.map(Some);
        }
        let order = self.drive(known).await?;
        Ok(Some(v1::PlaceOrderResponse { order: Some(self.order_of(&order).await?), repeated: true }))
    }

    async fn again(&self, draft: &Draft, known: Purchase) -> Result<v1::PlaceOrderResponse> {
        if known.digest != draft.digest() {
            let message = format!("the key `{}` names another order: nothing was done", draft.key.escape_debug());
            return Err(Error::new(Reason::AlreadyExists, message));
        }
        let order = self.drive(known).await?;
        Ok(v1::PlaceOrderResponse { order: Some(self.order_of(&order).await?), repeated: true })
    }

    /// The order with the prices of now.
    async fn priced(&self, draft: &Draft, house: String) -> Result<Purchase> {
        let priced = draft.vendors.iter().map(|(vendor, lines)| self.price(vendor, lines));
        let priced = try_join_all(priced).await?;
        let missing: Vec<v1::Refusal> = priced.iter().flat_map(|priced| priced.missing.clone()).collect();
        if let Some(missing) = missing.first() {
            return Err(Error::not_found(missing.message.clone()));
        }
        let mut currencies = priced.iter().map(|priced| priced.currency.as_str());
        let currency = currencies.next().unwrap_or_default().to_owned();
        if let Some(other) = currencies.find(|other| *other != currency) {
            return Err(two_currencies(&currency, other));
        }
        if !draft.currency.is_empty() && draft.currency != currency {
            let message = format!("the order is in {}, and its products cost {currency} now", draft.currency);
            return Err(Error::new(Reason::WrongState, message));
        }
        let parts: Vec<Part> = priced.into_iter().map(|priced| priced.part).collect();
        let total = sum(parts.iter().map(|part| Some(part.total)))?;
        let created_ms = now_ms();
        Ok(Purchase {
            id: new_order(&house),
            house,
            customer: draft.customer.clone(),
            key: draft.key.clone(),
            digest: draft.digest(),
            state: State::Accepted,
            created_ms,
            deadline_ms: created_ms + self.settings.order_deadline.as_millis() as i64,
            total: Money { minor: total, currency },
            token: draft.token.clone(),
            parts,
            refusals: Vec::new(),
        })
    }

    async fn price(&self, vendor: &str, lines: &BTreeMap<String, Wanted>) -> Result<Priced> {
        let places: Vec<String> = (2..lines.len() + 2).map(|place| format!("?{place}")).collect();
        let sql = format!(
            "SELECT sku, id, name, price_cents, currency FROM products WHERE vendor_id = ?1 AND sku IN ({}) ORDER BY sku",
            places.join(", ")
        );
        let parameters = [text(vendor)].into_iter().chain(lines.keys().map(|sku| text(sku)));
        let rows = self.database.query(Statement::new(sql, parameters)).await?;
        let mut currency = String::new();
        let mut known = BTreeMap::new();
        for row in rows {
            let mut row = Row::new(row);
            let (sku, product_id, name, price, of) =
                (row.text()?, row.integer()?, row.text()?, row.integer()?, row.text()?);
            if !currency.is_empty() && of != currency {
                return Err(two_currencies(&currency, &of));
            }
            currency = of;
            known.insert(sku, (product_id, name, price));
        }
        let (mut items, mut missing) = (Vec::new(), Vec::new());
        for (sku, Wanted { quantity, price: asked }) in lines {
            match known.remove(sku) {
                Some((product_id, name, price)) => items.push(Item {
                    product_id,
                    sku: sku.clone(),
                    name,
                    quantity: *quantity,
                    price: asked.unwrap_or(price),
                }),
                None => missing.push(no_such_product(vendor, sku)),
            }
        }
        let total = sum(items.iter().map(|item| item.price.checked_mul(item.quantity)))?;
        Ok(Priced { part: Part { vendor: vendor.to_owned(), total, items }, currency, missing })
    }
}

/// What the products cost does not allow it.
fn two_currencies(one: &str, other: &str) -> Error {
    Error::new(Reason::WrongState, format!("the order is in {one} and {other}: place one for each currency"))
}

/// The sum of amounts, none of which is beyond what an integer holds.
fn sum(amounts: impl Iterator<Item = Option<i64>>) -> Result<i64> {
    let sum = amounts.into_iter().try_fold(0i64, |sum, amount| sum.checked_add(amount?));
    sum.ok_or_else(|| Error::invalid("the order's total is beyond 2^63: order less"))
}
