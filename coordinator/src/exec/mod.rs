//! Stage 7: runs a plan over nodes. One call a node, never one a shard.
//!
//! A plan is complete: nothing here looks at SQL, schema or topology.

mod account;
mod finish;
mod grpc;
mod nodes;
mod output;
mod run;
mod source;

pub(crate) use account::{Ending, Facts, Trace};
pub(crate) use grpc::GrpcNodes;
pub(crate) use nodes::{
    Done, FragmentPart, FragmentRequest, InsertRequest, Inserted, Moment, NodeDescription, Nodes, PrepareRequest,
    Reading, ShardFailure, ShardRows, ShardStatement, TableRows, Vote, WriteRequest,
};
pub(crate) use run::{Event, Remember, Run, run};
