//! Aggregate states: placeholder signatures.

use crate::{StateKind, Value, ValueRef, sum::StateError};

/// A value as SQLite's SUM reads it (`sqlite3_value_numeric_type`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer.
    Integer(i64),
    /// A real.
    Real(f64),
}

/// Builds the blob of a set: the state of every DISTINCT aggregate.
#[derive(Debug, Clone, Default)]
pub struct SetBuilder {}

impl SetBuilder {
    /// Adds a value that is not NULL, and what SUM would read it as. The same value may be added twice.
    pub fn add(&mut self, _value: ValueRef<'_>, _number: Number) {}
    /// The blob.
    pub fn finish(self) -> Vec<u8> {
        Vec::new()
    }
}

/// What becomes of a state at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The state is the value: COUNT, MIN, MAX.
    Value,
    /// SUM, of a sum or a set.
    Sum,
    /// TOTAL, of a sum or a set.
    Total,
    /// AVG, of a sum or a set.
    Average,
    /// COUNT, of a set.
    Count,
}

/// The value of an aggregate from its merged state.
pub fn finish_state(kind: StateKind, state: ValueRef<'_>, finish: Finish) -> Result<Value, StateError> {
    let _ = (kind, state, finish);
    Ok(Value::Null)
}
