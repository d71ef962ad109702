//! Orders as they are shown.

use std::collections::HashMap;

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::v1;

use super::purchase::{COLUMNS, Part, Purchase, State, purchase};
use crate::checks::{page, word_is_sound};
use crate::error::{Error, Result};
use crate::ids::house_of;
use crate::market::Market;
use crate::rows::{Row, text};

/// The states of parts, from the least far on. The last two count only when there is nothing else.
const BY_PROGRESS: [&str; 5] = ["placed", "shipped", "delivered", "refunded", "cancelled"];

impl Market {
    pub(crate) async fn get_order(&self, request: v1::GetOrderRequest) -> Result<v1::Order> {
        let v1::GetOrderRequest { order_id, idempotency_key, customer } = request;
        word_is_sound("customer", &customer)?;
        let found = match (order_id.as_str(), idempotency_key.as_str()) {
            ("", "") => return Err(Error::invalid("say `order_id` or `idempotency_key`")),
            ("", key) => self.purchase_of_key(&house_of(&customer), &customer, key).await?,
            (id, _) => Some(self.purchase_of_id(id).await?).filter(|purchase| purchase.customer == customer),
        };
        let named = if order_id.is_empty() { idempotency_key } else { order_id };
        let found = found.ok_or_else(|| Error::not_found(format!("there is no order `{}`", named.escape_debug())))?;
        self.order_of(&found).await
    }

    pub(crate) async fn list_orders(&self, request: v1::ListOrdersRequest) -> Result<v1::ListOrdersResponse> {
        let v1::ListOrdersRequest { customer, vendor_id, page_size, cursor } = request;
        let size = page(page_size)?;
        match (customer.as_str(), vendor_id.as_str()) {
            (customer, "") if !customer.is_empty() => self.orders_of_customer(customer, size, &cursor).await,
            ("", vendor) if !vendor.is_empty() => self.orders_of_vendor(vendor, size, &cursor).await,
            _ => Err(Error::invalid("say `customer` or `vendor_id`, not both")),
        }
    }

    /// The customer's house knows them: no vendor is asked but those that have a part in the page.
    async fn orders_of_customer(&self, customer: &str, size: u32, cursor: &str) -> Result<v1::ListOrdersResponse> {
        let (created_ms, id) = match cursor.split_once('/') {
            None if cursor.is_empty() => (i64::MAX, String::new()),
            Some((created, id)) if created.parse::<i64>().is_ok() => (created.parse().unwrap_or(0), id.to_owned()),
            _ => return Err(Error::invalid("`cursor` is none that was given: leave it out to begin anew")),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM purchases WHERE house = ?1 AND customer = ?2 AND (created_ms, id) < (?3, ?4)
             ORDER BY created_ms DESC, id DESC LIMIT {}",
            size + 1
        );
        let parameters = [text(&house_of(customer)), text(customer), Value::Integer(created_ms), text(&id)];
        let rows = self.database.query(Statement::new(sql, parameters)).await?;
        let mut purchases = rows.into_iter().map(purchase).collect::<Result<Vec<Purchase>>>()?;
        let is_more = purchases.len() > size as usize;
        purchases.truncate(size as usize);
        let next = purchases.last().filter(|_| is_more).map(|last| format!("{}/{}", last.created_ms, last.id));
        let orders = self.orders_of(&purchases).await?;
        Ok(v1::ListOrdersResponse { orders, next_cursor: next.unwrap_or_default() })
    }

    /// A vendor's parts, from its own database.
    async fn orders_of_vendor(&self, vendor: &str, size: u32, cursor: &str) -> Result<v1::ListOrdersResponse> {
        let (placed, id) = match cursor.split_once('/') {
            None if cursor.is_empty() => ("~", ""),
            Some(last) => last,
            None => return Err(Error::invalid("`cursor` is none that was given: leave it out to begin anew")),
        };
        let sql = format!(
            "SELECT o.id, o.customer, o.status, o.placed, o.total_cents, o.currency, CAST(unixepoch(o.placed) AS INTEGER),
                    (SELECT json_group_array(json_object('sku', coalesce(p.sku, ''), 'name', coalesce(p.name, ''), 'quantity', i.quantity, 'price', i.price_cents))
                     FROM order_items AS i LEFT JOIN products AS p ON p.vendor_id = i.vendor_id AND p.id = i.product_id
                     WHERE i.vendor_id = o.vendor_id AND i.order_id = o.id)
             FROM orders AS o
             WHERE o.vendor_id = ?1 AND o.status NOT IN ('reserved', 'released') AND (o.placed, o.id) < (?2, ?3)
             ORDER BY o.placed DESC, o.id DESC LIMIT {}",
            size + 1
        );
        let rows = self.database.query(Statement::new(sql, [text(vendor), text(placed), text(id)])).await?;
        let is_more = rows.len() > size as usize;
        let (mut orders, mut last) = (Vec::new(), String::new());
        for row in rows.into_iter().take(size as usize) {
            let mut row = Row::new(row);
            let (id, customer, state, placed) = (row.text()?, row.text()?, row.text()?, row.text()?);
            let (total, currency, seconds) = (row.integer()?, row.text()?, row.integer()?);
            let items = row.json()?;
            last = format!("{placed}/{id}");
            let part = v1::OrderPart { vendor_id: vendor.to_owned(), state: state.clone(), total, items };
            let created_at = seconds * 1000;
            orders.push(v1::Order {
                order_id: id,
                customer,
                state,
                total,
                currency,
                created_at,
                parts: vec![part],
                refusals: Vec::new(),
            });
        }
        Ok(v1::ListOrdersResponse { orders, next_cursor: if is_more { last } else { String::new() } })
    }

    /// An order as it is shown, with what its vendors say of their parts now.
    pub(super) async fn order_of(&self, purchase: &Purchase) -> Result<v1::Order> {
        let orders = self.orders_of(std::slice::from_ref(purchase)).await?;
        orders.into_iter().next().ok_or_else(|| Error::internal("an order is not shown"))
    }

    async fn orders_of(&self, purchases: &[Purchase]) -> Result<Vec<v1::Order>> {
        let done = purchases.iter().filter(|purchase| purchase.state == State::Done);
        let keys: Vec<(&str, &str)> = done
            .flat_map(|purchase| purchase.parts.iter().map(|part| (part.vendor.as_str(), purchase.id.as_str())))
            .collect();
        let states = self.states(&keys).await?;
        let lost = keys.iter().find(|(vendor, id)| !states.contains_key(&((*vendor).to_owned(), (*id).to_owned())));
        if let Some((vendor, id)) = lost {
            return Err(Error::internal(format!("vendor `{vendor}` has lost its part of order {id}")));
        }
        Ok(purchases.iter().map(|purchase| shown(purchase, &states)).collect())
    }

    /// The states of parts, by vendor and order.
    async fn states(&self, keys: &[(&str, &str)]) -> Result<HashMap<(String, String), String>> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let mut vendors: Vec<&str> = keys.iter().map(|(vendor, _)| *vendor).collect();
        let mut ids: Vec<&str> = keys.iter().map(|(_, id)| *id).collect();
        for names in [&mut vendors, &mut ids] {
            names.sort_unstable();
            names.dedup();
        }
        let places = |from: usize, count: usize| {
            (from..from + count).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ")
        };
        let sql = format!(
            "SELECT vendor_id, id, status FROM orders WHERE vendor_id IN ({}) AND id IN ({})",
            places(1, vendors.len()),
            places(1 + vendors.len(), ids.len())
        );
        let parameters = vendors.into_iter().chain(ids).map(text);
        let mut states = HashMap::new();
        for row in self.database.query(Statement::new(sql, parameters)).await? {
            let mut row = Row::new(row);
            states.insert((row.text()?, row.text()?), row.text()?);
        }
        Ok(states)
    }
}

/// An order as it is shown at once: its vendors have done nothing more yet.
pub(super) fn just_placed(purchase: &Purchase) -> v1::Order {
    shown(purchase, &HashMap::new())
}

fn shown(purchase: &Purchase, states: &HashMap<(String, String), String>) -> v1::Order {
    let part = |part: &Part| {
        let state = match purchase.state {
            State::Accepted => "pending".to_owned(),
            // Decided, and on its way there.
            State::Committed => "placed".to_owned(),
            State::Aborted | State::Refused => "refused".to_owned(),
            State::Done => {
                let known = states.get(&(part.vendor.clone(), purchase.id.clone()));
                known.cloned().unwrap_or_else(|| "placed".to_owned())
            }
        };
        let items = part.items.iter().map(|item| v1::OrderItem {
            sku: item.sku.clone(),
            name: item.name.clone(),
            quantity: item.quantity,
            price: item.price,
        });
        v1::OrderPart { vendor_id: part.vendor.clone(), state, total: part.total, items: items.collect() }
    };
    let parts: Vec<v1::OrderPart> = purchase.parts.iter().map(part).collect();
    v1::Order {
        order_id: purchase.id.clone(),
        customer: purchase.customer.clone(),
        state: state_of(&parts),
        total: purchase.total.minor,
        currency: purchase.total.currency.clone(),
        created_at: purchase.created_ms,
        parts,
        refusals: purchase.refusals.clone(),
    }
}

/// The state of an order whose parts have these.
fn state_of(parts: &[v1::OrderPart]) -> String {
    let has = |state: &&&str| parts.iter().any(|part| part.state == **state);
    let known = ["pending", "refused"].iter().chain(&BY_PROGRESS).find(has);
    known.map(|state| (*state).to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_as_far_on_as_its_last_part() {
        let state = |states: &[&str]| {
            let part = |state: &&str| v1::OrderPart { state: (*state).to_owned(), ..v1::OrderPart::default() };
            state_of(&states.iter().map(part).collect::<Vec<_>>())
        };
        assert_eq!(state(&["delivered", "placed"]), "placed");
        assert_eq!(state(&["delivered", "shipped"]), "shipped");
        assert_eq!(state(&["cancelled", "delivered"]), "delivered");
        assert_eq!(state(&["cancelled", "cancelled"]), "cancelled");
        assert_eq!(state(&["cancelled", "refunded"]), "refunded");
        assert_eq!(state(&["pending", "pending"]), "pending");
    }
}
