//! What a crash left half way: orders that nobody drives any more, and money that is due.

use std::time::Duration;

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::Reason;

use super::purchase::{COLUMNS, Purchase, purchase};
use crate::error::Result;
use crate::ids::{houses, now_ms};
use crate::market::Market;
use crate::rows::{Row, text};

/// How old an order is that is looked after: younger ones are mostly driven by who accepted them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Orders of a house that are driven in one round.
const ROUND_MAX: u32 = 100;

/// Looks for ever. At first without patience: what is there when the process starts was left by one before.
pub(crate) async fn sweep(market: &Market) {
    let mut patience = Duration::ZERO;
    loop {
        match round(market, patience).await {
            Ok(()) => patience = PATIENCE,
            // No tables yet, or a node is away.
            Err(error) if matches!(error.reason, Reason::WrongState | Reason::ShardUnavailable) => {
                tracing::debug!("orders are not looked after: {error}");
            }
            Err(error) => tracing::warn!("orders are not looked after: {error}"),
        }
        tokio::time::sleep(market.settings.sweep_every).await;
    }
}

async fn round(market: &Market, patience: Duration) -> Result<()> {
    if !market.database.has_table("purchases") {
        return Ok(());
    }
    let before = now_ms() - patience.as_millis() as i64;
    for purchase in left(market, before).await? {
        let market = market.clone();
        // Each by itself: one whose vendor is away does not keep the others waiting.
        tokio::spawn(async move {
            let id = purchase.id.clone();
            if let Err(error) = market.drive(purchase).await {
                tracing::warn!("order {id}: {error}");
            }
        });
    }
    for (vendor, id) in due(market).await? {
        let purchase = market.purchase_of_id(&id).await?;
        for part in purchase.parts.iter().filter(|part| part.vendor == vendor) {
            market.pay_back(&purchase, part).await?;
        }
    }
    Ok(())
}

/// Orders that are neither done nor refused.
async fn left(market: &Market, before_ms: i64) -> Result<Vec<Purchase>> {
    let mut left = Vec::new();
    for house in houses() {
        let sql = format!(
            "SELECT {COLUMNS} FROM purchases WHERE house = ?1 AND created_ms <= ?2 AND state IN ('accepted', 'committed', 'aborted')
             ORDER BY created_ms LIMIT {ROUND_MAX}"
        );
        let rows = market.database.query(Statement::new(sql, [text(&house), Value::Integer(before_ms)])).await?;
        for row in rows {
            left.push(purchase(row)?);
        }
    }
    Ok(left)
}

/// Parts whose money is to be given back.
async fn due(market: &Market) -> Result<Vec<(String, String)>> {
    let sql = "SELECT vendor_id, id FROM orders WHERE refund = 'due' ORDER BY id LIMIT 100";
    let rows = market.database.query(Statement::new(sql, [])).await?;
    let key = |row| {
        let mut row = Row::new(row);
        Ok((row.text()?, row.text()?))
    };
    rows.into_iter().map(key).collect()
}
