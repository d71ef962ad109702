//! Asking the same again and again while others write: what the k-th repeat costs.
//!
//! A query is asked with parameters that were never used, and then with the same some dozens of times, one answer after the
//! other; then anew. Meanwhile a [`Writer`] commits to one shard after the other. It writes to a table that is not asked, but whoever keeps
//! an answer keeps it only as long as none of its shards has committed. After each such series the rows written are counted: neither
//! fewer than were acknowledged, nor more than were sent.

use std::{
    array,
    time::{Duration, Instant},
};

use anyhow::ensure;
use souk_merge::Batch;

use crate::{
    check, marks,
    queries::{Query, Serial},
    rounds::ROUNDS,
    rows::Size,
    souk::{Connection, Souk},
    times::Times,
    writer::Writer,
};

/// Rows a second that are written meanwhile.
const RATES: [u32; 4] = [0, 10, 100, 1000];

/// One of each kind of answer that can be kept.
const QUERIES: [&str; 4] = ["Q2", "Q3", "Q4", "Q8"];

/// Which repeats are told together: the name, and the last of them. The one before the first is no repeat.
pub(crate) const PLACES: [(&str, usize); 6] =
    [("first", 0), ("1", 1), ("2", 2), ("3", 3), ("4 to 10", 10), ("later", 50)];

/// What one query cost under one rate of writes.
pub(crate) struct Repeats {
    pub(crate) query: &'static Query,
    /// Rows a second that were to be written.
    pub(crate) rate: u32,
    /// In the order of [`PLACES`].
    pub(crate) times: [Times; PLACES.len()],
    asked: u64,
    written: u64,
    took: Duration,
}

/// Who is asked, and for how long.
pub(crate) struct Asker<'a> {
    pub(crate) souk: &'a Souk<'a>,
    /// `host:port` of the coordinator.
    pub(crate) address: &'a str,
    pub(crate) size: Size,
    pub(crate) serial: &'a Serial,
    /// For each query under each rate, over all rounds.
    pub(crate) seconds: u32,
}

impl Repeats {
    fn new(query: &'static Query, rate: u32) -> Repeats {
        let times = array::from_fn(|_| Times::default());
        Repeats { query, rate, times, asked: 0, written: 0, took: Duration::ZERO }
    }

    /// Rows a second that were written.
    pub(crate) fn written_per_second(&self) -> f64 {
        self.written as f64 / self.took.as_secs_f64()
    }

    /// Rows written between two questions.
    pub(crate) fn written_per_question(&self) -> f64 {
        self.written as f64 / self.asked as f64
    }
}

impl Asker<'_> {
    /// Measures those of the queries that are asked so.
    pub(crate) fn measure(&self, queries: impl IntoIterator<Item = &'static Query>) -> anyhow::Result<Vec<Repeats>> {
        let queries = queries.into_iter().filter(|query| QUERIES.iter().any(|name| query.is(name)));
        let mut all: Vec<Repeats> = queries.flat_map(|query| RATES.map(|rate| Repeats::new(query, rate))).collect();
        let souk = self.souk.connect()?;
        for round in 0..ROUNDS {
            for repeats in &mut all {
                self.measure_one(&souk, repeats)?;
            }
            eprintln!("repeats under writes: round {} of {ROUNDS}", round + 1);
        }
        Ok(all)
    }

    /// One series of repeats after the other, until the time of a round is over.
    fn measure_one(&self, souk: &Connection<'_>, repeats: &mut Repeats) -> anyhow::Result<()> {
        let before = self.ask(souk, repeats.query)?;
        repeats.times.iter_mut().for_each(Times::begin_round);
        let writer = Writer::start(self.address, self.size, repeats.rate, marks::count(souk)?);
        let started = Instant::now();
        let mut last = Vec::new();
        while started.elapsed() < Duration::from_secs(self.seconds.into()) / ROUNDS {
            last = self.repeat(souk, repeats)?;
            check_count(souk, &writer)?;
        }
        repeats.took += started.elapsed();
        let (first, written) = (writer.first(), writer.stop()?);
        repeats.written += written;
        let counted = marks::count(souk)?;
        ensure!(counted == first + written, "{} rows were written, souk counts {counted}", first + written);
        check::unchanged(repeats.query, before, last)
    }

    /// Asks for the first time, and then again and again; gives the last answer.
    fn repeat(&self, souk: &Connection<'_>, repeats: &mut Repeats) -> anyhow::Result<Vec<Batch>> {
        let parameters = repeats.query.parameters(self.size, 0, self.serial);
        let mut answer = Vec::new();
        let mut asked = 0;
        for ((_, last), times) in PLACES.iter().zip(&mut repeats.times) {
            while asked <= *last {
                let started = Instant::now();
                answer = souk.ask(repeats.query.sql, &parameters)?.batches;
                times.push_since(started);
                asked += 1;
            }
        }
        repeats.asked += asked as u64;
        Ok(answer)
    }

    fn ask(&self, souk: &Connection<'_>, query: &Query) -> anyhow::Result<Vec<Batch>> {
        Ok(souk.ask(query.sql, &query.parameters(self.size, 0, self.serial))?.batches)
    }
}

/// Sees that souk counts every row that was written when it was asked, and none that was not.
fn check_count(souk: &Connection<'_>, writer: &Writer) -> anyhow::Result<()> {
    let written = writer.written();
    let counted = marks::count(souk)?;
    let begun = writer.begun();
    ensure!((written..=begun).contains(&counted), "{written} to {begun} rows were written, souk counts {counted}");
    Ok(())
}
