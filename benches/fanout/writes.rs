//! Asking again after a few shards were written to, through souk's public interface. That no answer is stale is seen by counting the
//! rows written.

use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::{
    check, marks,
    queries::Serial,
    rounds::{Figures, ROUNDS, Rounds},
    souk::Connection,
};

/// Shards written to before each run.
pub(crate) const SHARDS_WRITTEN: usize = 10;

/// Measures every query: a few shards are written to, it is asked with the same parameters as before, and the writes are counted.
pub(crate) fn measure(rounds: &Rounds<'_>, all: &mut [Figures]) -> anyhow::Result<()> {
    let souk = rounds.contenders.souk.connect()?;
    let mut marks = Marks { written: marks::count(&souk)?, souk: &souk, serial: rounds.serial };
    for round in 0..ROUNDS {
        for figures in &mut *all {
            measure_query(rounds, &mut marks, figures)?;
        }
        eprintln!("after writes: round {} of {ROUNDS}", round + 1);
    }
    Ok(())
}

fn measure_query(rounds: &Rounds<'_>, marks: &mut Marks<'_>, figures: &mut Figures) -> anyhow::Result<()> {
    let (souk, query) = (marks.souk, figures.query);
    let parameters = query.parameters(rounds.size, 0, rounds.serial);
    let before = souk.ask(query.sql, &parameters)?.batches;
    figures.after_writes.begin_round();
    let mut last = None;
    // A write takes longer than most queries: quick ones are not asked more often here.
    for _ in 0..rounds.runs_in_round(query).min(rounds.runs.div_ceil(ROUNDS)) {
        marks.write(rounds)?;
        let started = Instant::now();
        last = Some(souk.ask(query.sql, &parameters)?.batches);
        figures.after_writes.push_since(started);
        // Not before: counting makes every reader look at what was written.
        marks.check()?;
    }
    check::unchanged(query, before, last.context("a query is run at least once")?)
}

/// The rows written between queries.
struct Marks<'a> {
    souk: &'a Connection<'a>,
    serial: &'a Serial,
    /// Rows that must be there.
    written: u64,
}

impl Marks<'_> {
    /// Writes a row to each of a few shards.
    fn write(&mut self, rounds: &Rounds<'_>) -> anyhow::Result<()> {
        let number = self.serial.next();
        let rows = marks::rows(rounds.size.some_vendors(number as u64, SHARDS_WRITTEN), number);
        self.written += self.souk.load(marks::TABLE, &marks::COLUMNS, rows)?;
        Ok(())
    }

    /// Sees that souk counts every row that was written.
    fn check(&self) -> anyhow::Result<()> {
        let counted = marks::count(self.souk)?;
        ensure!(counted == self.written, "{} rows were written, souk counts {counted}", self.written);
        Ok(())
    }
}
