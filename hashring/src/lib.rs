//! Consistent hashing: shard key -> shard.

mod key;
mod hash;
mod ring;
mod table;
mod placement;
mod moves;

pub use hash::key_hash;
pub use key::Key;
pub use moves::{MovePlan, PinMove, RangeMove};
pub use placement::Placement;
pub use ring::{Member, Ring, RingError};
