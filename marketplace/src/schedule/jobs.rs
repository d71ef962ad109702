//! What is done at certain times. Each may run again, and does nothing more then.

use souk_coordinator::Statement;
use souk_merge::Value;

use crate::error::Result;
use crate::events::low_stock_at;
use crate::market::Market;
use crate::rows::{Row, text};
use crate::time::now_ms;

/// Rows of one round.
const ROUND_MAX: u32 = 1000;

/// Tells `inventory.low` of every product that is at its threshold or under it, once for each time.
pub(super) async fn low_stock(market: &Market, due_ms: i64) -> Result<()> {
    let sql = "SELECT DISTINCT vendor_id FROM products WHERE stock <= low_stock AND low_stock > 0";
    for row in market.database.query(Statement::new(sql, [])).await? {
        let vendor = Row::new(row).text()?;
        market.database.execute(low_stock_at(&vendor, due_ms, now_ms())).await?;
    }
    Ok(())
}

/// Has every order decided that holds pieces back for longer than it may. The order says what becomes of them; its vendor never decides alone.
pub(super) async fn expiry(market: &Market) -> Result<()> {
    let sql =
        format!("SELECT id FROM orders WHERE status = 'reserved' AND expires_ms < ?1 ORDER BY id LIMIT {ROUND_MAX}");
    let (rows, _) = market.database.query_reachable(Statement::new(sql, [Value::Integer(now_ms())])).await?;
    for row in rows {
        let id = Row::new(row).text()?;
        let market = market.clone();
        // Each by itself: one whose vendor is away does not keep the others waiting.
        tokio::spawn(async move {
            if let Err(error) = market.drive_on(&id).await {
                tracing::warn!("order {id} holds pieces back for longer than it may: {error}");
            }
        });
    }
    Ok(())
}

/// Forgets events that are older than they are kept, but for each vendor's last one: its number goes on.
pub(super) async fn old_events(market: &Market) -> Result<()> {
    let before = Value::Integer(now_ms() - market.settings.events_kept_for.as_millis() as i64);
    let sql = "SELECT DISTINCT vendor_id FROM events WHERE at_ms < ?1";
    for row in market.database.query(Statement::new(sql, [before.clone()])).await? {
        let vendor = Row::new(row).text()?;
        // Up to the first that is younger: without a gap whatever the clocks said.
        let forget = "DELETE FROM events WHERE vendor_id = ?1
                      AND seq < (SELECT coalesce((SELECT min(seq) FROM events WHERE vendor_id = ?1 AND at_ms >= ?2),
                                                 (SELECT max(seq) FROM events WHERE vendor_id = ?1)))";
        market.database.execute(Statement::new(forget, [text(&vendor), before.clone()])).await?;
    }
    Ok(())
}
