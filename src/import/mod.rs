//! `souk import`: a CSV file in bulk.
//!
//! 1. [`columns`]: the header line against the table.
//! 2. [`source`]: the file, row by row.
//! 3. [`typing`]: a field becomes a value.
//! 4. [`send`]: rows become messages.
//! 5. [`rejects`]: rows that were refused, with what they said.

mod columns;
mod rejects;
mod send;
mod source;
mod typing;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use souk_proto::v1::{GetSchemaRequest, Table};
use tokio::{sync::mpsc, task};

use self::{columns::Columns, rejects::Rejects, source::Source};
use crate::{
    client::{Address, Client},
    failure::Failure,
    load,
    say::say,
};

/// Loads a CSV file into a table.
///
/// The header line names the columns; a column that is left out takes its default. An empty field is NULL. Every other field is
/// stored as SQLite stores that text in a column of the declared type. Rows that are refused go to a file of their own, with
/// the reason, and the others are kept; the exit code is then 1.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    #[command(flatten)]
    address: Address,
    /// The table
    #[arg(long)]
    table: String,
    /// The table's shard key; left out for a replicated table
    #[arg(long, value_name = "COLUMN")]
    key: Option<String>,
    /// The file; `.gz` is unpacked
    #[arg(value_name = "FILE.csv[.gz]")]
    file: PathBuf,
    /// Where refused rows go [default: FILE.rejects.csv]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

/// Loads the file.
pub(crate) async fn run(arguments: ImportArguments) -> Result<(), Failure> {
    let ImportArguments { address, table, key, file, rejects } = arguments;
    let started = Instant::now();
    let client = Client::connect(&address.addr).await?;
    let table = find_table(&client, &table).await?;
    let mut source = Source::open(&file)?;
    let columns = Columns::check(&table, key.as_deref(), source.header()?)?;
    let progress = source.progress();
    let (rejected, loaded) = transfer(&client, &table.name, source, columns).await?;
    progress.finish_and_clear();
    let path = rejects.unwrap_or_else(|| default_rejects(&file));
    if !rejected.is_empty() {
        rejects::write(&rejected, &file, &path)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let summary = format!("loaded {loaded} rows into {} ({} rejected) in {seconds:.1} s", table.name, rejected.len());
    say(summary)?;
    if rejected.is_empty() {
        return Ok(());
    }
    eprintln!("rejected rows, with reasons: {}", path.display());
    Err(Failure::Reported)
}

/// Sends every row; gives the refused ones, and how many were loaded.
async fn transfer(client: &Client, table: &str, source: Source, columns: Columns) -> Result<(Rejects, u64), Failure> {
    let (sender, requests) = mpsc::channel(load::QUEUE_MESSAGES);
    let table = table.to_owned();
    let reader = task::spawn_blocking(move || send::rows(&table, source, &columns, &sender));
    let mut rejected = Rejects::default();
    let loaded = load::load(client, requests, |response| rejected.add(response.rejected)).await?;
    let sent = reader.await.map_err(|_| Failure::failed("reading the file broke"))?;
    let sent = sent.map_err(|failure| {
        let text = failure.text().unwrap_or_default();
        Failure::failed(format!("{text} (the rows before are loaded: {loaded})"))
    })?;
    let accounted = loaded + rejected.len() as u64;
    if accounted != sent.rows {
        let rows = sent.rows;
        return Err(Failure::failed(format!("{rows} rows were sent, but the coordinator accounts for {accounted}")));
    }
    rejected.add(sent.rejected)?;
    Ok((rejected, loaded))
}

async fn find_table(client: &Client, name: &str) -> Result<Table, Failure> {
    let response = client.cluster().get_schema(GetSchemaRequest {}).await;
    let tables = response.map_err(|status| Failure::of_status(&status))?.into_inner().tables;
    let known: Vec<String> = tables.iter().map(|table| format!("`{}`", table.name)).collect();
    let found = tables.into_iter().find(|table| table.name.eq_ignore_ascii_case(name));
    found.ok_or_else(|| match known.as_slice() {
        [] => Failure::failed(format!("there is no table `{name}`: create it first, with souk sql")),
        known => Failure::failed(format!("there is no table `{name}`; there are {}", known.join(", "))),
    })
}

fn default_rejects(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".rejects.csv");
    name.into()
}
