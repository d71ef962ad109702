//! An order as it is asked for, checked: what is left is sound, each product once, in an order of its own.

use std::collections::{BTreeMap, btree_map::Entry};

use souk_proto::v1::{OrderLine, PlaceOrderRequest};
use xxhash_rust::xxh3::xxh3_64;

use crate::checks::{number_is_sound, word_is_sound};
use crate::error::{Error, Result};

/// Lines of an order.
pub(crate) const LINES_MAX: usize = 100;
/// Pieces of one product.
pub(crate) const QUANTITY_MAX: i64 = 1_000_000;

/// A line: how much of a product, and what a piece may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) quantity: i64,
    /// None: whatever it costs.
    pub(super) price: Option<i64>,
}

/// An order as it is asked for.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) customer: String,
    pub(super) key: String,
    pub(super) token: String,
    /// Empty: whatever the products cost.
    pub(super) currency: String,
    /// By vendor, then by sku.
    pub(super) vendors: BTreeMap<String, BTreeMap<String, Wanted>>,
}

impl Draft {
    pub(super) fn checked(request: PlaceOrderRequest) -> Result<Draft> {
        let PlaceOrderRequest { idempotency_key: key, customer, lines, payment_token: token, currency } = request;
        for (name, word) in [("idempotency_key", &key), ("customer", &customer), ("payment_token", &token)] {
            word_is_sound(name, word)?;
        }
        if lines.is_empty() {
            return Err(Error::invalid("the order has no lines"));
        }
        if lines.len() > LINES_MAX {
            let count = lines.len();
            return Err(Error::invalid(format!("the order has {count} lines, over {LINES_MAX}: place several")));
        }
        let mut vendors: BTreeMap<String, BTreeMap<String, Wanted>> = BTreeMap::new();
        for OrderLine { vendor_id, sku, quantity, price } in lines {
            word_is_sound("vendor_id", &vendor_id)?;
            word_is_sound("sku", &sku)?;
            if !(1..=QUANTITY_MAX).contains(&quantity) {
                let message = format!("`quantity` of `{sku}` is {quantity}: it is 1 to {QUANTITY_MAX}");
                return Err(Error::invalid(message));
            }
            if let Some(price) = price {
                number_is_sound("price", price)?;
            }
            let wanted = Wanted { quantity, price };
            match vendors.entry(vendor_id).or_default().entry(sku) {
                Entry::Vacant(place) => place.insert(wanted),
                Entry::Occupied(taken) => {
                    let sku = taken.key();
                    return Err(Error::invalid(format!("`{sku}` is on two lines: put their quantities together")));
                }
            };
        }
        Ok(Draft { customer, key, token, currency, vendors })
    }

    /// Of what is asked for; in which order the lines came does not matter.
    pub(super) fn digest(&self) -> i64 {
        let mut words = vec![self.token.clone(), self.currency.clone()];
        for (vendor, lines) in &self.vendors {
            for (sku, Wanted { quantity, price }) in lines {
                words.extend([
                    vendor.clone(),
                    sku.clone(),
                    quantity.to_string(),
                    price.map_or_else(String::new, |price| price.to_string()),
                ]);
            }
        }
        // Each with its length: no two lists of words are one text.
        let text: String = words.iter().map(|word| format!("{}:{word}", word.len())).collect();
        xxh3_64(text.as_bytes()) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: &str, quantity: i64) -> OrderLine {
        OrderLine { vendor_id: "v1".into(), sku: sku.into(), quantity, price: None }
    }

    fn request(lines: Vec<OrderLine>) -> PlaceOrderRequest {
        PlaceOrderRequest {
            idempotency_key: "k".into(),
            customer: "c".into(),
            lines,
            payment_token: "ok".into(),
            currency: String::new(),
        }
    }

    #[test]
    fn lines_that_make_no_sense_are_refused_by_name() {
        let message = |lines| Draft::checked(request(lines)).unwrap_err().message;
        assert!(message(vec![]).contains("no lines"));
        for quantity in [0, -1, i64::MAX, i64::MIN] {
            assert!(message(vec![line("a", quantity)]).contains("`quantity` of `a`"));
        }
        assert!(message(vec![line("a", 1), line("a", 2)]).contains("`a` is on two lines"));
        assert!(message((0..10_000).map(|n| line(&n.to_string(), 1)).collect()).contains("10000 lines"));
        assert!(message(vec![OrderLine { price: Some(-1), ..line("a", 1) }]).contains("`price` is -1"));
        assert!(message(vec![line("", 1)]).contains("`sku`"));
    }

    #[test]
    fn the_digest_is_of_what_is_asked_for() {
        let digest = |lines| Draft::checked(request(lines)).unwrap().digest();
        let both = digest(vec![line("a", 1), line("b", 2)]);
        assert_eq!(both, digest(vec![line("b", 2), line("a", 1)]));
        assert_ne!(both, digest(vec![line("a", 1), line("b", 3)]));
        assert_ne!(digest(vec![line("a", 1)]), digest(vec![OrderLine { price: Some(0), ..line("a", 1) }]));
        assert_ne!(digest(vec![line("a1", 1)]), digest(vec![line("a", 11)]));
    }
}
