//! Several statements that happen together or not at all, each seeing what those before it did.
//!
//! Shards run them: each shard its own part of every statement, in their order, in one local transaction. That is so where each is one that shards can run by
//! themselves, and nothing that the coordinator reads to plan it is what statements before it change. Else all of them are run over whole tables.
//!
//! - [`plan`]: what shards are to do for each statement.
//! - [`layout`]: each shard's part of all of them, and what the statements did by what shards say.

mod layout;
mod plan;

use std::sync::Arc;

use souk_merge::Value;
use souk_proto::{Expectation, Reason};
use tokio::time::Instant;

use super::change::{RETURNED_BYTES_MAX, alone};
use super::whole::Whole;
use super::{Executed, Writing, numbered, write_alone, writing};
use crate::cluster::Cluster;
use crate::commit::{Ended, Judged, NamedRequest, Part, Work, commit};
use crate::error::{Error, Result};
use crate::exec::{Done, WriteRequest};
use crate::session::Session;
use layout::{Laid, lay_out, results};
use plan::{Planned, plan_all, read_all};

/// Bytes of a request's name.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Bytes of an answer that is remembered with a request's name.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Statements of one transaction.
const STATEMENTS_MAX: usize = 1000;

/// A transaction as a client asks for it.
pub(crate) struct TransactRequest {
    /// Empty when it has no name.
    pub(crate) request_id: String,
    /// Of what it asks for.
    pub(crate) digest: [u8; 16],
    pub(crate) statements: Vec<TransactStatement>,
    pub(crate) deadline_ms: u32,
}

/// One of its statements.
pub(crate) struct TransactStatement {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<(String, Value)>,
    pub(crate) expectation: Option<Expectation>,
}

/// An answer to a client, as it travels.
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// It was given before.
    pub(crate) repeated: bool,
}

/// Name and declared type of each column.
type Columns = Vec<(String, Option<String>)>;

/// Writes an answer as it travels.
pub(crate) type Encode = Arc<dyn Fn(Vec<Executed>) -> Vec<u8> + Send + Sync>;

/// Runs a transaction.
pub(crate) async fn transact(cluster: &Arc<Cluster>, request: TransactRequest, encode: Encode) -> Result<Answer> {
    check(&request)?;
    let TransactRequest { request_id, digest, statements, deadline_ms } = request;
    if let Some(answer) = answered(cluster, &request_id, digest).await? {
        return Ok(answer);
    }
    let deadline = Instant::now() + Session::new(Arc::clone(cluster)).deadline(deadline_ms);
    loop {
        match run(cluster, &request_id, digest, &statements, deadline, Arc::clone(&encode)).await {
            // The same request was sent twice, and the other was sooner.
            Err(error) if error.reason == Reason::RequestIdReused => {
                return answered(cluster, &request_id, digest).await?.ok_or(error);
            }
            Err(error) if error.reason == Reason::StaleTopology && Instant::now() < deadline => {}
            outcome => return outcome,
        }
    }
}

/// What became of a request; ends one that is not done. None when it is not done.
pub(crate) async fn get_transaction(cluster: &Cluster, request_id: &str) -> Result<Option<Vec<u8>>> {
    if request_id.is_empty() {
        return Err(Error::new(
            Reason::InvalidArgument,
            "the request has no `request_id`: name the one that is asked for",
        ));
    }
    Ok(match cluster.transactions.end(request_id).await? {
        Ended::Done { answer, .. } => Some(answer),
        Ended::NotDone => None,
    })
}

fn check(request: &TransactRequest) -> Result<()> {
    let invalid = |message: String| Err(Error::new(Reason::InvalidArgument, message));
    let (bytes, count) = (request.request_id.len(), request.statements.len());
    if bytes > REQUEST_ID_BYTES_MAX {
        return invalid(format!("`request_id` has {bytes} bytes, over {REQUEST_ID_BYTES_MAX}: use a UUID"));
    }
    match count {
        0 => invalid("the transaction has no statements".into()),
        count if count > STATEMENTS_MAX => {
            invalid(format!("the transaction has {count} statements, over {STATEMENTS_MAX}: use several"))
        }
        _ => Ok(()),
    }
}

/// What a request of this name was answered.
async fn answered(cluster: &Cluster, id: &str, digest: [u8; 16]) -> Result<Option<Answer>> {
    if id.is_empty() {
        return Ok(None);
    }
    match cluster.transactions.ended(id).await? {
        None => Ok(None),
        Some(Ended::Done { digest: known, answer }) if known == digest => {
            Ok(Some(Answer { bytes: answer, repeated: true }))
        }
        Some(Ended::Done { .. }) => {
            let message = format!("the request `{id}` was done before, with other statements: nothing was done now");
            Err(Error::new(Reason::RequestIdReused, message))
        }
        Some(Ended::NotDone) => {
            let message = format!("the request `{id}` was ended by asking about it: send it under another name");
            Err(Error::new(Reason::RequestIdReused, message))
        }
    }
}

async fn run(
    cluster: &Arc<Cluster>,
    request_id: &str,
    digest: [u8; 16],
    statements: &[TransactStatement],
    deadline: Instant,
    encode: Encode,
) -> Result<Answer> {
    let writing = writing(cluster, deadline).await?;
    let version = cluster.snapshot().catalog.version;
    let several_at_first = cluster.snapshot().topology.shard_count() > 1;
    let is_named = !request_id.is_empty();
    let id = request_id.to_owned();
    let judge = move |executed| judged(encode(executed), &id, digest);
    let Some(planned) = plan_all(cluster, &writing, statements, deadline).await? else {
        return run_whole(cluster, writing, statements, deadline, is_named, judge).await;
    };
    // No key is given a shard any more.
    let alone = match planned.iter().any(Planned::is_everywhere) {
        true => Some(alone(cluster, deadline).await?),
        false => None,
    };
    let shards = cluster.snapshot().topology.shards();
    if alone.is_some() && shards.len() > 1 && !several_at_first {
        // It was planned for one shard, which may do what several must not.
        return Err(Error::new(Reason::StaleTopology, "shards were made meanwhile; send it again"));
    }
    let repeats = planned.iter().all(|planned| planned.repeats);
    let handed: Vec<_> = planned.iter().map(|planned| Arc::clone(&planned.handed)).collect();
    let Laid { mut parts, shapes } = lay_out(planned, &shards);
    if !repeats && (parts.len() > 1 || is_named) {
        // Shards would run them twice: when they promise, and when they are told.
        drop((alone, handed));
        return run_whole(cluster, writing, statements, deadline, is_named, judge).await;
    }
    let bytes_max = cluster.limits.result_bytes_max.min(RETURNED_BYTES_MAX);
    if parts.len() == 1 && !is_named {
        let Part { shard, statements } = parts.remove(0);
        let request = WriteRequest { shard, schema_version: version, deadline, bytes_max, statements };
        let done = write_alone(cluster, request, (alone, writing, handed)).await?;
        return Ok(Answer { bytes: judge(results(&shapes, &[done], version)?)?.answer, repeated: false });
    }
    let judge = move |outcomes: &[Vec<Done>]| judge(results(&shapes, outcomes, version)?);
    let work = Work { parts, schema_version: version, deadline, bytes_max };
    let bytes = commit(cluster, work, judge, (alone, writing, handed)).await?;
    Ok(Answer { bytes, repeated: false })
}

/// Runs the statements over whole tables.
async fn run_whole(
    cluster: &Arc<Cluster>,
    writing: Writing,
    statements: &[TransactStatement],
    deadline: Instant,
    is_named: bool,
    judge: impl Fn(Vec<Executed>) -> Result<Judged<Vec<u8>>> + Clone + Send + Sync + 'static,
) -> Result<Answer> {
    let statements = read_all(cluster, &writing, statements, deadline).await?;
    let whole = Whole::several(cluster, writing, statements, deadline);
    Ok(Answer { bytes: whole.run(is_named, judge).await?, repeated: false })
}

/// An answer, and what is remembered of a request that has a name.
fn judged(answer: Vec<u8>, id: &str, digest: [u8; 16]) -> Result<Judged<Vec<u8>>> {
    if id.is_empty() {
        return Ok(Judged { answer, request: None });
    }
    if answer.len() > ANSWER_BYTES_MAX {
        let message = format!("the answer takes {} bytes, over {ANSWER_BYTES_MAX}: return less", answer.len());
        return Err(Error::new(Reason::TooLarge, message));
    }
    let request = NamedRequest { id: id.to_owned(), digest, answer: answer.clone() };
    Ok(Judged { answer, request: Some(request) })
}
