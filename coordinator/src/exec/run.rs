//! The executor: one `match` over the plan.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures::future::try_join_all;
use souk_merge::{Batch, MergeSpec, OrderedMerge, Slice, Step, Value};
use souk_proto::Reason;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::account::{Account, Ending, Trace};
use super::finish::encode_rows;
use super::nodes::{FragmentRequest, Nodes, Reading};
use super::output::{Bounds, Output};
use super::source::Source;
use crate::catalog::{Target, Twins};
use crate::error::{Error, Result};
use crate::plan::{BoundFinish, BoundFirst, BoundPart, BoundSpread, Measured, Place, Plan, SLOWEST_MAX, Scope};
use crate::scratch::{CancelOnDrop, Scratches, Stop, rows};

/// Batches that may wait for a client that reads slowly.
const EVENTS_AHEAD: usize = 2;
/// Rows in a batch of an ordered merge.
const ORDERED_BATCH_ROWS: usize = 4096;

/// Bytes of an answer that is sent to the shards as one parameter.
const FIRST_BYTES_MAX: u64 = 16 << 20;

/// What comes out of a running plan.
#[derive(Debug)]
pub(crate) enum Event {
    Rows(Batch),
    /// Last, once.
    End(Ending),
}

/// Everything a plan needs to run.
pub(crate) struct Run {
    pub(crate) nodes: Arc<dyn Nodes>,
    /// For what no shard has to be asked for.
    pub(crate) twins: Arc<Twins>,
    pub(crate) scratches: Arc<Scratches>,
    pub(crate) schema_version: u64,
    pub(crate) deadline: Instant,
    pub(crate) partial: bool,
    /// Whether nodes may answer from what they have kept.
    pub(crate) keep: bool,
    pub(crate) rows_max: u64,
    pub(crate) bytes_max: u64,
    pub(crate) merge_bytes_max: u64,
    pub(crate) gather_bytes_max: u64,
    pub(crate) gather_rows_max: u64,
    /// Where what the steps take is written down.
    pub(crate) trace: Trace,
    /// Takes a copy of a whole answer that is no larger than so many bytes, and what was read for it.
    pub(crate) remember: Option<(u64, Remember)>,
}

/// Takes an answer and what was read for it.
pub(crate) type Remember = Box<dyn FnOnce(Vec<Batch>, Vec<Reading>) + Send + Sync>;

/// Starts a plan. Dropping the receiver cancels it everywhere.
pub(crate) fn run(plan: Plan, mut run: Run) -> mpsc::Receiver<Result<Event>> {
    let (sender, events) = mpsc::channel(EVENTS_AHEAD);
    tokio::spawn(async move {
        let deadline = run.deadline;
        let cancelled = Arc::new(AtomicBool::new(false));
        let _cancel = CancelOnDrop(Arc::clone(&cancelled));
        let bounds = Bounds {
            rows_max: run.rows_max,
            bytes_max: run.bytes_max,
            what: "the answer",
            help: "add a LIMIT, or raise the bound",
            reason: Reason::TooLarge,
        };
        let remember = run.remember.take();
        let copied_max = remember.as_ref().map_or(0, |(bytes_max, _)| *bytes_max);
        let mut output = Output::client(sender.clone(), bounds, copied_max);
        let driver = Driver { run, stop: Stop { deadline, cancelled } };
        let done = tokio::select! {
            done = timeout_at(deadline, driver.answer(plan, &mut output)) => done.unwrap_or_else(|_| Err(Error::deadline())),
            () = sender.closed() => return,
        };
        if let (Ok(Ending { readings: Some(readings), .. }), Some((_, remember))) = (&done, remember)
            && let Some(copy) = output.into_copy()
        {
            remember(copy, readings.clone());
        }
        // A receiver that is gone wants no answer.
        let _ = sender.send(done.map(Event::End)).await;
    });
    events
}

pub(super) struct Driver {
    pub(super) run: Run,
    pub(super) stop: Stop,
}

impl Driver {
    async fn answer(&self, plan: Plan, output: &mut Output) -> Result<Ending> {
        let mut account = Account::new(self.run.trace.clone());
        self.drive(plan, output, &mut account).await?;
        Ok(account.into_ending())
    }

    async fn drive(&self, plan: Plan, output: &mut Output, account: &mut Account) -> Result<()> {
        let started = Instant::now();
        match plan {
            Plan::Local { sql, parameters, why: _ } => self.local(sql, parameters, output).await,
            Plan::Route { target, sql, parameters, scope, why: _ } => {
                self.route(target, sql, parameters, scope, output, account).await
            }
            Plan::Spread(spread) => self.spread(*spread, output, account).await,
        }?;
        let (rows, bytes) = output.sent();
        account.trace.add(Measured { rows, bytes, elapsed: started.elapsed(), ..Measured::default() });
        Ok(())
    }

    async fn spread(&self, mut spread: BoundSpread, output: &mut Output, account: &mut Account) -> Result<()> {
        let otherwise = spread.otherwise.take();
        match (self.steps(spread, output, account).await, otherwise) {
            (Err(error), Some(otherwise)) if is_of_step(&error) && output.sent() == (0, 0) => {
                // Boxed, because a plan may hold another.
                let mut of_other = account.of(Place::Otherwise);
                Box::pin(self.drive(*otherwise, output, &mut of_other)).await?;
                account.take(of_other);
                Ok(())
            }
            (done, _) => done,
        }
    }

    async fn steps(&self, spread: BoundSpread, output: &mut Output, account: &mut Account) -> Result<()> {
        let BoundSpread { kind: _, first, parts, mut parameters, finish, otherwise: _ } = spread;
        let first = first.into_iter().enumerate();
        let first = first.map(|(index, first)| self.first(first, account.of(Place::First(index))));
        for (index, rows, of_first) in try_join_all(first).await? {
            parameters[index] = rows;
            account.take(of_first);
        }
        match finish {
            BoundFinish::Scratch { sql, tables } => self.finish(parts, parameters, sql, tables, output, account).await,
            BoundFinish::Stream { visible, offset, limit } => {
                let (slice, parameters) = (Slice::new(offset, limit), Arc::new(parameters));
                for (index, part) in parts.iter().enumerate() {
                    let mut of_part = account.of(Place::Part(index));
                    self.stream(part, &parameters, visible, slice.clone(), output, &mut of_part).await?;
                    account.take(of_part);
                }
                Ok(())
            }
        }
    }

    /// The rows of a subquery that is answered first, as a parameter, and the parameter's index.
    async fn first(&self, first: BoundFirst, mut account: Account) -> Result<(usize, Value, Account)> {
        let mut output = Output::held(Bounds {
            rows_max: u64::MAX,
            bytes_max: FIRST_BYTES_MAX,
            what: "the answer of a subquery that is sent to the shards",
            help: "narrow the subquery",
            reason: Reason::GatherTooLarge,
        });
        // Boxed, because a subquery may have subqueries of its own.
        Box::pin(self.drive(first.plan, &mut output, &mut account)).await?;
        let rows = output.into_held().into_iter().flat_map(Batch::into_rows);
        Ok((first.parameter, encode_rows(first.width, rows), account))
    }

    async fn local(&self, sql: String, parameters: Vec<Value>, output: &mut Output) -> Result<()> {
        let twins = Arc::clone(&self.run.twins);
        let stop = self.stop.clone();
        self.blocking(output, move |emit| {
            let twin = twins.take().map_err(|error| Error::internal(error.to_string()))?;
            twin.watch(Some(Box::new(move || stop.is_due())));
            let done = rows(twin.connection(), &sql, &parameters, emit);
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
        account: &mut Account,
    ) -> Result<()> {
        let merge = MergeSpec::Rows { order: Vec::new(), limit: None };
        let request = self.request(&target, sql, &Arc::new(parameters), merge, scope);
        let mut source = Source::of(&self.run.nodes, &target.node, request, None);
        while let Some(batch) = source.next().await? {
            output.send(batch).await?;
        }
        let mut of_part = account.of(Place::Part(0));
        of_part.note(&[source]);
        account.take(of_part);
        Ok(())
    }

    async fn stream(
        &self,
        part: &BoundPart,
        parameters: &Arc<Vec<Value>>,
        visible: usize,
        mut slice: Slice,
        output: &mut Output,
        account: &mut Account,
    ) -> Result<()> {
        let mut sources = self.start(part, part.sql.clone(), parameters);
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
        }
        account.note(&sources);
        Ok(())
    }

    pub(super) fn start(&self, part: &BoundPart, sql: String, parameters: &Arc<Vec<Value>>) -> Vec<Source> {
        let start = |target: &Target| {
            let request = FragmentRequest {
                needs: part.needs.clone(),
                lead: part.lead.clone(),
                ..self.request(target, sql.clone(), parameters, part.merge.clone(), None)
            };
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
            shards: Arc::clone(&target.shards),
            sql,
            parameters: Arc::clone(parameters),
            merge,
            schema_version: self.run.schema_version,
            deadline: self.run.deadline,
            bytes_max: self.run.merge_bytes_max,
            scope,
            needs: Vec::new(),
            lead: None,
            partial: self.run.partial,
            keep: self.run.keep,
            slowest_max: if self.run.trace.is_on() { SLOWEST_MAX } else { 0 },
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

/// Whether SQLite refused or failed a step. Its text is not the user's, which SQLite accepted: it may be too deep where that is not.
fn is_of_step(error: &Error) -> bool {
    matches!(error.reason, Reason::SqlRuntime | Reason::SqlSyntax)
}

fn unsorted(error: &souk_merge::Unsorted, part: &BoundPart) -> Error {
    let node = part.targets.get(error.source_index).map_or("?", |target| target.node.as_str());
    Error::internal(format!("node `{node}` gave rows that are not in the order asked for"))
}
