//! Names of orders and rows, and where a customer's record of its orders is.

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Error, Result};

/// Houses: as many shards hold what customers ordered.
pub(crate) const HOUSES: u64 = 16;

/// The house of a customer.
pub(crate) fn house_of(customer: &str) -> String {
    house(xxh3_64(customer.as_bytes()) % HOUSES)
}

/// All houses.
pub(crate) fn houses() -> impl Iterator<Item = String> {
    (0..HOUSES).map(house)
}

fn house(number: u64) -> String {
    format!("house-{number:02}")
}

/// A new order's number: its house's, then one that nobody guesses and that grows with time.
pub(crate) fn new_order(house: &str) -> String {
    format!("{}-{}", house.trim_start_matches("house-"), Uuid::now_v7().simple())
}

/// The house that an order's number names.
pub(crate) fn house_of_order(id: &str) -> Result<String> {
    let number = id.split_once('-').and_then(|(number, _)| number.parse().ok());
    let known = number.filter(|number| *number < HOUSES);
    known.map(house).ok_or_else(|| Error::not_found(format!("there is no order `{}`", id.escape_debug())))
}

/// A row's number within its vendor's table, from what makes it one of a kind: the same for the same, so that what is sent twice is not there twice.
pub(crate) fn row_id(parts: &[&str]) -> i64 {
    let joined = parts.join("\0");
    // As far as JSON readers count.
    (xxh3_64(joined.as_bytes()) >> 11) as i64
}
