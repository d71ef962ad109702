//! Groups: placeholder signatures.

use crate::{Batch, Collation, StateKind, ValueRef, sum::StateError};

/// Groups being merged, in the order of first appearance.
#[derive(Debug)]
pub struct Groups {}

impl Groups {
    /// No rows yet. Without keys there is one group already, with the states of no rows.
    pub fn new(_keys: Vec<Collation>, _states: Vec<StateKind>) -> Groups {
        Groups {}
    }
    /// Merges a partial group: the key values, then one state a column.
    pub fn fold_row<'a>(&mut self, _row: impl IntoIterator<Item = ValueRef<'a>>) -> Result<(), StateError> {
        Ok(())
    }
    /// Merges groups of a later source into this one's.
    pub fn merge(&mut self, _later: Groups) -> Result<(), StateError> {
        Ok(())
    }
    /// Bytes held, roughly.
    pub fn byte_size(&self) -> usize {
        0
    }
    /// All groups: the keys, then one state a column.
    pub fn into_batch(self) -> Batch {
        Batch::new(0)
    }
}
