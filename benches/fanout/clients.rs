//! Many clients at a time, each with a connection of its own: how many answers a second there are, and how long each takes.

use std::{
    iter,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::future::try_join_all;
use tokio::runtime::Runtime;
use tonic::transport::Endpoint;

use crate::{
    echo::{Echo, EchoClient},
    queries::{ALL, Query, Serial},
    rounds::ROUNDS,
    rows::Size,
    souk::{self, Client},
    times::{Ratio, Times},
};

/// Queries that many clients ask.
const QUERIES: [&str; 2] = ["Q1", "Q2"];

/// Each number of clients is so many times the one before.
const STEP: u32 = 4;

/// What so many clients got.
pub(crate) struct Throughput {
    pub(crate) clients: u32,
    /// Of a service that only sends back what it is sent.
    pub(crate) echo: Rate,
    /// Of each query.
    pub(crate) queries: Vec<(&'static Query, Rate)>,
}

/// Answers of one kind.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    pub(crate) times: Times,
    /// In each round.
    per_second: Vec<f64>,
}

/// Who is asked, and for how long.
pub(crate) struct Clients<'a> {
    pub(crate) runtime: &'a Runtime,
    /// `host:port` of the coordinator.
    pub(crate) address: &'a str,
    pub(crate) size: Size,
    pub(crate) serial: &'a Serial,
    pub(crate) seconds: u32,
}

impl Rate {
    /// The mean of the rounds.
    pub(crate) fn per_second(&self) -> f64 {
        self.per_second.iter().sum::<f64>() / self.per_second.len() as f64
    }

    /// This beside another, round by round.
    pub(crate) fn ratio_to(&self, other: &Rate) -> Ratio {
        Ratio::of(iter::zip(&self.per_second, &other.per_second).map(|(this, other)| this / other).collect())
    }

    fn add_round(&mut self, times: Vec<Duration>, took: Duration) {
        self.per_second.push(times.len() as f64 / took.as_secs_f64());
        self.times.begin_round();
        self.times.extend(times);
    }
}

impl Clients<'_> {
    /// Measures one client, and more, up to `clients_max`.
    pub(crate) fn measure(&self, clients_max: u32) -> anyhow::Result<Vec<Throughput>> {
        let echo = Echo::start()?;
        steps(clients_max).into_iter().map(|clients| self.measure_clients(&echo, clients)).collect()
    }

    /// Rounds in which each is asked in turn.
    fn measure_clients(&self, echo: &Echo, clients: u32) -> anyhow::Result<Throughput> {
        let queries = QUERIES.map(|name| ALL.iter().find(|query| query.is(name)));
        let queries = queries.into_iter().flatten().map(|query| (query, Rate::default())).collect();
        let mut all = Throughput { clients, echo: Rate::default(), queries };
        for _ in 0..ROUNDS {
            self.runtime.block_on(self.ask_echo(&mut all.echo, echo, clients))?;
            for (query, rate) in &mut all.queries {
                self.runtime.block_on(self.ask_souk(rate, query, clients))?;
            }
        }
        eprintln!("clients: {clients}");
        Ok(all)
    }

    /// The echo is sent what souk is asked with: the point query.
    async fn ask_echo(&self, rate: &mut Rate, echo: &Echo, clients: u32) -> anyhow::Result<()> {
        let endpoint = souk::endpoint(echo.address())?;
        let query = ALL.first().context("there is a query")?;
        let message = souk::request(query.sql, &query.parameters(self.size, 0, self.serial));
        let ask = async |client: &EchoClient| client.ask(message.clone()).await.map(drop);
        let clients = connect(clients, async || EchoClient::connect(&endpoint).await).await?;
        self.drive(rate, &clients, ask).await
    }

    async fn ask_souk(&self, rate: &mut Rate, query: &Query, clients: u32) -> anyhow::Result<()> {
        let endpoint: Endpoint = souk::endpoint(self.address)?;
        let ask = async |client: &Client| {
            let run = self.serial.next() as u64;
            client.ask(query.sql, &query.parameters(self.size, run, self.serial)).await.map(drop)
        };
        let clients = connect(clients, async || Client::connect(&endpoint).await).await?;
        self.drive(rate, &clients, ask).await
    }

    /// Lets every client ask one question after the other until the time of a round is over.
    async fn drive<C>(
        &self,
        rate: &mut Rate,
        clients: &[C],
        ask: impl AsyncFn(&C) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        try_join_all(clients.iter().map(|client| ask(client))).await?;
        let started = Instant::now();
        let end = started + Duration::from_secs(self.seconds.into()) / ROUNDS;
        let of_client = async |client: &C| {
            let mut times = Vec::new();
            while Instant::now() < end {
                let asked = Instant::now();
                ask(client).await?;
                times.push(asked.elapsed());
            }
            anyhow::Ok(times)
        };
        let times = try_join_all(clients.iter().map(of_client)).await?;
        rate.add_round(times.concat(), started.elapsed());
        Ok(())
    }
}

async fn connect<C>(clients: u32, one: impl AsyncFn() -> anyhow::Result<C>) -> anyhow::Result<Vec<C>> {
    try_join_all((0..clients).map(|_| one())).await
}

/// 1, 4, 16 and so on, and the most.
fn steps(clients_max: u32) -> Vec<u32> {
    let below = iter::successors(Some(1_u32), |clients| clients.checked_mul(STEP));
    below.take_while(|clients| *clients < clients_max).chain([clients_max]).collect()
}
