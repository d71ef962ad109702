//! `souk node` and `souk coordinator`: configuration, then listening until asked to stop.
//!
//! Configuration comes in two stages: *raw*, as typed, from flags over environment over file; then *settings*, checked
//! and complete. A key that nobody knows is refused.

mod address;
mod coordinator;
mod file;
mod limits;
mod listen;
mod node;
mod shop;

pub(crate) use coordinator::{CoordinatorArguments, run as coordinator};
pub(crate) use node::{NodeArguments, run as node};
