//! Whole answers that are kept: given again when every node says that the shards they came from stand as they did.
//!
//! Nodes keep what they gave too; but then their answers must be sent, merged and finished again. Here one small call a node is all.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use moka::sync::Cache;
use souk_merge::{Batch, Value};

use crate::catalog::Snapshot;
use crate::exec::{Facts, Nodes, Reading};

/// The largest part of the whole that one answer may take: one in so many.
const SHARE_MAX: u64 = 16;

/// What an answer takes beside its rows, its text and its readings.
const OVERHEAD_BYTES: usize = 512;

/// The answers, bounded in bytes; those that are asked for seldom go first.
pub(crate) struct Answers {
    kept: Cache<Question, Arc<Kept>>,
    bytes_max: u64,
}

/// Everything that decides an answer, but for what the shards hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    sql: String,
    /// Encoded.
    parameters: Vec<u8>,
    schema_version: u64,
    topology_epoch: u64,
}

/// An answer, and what was read for it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) batches: Vec<Batch>,
    /// What its certificate says, but for when it began.
    pub(crate) facts: Facts,
    readings: Vec<Reading>,
}

impl Answers {
    /// None yet, and no more than so many bytes of them; 0 keeps none.
    pub(crate) fn new(bytes_max: u64) -> Answers {
        let weigh = |question: &Question, kept: &Arc<Kept>| {
            u32::try_from(question.byte_size() + kept.byte_size()).unwrap_or(u32::MAX)
        };
        Answers { kept: Cache::builder().max_capacity(bytes_max).weigher(weigh).build(), bytes_max }
    }

    /// Bytes that one answer may take.
    pub(crate) fn share_max(&self) -> u64 {
        self.bytes_max / SHARE_MAX
    }

    /// Keeps an answer.
    pub(crate) fn keep(&self, question: Question, batches: Vec<Batch>, facts: Facts, readings: Vec<Reading>) {
        self.kept.insert(question, Arc::new(Kept { batches, facts, readings }));
        // Else what is too much would go some time later.
        self.kept.run_pending_tasks();
    }

    /// The answer to a question, if nothing that it was read from has changed since. One that no longer holds is forgotten.
    pub(crate) async fn current(&self, question: &Question, nodes: &Arc<dyn Nodes>) -> Option<Arc<Kept>> {
        let kept = self.kept.get(question)?;
        if kept.holds(nodes).await {
            return Some(kept);
        }
        self.kept.invalidate(question);
        None
    }
}

impl Question {
    /// What is asked, at this schema and topology.
    pub(crate) fn new(sql: String, parameters: &[Value], snapshot: &Snapshot) -> Question {
        let mut row = Batch::new(parameters.len());
        row.push_row(parameters.iter().map(Value::as_ref));
        Question {
            sql,
            parameters: souk_proto::encode_rows(row),
            schema_version: snapshot.catalog.version,
            topology_epoch: snapshot.topology.epoch,
        }
    }

    fn byte_size(&self) -> usize {
        self.sql.len() + self.parameters.len()
    }
}

impl Kept {
    /// How many readings of shards are spared.
    pub(crate) fn shards(&self) -> u32 {
        self.readings.iter().map(|reading| reading.shards.len() as u32).sum()
    }

    /// Rows and bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let rows = self.batches.iter().map(|batch| batch.rows() as u64).sum();
        (rows, self.batches.iter().map(|batch| batch.byte_size() as u64).sum())
    }

    /// A node that does not say so is one that must be asked anew.
    async fn holds(&self, nodes: &Arc<dyn Nodes>) -> bool {
        let mut by_node: BTreeMap<&str, Vec<&Reading>> = BTreeMap::new();
        self.readings.iter().for_each(|reading| by_node.entry(&reading.node).or_default().push(reading));
        let asked = by_node.iter().map(|(node, readings)| nodes.hold(node, readings, self.facts.schema_version));
        join_all(asked).await.into_iter().all(|held| held.is_ok_and(|held| held))
    }

    fn byte_size(&self) -> usize {
        let readings = self.readings.iter().map(|reading| size_of::<Reading>() + size_of_val(&*reading.shards));
        OVERHEAD_BYTES + self.size().1 as usize + readings.sum::<usize>()
    }
}
