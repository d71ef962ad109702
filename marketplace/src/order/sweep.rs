//! What a crash left half way: orders that nobody drives any more, and money that is due.

use std::time::{Duration, Instant};

use futures::future::join_all;
use souk_coordinator::Statement;
use souk_merge::Value;

use super::purchase::{COLUMNS, Purchase, purchase};
use crate::error::Result;
use crate::ids::houses;
use crate::market::Market;
use crate::rows::{Row, text};
use crate::time::{day_and_time, now_ms};

/// How old an order is that is looked after: younger ones are mostly driven by who accepted them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Orders of a house that are driven in one round.
const ROUND_MAX: u32 = 100;

/// An order is overdue after so many times the time that it may take, and that is said so often.
const OVERDUE_AFTER: u32 = 5;
const ALARM_EVERY: Duration = Duration::from_secs(60);

/// In one round of so many, money that is due is looked for: that asks all shards, though no more than whether anything has changed.
const DUE_EVERY: u64 = 5;

/// Parts whose money is given back in one round.
const DUE_MAX: u32 = 1000;

/// Looks for ever. At first without patience: what is there when the process starts was left by one before.
pub(crate) async fn sweep(market: &Market) {
    let mut patience = Duration::ZERO;
    let mut alarmed: Option<Instant> = None;
    for round in 0u64.. {
        if market.database.has_table("purchases") {
            // The oldest and the youngest in turn: what cannot be done now does not keep the rest from being looked at.
            let order = if round.is_multiple_of(2) { "ASC" } else { "DESC" };
            let before_ms = now_ms() - patience.as_millis() as i64;
            let oldest = join_all(houses().map(|house| drive_left(market, house, before_ms, order))).await;
            if let Some(oldest) = oldest.into_iter().flatten().min_by_key(|purchase| purchase.created_ms)
                && is_overdue(market, &oldest)
                && alarmed.is_none_or(|at| at.elapsed() >= ALARM_EVERY)
            {
                alarmed = Some(Instant::now());
                alarm(&oldest);
            }
            if round.is_multiple_of(DUE_EVERY) {
                pay_back_due(market).await;
            }
            patience = PATIENCE;
        }
        tokio::time::sleep(market.settings.sweep_every).await;
    }
}

/// Whether an order should have been done long ago.
fn is_overdue(market: &Market, purchase: &Purchase) -> bool {
    let allowed = market.settings.order_deadline * OVERDUE_AFTER;
    now_ms() - purchase.created_ms > i64::try_from(allowed.as_millis()).unwrap_or(i64::MAX)
}

fn alarm(Purchase { id, state, created_ms, parts, .. }: &Purchase) {
    let vendors: Vec<&str> = parts.iter().map(|part| part.vendor.as_str()).collect();
    tracing::error!(
        "order {id} is {state:?} and not done since {} UTC, the longest of all: look at the nodes of `{}` and at the payment provider",
        day_and_time(*created_ms),
        vendors.join("`, `")
    );
}

/// Drives what is left in a house; one whose node is away is looked at later. Gives the oldest that was found.
async fn drive_left(market: &Market, house: String, before_ms: i64, order: &str) -> Option<Purchase> {
    let left = match left(market, &house, before_ms, order).await {
        Ok(left) => left,
        Err(error) => {
            tracing::debug!("orders of {house} are not looked after: {error}");
            return None;
        }
    };
    let oldest = left.iter().min_by_key(|purchase| purchase.created_ms).cloned();
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
    oldest
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

/// Parts whose money is to be given back, of vendors whose nodes are there: of the others later.
async fn due(market: &Market) -> Result<Vec<(String, String)>> {
    let sql = format!("SELECT vendor_id, id FROM orders WHERE refund = 'due' ORDER BY id LIMIT {DUE_MAX}");
    let (rows, _) = market.database.query_reachable(Statement::new(sql, [])).await?;
    let key = |row| {
        let mut row = Row::new(row);
        Ok((row.text()?, row.text()?))
    };
    rows.into_iter().map(key).collect()
}
