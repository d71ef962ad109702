//! Parts into a scratch, and the last query over them.
//!
//! All parts are asked for at once; a thread for blocking work fills the scratch table by table as their rows come. Only a part
//! whose keys another gives waits until that one is loaded.

use std::sync::Arc;

use futures::future::{try_join, try_join_all};
use souk_merge::{Batch, Groups, MergeSpec, Value};
use souk_proto::Reason;
use tokio::sync::{mpsc, oneshot};

use super::account::{Account, Trace};
use super::output::Output;
use super::run::Driver;
use crate::error::{Error, Result};
use crate::plan::{BoundPart, Place, ScratchTable, SemiJoin};
use crate::scratch::{Bounds, Scratches, Stop};

/// Batches of a part that may wait for the scratch.
const BATCHES_AHEAD: usize = 2;
/// Batches of the answer that may wait for the client.
const ANSWER_AHEAD: usize = 2;
/// With more keys than this a part is fetched whole.
const SEMI_JOIN_KEYS_MAX: usize = 20_000;
/// Each shard takes all keys: with more than this, keys times shards, it is less work to fetch a part whole.
const SEMI_JOIN_WORK_MAX: usize = 1_000_000;
/// Keys that are sent along with one fragment.
const SEMI_JOIN_KEYS_PER_CALL: usize = 5_000;

/// What a part gives to the thread that fills the scratch.
enum Fed {
    Rows(Batch),
    End,
}

/// The keys of a semi-join, in batches; none when there are too many.
type Keys = Option<Vec<Vec<Value>>>;

/// Everything that the thread which fills and asks the scratch needs.
struct Work {
    scratches: Arc<Scratches>,
    tables: Vec<ScratchTable>,
    inlets: Vec<Inlet>,
    sql: String,
    parameters: Arc<Vec<Value>>,
    bounds: Bounds,
    stop: Stop,
    trace: Trace,
}

/// Where the rows of a part arrive.
struct Inlet {
    rows: mpsc::Receiver<Fed>,
    semi_join: Option<(SemiJoin, oneshot::Sender<Keys>)>,
    /// Keys that are sent along at most.
    keys_max: usize,
}

impl Driver {
    /// Loads each part into its table and sends the rows of the last query.
    pub(super) async fn finish(
        &self,
        parts: Vec<BoundPart>,
        parameters: Vec<Value>,
        sql: String,
        tables: Vec<ScratchTable>,
        output: &mut Output,
        account: &mut Account,
    ) -> Result<()> {
        let parameters = Arc::new(parameters);
        let (mut inlets, mut feeds) = (Vec::new(), Vec::new());
        for (index, part) in parts.iter().enumerate() {
            let (sender, rows) = mpsc::channel(BATCHES_AHEAD);
            let (semi_join, keys) = match &part.semi_join {
                None => (None, None),
                Some(semi_join) => {
                    let (sender, keys) = oneshot::channel();
                    (Some((semi_join.clone(), sender)), Some(keys))
                }
            };
            let shards: usize = part.targets.iter().map(|target| target.shards.len()).sum();
            let keys_max = SEMI_JOIN_KEYS_MAX.min(SEMI_JOIN_WORK_MAX / shards.max(1));
            inlets.push(Inlet { rows, semi_join, keys_max });
            feeds.push(self.feed(part, &parameters, keys, sender, account.of(Place::Part(index))));
        }
        let (sender, mut answer) = mpsc::channel::<Batch>(ANSWER_AHEAD);
        let bounds = Bounds { bytes_max: self.run.gather_bytes_max, rows_max: self.run.gather_rows_max };
        let work = Work {
            scratches: Arc::clone(&self.run.scratches),
            tables,
            inlets,
            sql,
            parameters: Arc::clone(&parameters),
            bounds,
            stop: self.stop.clone(),
            trace: account.trace.clone(),
        };
        let worker = tokio::task::spawn_blocking(move || {
            let gone = |_| Error::new(Reason::Cancelled, "the client is gone");
            work.run(&mut |batch| sender.blocking_send(batch).map_err(gone))
        });
        let answered = async {
            while let Some(batch) = answer.recv().await {
                output.send(batch).await?;
            }
            worker.await.map_err(|error| Error::internal(format!("a worker failed: {error}")))?
        };
        let (fed, ()) = try_join(try_join_all(feeds), answered).await?;
        fed.into_iter().for_each(|of_part| account.take(of_part));
        Ok(())
    }

    /// Sends the merged rows of a part.
    async fn feed(
        &self,
        part: &BoundPart,
        parameters: &Arc<Vec<Value>>,
        keys: Option<oneshot::Receiver<Keys>>,
        sender: mpsc::Sender<Fed>,
        mut account: Account,
    ) -> Result<Account> {
        let keys = match keys {
            None => None,
            // The thread is gone, and says itself why.
            Some(keys) => match keys.await {
                Ok(keys) => keys,
                Err(_) => return Ok(account),
            },
        };
        let whole = (part.sql.clone(), Arc::clone(parameters));
        let calls = match (keys, &part.semi_join) {
            (Some(batches), Some(semi_join)) => {
                let with = |batch: Vec<Value>| {
                    let rows = batch.into_iter().map(|key| vec![key]);
                    let mut parameters = parameters.to_vec();
                    parameters.push(encode_rows(1, rows));
                    (semi_join.sql.clone(), Arc::new(parameters))
                };
                batches.into_iter().map(with).collect()
            }
            _ => vec![whole],
        };
        for (sql, parameters) in calls {
            if !self.feed_call(part, sql, &parameters, &sender, &mut account).await? {
                return Ok(account);
            }
        }
        // As above.
        let _ = sender.send(Fed::End).await;
        Ok(account)
    }

    /// One call a node; false when the thread is gone.
    async fn feed_call(
        &self,
        part: &BoundPart,
        sql: String,
        parameters: &Arc<Vec<Value>>,
        sender: &mpsc::Sender<Fed>,
        account: &mut Account,
    ) -> Result<bool> {
        let mut sources = self.start(part, sql, parameters);
        match &part.merge {
            MergeSpec::Rows { .. } => {
                for source in &mut sources {
                    while let Some(batch) = source.next().await? {
                        if sender.send(Fed::Rows(batch)).await.is_err() {
                            return Ok(false);
                        }
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
                if sender.send(Fed::Rows(groups.into_batch())).await.is_err() {
                    return Ok(false);
                }
            }
        }
        account.note(&sources);
        Ok(true)
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
}

impl Work {
    fn run(mut self, emit: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        let mut scratch = self.scratches.take(&self.stop)?;
        let indices = scratch.prepare(&self.tables, &self.sql)?;
        for (index, (table, inlet)) in self.tables.iter().zip(&mut self.inlets).enumerate() {
            let mut watch = self.trace.watch(Place::Load(index));
            if let Some((semi_join, decided)) = inlet.semi_join.take() {
                let mut keys = Vec::new();
                scratch.rows(&semi_join.keys, &self.parameters, &mut |batch| {
                    keys.extend(batch.into_rows().into_iter().flatten());
                    Ok(())
                })?;
                let few = keys.len() <= inlet.keys_max;
                let batches = few.then(|| keys.chunks(SEMI_JOIN_KEYS_PER_CALL).map(<[Value]>::to_vec).collect());
                // Who feeds is gone, and says itself why.
                let _ = decided.send(batches);
            }
            let rows = &mut inlet.rows;
            scratch.fill(table, &self.bounds, &mut || match watch.wait(|| rows.blocking_recv()) {
                Some(Fed::Rows(batch)) => {
                    watch.count(&batch);
                    Ok(Some(batch))
                }
                Some(Fed::End) => Ok(None),
                None => Err(Error::new(Reason::Cancelled, "the rows of a part broke off")),
            })?;
            watch.end();
        }
        let mut watch = self.trace.watch(Place::Finish);
        scratch.index(&indices)?;
        scratch.rows(&self.sql, &self.parameters, &mut |batch| {
            watch.count(&batch);
            watch.wait(|| emit(batch))
        })?;
        watch.end();
        Ok(())
    }
}

/// Rows as one parameter, as `souk_rows` reads them.
pub(super) fn encode_rows(width: usize, rows: impl IntoIterator<Item = Vec<Value>>) -> Value {
    let mut all = Batch::new(width);
    rows.into_iter().for_each(|row| all.push_row(row.iter().map(Value::as_ref)));
    Value::Blob(souk_proto::encode_rows(all).into())
}
