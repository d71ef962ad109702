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
    /// Rows are groups: the key columns, then one state a column. Groups with equal keys are merged; without keys
    /// there is exactly one group, also over no source at all. The result's order is that of first appearance in
    /// source order.
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

/// A merge that names columns which its rows do not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A key of the order lies beyond the last column.
    #[error("the order names column {column} of rows that have {width} columns")]
    NoSuchColumn {
        /// The column, from 0.
        column: usize,
        /// How many columns there are.
        width: usize,
    },
    /// The keys and the states are not the columns.
    #[error("{keys} keys and {states} states do not make up rows of {width} columns")]
    Width {
        /// How many keys.
        keys: usize,
        /// How many states.
        states: usize,
        /// How many columns there are.
        width: usize,
    },
}

impl MergeSpec {
    /// Whether rows of `width` columns can be merged like this: to be asked of a plan that came over the wire.
    ///
    /// # Errors
    ///
    /// [`SpecError`] says what does not fit.
    pub fn check(&self, width: usize) -> Result<(), SpecError> {
        match self {
            MergeSpec::Rows { order, limit: _ } => match order.iter().find(|key| key.column >= width) {
                Some(key) => Err(SpecError::NoSuchColumn { column: key.column, width }),
                None => Ok(()),
            },
            MergeSpec::Groups { keys, states } if keys.len() + states.len() != width => {
                Err(SpecError::Width { keys: keys.len(), states: states.len(), width })
            }
            MergeSpec::Groups { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_columns_that_exist() {
        let key = SortKey { column: 2, descending: false, nulls_last: false, collation: Collation::Binary };
        let spec = MergeSpec::Rows { order: vec![key], limit: None };
        assert_eq!(spec.check(3), Ok(()));
        assert_eq!(spec.check(2), Err(SpecError::NoSuchColumn { column: 2, width: 2 }));
    }

    #[test]
    fn keys_and_states_are_all_columns() {
        let spec = MergeSpec::Groups { keys: vec![Collation::Binary], states: vec![StateKind::Count] };
        assert_eq!(spec.check(2), Ok(()));
        assert_eq!(spec.check(3), Err(SpecError::Width { keys: 1, states: 1, width: 3 }));
    }
}
