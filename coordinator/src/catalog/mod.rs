//! Stage 4: the tables and the topology, as immutable snapshots over a durable store.

mod store;
mod tables;
mod topology;
mod twins;
mod views;

use std::sync::Arc;

use self::tables::table_infos;
use self::views::view_infos;
use crate::scratch::Scratches;
use crate::sql::Schema;

pub(crate) use store::{NewShards, Store, StoreError};
pub(crate) use tables::{DeclareError, DeclaredDistribution, default_distribution};
pub(crate) use topology::{Target, Topology, ring_key};
pub(crate) use twins::Twins;

/// The schema at one number.
pub(crate) struct Catalog {
    /// The number of the last schema change; 0 for none.
    pub(crate) version: u64,
    /// All changes, from the first.
    pub(crate) log: Vec<SchemaChange>,
    pub(crate) schema: Schema,
    pub(crate) twins: Arc<Twins>,
    pub(crate) scratches: Arc<Scratches>,
}

/// One change of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaChange {
    /// SQLite's SQL, as shards run it.
    pub(crate) sql: String,
    /// For a CREATE TABLE: how its rows lie.
    pub(crate) distribution: Option<DeclaredDistribution>,
}

impl Catalog {
    /// The state after these changes.
    pub(crate) fn new(log: Vec<SchemaChange>) -> Result<Catalog, DeclareError> {
        let script: Vec<String> = log.iter().map(|change| change.sql.clone()).collect();
        let scratches = Arc::new(Scratches::new(script.clone()));
        let twins = Arc::new(Twins::new(script));
        let declared: Vec<_> = log.iter().filter_map(|change| change.distribution.clone()).collect();
        let schema = Schema::new(table_infos(log.iter().map(|change| change.sql.as_str()), &declared)?);
        let schema = schema.with_views(view_infos(log.iter().map(|change| change.sql.as_str()))?);
        Ok(Catalog { version: log.len() as u64, log, schema, twins, scratches })
    }
}

/// What a query is planned against.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) topology: Arc<Topology>,
}
