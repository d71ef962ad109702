//! Domain types to messages.

use souk_merge::{Batch, Collation, Column, MergeSpec, SortKey, StateKind, Value, ValueRef};

use crate::v1;

impl From<ValueRef<'_>> for v1::Value {
    fn from(value: ValueRef<'_>) -> v1::Value {
        let kind = match value {
            ValueRef::Null => v1::value::Kind::Null(v1::NullValue::Unspecified.into()),
            ValueRef::Integer(integer) => v1::value::Kind::Integer(integer),
            ValueRef::Real(real) => v1::value::Kind::Real(real),
            ValueRef::Text(bytes) => v1::value::Kind::Text(bytes.into()),
            ValueRef::Blob(bytes) => v1::value::Kind::Blob(bytes.into()),
        };
        v1::Value { kind: Some(kind) }
    }
}

impl From<&Value> for v1::Value {
    fn from(value: &Value) -> v1::Value {
        value.as_ref().into()
    }
}

impl From<Batch> for v1::Batch {
    fn from(batch: Batch) -> v1::Batch {
        let rows = u32::try_from(batch.rows()).expect("a batch holds fewer than 2^32 rows");
        v1::Batch { rows, columns: batch.into_columns().into_iter().map(column).collect() }
    }
}

fn column(column: Column) -> v1::Column {
    let Column { kinds, integers, reals, data, lengths } = column;
    let integers = packed(integers.iter().map(|integer| integer.to_le_bytes()));
    let reals = packed(reals.iter().map(|real| real.to_le_bytes()));
    v1::Column { kinds, integers, reals, data, lengths }
}

/// Numbers as they are packed into one field.
fn packed(numbers: impl ExactSizeIterator<Item = [u8; 8]>) -> Vec<u8> {
    let mut bytes = vec![0; 8 * numbers.len()];
    bytes.chunks_exact_mut(8).zip(numbers).for_each(|(place, number)| place.copy_from_slice(&number));
    bytes
}

impl From<Batch> for v1::Rows {
    fn from(batch: Batch) -> v1::Rows {
        let mut rows = Vec::with_capacity(batch.rows());
        let mut cursor = batch.into_cursor();
        while cursor.advance() {
            rows.push(v1::Row { values: cursor.values().map(v1::Value::from).collect() });
        }
        v1::Rows { rows }
    }
}

impl From<&MergeSpec> for v1::Merge {
    fn from(spec: &MergeSpec) -> v1::Merge {
        let kind = match spec {
            MergeSpec::Rows { order, limit } => {
                v1::merge::Kind::Rows(v1::MergeRows { order: order.iter().map(sort_key).collect(), limit: *limit })
            }
            MergeSpec::Groups { keys, states } => v1::merge::Kind::Groups(v1::MergeGroups {
                keys: keys.iter().map(|key| collation(*key).into()).collect(),
                states: states.iter().map(|kind| state(*kind)).collect(),
            }),
        };
        v1::Merge { kind: Some(kind) }
    }
}

fn sort_key(key: &SortKey) -> v1::SortKey {
    v1::SortKey {
        column: u32::try_from(key.column).expect("SQLite has at most 32,767 columns"),
        descending: key.descending,
        nulls_last: key.nulls_last,
        collation: collation(key.collation).into(),
    }
}

fn collation(collation: Collation) -> v1::Collation {
    match collation {
        Collation::Binary => v1::Collation::Unspecified,
        Collation::NoCase => v1::Collation::Nocase,
        Collation::RTrim => v1::Collation::Rtrim,
    }
}

fn state(state: StateKind) -> v1::AggregateState {
    let (kind, under) = match state {
        StateKind::Count => (v1::AggregateStateKind::Count, Collation::Binary),
        StateKind::Sum => (v1::AggregateStateKind::Sum, Collation::Binary),
        StateKind::Minimum(under) => (v1::AggregateStateKind::Minimum, under),
        StateKind::Maximum(under) => (v1::AggregateStateKind::Maximum, under),
        StateKind::Set(under) => (v1::AggregateStateKind::Set, under),
    };
    v1::AggregateState { kind: kind.into(), collation: collation(under).into() }
}
