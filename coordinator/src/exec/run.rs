//! The executor: one `match` over the plan.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::try_join_all;
use souk_merge::{Batch, Groups, MergeSpec, OrderedMerge, Slice, Step, Value};
use souk_proto::Reason;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::nodes::{FragmentRequest, Nodes, ShardFailure};
use super::scratch::{self, Stop};
use super::source::Source;
use crate::catalog::{Target, Twins};
use crate::error::{Error, Result};
use crate::plan::{BoundFinish, BoundPart, Plan, Scope, ScratchTable};

/// Batches that may wait for a client that reads slowly.
const EVENTS_AHEAD: usize = 2;
/// Rows in a batch of an ordered merge.
const ORDERED_BATCH_ROWS: usize = 4096;

/// What comes out of a running plan.
#[derive(Debug)]
pub(crate) enum Event {
    Rows(Batch),
    /// Last, once: the shards that are missing from the answer.
    End(Vec<ShardFailure>),
}

/// Everything a plan needs to run.
pub(crate) struct Run {
    pub(crate) nodes: Arc<dyn Nodes>,
    /// For what no shard has to be asked for.
    pub(crate) twins: Arc<Twins>,
    pub(crate) schema_version: u64,
    pub(crate) deadline: Instant,
    pub(crate) partial: bool,
    pub(crate) rows_max: u64,
    pub(crate) bytes_max: u64,
    pub(crate) merge_bytes_max: u64,
}

/// Starts a plan. Dropping the receiver cancels it everywhere.
pub(crate) fn run(plan: Plan, run: Run) -> mpsc::Receiver<Result<Event>> {
    let (sender, events) = mpsc::channel(EVENTS_AHEAD);
    tokio::spawn(async move {
        let deadline = run.deadline;
        let cancelled = Arc::new(AtomicBool::new(false));
        let _cancel = CancelOnDrop(Arc::clone(&cancelled));
        let mut output =
            Output { sender: sender.clone(), rows: 0, bytes: 0, rows_max: run.rows_max, bytes_max: run.bytes_max };
        let driver = Driver { run, stop: Stop { deadline, cancelled } };
        let done = tokio::select! {
            done = timeout_at(deadline, driver.drive(plan, &mut output)) => done.unwrap_or_else(|_| Err(Error::deadline())),
            () = sender.closed() => return,
        };
        // A receiver that is gone wants no answer.
        let _ = sender.send(done.map(Event::End)).await;
    });
    events
}

struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The way out, with its bounds.
struct Output {
    sender: mpsc::Sender<Result<Event>>,
    rows: u64,
    bytes: u64,
    rows_max: u64,
    bytes_max: u64,
}

impl Output {
    async fn send(&mut self, batch: Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        self.rows += batch.rows() as u64;
        self.bytes += batch.byte_size() as u64;
        let too_large = |what: &str, max: u64| {
            Err(Error::new(
                Reason::TooLarge,
                format!("the answer has more than {max} {what}; add a LIMIT, or raise the bound"),
            ))
        };
        if self.rows > self.rows_max {
            return too_large("rows", self.rows_max);
        }
        if self.bytes > self.bytes_max {
            return too_large("bytes", self.bytes_max);
        }
        let gone = |_| Error::new(Reason::Cancelled, "the client is gone");
        self.sender.send(Ok(Event::Rows(batch))).await.map_err(gone)
    }
}

/// Shards missing from the answer, each once.
type Failed = BTreeMap<u64, ShardFailure>;

struct Driver {
    run: Run,
    stop: Stop,
}

impl Driver {
    async fn drive(&self, plan: Plan, output: &mut Output) -> Result<Vec<ShardFailure>> {
        let mut failed = Failed::new();
        match plan {
            Plan::Local { sql, parameters } => self.local(sql, parameters, output).await?,
            Plan::Route { target, sql, parameters, scope } => {
                self.route(target, sql, parameters, scope, output, &mut failed).await?;
            }
            Plan::Scatter { parts, parameters, finish: BoundFinish::Stream { visible, offset, limit } } => {
                let slice = Slice::new(offset, limit);
                for part in &parts {
                    self.stream(part, &Arc::new(parameters.clone()), visible, slice.clone(), output, &mut failed)
                        .await?;
                }
            }
            Plan::Scatter { parts, parameters, finish: BoundFinish::Scratch { sql, tables } } => {
                self.scratch(parts, parameters, sql, tables, output, &mut failed).await?;
            }
        }
        Ok(failed.into_values().collect())
    }

    async fn local(&self, sql: String, parameters: Vec<Value>, output: &mut Output) -> Result<()> {
        let twins = Arc::clone(&self.run.twins);
        let stop = self.stop.clone();
        self.blocking(output, move |emit| {
            let twin = twins.take().map_err(|error| Error::internal(error.to_string()))?;
            twin.watch(Some(Box::new(move || stop.is_due())));
            let done = scratch::rows(twin.connection(), &sql, &parameters, emit);
            twin.watch(None);
            done
        })
        .await
    }

    async fn route(
        &self,
        target: Target,
        sql: String,
        parameters: Vec<Value>,
        scope: Option<Scope>,
        output: &mut Output,
        failed: &mut Failed,
    ) -> Result<()> {
        let merge = MergeSpec::Rows { order: Vec::new(), limit: None };
        let request = self.request(&target, sql, &Arc::new(parameters), merge, scope);
        let mut source = Source::start(&self.run.nodes, &target.node, request, None);
        while let Some(batch) = source.next().await? {
            output.send(batch).await?;
        }
        note(&source, failed);
        Ok(())
    }

    async fn stream(
        &self,
        part: &BoundPart,
        parameters: &Arc<Vec<Value>>,
        visible: usize,
        mut slice: Slice,
        output: &mut Output,
        failed: &mut Failed,
    ) -> Result<()> {
        let mut sources = self.start(part, parameters);
        let MergeSpec::Rows { order, limit } = &part.merge else {
            return Err(Error::internal("groups cannot be streamed"));
        };
        if order.is_empty() {
            for source in &mut sources {
                while let Some(mut batch) = source.next().await? {
                    batch.truncate_columns(visible);
                    output.send(slice.apply(batch)).await?;
                }
            }
        } else {
            let mut merge = OrderedMerge::new(order.clone(), sources.len(), part.width, *limit, ORDERED_BATCH_ROWS);
            loop {
                match merge.step().map_err(|error| unsorted(&error, part))? {
                    Step::Need(index) => match sources[index].next().await? {
                        Some(batch) => merge.push(index, batch).map_err(|error| unsorted(&error, part))?,
                        None => merge.end(index),
                    },
                    Step::Rows(mut batch) => {
                        batch.truncate_columns(visible);
                        output.send(slice.apply(batch)).await?;
                    }
                    Step::Done => break,
                }
            }
        }
        for source in &mut sources {
            // Rows behind the last one wanted are thrown away; every shard is accounted for all the same.
            while source.next().await?.is_some() {}
            note(source, failed);
        }
        Ok(())
    }

    async fn scratch(
        &self,
        parts: Vec<BoundPart>,
        parameters: Vec<Value>,
        sql: String,
        tables: Vec<ScratchTable>,
        output: &mut Output,
        failed: &mut Failed,
    ) -> Result<()> {
        let parameters = Arc::new(parameters);
        let merged = try_join_all(parts.iter().map(|part| self.merged(part, &parameters))).await?;
        let mut batches = Vec::with_capacity(merged.len());
        for (part, part_failed) in merged {
            batches.push(part);
            failed.extend(part_failed);
        }
        let stop = self.stop.clone();
        self.blocking(output, move |emit| scratch::finish(&tables, batches, &sql, &parameters, &stop, emit)).await
    }

    /// All rows or groups of a part.
    async fn merged(&self, part: &BoundPart, parameters: &Arc<Vec<Value>>) -> Result<(Vec<Batch>, Failed)> {
        let mut sources = self.start(part, parameters);
        let mut failed = Failed::new();
        let mut batches = Vec::new();
        match &part.merge {
            MergeSpec::Rows { .. } => {
                let mut bytes = 0;
                for source in &mut sources {
                    while let Some(batch) = source.next().await? {
                        bytes += batch.byte_size() as u64;
                        self.check_merge_bytes(bytes)?;
                        batches.push(batch);
                    }
                }
            }
            MergeSpec::Groups { keys, states } => {
                let mut groups = Groups::new(keys.clone(), states.clone());
                for source in &mut sources {
                    while let Some(batch) = source.next().await? {
                        let mut cursor = batch.into_cursor();
                        while cursor.advance() {
                            groups.fold_row(cursor.values())?;
                        }
                        self.check_merge_bytes(groups.byte_size() as u64)?;
                    }
                }
                batches.push(groups.into_batch());
            }
        }
        sources.iter().for_each(|source| note(source, &mut failed));
        Ok((batches, failed))
    }

    fn check_merge_bytes(&self, bytes: u64) -> Result<()> {
        if bytes <= self.run.merge_bytes_max {
            return Ok(());
        }
        let max = self.run.merge_bytes_max;
        let message = format!(
            "the partial answers to be merged take {bytes} bytes, over {max}; filter more, or raise `merge_bytes_max`"
        );
        Err(Error::new(Reason::GatherTooLarge, message))
    }

    fn start(&self, part: &BoundPart, parameters: &Arc<Vec<Value>>) -> Vec<Source> {
        let start = |target: &Target| {
            let request = self.request(target, part.sql.clone(), parameters, part.merge.clone(), None);
            Source::start(&self.run.nodes, &target.node, request, Some(part.width))
        };
        part.targets.iter().map(start).collect()
    }

    fn request(
        &self,
        target: &Target,
        sql: String,
        parameters: &Arc<Vec<Value>>,
        merge: MergeSpec,
        scope: Option<Scope>,
    ) -> FragmentRequest {
        FragmentRequest {
            shards: target.shards.clone(),
            sql,
            parameters: Arc::clone(parameters),
            merge,
            schema_version: self.run.schema_version,
            deadline: self.run.deadline,
            bytes_max: self.run.merge_bytes_max,
            scope,
            partial: self.run.partial,
        }
    }

    /// Runs SQLite on a thread for blocking work and sends what it emits.
    async fn blocking(
        &self,
        output: &mut Output,
        work: impl FnOnce(&mut dyn FnMut(Batch) -> Result<()>) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (sender, mut batches) = mpsc::channel::<Batch>(EVENTS_AHEAD);
        let worker = tokio::task::spawn_blocking(move || {
            let gone = |_| Error::new(Reason::Cancelled, "the client is gone");
            work(&mut |batch| sender.blocking_send(batch).map_err(gone))
        });
        while let Some(batch) = batches.recv().await {
            output.send(batch).await?;
        }
        worker.await.map_err(|error| Error::internal(format!("a worker failed: {error}")))?
    }
}

fn note(source: &Source, failed: &mut Failed) {
    failed.extend(source.failed.iter().map(|failure| (failure.shard, failure.clone())));
}

fn unsorted(error: &souk_merge::Unsorted, part: &BoundPart) -> Error {
    let node = part.targets.get(error.source_index).map_or("?", |target| target.node.as_str());
    Error::internal(format!("node `{node}` gave rows that are not in the order asked for"))
}
