//! Aggregate states: how two of them merge, and what becomes of them at the end.

use std::{cmp::Ordering, collections::HashSet};

use crate::{
    Collation, StateError, StateKind, Sum, Value, ValueRef,
    bytes::{Reader, put_signed, put_unsigned},
    order::{compare_values, encode_key},
};

/// A value as SQLite's SUM reads it (`sqlite3_value_numeric_type`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer.
    Integer(i64),
    /// A real.
    Real(f64),
}

/// Builds the blob of a set: the state of every DISTINCT aggregate.
///
/// The blob is a version byte and the values in the order added: a class byte and the number, or the length, the bytes
/// and what SUM reads them as.
#[derive(Debug, Clone, Default)]
pub struct SetBuilder {
    /// The values, without the version byte.
    entries: Vec<u8>,
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

const VERSION: u8 = 1;
const CLASS_INTEGER: u8 = 1;
const CLASS_REAL: u8 = 2;
const CLASS_TEXT: u8 = 3;
const CLASS_BLOB: u8 = 4;

impl SetBuilder {
    /// Adds a value, and what SUM would read it as, which matters only for text and blobs: other values are their own
    /// number. The same value may be added twice. NULL is left out, as every aggregate leaves it out.
    pub fn add(&mut self, value: ValueRef<'_>, number: Number) {
        match value {
            _ if value.is_null() => {}
            ValueRef::Null => {}
            ValueRef::Integer(integer) => self.put_number(Number::Integer(integer)),
            ValueRef::Real(real) => self.put_number(Number::Real(real)),
            ValueRef::Text(bytes) => self.put_bytes(CLASS_TEXT, bytes, number),
            ValueRef::Blob(bytes) => self.put_bytes(CLASS_BLOB, bytes, number),
        }
    }

    /// The blob: one byte of no values.
    pub fn finish(mut self) -> Vec<u8> {
        self.entries.insert(0, VERSION);
        self.entries
    }

    fn put_number(&mut self, number: Number) {
        match number {
            Number::Integer(integer) => {
                self.entries.push(CLASS_INTEGER);
                put_signed(i128::from(integer), &mut self.entries);
            }
            Number::Real(real) => {
                self.entries.push(CLASS_REAL);
                self.entries.extend_from_slice(&real.to_le_bytes());
            }
        }
    }

    fn put_bytes(&mut self, class: u8, bytes: &[u8], number: Number) {
        self.entries.push(class);
        put_unsigned(bytes.len() as u128, &mut self.entries);
        self.entries.extend_from_slice(bytes);
        self.put_number(number);
    }
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
            (State::Set(set), State::Set(later)) => set.merge_entries(&later.kept.entries),
            (state, later) => state.fold(later.into_value().as_ref()),
        }
    }

    /// The state as a column holds it.
    pub(crate) fn into_value(self) -> Value {
        match self {
            State::Count(count) => Value::Integer(count),
            State::Sum(sum) => Value::Blob(sum.encode().into()),
            State::Minimum(_, value) | State::Maximum(_, value) => value,
            State::Set(set) => Value::Blob(set.kept.finish().into()),
        }
    }

    /// What the aggregate gives.
    pub(crate) fn finish(self, finish: Finish) -> Result<Value, StateError> {
        match (self, finish) {
            (State::Count(count), Finish::Value) => Ok(Value::Integer(count)),
            (State::Minimum(_, value) | State::Maximum(_, value), Finish::Value) => Ok(value),
            (State::Sum(sum), finish) => finish_sum(&sum, finish),
            (State::Set(set), Finish::Count) => Ok(Value::Integer(set.seen.len() as i64)),
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

/// The distinct values of several sources under a collation. Of equal ones the first stays, in source order: 1 and 1.0
/// are equal, but SUM gives another class.
#[derive(Debug)]
pub(crate) struct ValueSet {
    collation: Collation,
    /// The keys of the values kept.
    seen: HashSet<Box<[u8]>>,
    seen_bytes: usize,
    kept: SetBuilder,
    /// The key looked up, here so that a value seen before costs no allocation.
    key: Vec<u8>,
}

impl ValueSet {
    fn new(collation: Collation) -> ValueSet {
        ValueSet { collation, seen: HashSet::new(), seen_bytes: 0, kept: SetBuilder::default(), key: Vec::new() }
    }

    /// Adds the values of a blob.
    fn merge_encoded(&mut self, blob: &[u8]) -> Result<(), StateError> {
        match blob.split_first() {
            Some((&VERSION, entries)) => self.merge_entries(entries),
            Some(_) | None => Err(StateError::Malformed),
        }
    }

    fn merge_entries(&mut self, mut entries: &[u8]) -> Result<(), StateError> {
        while !entries.is_empty() {
            let (value, _, length) = read_entry(entries)?;
            let (entry, rest) = entries.split_at(length);
            self.add(value, entry);
            entries = rest;
        }
        Ok(())
    }

    fn add(&mut self, value: ValueRef<'_>, entry: &[u8]) {
        self.key.clear();
        encode_key(value, self.collation, &mut self.key);
        if !self.seen.contains(self.key.as_slice()) {
            self.seen.insert(self.key.as_slice().into());
            self.seen_bytes += self.key.len();
            self.kept.entries.extend_from_slice(entry);
        }
    }

    /// The values added up as SUM reads them.
    fn sum(&self) -> Result<Sum, StateError> {
        let mut sum = Sum::default();
        let mut entries = self.kept.entries.as_slice();
        while !entries.is_empty() {
            let (_, number, length) = read_entry(entries)?;
            match number {
                Number::Integer(integer) => sum.add_integer(integer),
                Number::Real(real) => sum.add_real(real),
            }
            entries = &entries[length..];
        }
        Ok(sum)
    }

    fn byte_size(&self) -> usize {
        /// A boxed key and its byte of control in the table, which is half empty at worst.
        const SEEN_BYTES: usize = 2 * (size_of::<Box<[u8]>>() + 1);
        size_of::<ValueSet>() + self.seen.len() * SEEN_BYTES + self.seen_bytes + self.kept.entries.len()
    }
}

/// The first value of a set's entries, its number, and the bytes that both take.
fn read_entry(entries: &[u8]) -> Result<(ValueRef<'_>, Number, usize), StateError> {
    let mut reader = Reader::new(entries);
    let (value, number) = match reader.byte()? {
        class @ (CLASS_TEXT | CLASS_BLOB) => {
            let length = reader.number()?;
            let bytes = reader.take(length)?;
            let number_class = reader.byte()?;
            let value = if class == CLASS_TEXT { ValueRef::Text(bytes) } else { ValueRef::Blob(bytes) };
            (value, read_number(number_class, &mut reader)?)
        }
        class => match read_number(class, &mut reader)? {
            number @ Number::Integer(integer) => (ValueRef::Integer(integer), number),
            number @ Number::Real(real) => (ValueRef::Real(real), number),
        },
    };
    Ok((value, number, entries.len() - reader.rest().len()))
}

fn read_number(class: u8, reader: &mut Reader<'_>) -> Result<Number, StateError> {
    match class {
        CLASS_INTEGER => i64::try_from(reader.signed()?).map(Number::Integer).map_err(|_| StateError::Malformed),
        CLASS_REAL => match f64::from_le_bytes(reader.eight()?) {
            real if real.is_nan() => Err(StateError::Malformed),
            real => Ok(Number::Real(real)),
        },
        _ => Err(StateError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::*;

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

    fn check(kind: StateKind, states: &[Value], finish: Finish, expected: Result<Value, StateError>) {
        assert_eq!(merged(kind, states).finish(finish), expected, "{states:?}");
        let state = merged(kind, states).into_value();
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
        assert_eq!(set_of(&[]), Value::Blob(Box::new([VERSION])));
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

    #[test]
    fn a_set_that_ends_early_or_holds_a_nan_is_malformed() {
        let Value::Blob(whole) = set_of(&[Value::text("abc")]) else { panic!("a set is a blob") };
        for length in 2..whole.len() {
            assert_eq!(State::new(SET).fold(ValueRef::Blob(&whole[..length])), Err(StateError::Malformed), "{length}");
        }
        let mut nan = vec![VERSION, CLASS_REAL];
        nan.extend_from_slice(&f64::NAN.to_le_bytes());
        assert_eq!(State::new(SET).fold(ValueRef::Blob(&nan)), Err(StateError::Malformed));
    }

    proptest! {
        #[test]
        fn any_tree_of_sets_over_any_split_holds_the_same_values(
            values in prop::collection::vec(value(), 0..30),
            collation in collation(),
            cuts in cuts(),
            choices in cuts(),
        ) {
            let kind = StateKind::Set(collation);
            let pieces = split(&values, &cuts).iter().map(|piece| merged(kind, &[set_of(piece)])).collect();
            let tree = merge_tree(pieces, &choices, |left, right| left.merge(right).expect("both are sets"));
            prop_assert_eq!(tree.into_value(), merged(kind, &[set_of(&values)]).into_value());
        }

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
                prop_assert_eq!(tree.into_value(), merged(kind, &values).into_value());
            }
        }

        #[test]
        fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 1..40), class in 0u8..6) {
            bytes[0] = VERSION;
            if let Some(second) = bytes.get_mut(1) {
                *second = class;
            }
            let mut state = State::new(SET);
            let folded = state.fold(ValueRef::Blob(&bytes));
            prop_assert!(folded.is_ok() || folded == Err(StateError::Malformed));
            prop_assert!(state.finish(Finish::Total).is_ok());
        }
    }
}
