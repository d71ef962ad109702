//! The algebra of partial answers: pure, synchronous, without I/O.
//!
//! A shard answers a fragment with rows or with aggregate states. A node merges its shards and the
//! coordinator merges its nodes, with the same operators, in an order fixed by the position of the sources: the
//! same partials give the same answer, bit for bit, however they were grouped on the way.
//!
//! - `value`: the five storage classes, owned and borrowed.
//! - `batch`: rows in columns, as they travel.
//! - `pieces`: batches cut into pieces.
//! - `order`: SQLite's order of values, its collations, the keys of an ORDER BY.
//! - `spec`: what a plan says about merging, as plain data.
//! - `hash`, `keys`: hash tables of encoded keys.
//! - `bytes`: reading and writing the blobs of aggregate states.
//! - `accumulator`: exact sums of reals, in fixed point.
//! - `sum`: exact sums: the state of SUM, TOTAL and AVG.
//! - `set`: distinct values: the state of every DISTINCT aggregate.
//! - `state`: aggregate states and what becomes of them at the end.
//! - `groups`: GROUP BY and DISTINCT over partials.
//! - `top`: the first n rows of an order.
//! - `ordered`: the k-way merge of sorted batches.
//! - `slice`: OFFSET and LIMIT over a stream of batches.

mod value;

mod batch;
mod copy;
mod order;
mod pieces;
mod spec;

mod hash;
mod keys;

mod accumulator;
mod bytes;
mod set;
mod state;
mod sum;

mod groups;
mod ordered;
mod slice;
mod top;

#[cfg(test)]
mod testing;

pub use batch::{Batch, BatchCursor, BatchError, Column, ValueKind};
pub use copy::BatchCopy;
pub use groups::Groups;
pub use order::{Collation, SortKey, compare_by_key, compare_rows, compare_values, encode_key};
pub use ordered::{OrderedMerge, Step, Unsorted};
pub use pieces::Pieces;
pub use set::{Number, SetBuilder};
pub use slice::Slice;
pub use spec::{MergeSpec, SpecError, StateKind};
pub use state::{Finish, finish_state};
pub use sum::{StateError, Sum};
pub use top::Top;
pub use value::{Value, ValueRef};
