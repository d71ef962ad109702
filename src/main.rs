//! The `souk` command: parses what was typed and hands it to one command.
//!
//! - [`serve`]: `souk node` and `souk coordinator`, and their configuration.
//! - [`sql`]: `souk sql`: statements in, rows out, and the prompt.
//! - [`import`]: `souk import`: CSV files in bulk.
//! - [`status`]: `souk status`.
//! - [`schema`]: `souk schema`.
//! - [`demo`]: `souk demo`: a marketplace on this machine.
//! - [`client`], [`load`], [`real`], [`say`], [`stop`], [`failure`]: what the commands share.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod client;
mod demo;
mod failure;
mod import;
mod load;
mod real;
mod say;
mod schema;
mod serve;
mod sql;
mod status;
mod stop;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// SQL over thousands of vendors' SQLite databases as if they were one.
#[derive(Debug, Parser)]
#[command(name = "souk", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArguments),
    Coordinator(serve::CoordinatorArguments),
    Node(serve::NodeArguments),
    Sql(sql::SqlArguments),
    Import(import::ImportArguments),
    Status(status::StatusArguments),
    Schema(schema::SchemaArguments),
}

fn main() -> ExitCode {
    // What the variable FAILPOINTS names fails from now on.
    #[cfg(feature = "failpoints")]
    let _armed = fail::FailScenario::setup();
    let arguments = Arguments::parse();
    let outcome = match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(arguments.command));
            // A thread may still wait for a line of input: it is not waited for.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Failure::failed(format!("cannot start the runtime: {error}"))),
    };
    failure::report(outcome)
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Coordinator(arguments) => serve::coordinator(arguments).await,
        Command::Node(arguments) => serve::node(arguments).await,
        Command::Sql(arguments) => sql::run(arguments).await,
        Command::Import(arguments) => import::run(arguments).await,
        Command::Status(arguments) => status::run(arguments).await,
        Command::Schema(arguments) => schema::run(arguments).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Arguments::command().debug_assert();
        assert_eq!(super::Arguments::command().get_subcommands().count(), 7);
    }
}
