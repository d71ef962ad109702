//! What durable writes cost through souk, beside plain SQLite with the same durability (WAL, `synchronous=FULL`) on the same disk.
//!
//! `cargo bench --bench writes -- [--shards 1000] [--nodes 4] [--clients 64] [--seconds 2] [--rounds 3] [--rows 300000]`
//!
//! 1. One shard: rows inserted by many clients, one a call; beside one connection that commits row by row.
//! 2. Many shards: the same over all of them; beside one thread a processor over the same number of files.
//! 3. A transaction of two shards, one client; beside one commit of one row.
//! 4. Bulk load into 100 shards; beside one transaction a file, one thread a processor.
//!
//! Sides take turns. The figures are in `docs/performance.md`.

#[path = "../fanout/process.rs"]
#[allow(dead_code, reason = "another benchmark uses the rest")]
mod process;

#[path = "../shared/measure.rs"]
mod measure;

mod plain;
mod souk;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, value_parser};

use self::{
    measure::{median, number},
    plain::Files,
    process::Cluster,
    souk::Souk,
};

/// Shards of the bulk load.
const BULK_SHARDS: u32 = 100;

/// What is measured.
#[derive(Debug, Parser)]
struct Settings {
    /// Shards, one vendor each
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(100..))]
    shards: u32,
    /// Node processes
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..=64))]
    nodes: u32,
    /// Clients at a time
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..))]
    clients: u32,
    /// Seconds of each turn
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u32).range(1..))]
    seconds: u32,
    /// Turns of each side
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rows of a bulk load
    #[arg(long, default_value_t = 300_000, value_parser = value_parser!(u32).range(1000..))]
    rows: u32,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// What each round gave.
#[derive(Debug, Default)]
struct Measured {
    souk: Vec<f64>,
    plain: Vec<f64>,
}

impl Measured {
    /// The middle of both, and of the rounds' ratios.
    fn medians(&self) -> [f64; 3] {
        let ratios = self.souk.iter().zip(&self.plain).map(|(souk, plain)| souk / plain).collect();
        [median(self.souk.clone()), median(self.plain.clone()), median(ratios)]
    }
}

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benches too, without this flag and without optimisation.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let settings = Settings::parse();
    let folder = tempfile::Builder::new().prefix("writes-").tempdir_in(target()?)?;
    let threads = std::thread::available_parallelism()?.get();
    let files = Files::make(&folder.path().join("plain"), settings.shards)?;
    std::fs::create_dir_all(folder.path().join("souk"))?;
    let cluster = Cluster::start(&folder.path().join("souk"), settings.nodes)?;
    let souk = Souk::connect(cluster.address(), settings.clients)?;
    souk.make_vendors(settings.shards)?;
    let turn = Duration::from_secs(settings.seconds.into());
    let [mut one, mut many, mut two, mut bulk] = [(); 4].map(|()| Measured::default());
    for round in 0..settings.rounds {
        one.plain.push(files.insert_one_by_one(1, 1, turn)?);
        one.souk.push(souk.insert(1, turn)?);
        many.plain.push(files.insert_one_by_one(settings.shards, threads, turn)?);
        many.souk.push(souk.insert(settings.shards, turn)?);
        two.plain.push(files.commit_ms(turn)?);
        two.souk.push(souk.transfer_ms(settings.shards, turn)?);
        bulk.plain.push(files.bulk(BULK_SHARDS, settings.rows, threads)?);
        bulk.souk.push(souk.bulk(BULK_SHARDS, settings.rows)?);
        eprintln!("round {} of {}", round + 1, settings.rounds);
    }
    souk.check()?;
    println!(
        "{} shards at {} nodes, {} clients, {} rounds of {} s, {threads} processors\n",
        settings.shards, settings.nodes, settings.clients, settings.rounds, settings.seconds
    );
    println!("| | souk | plain SQLite | ratio | goal |\n| --- | ---: | ---: | ---: | ---: |");
    let row = |what: &str, measured: &Measured, goal: &str| {
        let [souk, plain, ratio] = measured.medians();
        println!("| {what} | {} | {} | {} | {goal} |", number(souk), number(plain), number(ratio));
    };
    row("rows a second into one shard, one a call, beside one commit a row", &one, "20");
    row("rows a second into all shards, one a call, beside one commit a row in as many files", &many, "0.8");
    row("a transaction over two shards, p50 ms, beside one commit", &two, "at most 4");
    row("rows a second of a bulk load into 100 shards", &bulk, "100,000 rows/s, or 0.5");
    Ok(())
}

/// Where cargo builds: the disk that is measured.
fn target() -> anyhow::Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
