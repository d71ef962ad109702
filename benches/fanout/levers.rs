//! What it is worth to keep answers and summaries of columns: souk alone, with some of that switched off by its own settings.
//!
//! Summaries, by which nodes leave out shards, cannot be switched off by themselves: a node that keeps nothing has none. But an
//! answer to what is asked for the first time is never a kept one, so that there all that a node's keeping can help is its summaries.

use std::time::Instant;

use crate::{
    data::Data,
    process::{Cluster, Flags},
    queries::{Parameters, Query, Serial},
    rounds::ROUNDS,
    souk::{Connection, Souk},
    times::Times,
};

/// What is switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lever {
    Nothing,
    AtCoordinator,
    AtNodes,
    AtBoth,
}

/// In the order in which they take turns.
pub(crate) const LEVERS: [Lever; 4] = [Lever::Nothing, Lever::AtCoordinator, Lever::AtNodes, Lever::AtBoth];

/// Untimed runs of a query, at least: as often as a column is asked for before it is worth a summary, and some more.
const WARM_RUNS: u32 = 10;

const KEEP_NOTHING: &[&str] = &["--kept-bytes-max", "0"];

/// One query with each lever, in the order of [`LEVERS`].
pub(crate) struct Levers {
    pub(crate) query: &'static Query,
    pub(crate) turns: [Turns; LEVERS.len()],
}

/// What a query took with one lever.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// With parameters that were never used.
    pub(crate) souk: Times,
    /// With those of the run before.
    pub(crate) again: Times,
}

impl Lever {
    /// What it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Lever::Nothing => "as it is",
            Lever::AtCoordinator => "coordinator keeps nothing",
            Lever::AtNodes => "nodes keep nothing",
            Lever::AtBoth => "nobody keeps anything",
        }
    }

    fn flags(self) -> Flags {
        match self {
            Lever::Nothing => Flags::default(),
            Lever::AtCoordinator => Flags { coordinator: KEEP_NOTHING, ..Flags::default() },
            Lever::AtNodes => Flags { node: KEEP_NOTHING, ..Flags::default() },
            Lever::AtBoth => Flags { node: KEEP_NOTHING, coordinator: KEEP_NOTHING },
        }
    }
}

/// Measures every query with every lever; each turn has a cluster of its own.
pub(crate) fn measure(
    data: &Data,
    nodes: u32,
    runs: u32,
    queries: impl IntoIterator<Item = &'static Query>,
) -> anyhow::Result<Vec<Levers>> {
    let mut all: Vec<Levers> = queries.into_iter().map(|query| Levers { query, turns: Default::default() }).collect();
    let serial = Serial::default();
    for round in 0..ROUNDS {
        for turn in 0..LEVERS.len() {
            let place = (turn + round as usize) % LEVERS.len();
            let cluster = Cluster::start_with(data.folder(), nodes, LEVERS[place].flags())?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let souk = Souk::at(&runtime, cluster.address())?;
            let souk = souk.connect()?;
            for Levers { query, turns } in &mut all {
                let runs = (runs * query.runs_percent).div_ceil(100 * ROUNDS);
                let parameters = |run: u32| query.parameters(data.size(), run.into(), &serial);
                measure_turn(&souk, query, runs, &parameters, &mut turns[place])?;
            }
        }
        eprintln!("levers: round {} of {ROUNDS}", round + 1);
    }
    Ok(all)
}

fn measure_turn(
    souk: &Connection<'_>,
    query: &Query,
    runs: u32,
    parameters: &dyn Fn(u32) -> Vec<souk_merge::Value>,
    turns: &mut Turns,
) -> anyhow::Result<()> {
    let warm_runs = if query.parameters == Parameters::None { 2 } else { WARM_RUNS.max(runs) };
    for run in 0..warm_runs {
        souk.ask(query.sql, &parameters(run))?;
    }
    turns.souk.begin_round();
    turns.again.begin_round();
    let mut last = Vec::new();
    for run in 0..runs {
        last = parameters(run);
        let started = Instant::now();
        souk.ask(query.sql, &last)?;
        turns.souk.push_since(started);
    }
    for _ in 0..runs {
        let started = Instant::now();
        souk.ask(query.sql, &last)?;
        turns.again.push_since(started);
    }
    Ok(())
}
