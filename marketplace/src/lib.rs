//! A marketplace over vendors' own databases: an application on the coordinator's public API alone, served by the same process.
//!
//! # The life of an order
//!
//! 1. `rpc`, `http`: a message in; nothing is decided here.
//! 2. `order::draft`: what is asked for, checked; its digest.
//! 3. `order::purchase`: accepted: the customer's record of it, durable before anything else is done.
//! 4. `order::vendor`: each vendor's part, one local transaction a step: reserve, place, confirm, release.
//! 5. `payment`: charged by somebody else, each step repeatable.
//! 6. `order::drive`: calls them one after the other, from the last durable step to the end.
//! 7. `order::sweep`: goes on with what a crash left half way.
//!
//! `checks` is what every request is held to, `cart` what is to be ordered, `catalog` what is sold, `events` what is told of it all, `schedule` what is done at certain times,
//! `schema` the tables.

mod cart;
mod catalog;
mod checks;
mod error;
mod events;
mod http;
mod ids;
mod market;
mod order;
mod payment;
mod rows;
mod rpc;
mod schedule;
mod schema;
mod time;

pub use market::{Market, Settings};
pub use payment::{Money, Payment, PaymentError, TestPayment};
pub use schedule::{BadSchedule, Schedule};
pub use schema::STATEMENTS;
