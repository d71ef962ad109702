//! Carts: one for each customer, in memory.
//!
//! - [`contents`]: what is in one.
//! - [`actor`]: a task with a mailbox for each: what one customer asks for is done one after the other, and no customer waits for another.

mod actor;
mod contents;

pub(crate) use actor::Carts;
