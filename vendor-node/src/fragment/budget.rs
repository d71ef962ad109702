//! How many bytes of values a call may hold, over all its threads.

use std::sync::atomic::{AtomicU64, Ordering};

use souk_proto::Reason;

use crate::error::Fault;

/// Bytes by which a holder may grow before it tells the budget: sharing each row's would cost more than the row.
const GRAIN_BYTES: u64 = 64 << 10;

/// The bytes of a call.
pub(crate) struct Budget {
    max: u64,
    held: AtomicU64,
}

/// What one holder holds of a budget; given back when it is dropped.
pub(crate) struct Held<'a> {
    budget: &'a Budget,
    told: u64,
}

impl Budget {
    pub(crate) fn new(max: u64) -> Budget {
        Budget { max, held: AtomicU64::new(0) }
    }

    pub(crate) fn holder(&self) -> Held<'_> {
        Held { budget: self, told: 0 }
    }
}

impl Held<'_> {
    /// The holder holds so many bytes now.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<(), Fault> {
        let bytes = bytes as u64;
        if bytes.abs_diff(self.told) < GRAIN_BYTES && bytes <= self.budget.max {
            return Ok(());
        }
        let grown = bytes.wrapping_sub(self.told);
        self.told = bytes;
        let held = self.budget.held.fetch_add(grown, Ordering::Relaxed).wrapping_add(grown);
        if held > self.budget.max { Err(too_large(self.budget.max)) } else { Ok(()) }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.told, Ordering::Relaxed);
    }
}

/// More bytes than the call may have.
pub(crate) fn too_large(max: u64) -> Fault {
    let words = format!("the answer holds more than `{max}` bytes: narrow the statement, or allow more bytes");
    Fault::new(Reason::TooLarge, words)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn holders_share_one_budget_and_give_back() {
        let budget = Budget::new(1 << 20);
        let mut one = budget.holder();
        let mut other = budget.holder();
        assert!(one.set(700 << 10).is_ok());
        assert_eq!(other.set(700 << 10).unwrap_err().reason, Reason::TooLarge);
        drop(one);
        assert!(other.set(900 << 10).is_ok());
        drop(other);
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_budget_smaller_than_the_grain_holds() {
        let budget = Budget::new(10);
        assert!(budget.holder().set(10).is_ok());
        assert!(budget.holder().set(11).is_err());
    }
}
