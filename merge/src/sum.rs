//! Exact sums: placeholder signatures.

use crate::Value;

/// The state of SUM, TOTAL and AVG: exact, so that any order and grouping of additions gives the same result.
#[derive(Debug, Clone, Default)]
pub struct Sum {}

/// Why a state could not be read or finished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The sum of integers does not fit 64 bits: SQLite's own words.
    #[error("integer overflow")]
    IntegerOverflow,
    /// A state column holds something else.
    #[error("malformed aggregate state")]
    Malformed,
}

impl Sum {
    /// Adds an integer.
    pub fn add_integer(&mut self, _integer: i64) {}
    /// Adds a real.
    pub fn add_real(&mut self, _real: f64) {}
    /// Adds all that `other` holds.
    pub fn merge(&mut self, _other: &Sum) {}
    /// The state as the blob that travels.
    pub fn encode(&self) -> Vec<u8> {
        Vec::new()
    }
    /// The state from its blob.
    pub fn decode(_blob: &[u8]) -> Result<Sum, StateError> {
        Ok(Sum {})
    }
    /// What SUM gives.
    pub fn sum(&self) -> Result<Value, StateError> {
        Ok(Value::Null)
    }
    /// What TOTAL gives.
    pub fn total(&self) -> Value {
        Value::Null
    }
    /// What AVG gives.
    pub fn average(&self) -> Value {
        Value::Null
    }
}
