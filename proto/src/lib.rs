//! The contract: the messages and services of `souk.v1`, and their conversions to and from the domain.

#[allow(missing_docs, clippy::all, unreachable_pub)]
/// Generated from `souk/v1/*.proto`.
pub mod v1 {
    tonic::include_proto!("souk.v1");

    /// The descriptors of all of the above, for reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/souk_descriptor.bin"));
}

mod error;
mod expectation;
mod from_wire;
mod identity;
mod json;
mod rows;
mod to_wire;

pub use error::Reason;
pub use expectation::Expectation;
pub use from_wire::WireError;
pub use identity::Identity;
pub use rows::{decode_rows, encode_rows};
