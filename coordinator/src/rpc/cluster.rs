//! `ClusterService`.

use souk_proto::v1;
use tonic::{Request, Response, Status};

use crate::cluster::Cluster;
use crate::sql::TableInfo;
use crate::status::{self, Described, NodeStatus, Status as ClusterStatus};
use std::sync::Arc;

pub(crate) struct ClusterRpc {
    pub(crate) cluster: Arc<Cluster>,
}

#[tonic::async_trait]
impl v1::cluster_service_server::ClusterService for ClusterRpc {
    async fn get_status(&self, _: Request<v1::GetStatusRequest>) -> Result<Response<v1::GetStatusResponse>, Status> {
        Ok(Response::new(status_to_wire(status::status(&self.cluster).await?)))
    }

    async fn get_schema(&self, _: Request<v1::GetSchemaRequest>) -> Result<Response<v1::GetSchemaResponse>, Status> {
        self.cluster.refresh()?;
        let snapshot = self.cluster.snapshot();
        let statements = status::statements(&snapshot.catalog)?;
        let tables = snapshot.catalog.schema.tables().into_iter().map(|table| table_to_wire(table, &statements));
        Ok(Response::new(v1::GetSchemaResponse { schema_version: snapshot.catalog.version, tables: tables.collect() }))
    }
}

fn status_to_wire(status: ClusterStatus) -> v1::GetStatusResponse {
    v1::GetStatusResponse {
        nodes: status.nodes.into_iter().map(node_to_wire).collect(),
        shards: status.shards,
        topology_epoch: status.topology_epoch,
        schema_version: status.schema_version,
        sqlite_version: rusqlite::version().to_owned(),
        souk_version: env!("CARGO_PKG_VERSION").to_owned(),
        transactions_unfinished: status.unfinished,
    }
}

fn node_to_wire(node: NodeStatus) -> v1::NodeStatus {
    let known =
        v1::NodeStatus { node: node.id, address: node.address, shards: node.shards, ..v1::NodeStatus::default() };
    match node.described {
        Err(error) => v1::NodeStatus { error: error.to_string(), ..known },
        Ok(Described { node, waiting }) => v1::NodeStatus {
            shards_open: node.shards_open,
            memory_bytes: node.memory_bytes,
            kept_bytes: node.kept_bytes,
            page_cache_bytes: node.page_cache_bytes,
            schema_version: node.schema_version,
            shards_held: node.shards_held,
            shards_at_schema: node.shards_at_schema,
            shards_tried: node.shards_tried,
            shards_waiting: waiting.len() as u32,
            longest_wait_ms: waiting.into_iter().max().unwrap_or_default().as_millis() as u64,
            sqlite_version: node.sqlite_version,
            ..known
        },
    }
}

fn table_to_wire(table: &TableInfo, statements: &[status::SchemaObject]) -> v1::Table {
    let own = |kind: &'static str| {
        statements.iter().filter(move |object| object.kind == kind && object.table.eq_ignore_ascii_case(&table.name))
    };
    v1::Table {
        name: table.name.clone(),
        shard_key: table.key().map(|key| key.name.clone()).unwrap_or_default(),
        sql: own("table").next().map(|object| object.sql.clone()).unwrap_or_default(),
        columns: table
            .columns
            .iter()
            .map(|column| v1::TableColumn {
                name: column.name.clone(),
                declared_type: column.declared_type.clone(),
                not_null: column.not_null,
                primary_key: column.primary_key,
            })
            .collect(),
        indices: own("index").map(|object| object.sql.clone()).collect(),
    }
}
