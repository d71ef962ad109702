//! What a plan says about merging, as plain data that travels to the nodes.

use crate::{Collation, SortKey};

/// How rows of several sources become one. The same at a node (over shards) and at the coordinator (over nodes).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeSpec {
    /// Rows stay rows. With no order they are concatenated in source order; else every source gives its rows in this
    /// order and so does the result, ties in source order. No more than `limit` rows are kept.
    Rows {
        /// The keys, most significant first.
        order: Vec<SortKey>,
        /// How many rows of the front are wanted (LIMIT plus OFFSET).
        limit: Option<u64>,
    },
    /// Rows are groups: the key columns, then one state a column. Groups with equal keys are merged; without keys there
    /// is exactly one group, also over no source at all. The result's order is that of first appearance in source order.
    Groups {
        /// The collation of each key column.
        keys: Vec<Collation>,
        /// The state in each column after the keys.
        states: Vec<StateKind>,
    },
}

/// What a state column holds, and so how two of its states merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    /// INTEGER, added up: COUNT.
    Count,
    /// The blob of `souk_sum`, merged exactly: SUM, TOTAL, AVG.
    Sum,
    /// The least value that is not NULL.
    Minimum(Collation),
    /// The greatest value that is not NULL.
    Maximum(Collation),
    /// The blob of `souk_set`, a set of values that are not NULL: every DISTINCT aggregate.
    Set(Collation),
}
