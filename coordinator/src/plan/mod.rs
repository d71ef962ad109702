//! Stage 6: from facts to a plan, as plain data that prints itself.
//!
//! A [`Template`] is made once a text and kept; binding it to parameters and a topology gives a [`Plan`], which is complete: the executor
//! never looks at SQL, schema or topology again.
//!
//! - **Route**: all that the statement reads lies on one shard: the user's text goes there unchanged.
//! - **Scatter**: every shard runs fragments on its own rows, and the partials combine exactly.

mod bind;
mod clock;
mod explain;
mod groups;
mod rows;
mod scatter;

use souk_merge::{Collation, Finish, MergeSpec, SortKey, StateKind, Value};

use crate::analyze::Pin;
use crate::catalog::Target;
use crate::sql::Affinity;

pub(crate) use bind::{Asked, BindError, Bindings, bind};
pub(crate) use scatter::template;

/// What a text can become, before its parameters and the topology are known.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) text: String,
    /// Name and declared type of each result column.
    pub(crate) columns: Vec<(String, Option<String>)>,
    /// The name of each parameter; none for a positional one.
    pub(crate) parameters: Vec<Option<String>>,
    pub(crate) reads: ReadSet,
    /// How to scatter it, or why that would not be exact.
    pub(crate) scatter: Result<Scatter, String>,
}

/// What kinds of tables a statement reads.
#[derive(Debug, Clone)]
pub(crate) enum ReadSet {
    /// None.
    Nothing,
    /// Replicated ones alone.
    Replicated,
    /// Sharded ones.
    Sharded {
        tables: Vec<ShardedTable>,
        /// Replicated ones too.
        replicated: bool,
        /// The keys that can matter.
        pin: Pin,
    },
}

/// A sharded table in a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShardedTable {
    pub(crate) name: String,
    pub(crate) key_column: String,
    pub(crate) affinity: Affinity,
}

/// Fragments and how their answers become one.
#[derive(Debug, Clone)]
pub(crate) struct Scatter {
    pub(crate) parts: Vec<Part>,
    pub(crate) finish: FinishStep,
    /// Values that the coordinator adds behind the user's parameters.
    pub(crate) extras: Vec<Extra>,
}

/// A fragment, and how its rows merge.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) sql: String,
    /// How many columns its rows have.
    pub(crate) width: usize,
    pub(crate) merge: PartMerge,
    pub(crate) runs_on: RunsOn,
}

/// Which shards run a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunsOn {
    /// Each that can hold a matching row.
    Shards,
    /// Any one: it reads replicated tables alone.
    AnyOne,
}

/// How a fragment's rows merge.
#[derive(Debug, Clone)]
pub(crate) enum PartMerge {
    /// As [`MergeSpec::Rows`]; `limited` when only the first rows (LIMIT plus OFFSET) are wanted.
    Rows { order: Vec<SortKey>, limited: bool },
    /// As [`MergeSpec::Groups`].
    Groups { keys: Vec<Collation>, states: Vec<StateKind> },
}

/// What the coordinator does with merged parts.
#[derive(Debug, Clone)]
pub(crate) enum FinishStep {
    /// The rows of the only part, without the hidden columns behind the first `visible`, from OFFSET to LIMIT.
    Stream { visible: usize, limit: Option<LimitTerms> },
    /// The parts are loaded into a scratch, one table each, and this query is run over them.
    Scratch { sql: String, tables: Vec<ScratchTable> },
}

/// LIMIT and OFFSET as SQL over the parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LimitTerms {
    pub(crate) limit: Option<String>,
    pub(crate) offset: Option<String>,
}

/// A table of a scratch: the columns of a part's merged rows, then what the states finish as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScratchTable {
    pub(crate) name: String,
    /// Loaded as they are.
    pub(crate) columns: Vec<ScratchColumn>,
    /// For groups: which state (from 0), its kind, and what becomes of it.
    pub(crate) finishes: Vec<(usize, StateKind, Finish)>,
}

/// A column of a scratch table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScratchColumn {
    pub(crate) affinity: Option<Affinity>,
    pub(crate) collation: Collation,
}

/// A value that the coordinator computes once and binds for all shards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Extra {
    /// LIMIT plus OFFSET.
    Fetch,
    /// What CURRENT_TIMESTAMP, CURRENT_DATE or CURRENT_TIME gives.
    Current(&'static str),
    /// What `'now'` means, in a form that date functions read.
    Now,
    /// A parameter, with `'now'` replaced.
    NowOr(usize),
}

/// A plan, ready to run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plan {
    /// Run by the coordinator on an empty database: nothing that it reads is anywhere.
    Local { sql: String, parameters: Vec<Value> },
    /// The text unchanged, on one shard.
    Route { target: Target, sql: String, parameters: Vec<Value>, scope: Option<Scope> },
    /// Fragments on shards.
    Scatter { parts: Vec<BoundPart>, parameters: Vec<Value>, finish: BoundFinish },
}

/// The rows that a scoped statement may see.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scope {
    pub(crate) key: Value,
    pub(crate) tables: Vec<ShardedTable>,
}

/// A fragment with its shards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoundPart {
    pub(crate) sql: String,
    /// How many columns its rows have.
    pub(crate) width: usize,
    pub(crate) merge: MergeSpec,
    pub(crate) targets: Vec<Target>,
}

/// The last step, with its numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BoundFinish {
    Stream { visible: usize, offset: u64, limit: Option<u64> },
    Scratch { sql: String, tables: Vec<ScratchTable> },
}

impl Plan {
    /// `route` or `scatter`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Plan::Local { .. } | Plan::Route { .. } => "route",
            Plan::Scatter { .. } => "scatter",
        }
    }

    /// The shards that it asks, each once, in order.
    pub(crate) fn shards(&self) -> Vec<u64> {
        let mut shards: Vec<u64> = match self {
            Plan::Local { .. } => Vec::new(),
            Plan::Route { target, .. } => target.shards.clone(),
            Plan::Scatter { parts, .. } => {
                parts.iter().flat_map(|part| &part.targets).flat_map(|target| target.shards.clone()).collect()
            }
        };
        shards.sort_unstable();
        shards.dedup();
        shards
    }
}
