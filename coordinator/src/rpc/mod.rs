//! Stage 1: gRPC in; a message becomes a call; nothing is decided here.

mod cluster;
mod from_wire;
mod query;
mod to_wire;
mod write;

pub(crate) use cluster::ClusterRpc;
pub(crate) use query::QueryRpc;
pub(crate) use write::WriteRpc;
