//! Exact sums: the state of SUM, TOTAL and AVG.
//!
//! SQLite adds doubles with a running correction (Kahan, Babuska and Neumaier), whose last bits depend on the order of
//! the rows. Here the sum is exact and rounded once, at the end, so it depends on nothing but the values.
//! Two more consequences:
//!
//! - SQLite calls "integer overflow" when a sum on the way leaves 64 bits; here only the whole sum counts.
//! - SQLite's sum stays infinite once it overflowed; here only a sum that itself is beyond the doubles is infinite.

use crate::{
    Value,
    accumulator::Accumulator,
    bytes::{Reader, put_signed, put_unsigned},
};

/// The state of SUM, TOTAL and AVG: exact, so that any order and grouping of additions gives the same result.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    /// Inputs, all of which are not NULL.
    count: u64,
    /// The sum of the integers: 2^64 of them fit.
    integers: i128,
    /// Whether a real was added, were it 0.0.
    real: bool,
    /// Whether +Inf was.
    positive_infinity: bool,
    /// Whether -Inf was.
    negative_infinity: bool,
    /// The sum of the finite reals.
    reals: Accumulator,
}

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

const VERSION: u8 = 1;

/// Room for nearly every blob.
const BLOB_BYTES: usize = 32;

const FLAG_REAL: u8 = 1;
const FLAG_POSITIVE_INFINITY: u8 = 2;
const FLAG_NEGATIVE_INFINITY: u8 = 4;

impl Sum {
    /// Adds an integer.
    pub fn add_integer(&mut self, integer: i64) {
        self.count = self.count.saturating_add(1);
        self.integers = self.integers.wrapping_add(i128::from(integer));
    }

    /// Adds a real. A NaN, which SQLite never holds, makes the sum NULL as both infinities do.
    pub fn add_real(&mut self, real: f64) {
        self.count = self.count.saturating_add(1);
        self.real = true;
        if real.is_finite() {
            self.reals.add(real);
        } else {
            self.positive_infinity |= real != f64::NEG_INFINITY;
            self.negative_infinity |= real != f64::INFINITY;
        }
    }

    /// Adds all that `other` holds.
    pub fn merge(&mut self, other: &Sum) {
        let Sum { count, integers, real, positive_infinity, negative_infinity, reals } = other;
        self.add_counted(*count, *integers);
        self.real |= real;
        self.positive_infinity |= positive_infinity;
        self.negative_infinity |= negative_infinity;
        self.reals.merge(reals);
    }

    /// The state as the blob that travels: 4 bytes of no rows, usually under 30.
    ///
    /// A version byte, flags, the count, the sum of the integers, the sum of the reals. Equal sums have equal blobs.
    pub fn encode(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(BLOB_BYTES);
        self.encode_into(&mut blob);
        blob
    }

    /// Appends the blob.
    pub(crate) fn encode_into(&self, blob: &mut Vec<u8>) {
        let mut flags = 0;
        for (set, flag) in [
            (self.real, FLAG_REAL),
            (self.positive_infinity, FLAG_POSITIVE_INFINITY),
            (self.negative_infinity, FLAG_NEGATIVE_INFINITY),
        ] {
            flags |= if set { flag } else { 0 };
        }
        blob.extend_from_slice(&[VERSION, flags]);
        put_unsigned(u128::from(self.count), blob);
        put_signed(self.integers, blob);
        self.reals.encode(blob);
    }

    /// The state from its blob. Other bytes are [`StateError::Malformed`], never a panic.
    pub fn decode(blob: &[u8]) -> Result<Sum, StateError> {
        let mut sum = Sum::default();
        sum.merge_encoded(blob)?;
        Ok(sum)
    }

    /// Adds what a blob holds, without building its state.
    pub(crate) fn merge_encoded(&mut self, blob: &[u8]) -> Result<(), StateError> {
        let mut reader = Reader::new(blob);
        let (version, flags) = (reader.byte()?, reader.byte()?);
        let (count, integers) = (reader.number::<u64>()?, reader.signed()?);
        let real = flags & FLAG_REAL != 0;
        let malformed = version != VERSION
            || flags > FLAG_REAL | FLAG_POSITIVE_INFINITY | FLAG_NEGATIVE_INFINITY
            || (flags != 0 && !real)
            || (!real && !reader.rest().is_empty())
            || (real && count == 0)
            || integers.unsigned_abs() > u128::from(count) << 63;
        if malformed {
            return Err(StateError::Malformed);
        }
        self.reals.merge_encoded(&mut reader)?;
        self.add_counted(count, integers);
        self.real |= real;
        self.positive_infinity |= flags & FLAG_POSITIVE_INFINITY != 0;
        self.negative_infinity |= flags & FLAG_NEGATIVE_INFINITY != 0;
        Ok(())
    }

    /// What SUM gives: NULL of no rows, INTEGER when no real was added, else REAL. NULL for +Inf with -Inf.
    ///
    /// # Errors
    ///
    /// [`StateError::IntegerOverflow`] when only integers were added and their sum does not fit 64 bits.
    pub fn sum(&self) -> Result<Value, StateError> {
        match (self.count, self.real) {
            (0, _) => Ok(Value::Null),
            (_, true) => Ok(self.total()),
            (_, false) => i64::try_from(self.integers).map(Value::Integer).map_err(|_| StateError::IntegerOverflow),
        }
    }

    /// What TOTAL gives: REAL always, 0.0 of no rows; but NULL for +Inf with -Inf.
    pub fn total(&self) -> Value {
        self.real_total().map_or(Value::Null, Value::Real)
    }

    /// What AVG gives: the total divided by the count, as SQLite divides; NULL of no rows.
    pub fn average(&self) -> Value {
        match self.real_total() {
            Some(total) if self.count > 0 => Value::Real(total / self.count as f64),
            _ => Value::Null,
        }
    }

    /// Bytes held beside the struct itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.reals.heap_bytes()
    }

    /// The sum rounded to a double; none when it is not a number.
    fn real_total(&self) -> Option<f64> {
        match (self.positive_infinity, self.negative_infinity) {
            (true, true) => None,
            (true, false) => Some(f64::INFINITY),
            (false, true) => Some(f64::NEG_INFINITY),
            (false, false) if !self.real => Some(self.integers as f64),
            (false, false) => {
                let mut sum = self.reals.clone();
                sum.add_integer(self.integers);
                Some(sum.to_f64())
            }
        }
    }

    /// No rows on earth reach these bounds; a state that was made up may, and must not panic.
    fn add_counted(&mut self, count: u64, integers: i128) {
        self.count = self.count.saturating_add(count);
        self.integers = self.integers.wrapping_add(integers);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Number, testing::*};

    fn sum_of(numbers: &[Number]) -> Sum {
        let mut sum = Sum::default();
        for number in numbers {
            match number {
                Number::Integer(integer) => sum.add_integer(*integer),
                Number::Real(real) => sum.add_real(*real),
            }
        }
        sum
    }

    fn reals(reals: &[f64]) -> Vec<Number> {
        reals.iter().map(|real| Number::Real(*real)).collect()
    }

    fn integers(integers: &[i64]) -> Vec<Number> {
        integers.iter().map(|integer| Number::Integer(*integer)).collect()
    }

    fn check(numbers: &[Number], sum: Result<Value, StateError>, total: Value, average: Value) {
        let state = sum_of(numbers);
        let travelled = Sum::decode(&state.encode()).expect("an encoded state decodes");
        for state in [state, travelled] {
            assert_eq!(state.sum(), sum, "{numbers:?}");
            assert_eq!(state.total(), total, "{numbers:?}");
            assert_eq!(state.average(), average, "{numbers:?}");
        }
    }

    #[test]
    fn no_rows_are_null_and_zero() {
        check(&[], Ok(Value::Null), Value::Real(0.0), Value::Null);
        assert_eq!(Sum::default().encode().len(), 4);
    }

    #[test]
    fn integers_stay_integers() {
        check(&integers(&[1, 2, 4]), Ok(Value::Integer(7)), Value::Real(7.0), Value::Real(7.0 / 3.0));
        check(&integers(&[0]), Ok(Value::Integer(0)), Value::Real(0.0), Value::Real(0.0));
    }

    #[test]
    fn one_real_makes_the_sum_real() {
        check(&reals(&[0.0]), Ok(Value::Real(0.0)), Value::Real(0.0), Value::Real(0.0));
        check(&reals(&[-0.0]), Ok(Value::Real(0.0)), Value::Real(0.0), Value::Real(0.0));
        let mixed = [Number::Integer(1), Number::Real(0.5)];
        check(&mixed, Ok(Value::Real(1.5)), Value::Real(1.5), Value::Real(0.75));
    }

    #[test]
    fn only_the_whole_sum_of_integers_can_overflow() {
        let total = 18_446_744_073_709_551_614.0;
        let overflow = integers(&[i64::MAX, i64::MAX]);
        check(&overflow, Err(StateError::IntegerOverflow), Value::Real(total), Value::Real(total / 2.0));
        let back = integers(&[i64::MAX, i64::MAX, i64::MIN]);
        let total = (i64::MAX - 1) as f64;
        check(&back, Ok(Value::Integer(i64::MAX - 1)), Value::Real(total), Value::Real(total / 3.0));
        let mut with_real = overflow;
        with_real.push(Number::Real(0.0));
        let total = Value::Real(18_446_744_073_709_551_614.0);
        check(&with_real, Ok(total.clone()), total, Value::Real(18_446_744_073_709_551_614.0 / 3.0));
    }

    #[test]
    fn integers_and_reals_are_added_before_rounding() {
        let numbers = [Number::Integer((1 << 53) + 1), Number::Real(-9_007_199_254_740_992.0)];
        check(&numbers, Ok(Value::Real(1.0)), Value::Real(1.0), Value::Real(0.5));
    }

    #[test]
    fn an_infinity_wins_and_two_that_differ_are_null() {
        let infinity = Value::Real(f64::INFINITY);
        let one = reals(&[f64::INFINITY, -1e308, f64::INFINITY]);
        check(&one, Ok(infinity.clone()), infinity.clone(), infinity);
        let below = Value::Real(f64::NEG_INFINITY);
        check(&reals(&[f64::NEG_INFINITY, 1.0]), Ok(below.clone()), below.clone(), below);
        check(&reals(&[f64::INFINITY, f64::NEG_INFINITY]), Ok(Value::Null), Value::Null, Value::Null);
        check(&reals(&[f64::NAN]), Ok(Value::Null), Value::Null, Value::Null);
    }

    #[test]
    fn blobs_that_no_sum_has_are_malformed() {
        let blobs: [&[u8]; 9] = [
            &[],
            &[VERSION],
            &[VERSION + 1, 0, 0, 0],
            &[VERSION, 8, 0, 0],
            &[VERSION, FLAG_POSITIVE_INFINITY, 1, 0],
            &[VERSION, FLAG_REAL, 0, 0],
            &[VERSION, 0, 0, 2],
            &[VERSION, 0, 1, 2, 66, 1, 0, 0, 0],
            &[VERSION, FLAG_REAL, 1, 0, 66, 1, 0, 0],
        ];
        for blob in blobs {
            assert_eq!(Sum::decode(blob).err(), Some(StateError::Malformed), "{blob:?}");
        }
        assert_eq!(Sum::decode(&[VERSION, FLAG_REAL, 1, 0, 66, 1, 0, 0, 0]).map(|sum| sum.count), Ok(1));
    }

    fn number() -> impl Strategy<Value = Number> {
        let rare = prop_oneof![40 => finite(), 1 => Just(f64::INFINITY), 1 => Just(f64::NEG_INFINITY)];
        prop_oneof![integer().prop_map(Number::Integer), rare.prop_map(Number::Real)]
    }

    proptest! {
        #[test]
        fn any_tree_over_any_split_has_the_same_bytes(
            numbers in prop::collection::vec(number(), 0..40),
            cuts in cuts(),
            choices in cuts(),
            travels: bool,
        ) {
            let pieces = split(&numbers, &cuts).iter().map(|piece| sum_of(piece)).collect();
            let merged = merge_tree(pieces, &choices, |left, right| {
                if travels {
                    left.merge_encoded(&right.encode()).expect("an encoded state decodes");
                } else {
                    left.merge(&right);
                }
            });
            let whole = sum_of(&numbers);
            prop_assert_eq!(merged.encode(), whole.encode());
            prop_assert_eq!(merged.sum(), whole.sum());
            prop_assert_eq!(merged.average(), whole.average());
        }

        #[test]
        fn merge_commutes(a in prop::collection::vec(number(), 0..9), b in prop::collection::vec(number(), 0..9)) {
            let (mut ab, mut ba) = (sum_of(&a), sum_of(&b));
            ab.merge(&sum_of(&b));
            ba.merge(&sum_of(&a));
            prop_assert_eq!(ab.encode(), ba.encode());
        }

        #[test]
        fn whatever_decodes_merges_and_encodes_again(
            mut bytes in prop::collection::vec(any::<u8>(), 0..60),
            real: bool,
        ) {
            if let [version, flags, ..] = &mut bytes[..] {
                (*version, *flags) = (VERSION, u8::from(real));
            }
            if let Ok(mut sum) = Sum::decode(&bytes) {
                let again = Sum::decode(&sum.encode()).expect("an encoded state decodes");
                prop_assert_eq!(again.encode(), sum.encode());
                sum.merge(&again);
                let _ = (sum.sum(), sum.total(), sum.average(), sum.encode());
            }
        }
    }
}
