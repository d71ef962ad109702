//! Vendors.

use souk_coordinator::Statement;
use souk_proto::{Expectation, Reason, v1};

use crate::checks::{id_is_sound, text_fits, text_is_sound};
use crate::error::{Error, Result};
use crate::events::{Telling, tell};
use crate::market::Market;
use crate::rows::{Row, text};
use crate::schema;
use crate::time::{day_and_time, now_ms};

impl Market {
    /// Makes a vendor; with the first one of a cluster the tables.
    pub(crate) async fn create_vendor(&self, request: v1::CreateVendorRequest) -> Result<v1::Vendor> {
        let v1::CreateVendorRequest { vendor_id, name, country, city } = request;
        id_is_sound(&vendor_id)?;
        text_is_sound("name", &name)?;
        text_fits("country", &country)?;
        text_fits("city", &city)?;
        {
            let _making = self.making.lock().await;
            schema::make(&self.database).await?;
        }
        let now = now_ms();
        let insert = "INSERT INTO vendors(vendor_id, name, country, city, joined) VALUES (?1, ?2, ?3, ?4, ?5)";
        let parameters = [&vendor_id, &name, &country, &city, &day_and_time(now)].map(|word| text(word));
        let event = tell(&Telling {
            vendor: &vendor_id,
            id: "vendor.created".to_owned(),
            kind: "vendor.created",
            customer: "",
            at_ms: now,
            data: serde_json::json!({ "name": name }).to_string(),
        });
        let vendor = v1::Vendor { vendor_id: vendor_id.clone(), name, country, city };
        match self.database.transact(vec![Statement::new(insert, parameters), event]).await {
            Ok(_) => {}
            Err(error) if error.reason == Reason::Constraint => {
                let known = self.get_vendor(v1::GetVendorRequest { vendor_id: vendor_id.clone() }).await?;
                if known != vendor {
                    let message = format!("there is another vendor `{vendor_id}`");
                    return Err(Error::new(Reason::AlreadyExists, message));
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(vendor)
    }

    pub(crate) async fn get_vendor(&self, request: v1::GetVendorRequest) -> Result<v1::Vendor> {
        let v1::GetVendorRequest { vendor_id } = request;
        id_is_sound(&vendor_id)?;
        let sql = "SELECT name, country, city FROM vendors WHERE vendor_id = ?1";
        let found = self.database.query(Statement::new(sql, [text(&vendor_id)])).await?.pop();
        let mut row = Row::new(found.ok_or_else(|| no_vendor(&vendor_id))?);
        let (name, country, city) = (row.text()?, row.text()?, row.text()?);
        Ok(v1::Vendor { vendor_id, name, country, city })
    }

    /// Refuses a vendor that is not there, before a row for it would make its shard; and what holds it to that in a transaction.
    pub(crate) async fn has_vendor(&self, vendor: &str) -> Result<Statement> {
        id_is_sound(vendor)?;
        let is_there = Statement::new("SELECT 1 FROM vendors WHERE vendor_id = ?1", [text(vendor)]);
        if self.database.query(is_there.clone()).await?.is_empty() {
            return Err(no_vendor(vendor));
        }
        Ok(is_there.expect(Expectation::GivesRows(true)))
    }
}

pub(super) fn no_vendor(vendor: &str) -> Error {
    Error::not_found(format!("there is no vendor `{}`", vendor.escape_debug()))
}
