//! One node's part of an answer: batches as they come, then who answered.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use souk_merge::Batch;
use souk_proto::Reason;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::nodes::{FragmentPart, FragmentRequest, Nodes, Reading, ShardFailure, ShardsState};
use crate::error::{Error, Result};
use crate::plan::Measured;

/// Batches that may wait at the coordinator for each node.
const BATCHES_AHEAD: usize = 4;

/// A running fragment on one node. Dropping it cancels the work there.
pub(super) struct Source {
    node: String,
    shards: Arc<[u64]>,
    /// Columns of its rows; none when the text is the user's.
    width: Option<usize>,
    partial: bool,
    parts: BoxStream<'static, Result<FragmentPart>>,
    gave_rows: bool,
    /// Shards that are missing from the answer.
    pub(super) failed: Vec<ShardFailure>,
    /// Shards that were not read.
    pub(super) kept: u32,
    /// Shards that were not read, since their statistics rule them out.
    pub(super) skipped: u32,
    /// How the shards stood, when that is to be relied on.
    state: Option<ShardsState>,
    ended: bool,
    started: Instant,
    /// What the call took, when it is measured.
    pub(super) measured: Option<Measured>,
}

impl Source {
    /// Starts the call at once, so that several nodes work at the same time.
    pub(super) fn start(nodes: &Arc<dyn Nodes>, node: &str, request: FragmentRequest, width: Option<usize>) -> Source {
        let source = Source::of(nodes, node, request, width);
        Source { parts: ahead(source.parts), ..source }
    }

    /// A call that begins when its first rows are asked for: where only one node is asked, nothing is won by beginning before.
    pub(super) fn of(nodes: &Arc<dyn Nodes>, node: &str, request: FragmentRequest, width: Option<usize>) -> Source {
        let (shards, partial) = (Arc::clone(&request.shards), request.partial);
        let measured = (request.slowest_max > 0).then(Measured::default);
        let started = Instant::now();
        let parts = nodes.run_fragment(node, request);
        Source {
            node: node.to_owned(),
            shards,
            width,
            partial,
            parts,
            gave_rows: false,
            failed: Vec::new(),
            kept: 0,
            skipped: 0,
            state: None,
            ended: false,
            started,
            measured,
        }
    }

    /// The next rows; none at the end, when every shard is accounted for.
    pub(super) async fn next(&mut self) -> Result<Option<Batch>> {
        if self.ended {
            return Ok(None);
        }
        match self.parts.next().await {
            Some(Ok(FragmentPart::Batch(batch))) if self.width.is_none_or(|width| width == batch.width()) => {
                self.gave_rows = true;
                if let Some(measured) = &mut self.measured {
                    measured.rows += batch.rows() as u64;
                    measured.bytes += batch.byte_size() as u64;
                }
                Ok(Some(batch))
            }
            Some(Ok(FragmentPart::Batch(_))) => {
                Err(Error::internal(format!("node `{}` sent rows of another shape", self.node)))
            }
            Some(Ok(FragmentPart::Summary(summary))) => {
                self.ended = true;
                self.failed = summary.failed;
                self.kept = summary.kept;
                self.skipped = summary.skipped;
                self.state = summary.state;
                if let Some(measured) = &mut self.measured {
                    measured.elapsed = self.started.elapsed();
                    measured.slowest = summary.slowest;
                    measured.kept = summary.kept;
                    measured.skipped = summary.skipped;
                }
                match (self.partial, self.failed.first()) {
                    (false, Some(failure)) => Err(Error::new(failure.reason, failure.message.clone())),
                    _ => Ok(None),
                }
            }
            Some(Err(error)) => self.fail(error),
            None => self.fail(Error::new(
                Reason::ShardUnavailable,
                format!("node `{}` broke off before its answer was complete", self.node),
            )),
        }
    }

    /// What was read; none when it may be otherwise the next time.
    pub(super) fn reading(&self) -> Option<Reading> {
        let state = self.state.filter(|_| self.failed.is_empty())?;
        Some(Reading { node: self.node.clone(), shards: Arc::clone(&self.shards), state })
    }

    /// A node that is away takes its shards with it, unless rows of it are in the answer already.
    fn fail(&mut self, error: Error) -> Result<Option<Batch>> {
        self.ended = true;
        if error.reason != Reason::ShardUnavailable {
            return Err(error);
        }
        if !self.partial || self.gave_rows {
            return Err(Error::new(error.reason, format!("{} ({})", error.message, shard_list(&self.shards))));
        }
        self.failed = self
            .shards
            .iter()
            .map(|&shard| ShardFailure {
                shard,
                node: self.node.clone(),
                reason: error.reason,
                message: error.message.clone(),
            })
            .collect();
        Ok(None)
    }
}

/// Takes the parts of a stream as they come, some of them before anybody asks for them.
fn ahead(mut parts: BoxStream<'static, Result<FragmentPart>>) -> BoxStream<'static, Result<FragmentPart>> {
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    tokio::spawn(async move {
        loop {
            let part = tokio::select! {
                part = parts.next() => part,
                () = sender.closed() => None,
            };
            let Some(part) = part else { return };
            if sender.send(part).await.is_err() {
                return;
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|part| (part, receiver)) }).boxed()
}

/// A few shards by number, and how many more there are.
fn shard_list(shards: &[u64]) -> String {
    const NAMED: usize = 10;
    let named: Vec<String> = shards.iter().take(NAMED).map(u64::to_string).collect();
    let more = shards.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("shards {}{more}", named.join(", "))
}
