//! Orders: over one vendor or several, whole or not at all.
//!
//! - [`draft`]: what is asked for, checked.
//! - [`purchase`]: the customer's record of an order, which says how far it is.
//! - [`vendor`]: a vendor's part, one local transaction a step.
//! - [`drive`]: from step to step.
//! - [`sweep`]: what was left half way.
//! - [`place`]: the call. [`read`], [`change`]: what comes later.

mod change;
mod draft;
mod drive;
mod place;
mod purchase;
mod read;
mod sweep;
mod vendor;

pub(crate) use change::Change;
pub(crate) use draft::{LINES_MAX, QUANTITY_MAX};
pub(crate) use purchase::Purchase;
pub(crate) use sweep::sweep;
