//! What it is worth to keep answers and summaries of columns: souk alone, with some of that switched off by its own settings.
//!
//! Summaries, by which nodes leave out shards, cannot be switched off by themselves: a node that keeps nothing has none. But an
//! answer to what is asked for the first time is never a kept one, so that there all that a node's keeping can help is its summaries.

use std::time::Instant;

use souk_merge::Value;

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

/// Untimed runs of a query without parameters.
const WARM_RUNS: u32 = 2;

/// Untimed runs of one with parameters, at least: by then nodes have made summaries of the columns that it names.
const ASKS_FOR_SUMMARY: u32 = 10;

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
            // Another begins each time.
            let place = (turn + round as usize) % LEVERS.len();
            let cluster = Cluster::start_with(data.folder(), nodes, LEVERS[place].flags())?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let souk = Souk::at(&runtime, cluster.address())?;
            let souk = souk.connect()?;
            for Levers { query, turns } in &mut all {
                let runs = (runs * query.runs_percent).div_ceil(100 * ROUNDS);
                let parameters = |runs: u32| (0..runs).map(|run| query.parameters(data.size(), run.into(), &serial));
                let (warm, timed) = (parameters(warm_runs(query, runs)), parameters(runs));
                measure_turn(&souk, query, warm, &timed.collect::<Vec<_>>(), &mut turns[place])?;
            }
        }
        eprintln!("levers: round {} of {ROUNDS}", round + 1);
    }
    Ok(all)
}

fn warm_runs(query: &Query, runs: u32) -> u32 {
    match query.parameters {
        Parameters::None => WARM_RUNS,
        _ => runs.max(ASKS_FOR_SUMMARY),
    }
}

fn measure_turn(
    souk: &Connection<'_>,
    query: &Query,
    warm: impl Iterator<Item = Vec<Value>>,
    timed: &[Vec<Value>],
    turns: &mut Turns,
) -> anyhow::Result<()> {
    for parameters in warm {
        souk.ask(query.sql, &parameters)?;
    }
    turns.souk.begin_round();
    turns.again.begin_round();
    for parameters in timed {
        let started = Instant::now();
        souk.ask(query.sql, parameters)?;
        turns.souk.push_since(started);
    }
    let Some(parameters) = timed.last() else { return Ok(()) };
    for _ in timed {
        let started = Instant::now();
        souk.ask(query.sql, parameters)?;
        turns.again.push_since(started);
    }
    Ok(())
}
