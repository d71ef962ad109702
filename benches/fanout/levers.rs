//! What each trick is worth: souk alone, with some of what it keeps switched off by its own settings, or built otherwise.
//!
//! Summaries, by which nodes leave out shards, cannot be switched off by themselves: a node that keeps nothing has none. But an
//! answer to what is asked for the first time is never a kept one, so that there all that a node's keeping can help is its summaries.

use std::{path::PathBuf, time::Instant};

use souk_merge::Value;

use crate::{
    data::Data,
    process::{Cluster, Setup},
    queries::{Parameters, Query, Serial},
    rounds::ROUNDS,
    settings::Build,
    souk::{Connection, Souk},
    times::Times,
};

/// Untimed runs of a query without parameters.
const WARM_RUNS: u32 = 2;

/// Untimed runs of one with parameters, at least: by then nodes have made summaries of the columns that it names.
const ASKS_FOR_SUMMARY: u32 = 10;

const KEEP_NOTHING: &[&str] = &["--kept-bytes-max", "0"];

/// What is switched off.
#[derive(Debug)]
pub(crate) struct Lever {
    /// What it is called in tables.
    pub(crate) name: String,
    program: PathBuf,
    node: &'static [&'static str],
    coordinator: &'static [&'static str],
}

/// What each query took with each lever.
#[derive(Default)]
pub(crate) struct Levers {
    /// Souk as it is first.
    pub(crate) levers: Vec<Lever>,
    pub(crate) queries: Vec<ByLever>,
}

/// One query, with each lever.
pub(crate) struct ByLever {
    pub(crate) query: &'static Query,
    pub(crate) turns: Vec<Turns>,
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
    fn of_settings(name: &str, node: &'static [&'static str], coordinator: &'static [&'static str]) -> Lever {
        Lever { name: name.to_owned(), program: Setup::own().program.to_owned(), node, coordinator }
    }

    fn setup(&self) -> Setup<'_> {
        Setup { program: &self.program, node: self.node, coordinator: self.coordinator }
    }
}

/// Souk as it is, what its settings switch off, if that is wanted, and other builds.
pub(crate) fn levers(settings: bool, builds: &[Build]) -> Vec<Lever> {
    let mut levers = vec![Lever::of_settings("as it is", &[], &[])];
    if settings {
        levers.push(Lever::of_settings("coordinator keeps nothing", &[], KEEP_NOTHING));
        levers.push(Lever::of_settings("nodes keep nothing", KEEP_NOTHING, &[]));
        levers.push(Lever::of_settings("nobody keeps anything", KEEP_NOTHING, KEEP_NOTHING));
    }
    levers.extend(builds.iter().map(|Build { name, program }| Lever {
        name: name.clone(),
        program: program.clone(),
        node: &[],
        coordinator: &[],
    }));
    levers
}

/// Measures every query with every lever; each turn has a cluster of its own.
pub(crate) fn measure(
    data: &Data,
    nodes: u32,
    runs: u32,
    queries: impl IntoIterator<Item = &'static Query>,
    levers: Vec<Lever>,
) -> anyhow::Result<Levers> {
    let turns = || levers.iter().map(|_| Turns::default()).collect();
    let mut all: Vec<ByLever> = queries.into_iter().map(|query| ByLever { query, turns: turns() }).collect();
    let serial = Serial::default();
    for round in 0..ROUNDS {
        for turn in 0..levers.len() {
            // Another begins each time.
            let place = (turn + round as usize) % levers.len();
            let cluster = Cluster::start_as(data.folder(), nodes, &levers[place].setup())?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let souk = Souk::at(&runtime, cluster.address())?;
            let souk = souk.connect()?;
            for ByLever { query, turns } in &mut all {
                let runs = (runs * query.runs_percent).div_ceil(100 * ROUNDS);
                let parameters = |runs: u32| (0..runs).map(|run| query.parameters(data.size(), run.into(), &serial));
                let (warm, timed) = (parameters(warm_runs(query, runs)), parameters(runs));
                measure_turn(&souk, query, warm, &timed.collect::<Vec<_>>(), &mut turns[place])?;
            }
        }
        eprintln!("levers: round {} of {ROUNDS}", round + 1);
    }
    Ok(Levers { levers, queries: all })
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
