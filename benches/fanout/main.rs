//! What queries cost over many shards: souk beside a walk over the same files in one process, and beside one SQLite file.
//!
//! `cargo bench --bench fanout -- [--shards 1000] [--nodes 4] [--rows 200] [--queries Q2,Q6] [--runs 60] [--clients 64] [--seconds 5]
//! [--scale] [--levers] [--beside NAME=PROGRAM] [--debian DIR] [--out DIR]`, and with
//! `--features peers` also `--peers postgres,mariadb`. The figures and what they mean are in `docs/performance.md`.
//!
//! 1. [`settings`]: what is wanted.
//! 2. [`source`], [`rows`], [`load`], [`data`]: the data, made once and kept under `target/bench-data`.
//! 3. [`process`]: nodes and a coordinator, each a process.
//! 4. [`queries`]: what is asked.
//! 5. [`contenders`]: who answers: [`souk`]; its nodes alone ([`naive`]); the floor and the loop ([`file`], [`shards`], [`partial`], [`walk`]); [`one`].
//! 6. [`check`]: the answers are the same.
//! 7. [`rounds`], [`times`], [`usage`]: times, processor time and memory.
//! 8. [`clients`], [`echo`]: many clients at a time, beside a service that does nothing.
//! 9. [`marks`], [`writes`]: asking again after writes; [`writer`], [`repeats`]: and while others write.
//! 10. [`levers`]: what each trick is worth.
//! 11. [`scale`]: clusters of other sizes.
//! 12. [`debian`]: rows that nobody made up.
//! 13. [`peers`]: other systems that answer the same, when they are installed.
//! 14. [`report`]: the tables.

mod check;
mod clients;
mod contenders;
mod data;
mod debian;
mod echo;
mod file;
mod levers;
mod load;
mod marks;
mod naive;
mod one;
mod partial;
mod peers;
mod process;
mod queries;
mod repeats;
mod report;
mod rounds;
mod rows;
mod scale;
mod settings;
mod shards;
mod souk;
mod source;
mod times;
mod usage;
mod walk;
mod writer;
mod writes;

use clap::Parser as _;

use self::{
    clients::Clients,
    contenders::Contenders,
    data::Data,
    levers::Levers,
    process::Cluster,
    queries::Serial,
    repeats::Asker,
    report::{Report, conditions::Conditions},
    rounds::{Figures, Rounds},
    scale::Scale,
    settings::Settings,
    usage::{AFTER_QUERIES, ClusterMemory},
};

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benches too, without this flag and without optimisation.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let settings = Settings::parse();
    let queries = settings.queries()?;
    peers::ensure_installed(&settings.peers)?;
    let data = Data::take(settings.shards, settings.nodes, settings.rows)?;
    let cluster = Cluster::start(data.folder(), settings.nodes)?;
    // One thread: the client is not what is measured. Dropped before the cluster is, and with it the connection.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut memory = ClusterMemory::default();
    memory.look("at the start", &cluster, &[])?;
    let mut contenders = Contenders::open(&runtime, &cluster, &data)?;
    contenders.peers = peers::start(&settings.peers, &data)?;
    let (size, serial) = (data.size(), Serial::default());
    for query in &queries {
        check::check(query, size, &contenders, &serial)?;
    }
    eprintln!("all answers agree; measuring");
    let mut figures: Vec<Figures> = queries.into_iter().map(Figures::new).collect();
    let rounds = Rounds { cluster: &cluster, contenders: &contenders, size, runs: settings.runs, serial: &serial };
    rounds.measure(&mut figures)?;
    memory.look(AFTER_QUERIES, &cluster, &contenders.souk.connect()?.status()?.nodes)?;
    let clients =
        Clients { runtime: &runtime, address: cluster.address(), size, serial: &serial, seconds: settings.seconds };
    let throughput = if settings.seconds == 0 { Vec::new() } else { clients.measure(settings.clients)? };
    // Last, since other contenders' files are not written to.
    writes::measure(&rounds, &mut figures)?;
    let status = contenders.souk.connect()?.status()?;
    memory.look("at the end", &cluster, &status.nodes)?;
    memory.shards_open = status.nodes.iter().map(|node| node.shards_open).sum();
    let asker =
        Asker { souk: &contenders.souk, address: cluster.address(), size, serial: &serial, seconds: settings.seconds };
    let wanted = || figures.iter().map(|figures| figures.query);
    let repeats = if settings.seconds == 0 { Vec::new() } else { asker.measure(wanted())? };
    let peers = contenders.peers.iter().map(|peer| peer.about.clone()).collect();
    // Only one cluster at a time has the machine.
    drop(contenders);
    drop(cluster);
    let Settings { nodes, runs, .. } = settings;
    let levers = levers::levers(settings.levers, &settings.beside);
    let levers =
        if levers.len() > 1 { levers::measure(&data, nodes, runs, wanted(), levers)? } else { Levers::default() };
    let scale = if settings.scale { scale::measure(&settings)? } else { Scale::default() };
    let debian = settings.debian.as_deref().map(|files| debian::measure(files, nodes, runs)).transpose()?;
    let debian = debian.unwrap_or_default();
    let conditions = Conditions::now(settings, size, &status)?;
    let report = Report { conditions, figures, throughput, memory, repeats, levers, scale, debian, peers };
    print!("{}", report.markdown());
    report.conditions.settings.out.as_deref().map_or(Ok(()), |folder| report.write(folder))
}
