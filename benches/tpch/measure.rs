//! Times, taken in turn: souk, SQLite, souk, SQLite, so that what else the machine does meets both.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use souk_merge::Value;
use souk_proto::v1::ExplainResponse;

use crate::{
    queries::Query,
    scratch::{Brought, brought},
    sides::Sides,
};

/// What was measured of one query.
pub(crate) struct Figures {
    pub(crate) query: &'static Query,
    /// `route`, `scatter` or `gather`.
    pub(crate) plan: String,
    pub(crate) rows: usize,
    /// Medians, in milliseconds.
    pub(crate) souk_ms: f64,
    pub(crate) sqlite_ms: f64,
    pub(crate) brought: Brought,
}

/// Asks both sides so many times; both were asked before, so that they are warm.
pub(crate) fn measure(
    sides: &Sides,
    query: &'static Query,
    parameters: &Vec<(String, Value)>,
    explained: ExplainResponse,
    rounds: u32,
) -> anyhow::Result<Figures> {
    let (mut souk, mut sqlite, mut rows) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let started = Instant::now();
        let answer = sides.souk(query.sql, parameters)?;
        souk.push(started.elapsed());
        rows = answer.rows.len();
        let started = Instant::now();
        let answer = sides.sqlite().query(query.sql, parameters).map_err(|error| anyhow!("{}: {error}", query.name))?;
        sqlite.push(started.elapsed());
        black_box(answer);
    }
    let (souk_ms, sqlite_ms) = (median_ms(souk), median_ms(sqlite));
    eprintln!("{}: souk {souk_ms:.1} ms, SQLite {sqlite_ms:.1} ms", query.name);
    let brought = explained.root.as_ref().map(brought).unwrap_or_default();
    Ok(Figures { query, plan: explained.plan, rows, souk_ms, sqlite_ms, brought })
}

/// Of an even number, the slower one in the middle.
fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}
