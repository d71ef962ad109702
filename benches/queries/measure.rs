//! Times, taken in rounds: in each, each query is asked of one contender after the other, so that what else the machine does
//! meets them all.

use std::{
    hint::black_box,
    process,
    time::{Duration, Instant},
};

use souk_merge::{Batch, Value};

use crate::{
    peers::{Loop, OneSqlite},
    process::Cluster,
    queries::{ALL, Parameters, Query},
    rows::Size,
    souk::Souk,
    usage::processor_time,
};

const ROUNDS: u32 = 5;

/// Untimed runs of a query without parameters; one with parameters runs once with each.
const WARM_RUNS: usize = 2;

/// Times of one query at one contender.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// The time that so much of the runs stay within, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort();
        sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)].as_secs_f64() * 1e3
    }

    /// The fastest run, in milliseconds: what is left when the machine does nothing else.
    pub(crate) fn best_ms(&self) -> f64 {
        self.percentile_ms(0)
    }

    /// How many runs.
    pub(crate) fn runs(&self) -> u32 {
        self.0.len() as u32
    }

    fn push(&mut self, started: Instant) {
        self.0.push(started.elapsed());
    }
}

/// What was measured of one query.
pub(crate) struct Figures {
    pub(crate) query: &'static Query,
    pub(crate) souk: Times,
    pub(crate) walk: Times,
    pub(crate) one: Times,
    /// Of souk's time, what passed at the coordinator.
    pub(crate) at_coordinator: Times,
    pub(crate) processors: Processors,
    /// Rows of the last answer.
    pub(crate) rows: usize,
}

/// Processor time over all timed runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Processors {
    pub(crate) nodes: Duration,
    pub(crate) coordinator: Duration,
    pub(crate) client: Duration,
    pub(crate) walk: Duration,
    pub(crate) one: Duration,
}

impl Processors {
    fn now(cluster: &Cluster) -> anyhow::Result<Processors> {
        let nodes = cluster.nodes().map(processor_time).sum::<anyhow::Result<Duration>>()?;
        let coordinator = processor_time(cluster.coordinator())?;
        let client = processor_time(process::id())?;
        Ok(Processors { nodes, coordinator, client, ..Processors::default() })
    }

    fn add(&mut self, before: Processors, after: Processors) {
        self.nodes += after.nodes.saturating_sub(before.nodes);
        self.coordinator += after.coordinator.saturating_sub(before.coordinator);
        self.client += after.client.saturating_sub(before.client);
    }
}

impl Figures {
    fn new(query: &'static Query) -> Figures {
        Figures {
            query,
            souk: Times::default(),
            walk: Times::default(),
            one: Times::default(),
            at_coordinator: Times::default(),
            processors: Processors::default(),
            rows: 0,
        }
    }
}

/// Measures every query.
pub(crate) fn measure(
    runs: u32,
    size: Size,
    cluster: &Cluster,
    souk: &Souk<'_>,
    walk: &Loop,
    one: &OneSqlite,
) -> anyhow::Result<Vec<Figures>> {
    let mut all: Vec<Figures> = ALL.iter().map(Figures::new).collect();
    for round in 0..ROUNDS {
        for figures in &mut all {
            let count = (runs * figures.query.runs_percent).div_ceil(100 * ROUNDS);
            let of_run = |run| figures.query.parameters.of_run(size, u64::from(round * count + run));
            let parameters: Vec<Vec<Value>> = (0..count).map(of_run).collect();
            time_souk(figures, &parameters, cluster, souk)?;
            let query = figures.query;
            let Processors { walk: of_walk, one: of_one, .. } = &mut figures.processors;
            *of_walk += time(query, &mut figures.walk, &parameters, |parameters| walk.ask(query, parameters))?;
            *of_one += time(query, &mut figures.one, &parameters, |parameters| one.ask(query, parameters))?;
        }
        eprintln!("round {} of {ROUNDS}", round + 1);
    }
    Ok(all)
}

fn warm<'a>(query: &Query, parameters: &'a [Vec<Value>]) -> &'a [Vec<Value>] {
    match query.parameters {
        Parameters::None => &parameters[..WARM_RUNS.min(parameters.len())],
        _ => parameters,
    }
}

fn time_souk(
    figures: &mut Figures,
    parameters: &[Vec<Value>],
    cluster: &Cluster,
    souk: &Souk<'_>,
) -> anyhow::Result<()> {
    let sql = figures.query.sql;
    let souk = souk.connect()?;
    for parameters in warm(figures.query, parameters) {
        souk.ask(sql, parameters)?;
    }
    let before = Processors::now(cluster)?;
    for parameters in parameters {
        let started = Instant::now();
        let answer = black_box(souk.ask(sql, parameters)?);
        figures.souk.push(started);
        figures.at_coordinator.0.push(answer.at_coordinator);
        figures.rows = answer.batches.iter().map(|batch| batch.rows()).sum();
    }
    figures.processors.add(before, Processors::now(cluster)?);
    Ok(())
}

/// Times each run; gives the processor time of all.
fn time(
    query: &Query,
    times: &mut Times,
    parameters: &[Vec<Value>],
    ask: impl Fn(&[Value]) -> anyhow::Result<Batch>,
) -> anyhow::Result<Duration> {
    for parameters in warm(query, parameters) {
        ask(parameters)?;
    }
    let before = processor_time(process::id())?;
    for parameters in parameters {
        let started = Instant::now();
        black_box(ask(parameters)?);
        times.push(started);
    }
    Ok(processor_time(process::id())?.saturating_sub(before))
}
