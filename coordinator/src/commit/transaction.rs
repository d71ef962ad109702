//! One transaction over several shards, from beginning to end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use souk_proto::Reason;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Name;
use super::ledger::{Decision, NamedRequest};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::exec::{Done, PrepareRequest, ShardStatement, Vote, WriteRequest};

/// What a shard is to do.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) shard: u64,
    pub(crate) statements: Vec<ShardStatement>,
}

/// How long the client waits for shards to do what is decided, of which it would not hear otherwise: a node may hang.
const TELL_MAX: Duration = Duration::from_secs(5);

/// How much longer than their deadline shards may take to say that it has passed.
const PREPARE_GRACE: Duration = Duration::from_secs(1);

/// How long is waited before shards that others hold are asked again: about this at first, then twice as long each time.
const RETRY_FIRST: Duration = Duration::from_millis(2);
const RETRY_MAX: Duration = Duration::from_millis(200);

/// What a transaction is to do.
pub(crate) struct Work {
    pub(crate) parts: Vec<Part>,
    pub(crate) schema_version: u64,
    pub(crate) deadline: Instant,
    pub(crate) bytes_max: u64,
}

/// What is made of what all parts would do, before it is decided.
pub(crate) struct Judged<T> {
    pub(crate) answer: T,
    /// Remembered with the decision.
    pub(crate) request: Option<NamedRequest>,
}

/// Does all parts or none; gives what `judge` makes of what each statement did, part by part. When it gives an error, nothing is done. An error says that
/// nothing was done, unless it says that this is unknown; that a named request has ended before is REQUEST_ID_REUSED.
///
/// `held` is dropped when it is over, whatever becomes of the caller.
pub(crate) async fn commit<T: Send + 'static>(
    cluster: &Arc<Cluster>,
    work: Work,
    judge: impl Fn(&[Vec<Done>]) -> Result<Judged<T>> + Send + Sync + 'static,
    held: impl Send + 'static,
) -> Result<T> {
    let cluster = Arc::clone(cluster);
    // A client that goes away must not leave it half way.
    let driven = tokio::spawn(async move {
        let _held = held;
        let mut wait = RETRY_FIRST;
        loop {
            match Transaction::begin(&cluster, &work).run(&judge).await {
                Err(error) if error.reason == Reason::Overloaded && Instant::now() + wait < work.deadline => {
                    // Of two that hold each other up one comes through.
                    sleep(jittered(wait)).await;
                    wait = (wait * 2).min(RETRY_MAX);
                }
                done => return done,
            }
        }
    });
    let done = driven.await.map_err(|_| Error::broke_down())?;
    failpoint!(crash "outcome-untold");
    done
}

/// Between half of it and all.
fn jittered(wait: Duration) -> Duration {
    let chance = (Name::now_v7().as_u128() >> 8) as u32;
    wait / 2 + wait.mul_f64(f64::from(chance) / f64::from(u32::MAX)) / 2
}

struct Transaction<'c> {
    cluster: &'c Arc<Cluster>,
    name: Name,
    work: &'c Work,
}

/// What came of asking all shards.
struct Prepared {
    /// What each part did, as they were given.
    outcomes: Vec<Vec<Done>>,
    /// The shards that wait for the word.
    waiting: Vec<u64>,
}

impl<'c> Transaction<'c> {
    fn begin(cluster: &'c Arc<Cluster>, work: &'c Work) -> Transaction<'c> {
        Transaction { cluster, name: cluster.transactions.begin(), work }
    }

    async fn run<T>(&self, judge: impl Fn(&[Vec<Done>]) -> Result<Judged<T>>) -> Result<T> {
        let prepared = timeout_at(self.work.deadline + PREPARE_GRACE, self.prepare(&self.work.parts)).await;
        let prepared = prepared.unwrap_or_else(|_| Err(Error::deadline()));
        let judged = prepared.and_then(|prepared| {
            failpoint!("votes-counted");
            Ok((judge(&prepared.outcomes)?, prepared.waiting))
        });
        let (Judged { answer, request }, waiting) = match judged {
            Ok(judged) => judged,
            Err(error) => {
                // Nobody else drives it, and the commit was never wished for: no row in the ledger is needed to undo it.
                let shards: Vec<u64> = self.work.parts.iter().map(|part| part.shard).collect();
                self.tell(Decision::Abort, &shards).await;
                return Err(error);
            }
        };
        if waiting.is_empty() && request.is_none() {
            return Ok(answer);
        }
        failpoint!("commit-unwished");
        let ledger = &self.cluster.transactions.ledger;
        let id = request.as_ref().map(|request| request.id.clone());
        let decided = ledger.decide(self.name, Decision::Commit, &waiting, request).await;
        let decision = decided.map_err(|error| {
            let message =
                format!("whether the statement happened is unknown, read before trying again: {}", error.message);
            Error::in_doubt(error.reason, message)
        })?;
        failpoint!(crash "decided");
        if self.tell(decision, &waiting).await && decision == Decision::Commit && !waiting.is_empty() {
            failpoint!(crash "told");
            // It is done, whatever is noted: the sweeper tells the shards once more.
            if let Err(error) = ledger.finish(self.name).await {
                tracing::warn!("transaction {}: {error}", self.name);
            }
        }
        match (decision, id) {
            (Decision::Commit, _) => Ok(answer),
            (Decision::Abort, Some(id)) if ledger.ended(&id).await?.is_some() => {
                Err(Error::new(Reason::RequestIdReused, format!("the request `{id}` had ended before")))
            }
            (Decision::Abort, _) => {
                Err(Error::new(Reason::Overloaded, "the transaction took so long that it was undone; try again"))
            }
        }
    }

    /// Asks all shards, one call a node.
    async fn prepare(&self, parts: &[Part]) -> Result<Prepared> {
        failpoint!("shards-unasked");
        let topology = self.cluster.snapshot().topology;
        let mut by_node: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, part) in parts.iter().enumerate() {
            let node = topology.node_of(part.shard).ok_or_else(|| Error::internal("a shard has no node"))?;
            by_node.entry(node).or_default().push(place);
        }
        let asked = by_node.iter().map(|(node, places)| async move {
            let request = self.request(places.iter().map(|place| &parts[*place]));
            (places, self.cluster.nodes.prepare(node, request).await)
        });
        let mut outcomes = vec![Vec::new(); parts.len()];
        let mut waiting = Vec::new();
        let mut refused: Option<(usize, Error)> = None;
        for (places, answer) in join_all(asked).await {
            let votes = match answer {
                Ok(votes) => votes,
                Err(error) => {
                    refused.get_or_insert((usize::MAX, error));
                    continue;
                }
            };
            for (place, vote) in places.iter().zip(votes) {
                match vote {
                    Vote::Prepared(done) => {
                        waiting.push(parts[*place].shard);
                        outcomes[*place] = done;
                    }
                    Vote::Nothing(done) => outcomes[*place] = done,
                    Vote::Refused(error) => {
                        if refused.as_ref().is_none_or(|(first, _)| place < first) {
                            refused = Some((*place, error));
                        }
                    }
                }
            }
        }
        match refused {
            Some((_, error)) => Err(error),
            None => Ok(Prepared { outcomes, waiting }),
        }
    }

    fn request<'p>(&self, parts: impl Iterator<Item = &'p Part>) -> PrepareRequest {
        let request = |part: &Part| WriteRequest {
            shard: part.shard,
            schema_version: self.work.schema_version,
            deadline: self.work.deadline,
            bytes_max: self.work.bytes_max,
            statements: part.statements.clone(),
        };
        PrepareRequest { name: self.name, shards: parts.map(request).collect(), deadline: self.work.deadline }
    }

    /// Tells shards the word; whether all have done as told in time. What is left is the sweeper's.
    async fn tell(&self, decision: Decision, shards: &[u64]) -> bool {
        timeout(TELL_MAX, tell(self.cluster, self.name, decision, shards)).await.unwrap_or(false)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.cluster.transactions.active.lock().remove(&self.name);
    }
}

/// Tells shards the word of a transaction; whether all have done as told.
pub(super) async fn tell(cluster: &Cluster, name: Name, decision: Decision, shards: &[u64]) -> bool {
    let topology = cluster.snapshot().topology;
    let Ok(targets) = topology.targets(shards) else {
        tracing::error!("transaction {name}: a shard of it has no node");
        return false;
    };
    let told = targets.iter().map(|target| async {
        let failed = cluster.nodes.resolve(&target.node, name, decision == Decision::Commit, &target.shards).await;
        match failed {
            Ok(failed) => {
                for failure in &failed {
                    tracing::warn!("transaction {name}: shard {}: {}", failure.shard, failure.message);
                }
                failed.is_empty()
            }
            Err(error) => {
                tracing::warn!("transaction {name}: node `{}` was not told: {error}", target.node);
                false
            }
        }
    });
    join_all(told).await.into_iter().all(|done| done)
}
