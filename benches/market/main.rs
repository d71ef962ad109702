//! What the marketplace costs, beside plain SQLite that does an order's statements with the same durability (WAL, `synchronous=FULL`) on the same disk.
//!
//! `cargo bench --bench market -- [--vendors 1000] [--nodes 4] [--buyers 64] [--seconds 3] [--rounds 3] [--subscribers 10000] [--carts 100000]`
//!
//! 1. Orders over one vendor, by many buyers; beside one thread a processor that does such a vendor's transaction in as many files.
//! 2. Orders over three vendors, the same.
//! 3. One buyer's order over three vendors; beside one commit.
//! 4. Subscribers: until the last one has an event, and what one takes in the coordinator's memory.
//! 5. Carts: adding and showing, and what one takes.
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

/// What is measured.
#[derive(Debug, Parser)]
struct Settings {
    /// Vendors, one file each
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(10..))]
    vendors: u32,
    /// Node processes
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..=64))]
    nodes: u32,
    /// Buyers at a time
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..))]
    buyers: u32,
    /// Seconds of each turn
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    seconds: u32,
    /// Turns of each side
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Live subscriptions
    #[arg(long, default_value_t = 10_000)]
    subscribers: u32,
    /// Live carts
    #[arg(long, default_value_t = 100_000)]
    carts: u32,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benches too, without this flag and without optimisation.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let settings = Settings::parse();
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&target)?;
    let folder = tempfile::Builder::new().prefix("market-").tempdir_in(target)?;
    let threads = std::thread::available_parallelism()?.get();
    let files = Files::make(&folder.path().join("plain"), settings.vendors)?;
    std::fs::create_dir_all(folder.path().join("souk"))?;
    let cluster = Cluster::start(&folder.path().join("souk"), settings.nodes)?;
    let souk = Souk::connect(cluster.address(), settings.buyers, settings.vendors)?;
    souk.open_shops()?;
    let turn = Duration::from_secs(settings.seconds.into());
    let [mut plain, mut one, mut three, mut commit, mut alone] = [(); 5].map(|()| Vec::new());
    for round in 0..settings.rounds {
        plain.push(files.orders(threads, turn)?);
        one.push(souk.orders(1, turn)?);
        three.push(souk.orders(3, turn)?);
        commit.push(files.commit_ms(turn)?);
        alone.push(souk.order_ms(3, turn)?);
        eprintln!("round {} of {}", round + 1, settings.rounds);
    }
    souk.check()?;
    println!(
        "{} vendors at {} nodes, {} buyers, {} rounds of {} s, {threads} processors\n",
        settings.vendors, settings.nodes, settings.buyers, settings.rounds, settings.seconds
    );
    println!("| | souk | plain SQLite | ratio | goal |\n| --- | ---: | ---: | ---: | ---: |");
    let row = |what: &str, souk: &[f64], plain: &[f64], goal: &str| {
        let ratios = souk.iter().zip(plain).map(|(souk, plain)| souk / plain).collect();
        let [souk, plain, ratio] = [souk.to_vec(), plain.to_vec(), ratios].map(|all| number(median(all)));
        println!("| {what} | {souk} | {plain} | {ratio} | {goal} |");
    };
    row("orders a second over one vendor, beside a vendor's transaction in as many files", &one, &plain, "0.5");
    row("orders a second over three vendors, beside the same", &three, &plain, "0.2");
    row("an order over three vendors, p50 ms, beside one commit", &alone, &commit, "at most 6");
    let before = memory(cluster.coordinator())?;
    let listening = souk.subscribe(settings.subscribers)?;
    let each = (memory(cluster.coordinator())? - before) / f64::from(settings.subscribers.max(1));
    let last_ms = souk.tell(listening, settings.rounds)?;
    println!(
        "\n{} subscribers: {} KiB each, the last has an event {} ms after its commit",
        settings.subscribers,
        number(each / 1024.0),
        number(last_ms)
    );
    let before = memory(cluster.coordinator())?;
    let [add_ms, get_ms] = souk.carts(settings.carts)?;
    let all = (memory(cluster.coordinator())? - before) / 1024.0 / 1024.0;
    println!(
        "{} carts: {} MiB; add p50 {} ms, get p50 {} ms",
        settings.carts,
        number(all),
        number(add_ms),
        number(get_ms)
    );
    Ok(())
}

/// A process' own share of memory, in bytes.
fn memory(process: u32) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let pss = text.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
    Ok(pss.trim().trim_end_matches(" kB").trim().parse::<f64>()? * 1024.0)
}
