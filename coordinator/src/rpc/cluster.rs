//! `ClusterService`.

use souk_proto::v1;
use tonic::{Request, Response, Status};

use crate::cluster::Cluster;
use crate::sql::TableInfo;
use crate::status::{self, NodeStatus, Status as ClusterStatus};
use std::sync::Arc;

pub(crate) struct ClusterRpc {
    pub(crate) cluster: Arc<Cluster>,
}

#[tonic::async_trait]
impl v1::cluster_service_server::ClusterService for ClusterRpc {
    async fn get_status(&self, _: Request<v1::GetStatusRequest>) -> Result<Response<v1::GetStatusResponse>, Status> {
        Ok(Response::new(status_to_wire(status::status(&self.cluster).await)))
    }

    async fn get_schema(&self, _: Request<v1::GetSchemaRequest>) -> Result<Response<v1::GetSchemaResponse>, Status> {
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
    }
}

fn node_to_wire(node: NodeStatus) -> v1::NodeStatus {
    let (error, described) = match node.described {
        Ok(described) => (String::new(), Some(described)),
        Err(error) => (error.to_string(), None),
    };
    v1::NodeStatus {
        node: node.id,
        address: node.address,
        shards: node.shards,
        error,
        shards_open: described.as_ref().map_or(0, |described| described.shards_open),
        memory_bytes: described.as_ref().map_or(0, |described| described.memory_bytes),
        kept_bytes: described.as_ref().map_or(0, |described| described.kept_bytes),
        page_cache_bytes: described.as_ref().map_or(0, |described| described.page_cache_bytes),
        schema_version: described.as_ref().map_or(0, |described| described.schema_version),
        shards_held: described.as_ref().map_or(0, |described| described.shards_held),
        shards_at_schema: described.as_ref().map_or(0, |described| described.shards_at_schema),
        shards_tried: described.as_ref().map_or(0, |described| described.shards_tried),
        shards_waiting: node.waiting.len() as u32,
        longest_wait_ms: node.waiting.into_iter().max().unwrap_or_default().as_millis() as u64,
        sqlite_version: described.map(|described| described.sqlite_version).unwrap_or_default(),
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
