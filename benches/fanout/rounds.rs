//! Times, taken in rounds: in each, each query is asked of one contender after the other, so that what else the machine does
//! meets them all.

use std::{
    hint::black_box,
    process,
    time::{Duration, Instant},
};

use souk_merge::Value;

use crate::{
    contenders::Contenders,
    process::Cluster,
    queries::{Merge, Parameters, Query, Serial},
    rows::Size,
    times::Times,
    usage::processor_time,
};

/// How often contenders take turns.
pub(crate) const ROUNDS: u32 = 5;

/// Who takes turns.
const CONTENDERS: u32 = 5;

/// Timed runs of a query at a peer in a round: most take far longer than at souk. A query of one vendor has as many as at souk.
pub(crate) const PEER_RUNS: usize = 3;

/// Untimed runs of a query without parameters; one with parameters runs once with each.
const WARM_RUNS: usize = 2;

/// What was measured of one query.
pub(crate) struct Figures {
    pub(crate) query: &'static Query,
    /// Until the last row was there.
    pub(crate) souk: Times,
    /// Until the first rows were.
    pub(crate) souk_first: Times,
    /// Of souk's time, what passed at the coordinator.
    pub(crate) at_coordinator: Times,
    /// souk, asked with the same parameters as just before.
    pub(crate) again: Times,
    /// The same after writes to a few shards; empty when that was not measured.
    pub(crate) after_writes: Times,
    /// Empty for a query of one shard.
    pub(crate) naive: Times,
    pub(crate) floor: Times,
    pub(crate) walk: Times,
    pub(crate) one: Times,
    /// In the order of the peers.
    pub(crate) peers: Vec<Times>,
    pub(crate) processors: Processors,
    /// How souk answers it.
    pub(crate) plan: String,
    /// Rows of the last answer.
    pub(crate) rows: usize,
}

/// Processor time over all timed runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Processors {
    pub(crate) nodes: Duration,
    pub(crate) coordinator: Duration,
    pub(crate) client: Duration,
    pub(crate) floor: Duration,
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
    /// Nothing yet.
    pub(crate) fn new(query: &'static Query) -> Figures {
        Figures {
            query,
            souk: Times::default(),
            souk_first: Times::default(),
            at_coordinator: Times::default(),
            again: Times::default(),
            after_writes: Times::default(),
            naive: Times::default(),
            floor: Times::default(),
            walk: Times::default(),
            one: Times::default(),
            peers: Vec::new(),
            processors: Processors::default(),
            plan: String::new(),
            rows: 0,
        }
    }
}

/// What a round needs to know.
pub(crate) struct Rounds<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) contenders: &'a Contenders<'a>,
    pub(crate) size: Size,
    /// Timed runs of a query at a contender, over all rounds.
    pub(crate) runs: u32,
    pub(crate) serial: &'a Serial,
}

impl Rounds<'_> {
    /// Measures every query.
    pub(crate) fn measure(&self, all: &mut [Figures]) -> anyhow::Result<()> {
        for round in 0..ROUNDS {
            for figures in &mut *all {
                self.measure_query(round, figures)?;
            }
            eprintln!("round {} of {ROUNDS}", round + 1);
        }
        Ok(())
    }

    /// Timed runs of a query in a round.
    pub(crate) fn runs_in_round(&self, query: &Query) -> u32 {
        (self.runs * query.runs_percent).div_ceil(100 * ROUNDS)
    }

    /// Everybody's turn, who begins being another in each round.
    fn measure_query(&self, round: u32, figures: &mut Figures) -> anyhow::Result<()> {
        let (query, Contenders { naive, floor, walk, one, .. }) = (figures.query, self.contenders);
        let timed = self.parameters(query, round);
        let warm = self.parameters(query, round);
        let warm = &warm[..if query.parameters == Parameters::None { WARM_RUNS.min(warm.len()) } else { warm.len() }];
        let turns = CONTENDERS + self.contenders.peers.len() as u32;
        figures.peers.resize_with(self.contenders.peers.len(), Times::default);
        for turn in 0..turns {
            let processors = &mut figures.processors;
            match (turn + round) % turns {
                0 => self.time_souk(figures, warm, &timed)?,
                1..=3 if matches!(query.merge, Merge::None) => {}
                1 => processors.floor += time(&mut figures.floor, warm, &timed, |values| floor.ask(query, values))?,
                3 if matches!(query.merge, Merge::OneShard) => {}
                3 => {
                    let Some(naive) = naive else { continue };
                    let naive = naive.connect()?;
                    time(&mut figures.naive, warm, &timed, |values| naive.ask(query, values))?;
                }
                2 => processors.walk += time(&mut figures.walk, warm, &timed, |values| walk.ask(query, values))?,
                4 => processors.one += time(&mut figures.one, warm, &timed, |values| one.ask(query, values))?,
                peer => self.time_peer(figures, (peer - CONTENDERS) as usize, &timed)?,
            }
        }
        Ok(())
    }

    fn time_peer(&self, figures: &mut Figures, place: usize, timed: &[Vec<Value>]) -> anyhow::Result<()> {
        let (query, peer) = (figures.query, &self.contenders.peers[place]);
        let one_shard = matches!(query.merge, Merge::OneShard);
        let timed = &timed[..if one_shard { timed.len() } else { PEER_RUNS.min(timed.len()) }];
        let warm = &timed[..1.min(timed.len())];
        time(&mut figures.peers[place], warm, timed, |values| peer.ask(query, values))?;
        Ok(())
    }

    fn parameters(&self, query: &Query, round: u32) -> Vec<Vec<Value>> {
        let count = u64::from(self.runs_in_round(query));
        let first = u64::from(round) * count;
        (first..first + count).map(|run| query.parameters(self.size, run, self.serial)).collect()
    }

    fn time_souk(&self, figures: &mut Figures, warm: &[Vec<Value>], timed: &[Vec<Value>]) -> anyhow::Result<()> {
        let sql = figures.query.sql;
        let souk = self.contenders.souk.connect()?;
        for parameters in warm {
            souk.ask(sql, parameters)?;
        }
        let Figures { souk: times, souk_first, at_coordinator, again, .. } = figures;
        [&mut *times, souk_first, at_coordinator, again].into_iter().for_each(Times::begin_round);
        let before = Processors::now(self.cluster)?;
        for parameters in timed {
            let started = Instant::now();
            let answer = black_box(souk.ask(sql, parameters)?);
            times.push_since(started);
            souk_first.push(answer.first);
            at_coordinator.push(answer.at_coordinator);
            figures.plan = answer.plan;
            figures.rows = answer.batches.iter().map(|batch| batch.rows()).sum();
        }
        figures.processors.add(before, Processors::now(self.cluster)?);
        let Some(parameters) = timed.last() else { return Ok(()) };
        for _ in timed {
            let started = Instant::now();
            black_box(souk.ask(sql, parameters)?);
            again.push_since(started);
        }
        Ok(())
    }
}

/// Times each run; gives the processor time of all.
fn time<T>(
    times: &mut Times,
    warm: &[Vec<Value>],
    timed: &[Vec<Value>],
    ask: impl Fn(&[Value]) -> anyhow::Result<T>,
) -> anyhow::Result<Duration> {
    for parameters in warm {
        ask(parameters)?;
    }
    times.begin_round();
    let before = processor_time(process::id())?;
    for parameters in timed {
        let started = Instant::now();
        black_box(ask(parameters)?);
        times.push_since(started);
    }
    Ok(processor_time(process::id())?.saturating_sub(before))
}
