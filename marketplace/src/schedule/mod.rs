//! What is done at certain times.
//!
//! - [`when`]: the times.
//! - [`jobs`]: what is done then.
//!
//! Each time has its effect once, over restarts and over several coordinators: a job may run again and does nothing more then, and when it is over its time is written
//! down. A time that passed while nobody ran is made up for when somebody does, the last one of several.

mod jobs;
mod when;

use std::time::Duration;

use chrono::Utc;
use futures::future::join_all;
use souk_coordinator::Statement;
use souk_merge::Value;
use tokio::time::sleep;

pub use when::{BadSchedule, Schedule};

use crate::error::Result;
use crate::ids::houses;
use crate::market::Market;
use crate::rows::{Row, text};

/// How often is looked whether it is time.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long is waited before what failed is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    /// Says of which products there is little.
    LowStock,
    /// Ends orders whose time is over.
    Expiry,
    /// Forgets events that are too old.
    OldEvents,
}

impl Job {
    const ALL: [Job; 3] = [Job::LowStock, Job::Expiry, Job::OldEvents];

    fn name(self) -> &'static str {
        match self {
            Job::LowStock => "low stock",
            Job::Expiry => "expiry of reservations",
            Job::OldEvents => "old events",
        }
    }

    /// What the others do is done at the next time, should one have been missed.
    fn is_written_down(self) -> bool {
        self == Job::LowStock
    }

    fn schedule(self, market: &Market) -> &Schedule {
        let settings = &market.settings;
        match self {
            Job::LowStock => &settings.low_stock_check,
            Job::Expiry => &settings.expiry,
            Job::OldEvents => &settings.forgetting,
        }
    }
}

/// Looks for ever, at each job by itself.
pub(crate) async fn keep(market: &Market) {
    join_all(Job::ALL.map(|job| keep_one(market, job))).await;
}

async fn keep_one(market: &Market, job: Job) {
    let mut done = None;
    loop {
        match look(market, job, &mut done).await {
            Ok(()) => sleep(LOOK_EVERY).await,
            Err(error) => {
                tracing::warn!("{} is not done: {error}; trying again", job.name());
                sleep(TRY_AGAIN_AFTER).await;
            }
        }
    }
}

/// Runs a job if its time has come and it was not done. `done` is the last time that it was done for, as far as this process knows: the first time is
/// the next one.
async fn look(market: &Market, job: Job, done: &mut Option<i64>) -> Result<()> {
    if !market.database.has_table("schedules") {
        return Ok(());
    }
    let Some(due) = job.schedule(market).last(Utc::now()) else { return Ok(()) };
    let due_ms = due.timestamp_millis();
    if done.is_none() {
        *done = Some(done_ms(market, job).await?.unwrap_or(due_ms));
    }
    if done.is_some_and(|done| done >= due_ms) {
        return Ok(());
    }
    tracing::info!("{}: {due}", job.name());
    match job {
        Job::LowStock => jobs::low_stock(market, due_ms).await?,
        Job::Expiry => jobs::expiry(market).await?,
        Job::OldEvents => jobs::old_events(market).await?,
    }
    *done = Some(due_ms);
    if job.is_written_down() {
        let sql = "INSERT INTO schedules(house, job, done_ms) VALUES (?1, ?2, ?3)
                   ON CONFLICT (house, job) DO UPDATE SET done_ms = max(done_ms, excluded.done_ms)";
        market
            .database
            .execute(Statement::new(sql, [text(&house()), text(job.name()), Value::Integer(due_ms)]))
            .await?;
    }
    Ok(())
}

/// The last time that a job was done for.
async fn done_ms(market: &Market, job: Job) -> Result<Option<i64>> {
    let sql = "SELECT done_ms FROM schedules WHERE house = ?1 AND job = ?2";
    let row = market.database.query(Statement::new(sql, [text(&house()), text(job.name())])).await?.pop();
    row.map(|row| Row::new(row).integer()).transpose()
}

/// Where it is written down.
fn house() -> String {
    houses().next().unwrap_or_default()
}
