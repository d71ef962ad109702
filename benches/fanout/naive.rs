//! souk's own nodes, asked in the most naive way: one call a shard, many at a time, whose rows the client merges by hand. What one
//! call a node and merging on the way save.

use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use souk_merge::{Batch, MergeSpec, Value};
use souk_proto::v1::{
    DescribeRequest, RunFragmentRequest, run_fragment_response::Part, shard_service_client::ShardServiceClient,
};
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use crate::{
    partial::Partial,
    queries::{Merge, Query},
    souk,
};

/// Calls that run at a time.
const CALLS: usize = 64;

/// Time for a call, in milliseconds.
const DEADLINE_MS: u32 = 60_000;

/// Bytes that a call may give.
const BYTES_MAX: u64 = 1 << 30;

/// Nodes by `host:port`.
pub(crate) struct Naive<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) nodes: Vec<String>,
    /// A table in which every vendor has a row.
    pub(crate) table_of_all_vendors: &'static str,
}

/// Connections, and the shards of vendors behind them.
pub(crate) struct Connected<'a> {
    runtime: &'a Runtime,
    shards: Vec<Shard>,
}

/// A shard and who has it.
struct Shard {
    node: ShardServiceClient<Channel>,
    number: u64,
    schema_version: u64,
}

impl<'a> Naive<'a> {
    /// Connects. Nobody answers for a connection while others have their turn: each turn has its own.
    pub(crate) fn connect(&self) -> anyhow::Result<Connected<'a>> {
        let shards = stream::iter(&self.nodes).then(|node| shards_of(node, self.table_of_all_vendors)).try_concat();
        Ok(Connected { runtime: self.runtime, shards: self.runtime.block_on(shards)? })
    }
}

impl Connected<'_> {
    /// Asks each shard; none of a query for one shard alone, which is no different at souk, or of one that no walk answers.
    pub(crate) fn ask(&self, query: &Query, parameters: &[Value]) -> anyhow::Result<Option<Vec<Batch>>> {
        if matches!(query.merge, Merge::OneShard | Merge::None) {
            return Ok(None);
        }
        self.runtime.block_on(async {
            let calls = self.shards.iter().map(|shard| shard.ask(query.shard_sql, parameters));
            let mut answers = stream::iter(calls).buffered(CALLS);
            let (mut partial, mut position) = (Partial::new(query.merge), 0);
            while let Some(batches) = answers.try_next().await? {
                for batch in &batches {
                    take(&mut partial, position, batch)?;
                }
                position += 1;
            }
            partial.finish().map(Some)
        })
    }
}

/// A new cluster has a shard that is no vendor's: it is not among them.
async fn shards_of(address: &str, table_of_all_vendors: &str) -> anyhow::Result<Vec<Shard>> {
    let mut node = ShardServiceClient::new(souk::endpoint(address)?.connect().await?);
    let described = node.describe(DescribeRequest {}).await?.into_inner();
    let (mut shards, count) = (Vec::new(), format!("SELECT count(*) FROM {table_of_all_vendors}"));
    for number in described.shards {
        let shard = Shard { node: node.clone(), number, schema_version: described.schema_version };
        let counted = shard.ask(&count, &[]).await?;
        let counted = counted.into_iter().next().context("a count is a row")?;
        if counted.into_rows() != [[Value::Integer(0)]] {
            shards.push(shard);
        }
    }
    Ok(shards)
}

impl Shard {
    async fn ask(&self, sql: &str, parameters: &[Value]) -> anyhow::Result<Vec<Batch>> {
        let request = RunFragmentRequest {
            shards: vec![self.number],
            sql: sql.to_owned(),
            parameters: parameters.iter().map(Into::into).collect(),
            merge: Some((&MergeSpec::Rows { order: Vec::new(), limit: None }).into()),
            schema_version: self.schema_version,
            deadline_ms: DEADLINE_MS,
            bytes_max: BYTES_MAX,
            ..RunFragmentRequest::default()
        };
        let mut parts = self.node.clone().run_fragment(request).await?.into_inner();
        let (mut batches, mut answered) = (Vec::new(), 0);
        while let Some(message) = parts.message().await? {
            match message.part.context("a message holds something")? {
                Part::Batch(batch) => batches.push(Batch::try_from(batch)?),
                Part::Summary(summary) => {
                    answered = summary.answered;
                    batches.extend(summary.last.map(Batch::try_from).transpose()?);
                }
            }
        }
        ensure!(answered == 1, "shard {} did not answer", self.number);
        Ok(batches)
    }
}

fn take(partial: &mut Partial, position: u32, batch: &Batch) -> anyhow::Result<()> {
    let mut rows = batch.cursor();
    while rows.advance() {
        let row: Vec<_> = rows.values().collect();
        if partial.take(position, &row)?.is_break() {
            break;
        }
    }
    Ok(())
}
