//! What a crash left half way: orders that nobody drives any more, and money that is due.

use std::time::Duration;

use futures::future::join_all;
use souk_coordinator::Statement;
use souk_merge::Value;

use super::purchase::{COLUMNS, Purchase, purchase};
use crate::error::Result;
use crate::ids::houses;
use crate::market::Market;
use crate::rows::{Row, text};
use crate::time::now_ms;

/// How old an order is that is looked after: younger ones are mostly driven by who accepted them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Orders of a house that are driven in one round.
const ROUND_MAX: u32 = 100;

/// In one round of so many, money that is due is looked for: that asks all shards, though no more than whether anything has changed.
const DUE_EVERY: u64 = 5;

/// Parts whose money is given back in one round.
const DUE_MAX: u32 = 1000;

/// Looks for ever. At first without patience: what is there when the process starts was left by one before.
pub(crate) async fn sweep(market: &Market) {
    let mut patience = Duration::ZERO;
    for round in 0u64.. {
        if market.database.has_table("purchases") {
            // The oldest and the youngest in turn: what cannot be done now does not keep the rest from being looked at.
            let order = if round.is_multiple_of(2) { "ASC" } else { "DESC" };
            let before_ms = now_ms() - patience.as_millis() as i64;
            join_all(houses().map(|house| drive_left(market, house, before_ms, order))).await;
            if round.is_multiple_of(DUE_EVERY) {
                pay_back_due(market).await;
            }
            patience = PATIENCE;
        }
        tokio::time::sleep(market.settings.sweep_every).await;
    }
}

/// Drives what is left in a house; one whose node is away is looked at later.
async fn drive_left(market: &Market, house: String, before_ms: i64, order: &str) {
    let left = match left(market, &house, before_ms, order).await {
        Ok(left) => left,
        Err(error) => return tracing::debug!("orders of {house} are not looked after: {error}"),
    };
    for purchase in left {
        let market = market.clone();
        // Each by itself: one whose vendor is away does not keep the others waiting.
        tokio::spawn(async move {
            let id = purchase.id.clone();
            if let Err(error) = market.drive(purchase).await {
                tracing::warn!("order {id}: {error}");
            }
        });
    }
}

/// Orders that are neither done nor refused.
async fn left(market: &Market, house: &str, before_ms: i64, order: &str) -> Result<Vec<Purchase>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM purchases WHERE house = ?1 AND created_ms <= ?2 AND state IN ('accepted', 'committed', 'aborted')
         ORDER BY created_ms {order} LIMIT {ROUND_MAX}"
    );
    let rows = market.database.query(Statement::new(sql, [text(house), Value::Integer(before_ms)])).await?;
    rows.into_iter().map(purchase).collect()
}

/// Gives money back that is due, of each part by itself.
async fn pay_back_due(market: &Market) {
    let due = match due(market).await {
        Ok(due) => due,
        Err(error) => return tracing::debug!("money that is due is not looked after: {error}"),
    };
    let paid = due.iter().map(|(vendor, id)| async move {
        let purchase = market.purchase_of_id(id).await?;
        for part in purchase.parts.iter().filter(|part| part.vendor == *vendor) {
            market.pay_back(&purchase, part).await?;
        }
        Result::Ok(())
    });
    for ((vendor, id), paid) in due.iter().zip(join_all(paid).await) {
        if let Err(error) = paid {
            tracing::error!("order {id}, part of {vendor}: {error}");
        }
    }
}

/// Parts whose money is to be given back.
async fn due(market: &Market) -> Result<Vec<(String, String)>> {
    let sql = format!("SELECT vendor_id, id FROM orders WHERE refund = 'due' ORDER BY id LIMIT {DUE_MAX}");
    let rows = market.database.query(Statement::new(sql, [])).await?;
    let key = |row| {
        let mut row = Row::new(row);
        Ok((row.text()?, row.text()?))
    };
    rows.into_iter().map(key).collect()
}
