//! GROUP BY over partial groups.
//!
//! DISTINCT is groups without states: the key columns are the row, and of equal rows the first stays.

use crate::{
    Batch, Collation, Column, Finish, StateError, StateKind, ValueRef,
    keys::{Keys, Place},
    order::encode_key,
    state::State,
};

/// Groups being merged, in the order of first appearance.
///
/// Keys are equal as SQLite's GROUP BY finds them: 1 and 1.0 are one group, and so are two NULLs, and texts that their
/// column's collation does not tell apart. A group shows the key values it was first seen with.
#[derive(Debug)]
pub struct Groups {
    collations: Vec<Collation>,
    kinds: Vec<StateKind>,
    /// The place of each group, by its encoded key.
    places: Keys,
    /// The key values of each group.
    keys: Batch,
    /// The states of all groups: those of group i start at `i * kinds.len()`.
    states: Vec<State>,
    /// The key looked up, here so that a row of a known group costs no allocation.
    key: Vec<u8>,
    byte_size: usize,
}

impl Groups {
    /// No rows yet. Without keys there is one group already, with the states of no rows.
    pub fn new(keys: Vec<Collation>, states: Vec<StateKind>) -> Groups {
        let mut groups = Groups {
            keys: Batch::new(keys.len()),
            collations: keys,
            kinds: states,
            places: Keys::default(),
            states: Vec::new(),
            key: Vec::new(),
            byte_size: 0,
        };
        if groups.collations.is_empty() {
            groups.places.find_or_add(&[]);
            groups.add_new_group(&[]);
        }
        groups
    }

    /// Merges a partial group: the key values, then one state a column.
    ///
    /// # Errors
    ///
    /// [`StateError::Malformed`] when a state is not of its kind or the row has another width;
    /// [`StateError::IntegerOverflow`] when a count does not fit 64 bits. After an error the groups hold a part of the
    /// row: drop them.
    pub fn fold_row<'a>(&mut self, row: impl IntoIterator<Item = ValueRef<'a>>) -> Result<(), StateError> {
        let mut row = row.into_iter();
        let place = self.find_or_add(&mut row)?;
        for index in self.states_of(place) {
            let state = row.next().ok_or(StateError::Malformed)?;
            self.change(index, |kept| kept.fold(state))?;
        }
        match row.next() {
            None => Ok(()),
            Some(_) => Err(StateError::Malformed),
        }
    }

    /// Merges groups of a later source into this one's.
    ///
    /// # Errors
    ///
    /// As [`Groups::fold_row`]; [`StateError::Malformed`] also when the two have other keys or states.
    pub fn merge(&mut self, later: Groups) -> Result<(), StateError> {
        if later.collations != self.collations || later.kinds != self.kinds {
            return Err(StateError::Malformed);
        }
        if self.keys.is_empty() && !self.collations.is_empty() {
            *self = later;
            return Ok(());
        }
        let Groups { places, keys, states, .. } = later;
        let mut states = states.into_iter();
        let mut rows = keys.into_cursor();
        for key in places.iter() {
            rows.advance();
            match self.places.find_or_add(key) {
                Place::Added(_) => {
                    self.states.extend(states.by_ref().take(self.kinds.len()));
                    self.add_group(key.len(), rows.values());
                }
                Place::Known(place) => {
                    for (index, state) in self.states_of(place).zip(&mut states) {
                        self.change(index, |kept| kept.merge(state))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Bytes held, roughly: kept while rows come in, so asking is free.
    pub fn byte_size(&self) -> usize {
        self.byte_size
    }

    /// All groups: the keys, then one state a column.
    pub fn into_batch(mut self) -> Batch {
        let mut columns = vec![Column::default(); self.kinds.len()];
        let mut blob = Vec::new();
        for states in self.states.chunks(columns.len().max(1)) {
            for (column, state) in columns.iter_mut().zip(states) {
                column.push(state.value(&mut blob));
            }
        }
        self.keys.push_columns(columns);
        self.keys
    }

    /// All groups: the keys, then what becomes of each state.
    ///
    /// # Errors
    ///
    /// [`StateError::IntegerOverflow`] as SQLite's SUM; [`StateError::Malformed`] when a state does not finish this way
    /// or there is not one finish a state.
    pub fn finish(mut self, finishes: &[Finish]) -> Result<Batch, StateError> {
        if finishes.len() != self.kinds.len() {
            return Err(StateError::Malformed);
        }
        let mut columns = vec![Column::default(); finishes.len()];
        let mut states = self.states.into_iter();
        for _ in 0..self.keys.rows() {
            for ((column, finish), state) in columns.iter_mut().zip(finishes).zip(&mut states) {
                column.push(state.finish(*finish)?.as_ref());
            }
        }
        self.keys.push_columns(columns);
        Ok(self.keys)
    }

    /// The place of the group whose key values come next in `row`.
    fn find_or_add<'a>(&mut self, row: &mut impl Iterator<Item = ValueRef<'a>>) -> Result<usize, StateError> {
        /// Keys that need no allocation.
        const KEYS_INLINE: usize = 8;
        let (mut inline, mut spilled) = ([ValueRef::Null; KEYS_INLINE], Vec::new());
        let width = self.collations.len();
        let values = match inline.get_mut(..width) {
            Some(values) => values,
            None => {
                spilled.resize(width, ValueRef::Null);
                &mut spilled[..]
            }
        };
        self.key.clear();
        for (value, collation) in values.iter_mut().zip(&self.collations) {
            *value = row.next().ok_or(StateError::Malformed)?;
            encode_key(*value, *collation, &mut self.key);
        }
        match self.places.find_or_add(&self.key) {
            Place::Known(place) => Ok(place),
            Place::Added(place) => {
                self.add_new_group(values);
                Ok(place)
            }
        }
    }

    /// Adds the group of the key in `self.key`, which stands for `values`, with the states of no rows.
    fn add_new_group(&mut self, values: &[ValueRef<'_>]) {
        self.states.extend(self.kinds.iter().map(|kind| State::new(*kind)));
        self.add_group(self.key.len(), values.iter().copied());
    }

    /// Adds a group whose key, of so many bytes when encoded, and whose states were just added.
    fn add_group<'a>(&mut self, key_bytes: usize, values: impl Iterator<Item = ValueRef<'a>>) {
        let values_bytes = self.keys.byte_size();
        self.keys.push_row(values);
        let values_bytes = self.keys.byte_size() - values_bytes;
        let first_state = self.states.len() - self.kinds.len();
        let state_bytes: usize = self.states[first_state..].iter().map(State::byte_size).sum();
        self.byte_size += Keys::BYTES_PER_KEY + key_bytes + values_bytes + state_bytes;
    }

    fn states_of(&self, place: usize) -> std::ops::Range<usize> {
        place * self.kinds.len()..(place + 1) * self.kinds.len()
    }

    /// Changes a state and accounts for what it grew by.
    fn change(
        &mut self,
        index: usize,
        change: impl FnOnce(&mut State) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let state = &mut self.states[index];
        let before = state.byte_size();
        let changed = change(state);
        self.byte_size = self.byte_size - before + state.byte_size();
        changed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{SetBuilder, Sum, Value, testing::*};

    fn groups_of(keys: &[Collation], states: &[StateKind], rows: &[Vec<Value>]) -> Groups {
        let mut groups = Groups::new(keys.to_vec(), states.to_vec());
        for row in rows {
            groups.fold_row(row.iter().map(Value::as_ref)).expect("the rows fit");
        }
        groups
    }

    #[test]
    fn distinct_rows_are_groups_without_states_in_order_of_appearance() {
        let rows = [
            vec![Value::text("b"), Value::Null],
            vec![Value::text("B"), Value::Null],
            vec![Value::text("a"), Value::Integer(1)],
            vec![Value::text("A"), Value::Real(1.0)],
            vec![Value::text("a"), Value::text("1")],
        ];
        let groups = groups_of(&[Collation::NoCase, Collation::Binary], &[], &rows);
        assert_eq!(groups.into_batch().into_rows(), [rows[0].clone(), rows[2].clone(), rows[4].clone()]);
    }

    #[test]
    fn without_keys_there_is_one_group_of_no_rows() {
        let kinds = [StateKind::Count, StateKind::Sum, StateKind::Minimum(Collation::Binary)];
        let finishes = [Finish::Value, Finish::Total, Finish::Value];
        let groups = groups_of(&[], &kinds, &[]);
        let expected = vec![vec![Value::Integer(0), Value::Real(0.0), Value::Null]];
        assert_eq!(groups.finish(&finishes).map(Batch::into_rows), Ok(expected.clone()));
        let partial = groups_of(&[], &kinds, &[]).into_batch().into_rows();
        let merged = groups_of(&[], &kinds, &[partial[0].clone(), partial[0].clone()]);
        assert_eq!(merged.finish(&finishes).map(Batch::into_rows), Ok(expected));
    }

    #[test]
    fn with_keys_no_rows_are_no_groups() {
        let groups = groups_of(&[Collation::Binary], &[StateKind::Count], &[]);
        let batch = groups.into_batch();
        assert_eq!((batch.rows(), batch.width()), (0, 2));
    }

    #[test]
    fn more_keys_than_are_held_inline_group_too() {
        let keys = [Collation::Binary; 12];
        let rows = vec![vec![Value::Integer(1); 12], vec![Value::Real(1.0); 12], vec![Value::Null; 12]];
        assert_eq!(groups_of(&keys, &[], &rows).into_batch().rows(), 2);
    }

    #[test]
    fn rows_of_another_width_and_groups_of_other_kinds_are_refused() {
        let mut groups = Groups::new(vec![Collation::Binary], vec![StateKind::Count]);
        for row in [&[][..], &[ValueRef::Null], &[ValueRef::Null, ValueRef::Integer(1), ValueRef::Integer(1)]] {
            assert_eq!(groups.fold_row(row.iter().copied()), Err(StateError::Malformed), "{row:?}");
        }
        assert_eq!(groups.merge(Groups::new(vec![Collation::NoCase], vec![])), Err(StateError::Malformed));
        assert_eq!(groups.finish(&[]).err(), Some(StateError::Malformed));
    }

    #[test]
    fn bytes_grow_with_groups_and_states_and_not_with_rows() {
        let mut groups = Groups::new(vec![Collation::Binary], vec![StateKind::Maximum(Collation::Binary)]);
        let mut fold = |key: i64, value: &str| {
            groups.fold_row([ValueRef::Integer(key), ValueRef::Text(value.as_bytes())]).expect("the row fits");
            groups.byte_size()
        };
        let one = fold(1, "aaa");
        assert_eq!(fold(1, "aaa"), one);
        assert_eq!(fold(1, "baaaa"), one + 2);
        assert_eq!(fold(1, "c"), one - 2);
        assert!(fold(2, "c") > one);
    }

    /// One row as each shard's fragment gives it: a key, and a state of every kind of one value.
    fn partial(key: &Value, value: &Value) -> Vec<Value> {
        let (mut sum, mut set) = (Sum::default(), SetBuilder::default());
        let number = match value {
            Value::Integer(integer) => crate::Number::Integer(*integer >> 8),
            Value::Real(real) => crate::Number::Real(*real),
            Value::Null | Value::Text(_) | Value::Blob(_) => crate::Number::Real(0.0),
        };
        match number {
            _ if value.as_ref().is_null() => {}
            crate::Number::Integer(integer) => sum.add_integer(integer),
            crate::Number::Real(real) => sum.add_real(real),
        }
        set.add(value.as_ref(), number);
        let (sum, set) = (Value::Blob(sum.encode().into()), Value::Blob(set.finish().into()));
        vec![key.clone(), Value::Integer(1), sum, value.clone(), value.clone(), set]
    }

    fn kinds(collation: Collation) -> [StateKind; 5] {
        [
            StateKind::Count,
            StateKind::Sum,
            StateKind::Minimum(collation),
            StateKind::Maximum(collation),
            StateKind::Set(collation),
        ]
    }

    proptest! {
        #[test]
        fn any_tree_over_any_split_is_one_pass(
            rows in rows(2, 30),
            collations in (collation(), collation()),
            cuts in cuts(),
            choices in cuts(),
            travels: bool,
        ) {
            let (keys, kinds) = ([collations.0], kinds(collations.1));
            let partials: Vec<_> = rows.iter().map(|row| partial(&row[0], &row[1])).collect();
            let pieces = split(&partials, &cuts).iter().map(|piece| groups_of(&keys, &kinds, piece)).collect();
            let tree = merge_tree(pieces, &choices, |left, right| {
                if travels {
                    let mut rows = right.into_batch().into_cursor();
                    while rows.advance() {
                        left.fold_row(rows.values()).expect("the rows fit");
                    }
                } else {
                    left.merge(right).expect("the groups fit");
                }
            });
            let whole = groups_of(&keys, &kinds, &partials);
            prop_assert_eq!(tree.into_batch(), whole.into_batch());
        }

        #[test]
        fn finish_gives_what_finish_state_gives_of_each_state(rows in rows(2, 20), collation in collation()) {
            let (keys, kinds) = ([collation], kinds(collation));
            let finishes = [Finish::Value, Finish::Average, Finish::Value, Finish::Value, Finish::Count];
            let partials: Vec<_> = rows.iter().map(|row| partial(&row[0], &row[1])).collect();
            let groups = groups_of(&keys, &kinds, &partials).into_batch().into_rows();
            let expected: Vec<Vec<Value>> = groups.iter().map(|row| {
                let states = row[1..].iter().zip(kinds).zip(finishes);
                let values = states.map(|((state, kind), finish)| finish_state(kind, state, finish));
                std::iter::once(row[0].clone()).chain(values).collect()
            }).collect();
            let finished = groups_of(&keys, &kinds, &partials).finish(&finishes).map(Batch::into_rows);
            prop_assert_eq!(finished, Ok(expected));
        }
    }

    fn finish_state(kind: StateKind, state: &Value, finish: Finish) -> Value {
        crate::finish_state(kind, state.as_ref(), finish).expect("the state fits")
    }
}
