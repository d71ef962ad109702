//! Events: written with what they tell of, numbered by each vendor without a gap, given to whoever subscribes.
//!
//! - [`told`]: the statements that write them, and the rows that come back.
//! - [`pattern`]: which are wanted.
//! - [`cursor`]: how far somebody has read, of every vendor.
//! - [`hub`]: one reader for all who listen here.
//! - [`subscribe`]: what was missed, then what comes. [`publish`]: events of applications. [`watch`]: live queries.

mod cursor;
mod hub;
mod pattern;
mod publish;
mod subscribe;
mod told;
mod watch;

pub(crate) use hub::Hub;
pub(crate) use pattern::{KIND_MAX, PATTERNS_MAX};
pub(crate) use publish::{DATA_MAX, OWN, STREAM};
pub(crate) use told::{Telling, low_stock_after_order, low_stock_at, low_stock_of, tell};
