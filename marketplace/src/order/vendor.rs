//! A vendor's part of an order. Each step is one local transaction of its shard, and may be repeated: what is done already is left as it is.
//!
//! The part is a row of `orders`, whose key is the order's number: made once, by whoever comes first. What is released before it was reserved is a row too,
//! so that a reservation that comes late finds the place taken.

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::{Expectation, Reason, v1};

use super::purchase::{Item, Part, Purchase};
use crate::error::{Error, Result};
use crate::events::{Telling, low_stock_after_order, tell};
use crate::market::Market;
use crate::rows::{Row, text};
use crate::time::{day_and_time, now_ms};

/// What a vendor says to its part.
#[derive(Debug)]
pub(super) enum Said {
    Yes,
    No(Vec<v1::Refusal>),
}

/// How a part begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum As {
    /// Pieces are kept back until it is decided.
    Reserved,
    /// Pieces are sold.
    Placed,
}

impl As {
    fn word(self) -> &'static str {
        match self {
            As::Reserved => "reserved",
            As::Placed => "placed",
        }
    }

    /// Where pieces go that are taken from the stock.
    fn column(self) -> &'static str {
        match self {
            As::Reserved => "reserved",
            As::Placed => "sold",
        }
    }
}

impl Market {
    /// Keeps the pieces of a part back.
    pub(super) async fn reserve(&self, purchase: &Purchase, part: &Part) -> Result<Said> {
        self.begin(purchase, part, As::Reserved).await
    }

    /// Sells the pieces of a part: the only one of its order, which this decides.
    pub(super) async fn place_at_once(&self, purchase: &Purchase, part: &Part) -> Result<Said> {
        self.begin(purchase, part, As::Placed).await
    }

    async fn begin(&self, purchase: &Purchase, part: &Part, begins: As) -> Result<Said> {
        let now = now_ms();
        let row = "INSERT INTO orders(vendor_id, id, customer, status, placed, total_cents, currency, expires_ms)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let parameters = [
            text(&part.vendor),
            text(&purchase.id),
            text(&purchase.customer),
            text(begins.word()),
            text(&day_and_time(now)),
            Value::Integer(part.total),
            text(&purchase.total.currency),
            if begins == As::Reserved { Value::Integer(purchase.deadline_ms) } else { Value::Null },
        ];
        let mut statements = vec![Statement::new(row, parameters)];
        let column = begins.column();
        let take = format!(
            "UPDATE products SET stock = stock - ?3, {column} = {column} + ?3
             WHERE vendor_id = ?1 AND id = ?2 AND stock >= ?3 AND price_cents = ?4 AND currency = ?5"
        );
        for item in &part.items {
            let parameters = [
                text(&part.vendor),
                Value::Integer(item.product_id),
                Value::Integer(item.quantity),
                Value::Integer(item.price),
                text(&purchase.total.currency),
            ];
            statements.push(Statement::new(take.clone(), parameters).expect(Expectation::Changes(1)));
        }
        statements.push(insert_items(purchase, part));
        statements.push(note(purchase, part, begins.word(), now));
        if begins == As::Placed {
            statements.push(tell_of(purchase, &part.vendor, "order.placed", now, &told(purchase, part)));
        }
        statements.push(low_stock_after_order(&part.vendor, &purchase.id, now));
        let Err(error) = self.database.transact(statements).await else { return Ok(Said::Yes) };
        match (error.reason, error.statement()) {
            (Reason::Constraint, Some(1)) => self.begun_before(purchase, part).await,
            (Reason::Expectation, Some(number)) => {
                tracing::debug!("order {}: line {} is refused", purchase.id, number - 1);
                self.refusals(purchase, part).await
            }
            _ => Err(error.into()),
        }
    }

    /// The part is there already: as it was begun, or released before it could be.
    async fn begun_before(&self, purchase: &Purchase, part: &Part) -> Result<Said> {
        match self.status_of(purchase, part).await?.as_deref() {
            Some("released") => Ok(Said::No(vec![too_late()])),
            Some(_) => Ok(Said::Yes),
            None => Err(Error::new(Reason::Overloaded, "a vendor's part of the order was there, and is not any more")),
        }
    }

    pub(super) async fn status_of(&self, purchase: &Purchase, part: &Part) -> Result<Option<String>> {
        let sql = "SELECT status FROM orders WHERE vendor_id = ?1 AND id = ?2";
        let found = self.database.query(Statement::new(sql, [text(&part.vendor), text(&purchase.id)])).await?;
        found.into_iter().next().map(|row| Row::new(row).text()).transpose()
    }

    /// Which lines a vendor cannot serve.
    async fn refusals(&self, purchase: &Purchase, part: &Part) -> Result<Said> {
        let places: Vec<String> = (2..part.items.len() + 2).map(|place| format!("?{place}")).collect();
        let sql = format!(
            "SELECT id, stock, price_cents, currency FROM products WHERE vendor_id = ?1 AND id IN ({})",
            places.join(", ")
        );
        let ids = part.items.iter().map(|item| Value::Integer(item.product_id));
        let rows = self.database.query(Statement::new(sql, [text(&part.vendor)].into_iter().chain(ids))).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let mut row = Row::new(row);
            found.push((row.integer()?, row.integer()?, row.integer()?, row.text()?));
        }
        let refusal = |item: &Item| {
            let Some((_, stock, price, currency)) = found.iter().find(|(id, ..)| *id == item.product_id) else {
                return Some(no_such_product(&part.vendor, &item.sku));
            };
            let of_line = |reason: &str, message: String| v1::Refusal {
                reason: reason.to_owned(),
                message,
                vendor_id: part.vendor.clone(),
                sku: item.sku.clone(),
                stock: *stock,
                price: *price,
            };
            if *currency != purchase.total.currency {
                return Some(of_line("CURRENCY_CHANGED", format!("`{}` costs {price} {currency} now", item.sku)));
            }
            if *price != item.price {
                let message = format!("`{}` costs {price} {currency} now, not {}", item.sku, item.price);
                return Some(of_line("PRICE_CHANGED", message));
            }
            let message = format!("{} of `{}` are wanted, {stock} are there", item.quantity, item.sku);
            (*stock < item.quantity).then(|| of_line("OUT_OF_STOCK", message))
        };
        let refusals: Vec<v1::Refusal> = part.items.iter().filter_map(refusal).collect();
        if refusals.is_empty() {
            // It was refused, and is there again.
            return Err(Error::new(Reason::Overloaded, "the stock changes while it is looked at"));
        }
        Ok(Said::No(refusals))
    }

    /// Sells what is kept back: decided.
    pub(super) async fn confirm(&self, purchase: &Purchase, part: &Part) -> Result<()> {
        let now = now_ms();
        let mut statements = vec![become_(purchase, part, "placed")];
        statements.extend(part.items.iter().map(|item| {
            let sql = "UPDATE products SET reserved = reserved - ?3, sold = sold + ?3 WHERE vendor_id = ?1 AND id = ?2";
            give(sql, part, item)
        }));
        statements.push(note(purchase, part, "placed", now));
        statements.push(tell_of(purchase, &part.vendor, "order.placed", now, &told(purchase, part)));
        let Err(error) = self.database.transact(statements).await else { return Ok(()) };
        if (error.reason, error.statement()) != (Reason::Expectation, Some(1)) {
            return Err(error.into());
        }
        match self.status_of(purchase, part).await?.as_deref() {
            None | Some("reserved" | "released") => {
                let message = format!("vendor `{}` has lost its part of order {}", part.vendor, purchase.id);
                Err(Error::internal(message))
            }
            Some(_) => Ok(()),
        }
    }

    /// Gives back what is kept back, if anything is; nothing will be any more. False when the part is placed: too late for that.
    pub(super) async fn release(&self, purchase: &Purchase, part: &Part) -> Result<bool> {
        let now = now_ms();
        let never = "INSERT INTO orders(vendor_id, id, customer, status, placed, total_cents, currency)
                     VALUES (?1, ?2, ?3, 'released', ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let parameters = [
            text(&part.vendor),
            text(&purchase.id),
            text(&purchase.customer),
            text(&day_and_time(now)),
            Value::Integer(part.total),
            text(&purchase.total.currency),
        ];
        let made = self.database.execute(Statement::new(never, parameters)).await?;
        if made.rows_affected == 1 {
            return Ok(true);
        }
        let mut statements = vec![become_(purchase, part, "released")];
        statements.extend(part.items.iter().map(|item| {
            let sql =
                "UPDATE products SET reserved = reserved - ?3, stock = stock + ?3 WHERE vendor_id = ?1 AND id = ?2";
            give(sql, part, item)
        }));
        statements.push(note(purchase, part, "released", now));
        let Err(error) = self.database.transact(statements).await else { return Ok(true) };
        if (error.reason, error.statement()) != (Reason::Expectation, Some(1)) {
            return Err(error.into());
        }
        Ok(self.status_of(purchase, part).await?.as_deref() == Some("released"))
    }
}

/// A part that is reserved becomes something else; the transaction is not done when it is not reserved.
fn become_(purchase: &Purchase, part: &Part, status: &str) -> Statement {
    let sql =
        "UPDATE orders SET status = ?3, expires_ms = NULL WHERE vendor_id = ?1 AND id = ?2 AND status = 'reserved'";
    let parameters = [text(&part.vendor), text(&purchase.id), text(status)];
    Statement::new(sql, parameters).expect(Expectation::Changes(1))
}

fn give(sql: &str, part: &Part, item: &Item) -> Statement {
    let parameters = [text(&part.vendor), Value::Integer(item.product_id), Value::Integer(item.quantity)];
    Statement::new(sql, parameters).expect(Expectation::Changes(1))
}

fn insert_items(purchase: &Purchase, part: &Part) -> Statement {
    let row = |at: usize| {
        let places: Vec<String> = (1..=4).map(|place| format!("?{}", 2 + at * 4 + place)).collect();
        format!("(?1, ?2, {})", places.join(", "))
    };
    let rows: Vec<String> = (0..part.items.len()).map(row).collect();
    let sql = format!(
        "INSERT INTO order_items(vendor_id, order_id, line, product_id, quantity, price_cents) VALUES {}",
        rows.join(", ")
    );
    let items = (1..)
        .zip(&part.items)
        .flat_map(|(line, item)| [line, item.product_id, item.quantity, item.price].map(Value::Integer));
    Statement::new(sql, [text(&part.vendor), text(&purchase.id)].into_iter().chain(items))
}

/// A row that says what was done when.
pub(super) fn note(purchase: &Purchase, part: &Part, step: &str, at_ms: i64) -> Statement {
    let sql = "INSERT INTO audit(vendor_id, order_id, step, at_ms) VALUES (?1, ?2, ?3, ?4)";
    Statement::new(sql, [text(&part.vendor), text(&purchase.id), text(step), Value::Integer(at_ms)])
}

/// An event of an order.
pub(super) fn tell_of(
    purchase: &Purchase,
    vendor: &str,
    kind: &str,
    at_ms: i64,
    data: &serde_json::Value,
) -> Statement {
    let (id, data) = (format!("{kind}/{}", purchase.id), data.to_string());
    tell(&Telling { vendor, id, kind, customer: &purchase.customer, at_ms, data })
}

/// What is told of a part.
fn told(purchase: &Purchase, part: &Part) -> serde_json::Value {
    let items = part
        .items
        .iter()
        .map(|item| serde_json::json!({ "sku": item.sku, "quantity": item.quantity, "price": item.price }));
    serde_json::json!({ "order_id": purchase.id, "total": part.total, "items": items.collect::<Vec<_>>() })
}

pub(super) fn no_such_product(vendor: &str, sku: &str) -> v1::Refusal {
    v1::Refusal {
        reason: "NO_SUCH_PRODUCT".into(),
        message: format!("vendor `{vendor}` sells no `{sku}`"),
        vendor_id: vendor.to_owned(),
        sku: sku.to_owned(),
        ..v1::Refusal::default()
    }
}

pub(super) fn too_late() -> v1::Refusal {
    v1::Refusal {
        reason: "TOO_LATE".into(),
        message: "the order was not decided before its deadline: place another".into(),
        ..v1::Refusal::default()
    }
}
