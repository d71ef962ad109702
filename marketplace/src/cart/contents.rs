//! What is in a cart.

use std::collections::BTreeMap;

use souk_proto::{Reason, v1};

use crate::error::{Error, Result};
use crate::order::{LINES_MAX, QUANTITY_MAX};

/// A product with how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    name: Box<str>,
    quantity: i64,
    price: i64,
}

/// What the cart holds by now does not allow it.
fn full(message: impl Into<String>) -> Error {
    Error::new(Reason::WrongState, message)
}

/// What is in a cart, all in one currency.
#[derive(Debug, Default)]
pub(super) struct Contents {
    currency: Box<str>,
    /// By vendor and sku.
    lines: BTreeMap<(Box<str>, Box<str>), Line>,
}

impl Contents {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many pieces of a product there are.
    pub(super) fn quantity(&self, vendor: &str, sku: &str) -> i64 {
        self.lines.get(&(vendor.into(), sku.into())).map_or(0, |line| line.quantity)
    }

    /// Sets how many pieces of a product there are, at its price of now.
    pub(super) fn set(&mut self, product: &v1::Product, quantity: i64) -> Result<()> {
        let key = (product.vendor_id.as_str().into(), product.sku.as_str().into());
        if quantity == 0 {
            self.lines.remove(&key);
            return Ok(());
        }
        if quantity > QUANTITY_MAX {
            let message = format!("there would be {quantity} of `{}`, over {QUANTITY_MAX}", product.sku);
            return Err(full(message));
        }
        if !self.lines.contains_key(&key) && self.lines.len() >= LINES_MAX {
            return Err(full(format!("the cart has {LINES_MAX} lines: order them first")));
        }
        if self.lines.is_empty() {
            self.currency = product.currency.as_str().into();
        }
        if *self.currency != *product.currency {
            let message = format!(
                "the cart is in {}, `{}` costs {}: order it by itself",
                self.currency, product.sku, product.currency
            );
            return Err(full(message));
        }
        let line = Line { name: product.name.as_str().into(), quantity, price: product.price };
        let before = self.lines.insert(key.clone(), line);
        if let Err(error) = self.total() {
            match before {
                Some(before) => self.lines.insert(key, before),
                None => self.lines.remove(&key),
            };
            return Err(error);
        }
        Ok(())
    }

    /// What vendors said of lines that they refused: those cost what they cost now.
    pub(super) fn learn(&mut self, refusals: &[v1::Refusal]) {
        for refusal in refusals.iter().filter(|refusal| refusal.reason == "PRICE_CHANGED") {
            let key = (refusal.vendor_id.as_str().into(), refusal.sku.as_str().into());
            if let Some(line) = self.lines.get_mut(&key) {
                line.price = refusal.price;
            }
        }
    }

    fn total(&self) -> Result<i64> {
        let total =
            self.lines.values().try_fold(0i64, |sum, line| sum.checked_add(line.price.checked_mul(line.quantity)?));
        total.ok_or_else(|| full("the cart's total is beyond 2^63: take something out"))
    }

    /// Grouped by vendor.
    pub(super) fn shown(&self, customer: &str) -> Result<v1::Cart> {
        // No part of it is beyond what an integer holds if the whole is not.
        let all = self.total()?;
        let mut vendors: Vec<v1::CartVendor> = Vec::new();
        for ((vendor, sku), line) in &self.lines {
            let item = v1::OrderItem {
                sku: sku.to_string(),
                name: line.name.to_string(),
                quantity: line.quantity,
                price: line.price,
            };
            let total = line.price * line.quantity;
            match vendors.last_mut().filter(|last| *last.vendor_id == **vendor) {
                Some(last) => {
                    last.items.push(item);
                    last.total += total;
                }
                None => vendors.push(v1::CartVendor { vendor_id: vendor.to_string(), items: vec![item], total }),
            }
        }
        let currency = if self.is_empty() { String::new() } else { self.currency.to_string() };
        Ok(v1::Cart { customer: customer.to_owned(), vendors, total: all, currency })
    }

    pub(super) fn currency(&self) -> String {
        self.currency.to_string()
    }

    pub(super) fn order_lines(&self) -> Vec<v1::OrderLine> {
        let line = |((vendor, sku), line): (&(Box<str>, Box<str>), &Line)| v1::OrderLine {
            vendor_id: vendor.to_string(),
            sku: sku.to_string(),
            quantity: line.quantity,
            price: Some(line.price),
        };
        self.lines.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(vendor: &str, sku: &str, price: i64, currency: &str) -> v1::Product {
        v1::Product {
            vendor_id: vendor.into(),
            sku: sku.into(),
            name: sku.into(),
            price,
            currency: currency.into(),
            ..v1::Product::default()
        }
    }

    #[test]
    fn a_cart_is_grouped_by_vendor_and_adds_up() {
        let mut cart = Contents::default();
        for (vendor, sku, quantity) in [("b", "x", 2), ("a", "y", 1), ("b", "w", 3), ("a", "y", 4)] {
            cart.set(&product(vendor, sku, 10, "EUR"), quantity).unwrap();
        }
        let shown = cart.shown("ada").unwrap();
        let vendors: Vec<_> = shown.vendors.iter().map(|vendor| (vendor.vendor_id.as_str(), vendor.total)).collect();
        assert_eq!((vendors, shown.total, shown.currency.as_str()), (vec![("a", 40), ("b", 50)], 90, "EUR"));
        cart.set(&product("a", "y", 10, "EUR"), 0).unwrap();
        assert_eq!(cart.shown("ada").unwrap().total, 50);
    }

    #[test]
    fn what_does_not_fit_leaves_the_cart_as_it_was() {
        let mut cart = Contents::default();
        cart.set(&product("a", "x", 10, "EUR"), 1).unwrap();
        let before = cart.shown("ada").unwrap();
        for (product, quantity) in [
            (product("a", "x", 10, "EUR"), QUANTITY_MAX + 1),
            (product("a", "z", 10, "USD"), 1),
            (product("a", "x", i64::MAX, "EUR"), 2),
            (product("a", "z", i64::MAX, "EUR"), 1),
        ] {
            assert!(cart.set(&product, quantity).is_err());
            assert_eq!(cart.shown("ada").unwrap(), before);
        }
        for number in 1..LINES_MAX {
            cart.set(&product("a", &number.to_string(), 1, "EUR"), 1).unwrap();
        }
        assert!(cart.set(&product("b", "one more", 1, "EUR"), 1).is_err());
    }
}
