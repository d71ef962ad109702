//! TPC-H with suppliers for vendors: each of the 22 queries asked of souk and of one SQLite with the same rows.
//!
//! `cargo bench --bench tpch -- [--scale 0.1] [--shards 4] [--nodes 2] [--rounds 5] [--only Q17,Q20] [--explain]`. The figures and what they
//! mean are in `docs/performance.md`.
//!
//! 1. [`tables`], [`queries`]: what is stored and what is asked, as the test of the same name has them.
//! 2. [`sides`]: nodes and a coordinator in this process, spoken to over gRPC, and one SQLite; both filled with the same rows.
//! 3. [`check`]: the answers are the same.
//! 4. [`measure`], [`processor`]: times, taken in turn, and processor time.
//! 5. [`scratch`]: what a query brings to the coordinator.
//! 6. [`report`]: the table.

#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "../../tests/tpch/queries.rs"]
mod queries;
#[path = "../../tests/tpch/tables.rs"]
mod tables;

mod check;
mod measure;
mod processor;
mod report;
mod scratch;
mod sides;

use std::time::Instant;

use clap::Parser;

use self::{
    measure::Figures,
    queries::{QUERIES, Query},
    sides::Sides,
};

/// What is measured.
#[derive(Debug, Clone, Parser)]
struct Arguments {
    /// Scale: 1 is about 6 million lines
    #[arg(long, default_value_t = 0.1, value_parser = positive)]
    scale: f64,
    /// Shards on the ring
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    shards: u32,
    /// Nodes
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    nodes: u32,
    /// Timed runs of each query on each side
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only these queries
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Print each plan with what its steps took, on stderr
    #[arg(long)]
    explain: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn asks(&self, query: &Query) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name.eq_ignore_ascii_case(query.name))
    }
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|scale| *scale > 0.0).ok_or_else(|| "a number above 0".to_owned())
}

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benches too, without this flag and without optimisation.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let arguments = Arguments::parse();
    let started = Instant::now();
    let sides = Sides::fill(arguments.scale, arguments.nodes, arguments.shards);
    eprintln!("loaded after {:.1?}", started.elapsed());
    let mut all = Vec::new();
    for query in QUERIES.iter().filter(|query| arguments.asks(query)) {
        all.push(ask(&sides, query, &arguments)?);
    }
    print!("{}", report::head(&arguments)?);
    print!("{}", report::table(&all));
    Ok(())
}

fn ask(sides: &Sides, query: &'static Query, arguments: &Arguments) -> anyhow::Result<Figures> {
    let parameters = query.parameters(arguments.scale);
    let started = Instant::now();
    check::check(sides, query, &parameters)?;
    eprintln!("{} {}: the answers agree after {:.1?}", query.name, query.title(), started.elapsed());
    let explained = sides.explain(query.sql, &parameters)?;
    if arguments.explain {
        eprintln!("{}", explained.text);
    }
    measure::measure(sides, query, &parameters, explained, arguments.rounds)
}
