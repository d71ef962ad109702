//! `souk schema`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use souk_proto::v1::{GetStatusResponse, NodeStatus};

use crate::{
    client::{Address, Client},
    failure::{Failure, printable},
    say::say,
    sql, status,
};

/// Looks at the schema.
#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    #[command(subcommand)]
    command: SchemaCommand,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    Status(SchemaStatusArguments),
}

/// Says which shards are at which schema number, also while a change is under way.
///
/// The exit code is 1 when a node does not answer or has shards that are behind.
#[derive(Debug, Args)]
struct SchemaStatusArguments {
    #[command(flatten)]
    address: Address,
    /// How it is written
    #[arg(long, value_enum, default_value = "table")]
    format: SchemaFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemaFormat {
    /// For people
    Table,
    /// One object
    Json,
}

/// Asks and prints.
pub(crate) async fn run(arguments: SchemaArguments) -> Result<(), Failure> {
    let SchemaCommand::Status(SchemaStatusArguments { address, format }) = arguments.command;
    let status = status::get(&Client::connect(&address.addr).await?).await?;
    say(match format {
        SchemaFormat::Table => text(&status),
        SchemaFormat::Json => json_object(&status).to_string(),
    })?;
    let behind: Vec<&str> =
        status.nodes.iter().filter(|node| !is_whole(node, status.schema_version)).map(|node| &*node.node).collect();
    if behind.is_empty() {
        Ok(())
    } else {
        Err(Failure::failed(format!(
            "not at schema {} on all their shards: {}",
            status.schema_version,
            behind.join(", ")
        )))
    }
}

fn is_whole(node: &NodeStatus, version: u64) -> bool {
    node.error.is_empty() && node.schema_version == version && node.shards_at_schema == node.shards_held
}

fn text(status: &GetStatusResponse) -> String {
    let names = ["node", "schema", "shards", "at it", "state"].map(str::to_owned);
    let numeric = [false, true, true, true, false];
    let rows = status.nodes.iter().map(|node| cells(node, status.schema_version)).collect();
    let held: u32 = status.nodes.iter().map(|node| node.shards_held).sum();
    let at_it: u32 = status
        .nodes
        .iter()
        .filter(|node| node.schema_version == status.schema_version)
        .map(|node| node.shards_at_schema)
        .sum();
    format!(
        "{}\nschema {} · {at_it} of {held} shards are at it",
        sql::print_table(&names, &numeric, rows, None),
        status.schema_version
    )
}

fn cells(node: &NodeStatus, version: u64) -> Vec<String> {
    let NodeStatus { node: name, error, schema_version, shards_held, shards_at_schema, shards_tried, .. } = node;
    let state = match () {
        () if !error.is_empty() => printable(error),
        () if *shards_tried > 0 => format!("{shards_tried} of {shards_held} shards have tried a change"),
        () if *schema_version < version => "behind: it is told".to_owned(),
        () if shards_at_schema < shards_held => "a change is under way".to_owned(),
        () => "ok".to_owned(),
    };
    vec![name.clone(), schema_version.to_string(), shards_held.to_string(), shards_at_schema.to_string(), state]
}

/// For programs.
fn json_object(status: &GetStatusResponse) -> Value {
    let node = |node: &NodeStatus| {
        json!({
            "node": node.node,
            "error": node.error,
            "schema_version": node.schema_version,
            "shards_held": node.shards_held,
            "shards_at_schema": node.shards_at_schema,
            "shards_tried": node.shards_tried,
        })
    };
    json!({ "schema_version": status.schema_version, "nodes": status.nodes.iter().map(node).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_words() {
        let node = |name: &str, schema_version, shards_at_schema, shards_tried, error: &str| NodeStatus {
            node: name.into(),
            schema_version,
            shards_held: 10,
            shards_at_schema,
            shards_tried,
            error: error.into(),
            ..NodeStatus::default()
        };
        let nodes = vec![
            node("n1", 3, 10, 0, ""),
            node("n2", 3, 4, 0, ""),
            node("n3", 2, 10, 0, ""),
            node("n4", 2, 10, 7, ""),
            node("n5", 0, 0, 0, "connection refused"),
        ];
        let status = GetStatusResponse { nodes, schema_version: 3, ..GetStatusResponse::default() };
        let text = text(&status);
        for words in [
            "ok",
            "a change is under way",
            "behind",
            "7 of 10 shards have tried",
            "connection refused",
            "14 of 50 shards",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        let whole: Vec<bool> = status.nodes.iter().map(|node| is_whole(node, 3)).collect();
        assert_eq!(whole, [true, false, false, false, false]);
    }
}
