//! Answers that are kept: a fragment's answer is given again, without a look at a shard, as long as none of its shards has
//! committed since.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use moka::sync::Cache;
use souk_merge::{Batch, Column, MergeSpec, Value};

use crate::{commits::Seen, fragment::Fragment, shard::Scope};

/// What an answer takes beside its rows: its question, its counters and its place.
const OVERHEAD_BYTES: usize = 1 << 10;

/// The largest part of the whole that one answer may take: one in so many. Calls hold as much while they compute an answer.
const SHARE_MAX: u64 = 16;

/// What a column of a batch takes beside its cells: five buffers, and what an allocator takes for those that are not empty.
const COLUMN_BYTES: usize = size_of::<Column>() + 48;

/// Bytes of parameters above which an answer is not kept: they would be kept with it.
const PARAMETER_BYTES_MAX: usize = 64 << 10;

/// The answers that a node keeps, bounded in bytes; those that are asked for seldom go first.
pub(crate) struct Kept {
    answers: Cache<Question, Arc<Answer>>,
    bytes_max: u64,
}

/// Everything that decides an answer, but for what the shards hold.
#[derive(Debug, PartialEq)]
pub(crate) struct Question {
    shards: Box<[u64]>,
    sql: Box<str>,
    parameters: Box<[Value]>,
    merge: MergeSpec,
    scope: Option<Arc<Scope>>,
    schema_version: u64,
}

/// An answer of all its shards.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) seen: Seen,
    pub(crate) batches: Vec<Batch>,
    pub(crate) by_shard: ByShard,
    /// Most of its shards were not read, since statistics ruled them out.
    pub(crate) was_pruned: bool,
}

/// What each shard gave, by position.
#[derive(Debug, PartialEq)]
pub(crate) enum ByShard {
    /// It was not kept: nothing has shown yet that it would be of use.
    Unknown,
    /// It takes too much.
    TooLarge,
    /// In blocks of neighbouring shards.
    Known(Box<[Arc<Block>]>),
}

/// What some neighbouring shards gave, merged and each by itself.
#[derive(Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) merged: Batch,
    pub(crate) by_shard: Box<[Arc<Batch>]>,
}

impl Kept {
    /// No answers yet, and no more than so many bytes of them; for a moment, what was computed last beside them.
    pub(crate) fn new(bytes_max: u64) -> Kept {
        let weigh = |question: &Question, answer: &Arc<Answer>| {
            u32::try_from(question.byte_size() + answer.byte_size()).unwrap_or(u32::MAX)
        };
        Kept { answers: Cache::builder().max_capacity(bytes_max).weigher(weigh).build(), bytes_max }
    }

    /// Whether anything is kept at all.
    pub(crate) fn is_on(&self) -> bool {
        self.bytes_max > 0
    }

    /// Bytes that one answer may take.
    pub(crate) fn share_max(&self) -> usize {
        usize::try_from(self.bytes_max / SHARE_MAX).unwrap_or(usize::MAX)
    }

    /// The last answer to a question, which may be out of date.
    pub(crate) fn last(&self, question: &Question) -> Option<Arc<Answer>> {
        self.answers.get(question)
    }

    /// Keeps an answer in place of another one.
    pub(crate) fn keep(&self, question: Question, answer: Answer) {
        self.answers.insert(question, Arc::new(answer));
        // Else what is too much would go some time later.
        self.answers.run_pending_tasks();
    }

    /// Bytes that are kept now, about.
    pub(crate) fn byte_size(&self) -> u64 {
        self.answers.weighted_size()
    }
}

impl Question {
    /// What a fragment asks; none when its answer is not to be kept.
    pub(crate) fn of(fragment: &Fragment) -> Option<Question> {
        let Fragment { shards, statement, merge, schema_version, scope, partial, keep, .. } = fragment;
        let parameter_bytes: usize = statement.parameters.iter().map(|value| value.as_ref().heap_bytes()).sum();
        if !keep || *partial || parameter_bytes > PARAMETER_BYTES_MAX {
            return None;
        }
        Some(Question {
            shards: shards.as_slice().into(),
            sql: statement.sql.as_str().into(),
            parameters: statement.parameters.as_slice().into(),
            merge: merge.clone(),
            scope: scope.clone(),
            schema_version: *schema_version,
        })
    }

    fn byte_size(&self) -> usize {
        let Question { shards, sql, parameters, merge: _, scope: _, schema_version: _ } = self;
        let parameters: usize = parameters.iter().map(|value| size_of::<Value>() + value.as_ref().heap_bytes()).sum();
        size_of_val(&**shards) + sql.len() + parameters
    }
}

impl Eq for Question {}

impl Hash for Question {
    /// Not of everything: equal questions have equal hashes, and few others do.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Question { shards, sql, parameters, merge: _, scope: _, schema_version } = self;
        (shards.len(), shards.first(), shards.last(), sql, schema_version).hash(state);
        for value in parameters {
            match value {
                Value::Null => state.write_u8(0),
                Value::Integer(integer) => integer.hash(state),
                Value::Real(real) => real.to_bits().hash(state),
                Value::Text(bytes) | Value::Blob(bytes) => bytes.hash(state),
            }
        }
    }
}

fn held(batch: &Batch) -> usize {
    size_of::<Batch>() + batch.width() * COLUMN_BYTES + batch.byte_size()
}

impl Block {
    pub(crate) fn byte_size(&self) -> usize {
        let Block { merged, by_shard } = self;
        let by_shard: usize = by_shard.iter().map(|batch| held(batch) + 4 * size_of::<usize>()).sum();
        held(merged) + by_shard
    }
}

impl Answer {
    fn byte_size(&self) -> usize {
        let Answer { seen: _, batches, by_shard, was_pruned: _ } = self;
        let by_shard: usize = match by_shard {
            ByShard::Unknown | ByShard::TooLarge => 0,
            ByShard::Known(blocks) => blocks.iter().map(|block| block.byte_size()).sum(),
        };
        OVERHEAD_BYTES + batches.iter().map(held).sum::<usize>() + by_shard
    }
}
