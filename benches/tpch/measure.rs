//! Times, taken in turn: souk, SQLite, souk, SQLite, so that what else the machine does meets both.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use souk_merge::Value;
use souk_proto::v1::ExplainResponse;

use crate::{
    processor::Processor,
    queries::Query,
    scratch::{Brought, brought},
    sides::Sides,
};

/// What one side took.
#[derive(Debug, Default)]
pub(crate) struct Times {
    elapsed: Vec<Duration>,
    processor: Duration,
}

/// What was measured of one query.
pub(crate) struct Figures {
    pub(crate) query: &'static Query,
    /// `route`, `scatter` or `gather`.
    pub(crate) plan: String,
    pub(crate) rows: usize,
    pub(crate) souk: Times,
    pub(crate) sqlite: Times,
    pub(crate) brought: Brought,
}

impl Times {
    /// Of an even number, the slower one in the middle.
    pub(crate) fn median_ms(&self) -> f64 {
        let mut sorted = self.elapsed.clone();
        sorted.sort();
        sorted[sorted.len() / 2].as_secs_f64() * 1e3
    }

    /// What all threads of this process ran, the mean a run: it suffers less than the median from what else the machine does.
    pub(crate) fn processor_ms(&self) -> f64 {
        self.processor.as_secs_f64() * 1e3 / self.elapsed.len() as f64
    }

    fn take<T>(&mut self, ask: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let before = Processor::now()?;
        let started = Instant::now();
        let answer = ask()?;
        self.elapsed.push(started.elapsed());
        self.processor += Processor::now()?.since(&before);
        Ok(answer)
    }
}

/// Asks both sides so many times; both were asked before, so that they are warm.
pub(crate) fn measure(
    sides: &Sides,
    query: &'static Query,
    parameters: &Vec<(String, Value)>,
    explained: ExplainResponse,
    rounds: u32,
) -> anyhow::Result<Figures> {
    let (mut souk, mut sqlite, mut rows) = (Times::default(), Times::default(), 0);
    for _ in 0..rounds {
        rows = souk.take(|| sides.souk(query.sql, parameters))?.rows.len();
        let ask = || sides.sqlite().query(query.sql, parameters).map_err(|error| anyhow!("{}: {error}", query.name));
        black_box(sqlite.take(ask)?);
    }
    eprintln!("{}: souk {:.1} ms, SQLite {:.1} ms", query.name, souk.median_ms(), sqlite.median_ms());
    let brought = explained.root.as_ref().map(brought).unwrap_or_default();
    Ok(Figures { query, plan: explained.plan, rows, souk, sqlite, brought })
}
