//! What queries cost over many shards: souk beside a loop over the same files in one process, and beside one SQLite file.
//!
//! `cargo bench --bench queries -- [--shards 1000] [--nodes 4] [--rows 200] [--runs 60]`. The figures and what they mean are in
//! `docs/performance.md`.
//!
//! 1. [`rows`], [`data`]: the data, made once and kept under `target/bench-data`.
//! 2. [`process`]: nodes and a coordinator, each a process.
//! 3. [`queries`]: what is asked.
//! 4. [`souk`], [`peers`]: who answers.
//! 5. [`check`]: the answers are the same.
//! 6. [`measure`], [`usage`]: times, processor time and memory.
//! 7. [`report`]: the tables.

mod check;
mod data;
mod measure;
mod peers;
mod process;
mod queries;
mod report;
mod rows;
mod souk;
mod usage;

use clap::Parser;

use self::{
    data::Data,
    measure::Figures,
    peers::{Loop, OneSqlite},
    process::Cluster,
    souk::Souk,
};

/// What is measured.
#[derive(Debug, Clone, Copy, Parser)]
struct Arguments {
    /// Shards, one vendor each
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    shards: u32,
    /// Node processes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    nodes: u32,
    /// Products of a vendor, and half as many orders
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..))]
    rows: u32,
    /// Timed runs of each query
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benches too, without this flag and without optimisation.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let arguments = Arguments::parse();
    let data = Data::take(arguments.shards, arguments.nodes, arguments.rows)?;
    let cluster = Cluster::start(data.folder(), arguments.nodes)?;
    // One thread, as the loop has: the client is not what is measured. Dropped before the cluster is, and with it the connection.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let at_start = usage::memory(cluster.nodes())?;
    let souk = Souk::at(&runtime, cluster.address())?;
    let walk = Loop::open(&data.shard_copies()?)?;
    let one = OneSqlite::open(&data.one_sqlite())?;
    let size = data.size();
    for query in &queries::ALL {
        check::check(query, size, &souk, &walk, &one)?;
    }
    eprintln!("all answers agree; measuring");
    let figures: Vec<Figures> = measure::measure(arguments.runs, size, &cluster, &souk, &walk, &one)?;
    let memory = usage::memory(cluster.nodes())?;
    let shards_open = souk.connect()?.shards_open()?;
    print!("{}", report::head(size, arguments.nodes, arguments.runs)?);
    print!("{}", report::times(&figures));
    print!("{}", report::parts(&figures));
    print!("{}", report::memory(at_start, memory, shards_open));
    print!("{}", report::goals(&figures, memory, shards_open));
    Ok(())
}
