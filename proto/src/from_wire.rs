//! Messages to domain types, checked.

use souk_merge::{Batch, BatchError, Collation, Column, MergeSpec, SortKey, StateKind, Value};

use crate::v1;

/// A message that does not say what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field that must be set is not.
    #[error("`{0}` is not set")]
    Missing(&'static str),
    /// A field holds a number that its enum does not know.
    #[error("`{0}` has an unknown value")]
    Unknown(&'static str),
    /// A batch whose parts do not fit together.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

impl TryFrom<v1::Value> for Value {
    type Error = WireError;

    fn try_from(value: v1::Value) -> Result<Value, WireError> {
        match value.kind.ok_or(WireError::Missing("value.kind"))? {
            v1::value::Kind::Null(_) => Ok(Value::Null),
            v1::value::Kind::Integer(integer) => Ok(Value::Integer(integer)),
            v1::value::Kind::Real(real) if real.is_nan() => Ok(Value::Null),
            v1::value::Kind::Real(real) => Ok(Value::Real(real)),
            v1::value::Kind::Text(bytes) => Ok(Value::Text(bytes.into())),
            v1::value::Kind::Blob(bytes) => Ok(Value::Blob(bytes.into())),
        }
    }
}

impl TryFrom<v1::Batch> for Batch {
    type Error = WireError;

    fn try_from(batch: v1::Batch) -> Result<Batch, WireError> {
        let columns = batch.columns.into_iter().enumerate();
        let columns = columns.map(|(index, message)| column(index, message)).collect::<Result<_, _>>()?;
        Ok(Batch::from_columns(columns, batch.rows as usize)?)
    }
}

fn column(index: usize, column: v1::Column) -> Result<Column, BatchError> {
    let v1::Column { kinds, integers, reals, data, lengths } = column;
    let (integers, reals) = (unpacked(index, &integers)?, unpacked(index, &reals)?);
    let integers = integers.iter().map(|number| i64::from_le_bytes(*number)).collect();
    let reals = reals.iter().map(|number| f64::from_le_bytes(*number)).collect();
    Ok(Column { kinds, integers, reals, data, lengths })
}

/// Numbers that were packed into one field.
fn unpacked(column: usize, bytes: &[u8]) -> Result<&[[u8; 8]], BatchError> {
    match bytes.as_chunks() {
        (numbers, []) => Ok(numbers),
        _ => Err(BatchError { column, what: "its numbers are not of eight bytes each" }),
    }
}

impl TryFrom<v1::Merge> for MergeSpec {
    type Error = WireError;

    fn try_from(merge: v1::Merge) -> Result<MergeSpec, WireError> {
        match merge.kind.ok_or(WireError::Missing("merge.kind"))? {
            v1::merge::Kind::Rows(rows) => Ok(MergeSpec::Rows {
                order: rows.order.into_iter().map(sort_key).collect::<Result<_, _>>()?,
                limit: rows.limit,
            }),
            v1::merge::Kind::Groups(groups) => Ok(MergeSpec::Groups {
                keys: groups.keys.into_iter().map(collation).collect::<Result<_, _>>()?,
                states: groups.states.into_iter().map(state).collect::<Result<_, _>>()?,
            }),
        }
    }
}

fn sort_key(key: v1::SortKey) -> Result<SortKey, WireError> {
    Ok(SortKey {
        column: key.column as usize,
        descending: key.descending,
        nulls_last: key.nulls_last,
        collation: collation(key.collation)?,
    })
}

fn collation(collation: i32) -> Result<Collation, WireError> {
    match v1::Collation::try_from(collation) {
        Ok(v1::Collation::Unspecified) => Ok(Collation::Binary),
        Ok(v1::Collation::Nocase) => Ok(Collation::NoCase),
        Ok(v1::Collation::Rtrim) => Ok(Collation::RTrim),
        Err(_) => Err(WireError::Unknown("collation")),
    }
}

fn state(state: v1::AggregateState) -> Result<StateKind, WireError> {
    let under = collation(state.collation)?;
    match v1::AggregateStateKind::try_from(state.kind) {
        Ok(v1::AggregateStateKind::Count) => Ok(StateKind::Count),
        Ok(v1::AggregateStateKind::Sum) => Ok(StateKind::Sum),
        Ok(v1::AggregateStateKind::Minimum) => Ok(StateKind::Minimum(under)),
        Ok(v1::AggregateStateKind::Maximum) => Ok(StateKind::Maximum(under)),
        Ok(v1::AggregateStateKind::Set) => Ok(StateKind::Set(under)),
        Ok(v1::AggregateStateKind::Unspecified) => Err(WireError::Missing("aggregate_state.kind")),
        Err(_) => Err(WireError::Unknown("aggregate_state.kind")),
    }
}
