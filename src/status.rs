//! `souk status`.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use souk_proto::v1::{GetStatusRequest, GetStatusResponse, NodeStatus};

use crate::{
    client::{Address, Client},
    failure::{Failure, printable},
    say::say,
    sql,
};

/// Says what the cluster is made of: nodes, shards, versions, memory.
///
/// The exit code is 1 when a node does not answer.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    address: Address,
    /// How it is written
    #[arg(long, value_enum, default_value = "table")]
    format: StatusFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StatusFormat {
    /// For people
    Table,
    /// One object
    Json,
}

/// Asks and prints.
pub(crate) async fn run(arguments: StatusArguments) -> Result<(), Failure> {
    let status = get(&Client::connect(&arguments.address.addr).await?).await?;
    let text = match arguments.format {
        StatusFormat::Table => text(&status),
        StatusFormat::Json => json_object(&status).to_string(),
    };
    say(text)?;
    let silent: Vec<&str> = status.nodes.iter().filter(|node| !node.error.is_empty()).map(|node| &*node.node).collect();
    if silent.is_empty() {
        Ok(())
    } else {
        Err(Failure::failed(format!("nodes that do not answer: {}", silent.join(", "))))
    }
}

/// The status of the cluster.
pub(crate) async fn get(client: &Client) -> Result<GetStatusResponse, Failure> {
    let response = client.cluster().get_status(GetStatusRequest {}).await;
    Ok(response.map_err(|status| Failure::of_status(&status))?.into_inner())
}

/// For people.
pub(crate) fn text(status: &GetStatusResponse) -> String {
    let names = ["node", "address", "shards", "open", "memory", "SQLite", "state"].map(str::to_owned);
    let numeric = [false, false, true, true, true, false, false];
    let rows = status.nodes.iter().map(node_cells).collect();
    let GetStatusResponse { shards, topology_epoch, schema_version, sqlite_version, souk_version, .. } = status;
    let unfinished = match status.transactions_unfinished {
        0 => String::new(),
        1 => "\n1 transaction is committed, and not known to be done on all of its shards".to_owned(),
        many => format!("\n{many} transactions are committed, and not known to be done on all of their shards"),
    };
    format!(
        "{}\n{shards} shards · topology {topology_epoch} · schema {schema_version} · souk {souk_version} · SQLite {sqlite_version}{unfinished}",
        sql::print_table(&names, &numeric, rows, None)
    )
}

fn node_cells(status: &NodeStatus) -> Vec<String> {
    let NodeStatus { node, address, shards, error, shards_open, memory_bytes, sqlite_version, .. } = status;
    let state = match status.shards_waiting {
        _ if !error.is_empty() => printable(error),
        0 => "ok".to_owned(),
        waiting => {
            let seconds = status.longest_wait_ms as f64 / 1000.0;
            let wait = if waiting == 1 { "shard waits" } else { "shards wait" };
            format!("{waiting} {wait} for the word of a transaction, for {seconds:.1} s")
        }
    };
    let memory = format!("{:.1} MiB", *memory_bytes as f64 / f64::from(1 << 20));
    let (shards, open) = (shards.to_string(), shards_open.to_string());
    vec![node.clone(), address.clone(), shards, open, memory, sqlite_version.clone(), state]
}

/// For programs: the message's own fields.
fn json_object(status: &GetStatusResponse) -> Value {
    let GetStatusResponse {
        nodes,
        shards,
        topology_epoch,
        schema_version,
        sqlite_version,
        souk_version,
        transactions_unfinished,
    } = status;
    json!({
        "nodes": nodes.iter().map(json_node).collect::<Vec<_>>(),
        "shards": shards,
        "topology_epoch": topology_epoch,
        "schema_version": schema_version,
        "transactions_unfinished": transactions_unfinished,
        "sqlite_version": sqlite_version,
        "souk_version": souk_version,
    })
}

fn json_node(status: &NodeStatus) -> Value {
    let NodeStatus {
        node,
        address,
        shards,
        error,
        shards_open,
        memory_bytes,
        sqlite_version,
        kept_bytes,
        page_cache_bytes,
        shards_waiting,
        longest_wait_ms,
        schema_version,
        shards_held,
        shards_at_schema,
        shards_tried,
    } = status;
    json!({
        "node": node,
        "address": address,
        "shards": shards,
        "error": error,
        "shards_open": shards_open,
        "memory_bytes": memory_bytes,
        "kept_bytes": kept_bytes,
        "page_cache_bytes": page_cache_bytes,
        "shards_waiting": shards_waiting,
        "longest_wait_ms": longest_wait_ms,
        "schema_version": schema_version,
        "shards_held": shards_held,
        "shards_at_schema": shards_at_schema,
        "shards_tried": shards_tried,
        "sqlite_version": sqlite_version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> GetStatusResponse {
        let node = NodeStatus { node: "n1".into(), shards: 250, memory_bytes: 3 << 19, ..NodeStatus::default() };
        let silent = NodeStatus { node: "n2".into(), error: "connection refused".into(), ..NodeStatus::default() };
        GetStatusResponse { nodes: vec![node, silent], shards: 500, topology_epoch: 3, ..GetStatusResponse::default() }
    }

    #[test]
    fn a_silent_node_says_why() {
        let text = text(&status());
        assert!(text.contains("1.5 MiB") && text.contains("connection refused"), "{text}");
        assert!(text.contains("500 shards · topology 3"), "{text}");
    }

    #[test]
    fn shards_that_wait_are_told_of() {
        let waiting = NodeStatus { shards_waiting: 2, longest_wait_ms: 1500, ..NodeStatus::default() };
        let text = text(&GetStatusResponse { nodes: vec![waiting], ..GetStatusResponse::default() });
        assert!(text.contains("2 shards wait for the word of a transaction, for 1.5 s"), "{text}");
    }

    #[test]
    fn transactions_that_are_not_done_everywhere_are_told_of() {
        let text = text(&GetStatusResponse { transactions_unfinished: 2, ..GetStatusResponse::default() });
        assert!(
            text.ends_with("\n2 transactions are committed, and not known to be done on all of their shards"),
            "{text}"
        );
    }

    #[test]
    fn programs_get_every_field() {
        let json = json_object(&status());
        assert_eq!(json["nodes"][0]["memory_bytes"], 3 << 19);
        assert_eq!(json["nodes"][1]["error"], "connection refused");
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(7));
    }
}
