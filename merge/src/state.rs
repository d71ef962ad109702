//! Aggregate states: how two of them merge, and what becomes of them at the end.

use std::cmp::Ordering;

use crate::{Collation, StateError, StateKind, Sum, Value, ValueRef, order::compare_values, set::ValueSet};

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
///
/// # Errors
///
/// [`StateError::Malformed`] when the state is not of this kind or the kind does not finish this way;
/// [`StateError::IntegerOverflow`] as SQLite's SUM.
pub fn finish_state(kind: StateKind, state: ValueRef<'_>, finish: Finish) -> Result<Value, StateError> {
    let mut merged = State::new(kind);
    merged.fold(state)?;
    merged.finish(finish)
}

/// A state that others are merged into.
#[derive(Debug)]
pub(crate) enum State {
    Count(i64),
    Sum(Sum),
    Minimum(Collation, Value),
    Maximum(Collation, Value),
    Set(Box<ValueSet>),
}

impl State {
    /// The state of no rows.
    pub(crate) fn new(kind: StateKind) -> State {
        match kind {
            StateKind::Count => State::Count(0),
            StateKind::Sum => State::Sum(Sum::default()),
            StateKind::Minimum(collation) => State::Minimum(collation, Value::Null),
            StateKind::Maximum(collation) => State::Maximum(collation, Value::Null),
            StateKind::Set(collation) => State::Set(Box::new(ValueSet::new(collation))),
        }
    }

    /// Merges a state of a later source, as its column holds it.
    pub(crate) fn fold(&mut self, state: ValueRef<'_>) -> Result<(), StateError> {
        match (self, state) {
            (State::Count(count), ValueRef::Integer(more)) => add_count(count, more),
            (State::Sum(sum), ValueRef::Blob(blob)) => sum.merge_encoded(blob),
            (State::Set(set), ValueRef::Blob(blob)) => set.merge_encoded(blob),
            (State::Minimum(collation, least), value) => {
                keep_extreme(least, value, *collation, Ordering::Less);
                Ok(())
            }
            (State::Maximum(collation, greatest), value) => {
                keep_extreme(greatest, value, *collation, Ordering::Greater);
                Ok(())
            }
            (State::Count(_) | State::Sum(_) | State::Set(_), _) => Err(StateError::Malformed),
        }
    }

    /// Merges a state of a later source.
    pub(crate) fn merge(&mut self, later: State) -> Result<(), StateError> {
        match (self, later) {
            (State::Sum(sum), State::Sum(later)) => {
                sum.merge(&later);
                Ok(())
            }
            (State::Set(set), State::Set(later)) => set.merge(*later),
            (state, later) => state.fold(later.value(&mut Vec::new())),
        }
    }

    /// The state as a column holds it; `blob` is room for one that travels as a blob.
    pub(crate) fn value<'a>(&'a self, blob: &'a mut Vec<u8>) -> ValueRef<'a> {
        match self {
            State::Count(count) => ValueRef::Integer(*count),
            State::Sum(sum) => {
                blob.clear();
                sum.encode_into(blob);
                ValueRef::Blob(blob)
            }
            State::Minimum(_, value) | State::Maximum(_, value) => value.as_ref(),
            State::Set(set) => {
                blob.clear();
                set.encode_into(blob);
                ValueRef::Blob(blob)
            }
        }
    }

    /// What the aggregate gives.
    pub(crate) fn finish(self, finish: Finish) -> Result<Value, StateError> {
        match (self, finish) {
            (State::Count(count), Finish::Value) => Ok(Value::Integer(count)),
            (State::Minimum(_, value) | State::Maximum(_, value), Finish::Value) => Ok(value),
            (State::Sum(sum), finish) => finish_sum(&sum, finish),
            (State::Set(set), Finish::Count) => Ok(Value::Integer(set.count() as i64)),
            (State::Set(set), finish) => finish_sum(&set.sum()?, finish),
            (State::Count(_) | State::Minimum(..) | State::Maximum(..), _) => Err(StateError::Malformed),
        }
    }

    /// Bytes held, roughly.
    pub(crate) fn byte_size(&self) -> usize {
        let heap = match self {
            State::Count(_) => 0,
            State::Sum(sum) => sum.heap_bytes(),
            State::Minimum(_, value) | State::Maximum(_, value) => value.as_ref().heap_bytes(),
            State::Set(set) => set.byte_size(),
        };
        size_of::<State>() + heap
    }
}

fn add_count(count: &mut i64, more: i64) -> Result<(), StateError> {
    if more < 0 {
        return Err(StateError::Malformed);
    }
    *count = count.checked_add(more).ok_or(StateError::IntegerOverflow)?;
    Ok(())
}

/// Of equal values the earlier stays, as in SQLite's `minmaxStep`.
fn keep_extreme(kept: &mut Value, value: ValueRef<'_>, collation: Collation, wanted: Ordering) {
    if !value.is_null() && (kept.as_ref().is_null() || compare_values(value, kept.as_ref(), collation) == wanted) {
        *kept = value.to_owned();
    }
}

fn finish_sum(sum: &Sum, finish: Finish) -> Result<Value, StateError> {
    match finish {
        Finish::Sum => sum.sum(),
        Finish::Total => Ok(sum.total()),
        Finish::Average => Ok(sum.average()),
        Finish::Value | Finish::Count => Err(StateError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Number, SetBuilder, testing::*};

    const SET: StateKind = StateKind::Set(Collation::NoCase);

    /// A number for text that tells values apart that the collation does not.
    fn number_of(value: &Value) -> Number {
        match value {
            Value::Integer(integer) => Number::Integer(*integer),
            Value::Real(real) => Number::Real(*real),
            Value::Text(bytes) | Value::Blob(bytes) => Number::Integer(bytes.iter().map(|byte| i64::from(*byte)).sum()),
            Value::Null => Number::Integer(0),
        }
    }

    fn set_of(values: &[Value]) -> Value {
        let mut set = SetBuilder::default();
        values.iter().for_each(|value| set.add(value.as_ref(), number_of(value)));
        Value::Blob(set.finish().into())
    }

    fn merged(kind: StateKind, states: &[Value]) -> State {
        let mut merged = State::new(kind);
        states.iter().for_each(|state| merged.fold(state.as_ref()).expect("the states fit the kind"));
        merged
    }

    fn value_of(state: &State) -> Value {
        state.value(&mut Vec::new()).to_owned()
    }

    fn check(kind: StateKind, states: &[Value], finish: Finish, expected: Result<Value, StateError>) {
        assert_eq!(merged(kind, states).finish(finish), expected, "{states:?}");
        let state = value_of(&merged(kind, states));
        assert_eq!(finish_state(kind, state.as_ref(), finish), expected, "{states:?}");
    }

    #[test]
    fn counts_add_up_and_overflow_as_integers_do() {
        check(StateKind::Count, &[], Finish::Value, Ok(Value::Integer(0)));
        check(StateKind::Count, &[Value::Integer(2), Value::Integer(3)], Finish::Value, Ok(Value::Integer(5)));
        let mut count = merged(StateKind::Count, &[Value::Integer(i64::MAX)]);
        assert_eq!(count.fold(ValueRef::Integer(1)), Err(StateError::IntegerOverflow));
        assert_eq!(count.fold(ValueRef::Integer(-1)), Err(StateError::Malformed));
    }

    #[test]
    fn extremes_leave_null_out_and_keep_the_earlier_of_equal_values() {
        let (minimum, maximum) = (StateKind::Minimum(Collation::NoCase), StateKind::Maximum(Collation::NoCase));
        let states = [Value::Null, Value::text("b"), Value::text("A"), Value::text("a"), Value::text("B")];
        check(minimum, &states, Finish::Value, Ok(Value::text("A")));
        check(maximum, &states, Finish::Value, Ok(Value::text("b")));
        check(minimum, &[Value::Null], Finish::Value, Ok(Value::Null));
        check(maximum, &[Value::Integer(1), Value::Real(1.0)], Finish::Value, Ok(Value::Integer(1)));
    }

    #[test]
    fn sums_finish_as_sum_total_and_average() {
        let mut sum = Sum::default();
        sum.add_integer(1);
        sum.add_integer(2);
        let states = [Value::Blob(sum.encode().into()), Value::Blob(Sum::default().encode().into())];
        check(StateKind::Sum, &states, Finish::Sum, Ok(Value::Integer(3)));
        check(StateKind::Sum, &states, Finish::Total, Ok(Value::Real(3.0)));
        check(StateKind::Sum, &states, Finish::Average, Ok(Value::Real(1.5)));
        check(StateKind::Sum, &[], Finish::Sum, Ok(Value::Null));
    }

    #[test]
    fn a_set_holds_the_first_of_equal_values() {
        let first = set_of(&[Value::Integer(1), Value::text("A"), Value::text("A")]);
        let later = set_of(&[Value::Real(1.0), Value::text("a"), Value::text("b"), Value::Null]);
        let states = [first, later];
        check(SET, &states, Finish::Count, Ok(Value::Integer(3)));
        check(SET, &states, Finish::Sum, Ok(Value::Integer(1 + 65 + 98)));
        check(SET, &states, Finish::Average, Ok(Value::Real(164.0 / 3.0)));
        check(SET, &[], Finish::Count, Ok(Value::Integer(0)));
        check(SET, &[], Finish::Total, Ok(Value::Real(0.0)));
    }

    #[test]
    fn states_of_another_kind_are_malformed() {
        let states = [Value::Null, Value::text("1"), Value::Real(1.0), Value::Blob(Box::new([]))];
        for kind in [StateKind::Count, StateKind::Sum, SET] {
            for state in &states {
                assert_eq!(State::new(kind).fold(state.as_ref()), Err(StateError::Malformed), "{kind:?} {state:?}");
            }
        }
        for (kind, finish) in [
            (StateKind::Count, Finish::Sum),
            (StateKind::Count, Finish::Count),
            (StateKind::Sum, Finish::Value),
            (StateKind::Sum, Finish::Count),
            (StateKind::Minimum(Collation::Binary), Finish::Sum),
            (SET, Finish::Value),
        ] {
            assert_eq!(State::new(kind).finish(finish), Err(StateError::Malformed), "{kind:?} {finish:?}");
        }
    }

    proptest! {
        #[test]
        fn any_tree_of_extremes_over_any_split_is_the_same(
            values in prop::collection::vec(value(), 1..30),
            collation in collation(),
            cuts in cuts(),
            choices in cuts(),
        ) {
            for kind in [StateKind::Minimum(collation), StateKind::Maximum(collation)] {
                let pieces = split(&values, &cuts).iter().map(|piece| merged(kind, piece)).collect();
                let tree = merge_tree(pieces, &choices, |left, right| left.merge(right).expect("both are extremes"));
                prop_assert_eq!(value_of(&tree), value_of(&merged(kind, &values)));
            }
        }
    }
}
