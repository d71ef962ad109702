//! `souk demo`: a marketplace on this machine.
//!
//! 1. [`folder`]: where its data lives.
//! 2. [`process`], [`cluster`]: nodes and a coordinator, each a process.
//! 3. [`schema`]: the tables.
//! 4. [`random`], [`date`], [`words`], [`sizes`], [`vendor`], [`messages`]: the rows.
//! 5. [`queries`]: what it shows.

mod cluster;
mod date;
mod folder;
mod messages;
#[cfg(test)]
mod one_database;
mod process;
mod queries;
mod random;
mod schema;
mod sizes;
mod vendor;
mod words;

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{sync::mpsc, task};

use self::{cluster::Cluster, folder::Folder, messages::Messages};
use crate::{
    client::Client,
    failure::Failure,
    load,
    say::say,
    sql::{self, Format, Runner, Session},
    stop::StopSignals,
};

/// Makes a marketplace on this machine and shows what can be asked of it.
///
/// Starts a coordinator and nodes as processes on the loopback interface, gives every vendor a shard of its own, fills them, runs six
/// queries, and opens a prompt on a terminal. Everything is stopped and removed at the end.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Vendors, with 200 products each on average
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    vendors: u64,
    /// Node processes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    nodes: u32,
    /// The same seed gives the same rows
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder for the data, empty or new [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Go on serving until an interrupt, without a prompt
    #[arg(long)]
    serve: bool,
    /// Leave the data behind and say how to serve it again
    #[arg(long)]
    keep: bool,
}

/// Runs the demonstration.
pub(crate) async fn run(arguments: DemoArguments) -> Result<(), Failure> {
    let mut signals = StopSignals::catch()?;
    let folder = Folder::take(arguments.data.as_deref(), arguments.keep)?;
    // Dropped before the folder is: in reverse order.
    let cluster = tokio::select! {
        started = start(folder.path(), arguments.nodes) => started?,
        () = signals.first() => return Err(Failure::Interrupted),
    };
    let runner = tokio::select! {
        shown = fill_and_show(&cluster, &arguments) => shown?,
        () = signals.first() => return Err(Failure::Interrupted),
    };
    say_how_to_connect(cluster.address())?;
    if arguments.serve {
        signals.first().await;
    } else if io::stdin().is_terminal() && io::stdout().is_terminal() {
        tokio::select! {
            left = sql::shell(runner) => left?,
            () = signals.terminate() => return Err(Failure::Interrupted),
        }
    }
    if arguments.keep {
        say_how_to_go_on(&cluster, folder.path())?;
    }
    Ok(())
}

/// Starts the processes: their first lines are waited for on a thread that may block.
async fn start(folder: &Path, nodes: u32) -> Result<Cluster, Failure> {
    let folder = folder.to_owned();
    let started = task::spawn_blocking(move || Cluster::start(&folder, nodes)).await;
    Ok(started.map_err(|_| Failure::failed("starting the processes broke"))??)
}

async fn fill_and_show(cluster: &Cluster, arguments: &DemoArguments) -> Result<Runner, Failure> {
    let DemoArguments { vendors, nodes, seed, .. } = *arguments;
    let started = Instant::now();
    say(format!("Starting a coordinator and {nodes} nodes, and opening {vendors} shops ..."))?;
    let client = Client::connect(cluster.address()).await?;
    schema::create(&client).await?;
    let rows = fill(&client, vendors, seed).await?;
    let time = sql::time(started.elapsed());
    say(format!("{rows} rows of {vendors} vendors, each in a database of its own, after {time}.\n"))?;
    let session = Session { client, key: None, partial: false, verify: false };
    let runner = Runner { session, format: Format::Table, timer: false, explain: None };
    queries::show(&runner, vendors).await?;
    Ok(runner)
}

/// Loads every row; gives their number.
async fn fill(client: &Client, vendors: u64, seed: u64) -> Result<u64, Failure> {
    let (sender, requests) = mpsc::channel(load::QUEUE_MESSAGES);
    let maker = task::spawn_blocking(move || {
        let mut rows = 0;
        for message in Messages::new(seed, vendors) {
            rows += message.batch.as_ref().map_or(0, |batch| u64::from(batch.rows));
            if sender.blocking_send(message).is_err() {
                break;
            }
        }
        rows
    });
    let progress = bar(vendors);
    let loaded = load::load(client, requests, |response| {
        progress.set_position(response.loaded);
        match response.rejected.first() {
            Some(row) => Err(Failure::failed(format!("row {} was rejected: {}: {}", row.row, row.reason, row.message))),
            None => Ok(()),
        }
    })
    .await?;
    progress.finish_and_clear();
    let made = maker.await.map_err(|_| Failure::failed("making the rows broke"))?;
    if loaded == made {
        Ok(loaded)
    } else {
        Err(Failure::failed(format!("{made} rows were sent, {loaded} were loaded")))
    }
}

/// How many rows are loaded, of about as many as there will be.
fn bar(vendors: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos} rows, {per_sec}");
    let rows = vendors * sizes::ROWS_MEAN;
    ProgressBar::new(rows).with_style(style.expect("the template is well formed"))
}

fn say_how_to_connect(address: &str) -> Result<(), Failure> {
    say(format!("The marketplace answers SQL over gRPC at {address}. From another terminal:\n"))?;
    say(format!("  souk sql --addr http://{address}\n  souk status --addr http://{address}\n"))?;
    say(format!(
        "Its shops sell over HTTP too, to a browser and to curl; examples/shop/shop.sh goes shopping:\n\n  http://{address}/shop/\n  curl 'http://{address}/api/v1/products?text=lamp&sort=-rating&page_size=3'\n"
    ))
}

fn say_how_to_go_on(cluster: &Cluster, folder: &Path) -> Result<(), Failure> {
    say(format!("The data stays in {}. To serve it again, start each of these:\n", folder.display()))?;
    cluster.commands(folder).into_iter().try_for_each(|command| say(format!("  {command}")))
}
