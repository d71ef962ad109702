//! What becomes of an order that was placed: each vendor's part by itself, in one local transaction.

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::{Expectation, Reason, v1};

use super::drive::in_time;
use super::purchase::{Part, Purchase, State};
use super::vendor::{note, tell_of};
use crate::checks::word_is_sound;
use crate::error::{Error, Result};
use crate::market::Market;
use crate::payment::Money;
use crate::rows::text;
use crate::time::now_ms;

/// What becomes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Ship,
    Deliver,
    Cancel,
    Refund,
}

impl Change {
    /// What it may be before, and is then.
    fn states(self) -> (&'static [&'static str], &'static str) {
        match self {
            Change::Ship => (&["placed"], "shipped"),
            Change::Deliver => (&["shipped"], "delivered"),
            Change::Cancel => (&["placed"], "cancelled"),
            Change::Refund => (&["shipped", "delivered"], "refunded"),
        }
    }

    /// What is told of it.
    fn event(self) -> &'static str {
        match self {
            Change::Ship => "order.shipped",
            Change::Deliver => "order.delivered",
            Change::Cancel => "order.cancelled",
            Change::Refund => "order.refunded",
        }
    }

    /// What it does to a part that is this. `among_others`: all parts of the order are meant.
    fn of(self, status: &str, among_others: bool) -> Of {
        let (before, after) = self.states();
        let further = match self {
            Change::Ship => &["delivered", "cancelled", "refunded"][..],
            Change::Deliver | Change::Cancel => &["cancelled", "refunded"],
            Change::Refund => &["cancelled"],
        };
        if status == after {
            Of::Done
        } else if before.contains(&status) {
            Of::Changed
        } else if among_others && further.contains(&status) {
            Of::Left
        } else {
            Of::Refused
        }
    }

    fn refused(self, part: &Part, status: &str) -> Error {
        let (before, after) = self.states();
        let message = format!(
            "the part of vendor `{}` is {status}: only what is {} becomes {after}",
            part.vendor,
            before.join(" or ")
        );
        Error::new(Reason::WrongState, message)
    }

    /// Whether money comes back.
    fn pays_back(self) -> bool {
        matches!(self, Change::Cancel | Change::Refund)
    }
}

/// What a change does to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Changed,
    /// It is so already.
    Done,
    /// It is past that.
    Left,
    Refused,
}

/// What a vendor sees of an order: its own part.
fn only(mut order: v1::Order, vendor: &str) -> v1::Order {
    order.parts.retain(|part| part.vendor_id == vendor);
    if let [part] = order.parts.as_slice() {
        (order.state, order.total) = (part.state.clone(), part.total);
    }
    order
}

impl Market {
    /// A decided order: when its vendors have their parts, that is noted, so that from now on they say what becomes of it.
    async fn surely_done(&self, purchase: Purchase) -> Result<Purchase> {
        let driven = self.drive(purchase.clone()).await?;
        if driven.state == State::Done { self.step(purchase, State::Done, Vec::new()).await } else { Ok(driven) }
    }

    /// Changes the parts of an order, or one of them. All are looked at first: when one cannot be changed, none is. What is as it shall be, or further on
    /// when all parts are meant, is left as it is.
    pub(crate) async fn change_order(&self, request: v1::ChangeOrderRequest, change: Change) -> Result<v1::Order> {
        word_is_sound("order_id", &request.order_id)?;
        let mut purchase = self.purchase_of_id(&request.order_id).await?;
        if purchase.state == State::Committed {
            purchase = self.surely_done(purchase).await?;
        }
        if purchase.state != State::Done {
            let message = format!("order `{}` is not placed", purchase.id);
            return Err(Error::new(Reason::WrongState, message));
        }
        let vendor = request.vendor_id;
        let parts = purchase.parts.iter().filter(|part| vendor.is_empty() || part.vendor == vendor);
        let parts: Vec<&Part> = parts.collect();
        if parts.is_empty() {
            let message = format!("vendor `{}` has no part in order `{}`", vendor.escape_debug(), purchase.id);
            return Err(Error::not_found(message));
        }
        let mut changed = Vec::new();
        for part in parts {
            let status = self.status_of(&purchase, part).await?.unwrap_or_default();
            match change.of(&status, vendor.is_empty()) {
                Of::Left => {}
                // Paid back again, should that have failed: it is paid once.
                Of::Done | Of::Changed => changed.push(part),
                Of::Refused => return Err(change.refused(part, &status)),
            }
        }
        for part in changed {
            self.change_part(&purchase, part, change).await?;
            if change.pays_back() {
                self.pay_back(&purchase, part).await?;
            }
        }
        let order = self.order_of(&purchase).await?;
        Ok(if vendor.is_empty() { order } else { only(order, &vendor) })
    }

    async fn change_part(&self, purchase: &Purchase, part: &Part, change: Change) -> Result<()> {
        let (before, after) = change.states();
        let now = now_ms();
        let refund = if change.pays_back() { text("due") } else { Value::Null };
        let sql = format!(
            "UPDATE orders SET status = ?3, refund = ?4 WHERE vendor_id = ?1 AND id = ?2 AND status IN ('{}')",
            before.join("', '")
        );
        let parameters = [text(&part.vendor), text(&purchase.id), text(after), refund];
        let mut statements = vec![Statement::new(sql, parameters).expect(Expectation::Changes(1))];
        if change == Change::Cancel {
            let back = "UPDATE products SET stock = stock + ?3, sold = sold - ?3 WHERE vendor_id = ?1 AND id = ?2";
            statements.extend(part.items.iter().map(|item| {
                let parameters = [text(&part.vendor), Value::Integer(item.product_id), Value::Integer(item.quantity)];
                Statement::new(back, parameters).expect(Expectation::Changes(1))
            }));
        }
        statements.push(note(purchase, part, after, now));
        let told = serde_json::json!({ "order_id": purchase.id, "total": part.total });
        statements.push(tell_of(purchase, &part.vendor, change.event(), now, &told));
        let Err(error) = self.database.transact(statements).await else { return Ok(()) };
        if (error.reason, error.statement()) != (Reason::Expectation, Some(1)) {
            return Err(error.into());
        }
        // Somebody was sooner.
        let status = self.status_of(purchase, part).await?.unwrap_or_default();
        if status == after { Ok(()) } else { Err(change.refused(part, &status)) }
    }

    /// Gives a part's money back, if it is due.
    pub(super) async fn pay_back(&self, purchase: &Purchase, part: &Part) -> Result<()> {
        let amount = Money { minor: part.total, currency: purchase.total.currency.clone() };
        let paid = in_time(self.payment.refund(&purchase.id, &part.vendor, &amount)).await;
        // The sweeper asks again: it is noted that it is due.
        paid.map_err(|error| Error::new(Reason::Overloaded, format!("the money is not back yet: {error}")))?;
        let sql = "UPDATE orders SET refund = 'paid' WHERE vendor_id = ?1 AND id = ?2 AND refund = 'due'";
        self.database.execute(Statement::new(sql, [text(&part.vendor), text(&purchase.id)])).await?;
        Ok(())
    }
}
