//! Somebody who writes while others ask: so many rows a second, each in a call of its own and to a vendor of its own, from another
//! thread and over another connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::anyhow;
use futures::future::try_join_all;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::{
    marks,
    rows::Size,
    souk::{self, Client},
};

/// Writes that are on their way at a time, at most: one takes longer than a thousandth of a second.
const WRITES_AT_A_TIME: u32 = 32;

/// How often a writer looks whether it has to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A writer at work; it stops when this is dropped.
pub(crate) struct Writer {
    work: Arc<Work>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

/// What is to be written, and what was.
struct Work {
    address: String,
    size: Size,
    rows_per_second: u32,
    /// Rows that were there before.
    first: u64,
    begun: AtomicU64,
    written: AtomicU64,
    stopping: AtomicBool,
}

impl Writer {
    /// Begins to write to souk at `host:port`, whose table holds so many rows already.
    pub(crate) fn start(address: &str, size: Size, rows_per_second: u32, first: u64) -> Writer {
        let (begun, written) = (AtomicU64::new(first), AtomicU64::new(first));
        let stopping = AtomicBool::new(false);
        let work =
            Arc::new(Work { address: address.to_owned(), size, rows_per_second, first, begun, written, stopping });
        let worker = Arc::clone(&work);
        Writer { work, thread: Some(thread::spawn(move || worker.run())) }
    }

    /// Rows that were there before it began.
    pub(crate) fn first(&self) -> u64 {
        self.work.first
    }

    /// Rows that whoever asks from now on must see.
    pub(crate) fn written(&self) -> u64 {
        self.work.written.load(Ordering::SeqCst)
    }

    /// Rows that anybody can have seen until now.
    pub(crate) fn begun(&self) -> u64 {
        self.work.begun.load(Ordering::SeqCst)
    }

    /// Ends it after the writes that are on their way; gives how many rows it wrote.
    pub(crate) fn stop(mut self) -> anyhow::Result<u64> {
        self.work.stopping.store(true, Ordering::SeqCst);
        let thread = self.thread.take().ok_or_else(|| anyhow!("the writer has stopped"))?;
        thread.join().map_err(|_| anyhow!("the writer broke down"))??;
        Ok(self.written() - self.work.first)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.work.stopping.store(true, Ordering::SeqCst);
        // Somebody else has failed already when it was not stopped.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Work {
    fn run(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = Client::connect(&souk::endpoint(&self.address)?).await?;
            let began = Instant::now();
            let writes_at_a_time = self.rows_per_second.min(WRITES_AT_A_TIME);
            try_join_all((0..writes_at_a_time).map(|place| self.write(&client, began, place, writes_at_a_time)))
                .await?;
            anyhow::Ok(())
        })
    }

    /// Writes one row after the other: every so-many-th of all.
    async fn write(&self, client: &Client, began: Instant, place: u32, of: u32) -> anyhow::Result<()> {
        let between = Duration::from_secs(1) / self.rows_per_second;
        let mut ticks = interval_at(began + between * (place + 1), between * of);
        // What cannot be written in time is left out: the rate that was reached is told.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while !self.stopping.load(Ordering::SeqCst) {
            if timeout(LOOK_EVERY, ticks.tick()).await.is_err() {
                continue;
            }
            let number = self.begun.fetch_add(1, Ordering::SeqCst);
            let rows = marks::rows(self.size.some_vendors(number, 1), number as i64);
            let written = client.load(marks::TABLE, &marks::COLUMNS, rows).await?;
            self.written.fetch_add(written, Ordering::SeqCst);
        }
        Ok(())
    }
}
