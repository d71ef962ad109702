//! Rows as one value: what a subquery gave, sent along with a statement as a parameter.

use prost::Message as _;
use souk_merge::Batch;

use crate::v1;

/// A batch as bytes.
pub fn encode_rows(batch: Batch) -> Vec<u8> {
    v1::Batch::from(batch).encode_to_vec()
}

/// The batch of such bytes.
///
/// # Errors
///
/// What is malformed, for people.
pub fn decode_rows(bytes: &[u8]) -> Result<Batch, String> {
    let message = v1::Batch::decode(bytes).map_err(|error| error.to_string())?;
    Batch::try_from(message).map_err(|error| error.to_string())
}
