//! Events of applications.

use souk_coordinator::Statement;
use souk_proto::{Reason, v1};

use super::pattern::is_kind;
use super::told::{Telling, event, tell};
use crate::checks::word_is_sound;
use crate::error::{Error, Result};
use crate::market::Market;
use crate::rows::text;
use crate::time::now_ms;

/// Characters of what is told.
pub(crate) const DATA_MAX: usize = 16 << 10;

/// What begins so is told by the marketplace alone.
pub(crate) const OWN: [&str; 4] = ["order", "inventory", "vendor", "review"];

/// What server-sent events are called that tell of the stream.
pub(crate) const STREAM: [&str; 2] = ["cursor", "error"];

impl Market {
    pub(crate) async fn publish(&self, request: v1::PublishRequest) -> Result<v1::Event> {
        let v1::PublishRequest { vendor_id, id, kind, customer, data } = request;
        word_is_sound("id", &id)?;
        if !is_kind(&kind) {
            return Err(Error::invalid(
                "`kind` is words of lower case letters, digits, `-` and `_`, with dots between",
            ));
        }
        if !customer.is_empty() {
            word_is_sound("customer", &customer)?;
        }
        if STREAM.contains(&kind.as_str()) {
            return Err(Error::invalid(format!(
                "`kind` is not {}: a stream of events says so itself",
                STREAM.join(" or ")
            )));
        }
        if OWN.contains(&kind.split('.').next().unwrap_or_default()) || OWN.iter().any(|own| id.starts_with(own)) {
            return Err(Error::invalid(format!(
                "neither `kind` nor `id` begins with {}: those are the marketplace's",
                OWN.join(", ")
            )));
        }
        if data.chars().count() > DATA_MAX || serde_json::from_str::<serde_json::Value>(&data).is_err() {
            return Err(Error::invalid(format!("`data` is JSON of at most {DATA_MAX} characters")));
        }
        let telling = Telling {
            vendor: &vendor_id,
            id: id.clone(),
            kind: &kind,
            customer: &customer,
            at_ms: now_ms(),
            data: data.clone(),
        };
        let is_there = self.has_vendor(&vendor_id).await?;
        let written = self.database.transact(vec![is_there, tell(&telling)]).await;
        match written {
            Ok(_) => {}
            Err(error) if error.reason == Reason::Expectation => {
                return Err(Error::not_found(format!("there is no vendor `{}`", vendor_id.escape_debug())));
            }
            Err(error) if error.reason == Reason::Constraint => {}
            Err(error) => return Err(error.into()),
        }
        let sql = "SELECT vendor_id, id, seq, kind, customer, at_ms, data FROM events WHERE vendor_id = ?1 AND id = ?2";
        let row = self.database.query(Statement::new(sql, [text(&vendor_id), text(&id)])).await?.pop();
        let known = event(row.ok_or_else(|| Error::internal("an event is not there"))?)?;
        if (&known.kind, &known.customer, &known.data) != (&kind, &customer, &data) {
            let message = format!("there is another event `{}` of this vendor", id.escape_debug());
            return Err(Error::new(Reason::AlreadyExists, message));
        }
        Ok(known)
    }
}
