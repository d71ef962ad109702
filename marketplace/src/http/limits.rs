//! What values may be, where their type does not say it: as JSON Schema. The numbers are those that requests are held to; that both say the same is what
//! `tests/processes/schemathesis.rs` is for.

use serde_json::{Value, json};

use crate::catalog::sorts;
use crate::checks::{ID_MAX, NUMBER_MAX, PAGE_MAX, TEXT_MAX, WORD_MAX};
use crate::events::{DATA_MAX, KIND_MAX, OWN, PATTERNS_MAX, STREAM};
use crate::order::{LINES_MAX, QUANTITY_MAX};

/// A character that is no control character.
const SEEN: &str = r"[^\x00-\x1f\x7f-\x9f]";
/// Words with dots between.
const KIND: &str = r"[a-z0-9_-]+(\.[a-z0-9_-]+)*";

/// What these fields of these messages are held to; of any message, where none is named.
struct Limit {
    messages: &'static [&'static str],
    fields: &'static [&'static str],
    are: Value,
}

/// What the fields of requests are held to.
pub(super) struct Limits(Vec<Limit>);

impl Limits {
    pub(super) fn all() -> Limits {
        let seen = format!("^{SEEN}+$");
        let own = OWN.join("|");
        let kind = format!("^(?!({own})(\\.|$)|({})$){KIND}$", STREAM.join("|"));
        let pattern = format!(r"^(\*|{KIND}(\.\*)?)$");
        let limit = |messages, fields, are| Limit { messages, fields, are };
        // The first one that names a field holds.
        Limits(vec![
            limit(
                &["CreateVendorRequest", "GetVendorRequest", "PutProductRequest", "PublishRequest"],
                &["vendor_id"],
                text(1, ID_MAX, "^[A-Za-z0-9_-]+$"),
            ),
            limit(
                &["CreateVendorRequest", "PutProductRequest"],
                &["name"],
                json!({ "minLength": 1, "maxLength": TEXT_MAX }),
            ),
            limit(&["CreateVendorRequest"], &["country", "city"], json!({ "maxLength": TEXT_MAX })),
            limit(&["PutProductRequest"], &["category"], json!({ "minLength": 1, "maxLength": TEXT_MAX })),
            limit(&["PutProductRequest"], &["price", "stock", "low_stock"], number(0, NUMBER_MAX)),
            limit(&["PutProductRequest"], &["currency"], json!({ "pattern": "^([A-Z]{3})?$" })),
            limit(&["AdjustStockRequest"], &["by"], number(-NUMBER_MAX, NUMBER_MAX)),
            limit(&["BrowseRequest"], &["text"], json!({ "maxLength": TEXT_MAX })),
            limit(&["BrowseRequest"], &["sort"], json!({ "enum": sorts() })),
            limit(&["BrowseRequest", "ListOrdersRequest"], &["page_size"], number(0, i64::from(PAGE_MAX))),
            limit(&["BrowseRequest", "ListOrdersRequest", "SubscribeRequest"], &["cursor"], cursor()),
            limit(&["AddReviewRequest"], &["stars"], number(1, 5)),
            limit(&["AddReviewRequest"], &["body"], json!({ "maxLength": TEXT_MAX })),
            limit(&["AddToCartRequest", "OrderLine"], &["quantity"], number(1, QUANTITY_MAX)),
            limit(&["ChangeCartRequest"], &["quantity"], number(0, QUANTITY_MAX)),
            limit(
                &["PlaceOrderRequest"],
                &["lines"],
                json!({ "minItems": 1, "maxItems": LINES_MAX, "uniqueItems": true }),
            ),
            limit(&["OrderLine"], &["price"], number(0, NUMBER_MAX)),
            limit(&["PublishRequest"], &["id"], text(1, WORD_MAX, &format!("^(?!{own}){SEEN}+$"))),
            limit(&["PublishRequest"], &["kind"], text(1, KIND_MAX, &kind)),
            limit(&["PublishRequest"], &["customer"], text(0, WORD_MAX, &format!("^{SEEN}*$"))),
            limit(
                &["PublishRequest"],
                &["data"],
                json!({ "minLength": 1, "maxLength": DATA_MAX, "contentMediaType": "application/json", "format": "json" }),
            ),
            limit(
                &["SubscribeRequest"],
                &["patterns"],
                json!({ "maxItems": PATTERNS_MAX, "items": text(1, KIND_MAX, &pattern) }),
            ),
            // By these is looked for something, or for anything when they are empty: any text is one.
            limit(
                &["BrowseRequest", "ListOrdersRequest", "SubscribeRequest", "ChangeOrderRequest"],
                &["vendor_id"],
                json!({}),
            ),
            limit(&["ListOrdersRequest", "SubscribeRequest"], &["customer"], json!({})),
            limit(&["GetOrderRequest"], &["order_id", "idempotency_key"], json!({})),
            limit(
                &[],
                &["vendor_id", "sku", "customer", "order_id", "idempotency_key", "payment_token"],
                text(1, WORD_MAX, &seen),
            ),
        ])
    }

    /// What a field of a request is held to.
    pub(super) fn of(&self, message: &str, field: &str) -> Value {
        let named = |limit: &&Limit| {
            (limit.messages.is_empty() || limit.messages.contains(&message)) && limit.fields.contains(&field)
        };
        self.0.iter().find(named).map_or_else(|| json!({}), |limit| limit.are.clone())
    }
}

/// Whether a field of which this is said must be there: what stands for one that is not is none that it may be.
pub(super) fn must_be_there(limits: &Value) -> bool {
    ["minLength", "minItems", "minimum"].iter().any(|least| limits[*least].as_i64() > Some(0))
}

/// One that was given, or none: what it looks like is nobody's business.
pub(super) fn cursor() -> Value {
    json!({ "format": "cursor" })
}

fn text(least: usize, most: usize, pattern: &str) -> Value {
    json!({ "minLength": least, "maxLength": most, "pattern": pattern })
}

fn number(least: i64, most: i64) -> Value {
    json!({ "minimum": least, "maximum": most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::contract::Contract;

    #[test]
    fn every_limit_is_one_of_a_field() {
        let messages = Contract::read().messages();
        let has = |message: &str, field: &str| {
            let of_name = messages.iter().filter(|known| message.is_empty() || known.name == message);
            of_name.flat_map(|known| &known.fields).any(|known| known.name == field)
        };
        for Limit { messages, fields, .. } in Limits::all().0 {
            let messages = if messages.is_empty() { &[""] } else { messages };
            for (message, field) in messages.iter().flat_map(|message| fields.iter().map(move |field| (message, field)))
            {
                assert!(has(message, field), "{message} has no `{field}`");
            }
        }
    }
}
