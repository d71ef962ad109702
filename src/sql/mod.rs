//! `souk sql`: statements in, rows out.
//!
//! - [`lexer`], [`split`], [`verb`]: from text to statements.
//! - [`session`]: a statement at the coordinator, its answer checked.
//! - [`output`]: rows in a format.
//! - [`mod@run`]: the three together.
//! - [`script`], [`mod@shell`], [`dot`], [`history`]: where statements come from.

mod dot;
mod history;
mod lexer;
mod output;
mod run;
mod script;
mod session;
mod shell;
mod split;
mod verb;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use clap::Args;
use souk_merge::Value;

pub(crate) use output::{Format, print_table, time};
pub(crate) use run::{Explain, Runner};
pub(crate) use session::Session;
pub(crate) use shell::run as shell;

use crate::{
    client::{Address, Client},
    failure::Failure,
};

/// Runs SQL: from -c, a file or stdin; on a terminal, at a prompt.
///
/// Rows go to stdout. Behind a table stands a line with the row count, the time, the plan and the shards that
/// answered; with the other formats this line goes to stderr. The first statement that fails ends the run, with exit code 1.
///
/// csv: NULL and the empty text are empty fields. json, jsonl: integers keep all 64 bits, reals have a point or an exponent. Bytes
/// that are no text are `x'..'`, in json and jsonl `{"blob": ".."}`, with hexadecimal digits; an infinite real is 9e999.
#[derive(Debug, Args)]
pub(crate) struct SqlArguments {
    #[command(flatten)]
    address: Address,
    /// Statements to run, with `;` between them
    #[arg(short = 'c', long = "command", value_name = "SQL", conflicts_with = "file")]
    command: Option<String>,
    /// A file of statements to run
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How rows are written
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Answer as one SQLite database with only this shard key's rows would
    #[arg(long, value_name = "VALUE")]
    key: Option<String>,
    /// Accept answers that lack shards that failed; they are named
    #[arg(long)]
    partial: bool,
    /// Answer twice, the second time from whole tables, and fail when the answers differ
    #[arg(long, conflicts_with_all = ["partial", "key"])]
    verify: bool,
    /// Say how statements are answered instead: as lines, or with json as an object
    #[arg(long, value_name = "HOW", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "plan")]
    explain: Option<Explain>,
}

/// Runs what the arguments say.
pub(crate) async fn run(arguments: SqlArguments) -> Result<(), Failure> {
    let SqlArguments { address, command, file, format, key, partial, verify, explain } = arguments;
    let source = script::Source::choose(command, file, io::stdin().is_terminal() && io::stdout().is_terminal())?;
    let client = Client::connect(&address.addr).await?;
    let session = Session { client, key: key.as_deref().map(Value::text), partial, verify };
    let runner = Runner { session, format, timer: false, explain };
    match source {
        Some(source) => script::run(&runner, source).await,
        None => shell::run(runner).await,
    }
}
