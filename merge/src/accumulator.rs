//! Exact sums of doubles, in fixed point.
//!
//! Every finite double is a whole multiple of 2^-1074, so a sum of doubles is a sum of whole numbers: a long
//! accumulator (Kulisch), held as digits of 32 bits in 64-bit words so that carries can wait (Neal, "Fast exact
//! summation using small and large superaccumulators", 2015, arXiv:1505.05571). Only the digits between the least and
//! the greatest one used are held: three or four for the usual prices. Unlike an expansion of doubles (Shewchuk,
//! "Adaptive precision floating-point arithmetic and fast robust geometric predicates", 1997; Python's `math.fsum`),
//! nothing on the way can overflow, and equal sums have equal bytes in whatever order they were added.

use crate::{
    StateError,
    bytes::{Reader, put_unsigned},
};

const DIGIT_BITS: u32 = 32;
const DIGIT_MASK: i64 = (1 << DIGIT_BITS) - 1;

/// The least double is 2^-1074: the weight of the lowest bit of digit 0.
const UNIT_BITS: u32 = 1074;

/// Bits of a double below its leading one.
const FRACTION_BITS: u32 = 52;

/// A double ends below bit 1074 + 1024 = 2098, 2^64 of them below bit 2162: 68 digits.
const DIGITS_MAX: usize = 68;

/// How many additions may wait for their carries: digits then stay below 2^(30 + 32).
const PENDING_MAX: u32 = 1 << 30;

/// The exact sum of the finite doubles added: the sum of `digits[i] * 2^(32 * (low + i) - 1074)`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accumulator {
    /// Each at most `pending * 2^32` away from zero.
    digits: Vec<i64>,
    low: usize,
    pending: u32,
}

/// The one form of a sum: a sign and digits of which neither the first nor the last is 0. None for 0.
#[derive(Debug, PartialEq)]
struct Magnitude {
    negative: bool,
    low: usize,
    digits: Vec<u32>,
}

impl Accumulator {
    /// Adds a finite double.
    pub(crate) fn add(&mut self, real: f64) {
        debug_assert!(real.is_finite(), "infinities are counted apart");
        let bits = real.to_bits();
        let exponent = (bits >> FRACTION_BITS) as u32 & 0x7ff;
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        match exponent {
            0 => self.add_scaled(real.is_sign_negative(), fraction, 0),
            _ => self.add_scaled(real.is_sign_negative(), fraction | 1 << FRACTION_BITS, exponent - 1),
        }
    }

    /// Adds an integer.
    pub(crate) fn add_integer(&mut self, integer: i128) {
        let magnitude = integer.unsigned_abs();
        for part in 0..4 {
            let digit = (magnitude >> (DIGIT_BITS * part)) as u32;
            self.add_scaled(integer < 0, u64::from(digit), UNIT_BITS + DIGIT_BITS * part);
        }
    }

    /// Adds what another holds.
    pub(crate) fn merge(&mut self, other: &Accumulator) {
        if self.pending + other.pending > PENDING_MAX {
            self.carry();
        }
        if self.pending + other.pending > PENDING_MAX {
            let mut other = other.clone();
            other.carry();
            return self.merge(&other);
        }
        self.pending += other.pending;
        let window = self.window(other.low, other.digits.len());
        for (digit, more) in window.iter_mut().zip(&other.digits) {
            *digit += more;
        }
    }

    /// The double nearest to the sum, of two equally near the even one; infinite beyond the greatest double.
    pub(crate) fn to_f64(&self) -> f64 {
        let Some(Magnitude { negative, low, digits }) = self.magnitude() else { return 0.0 };
        let bits = round(low, &digits);
        f64::from_bits(bits | u64::from(negative) << 63)
    }

    /// Appends the sum: nothing for 0; else twice the first digit's index, plus one when negative, and the digits.
    pub(crate) fn encode(&self, blob: &mut Vec<u8>) {
        let Some(Magnitude { negative, low, digits }) = self.magnitude() else { return };
        put_unsigned((low as u128) << 1 | u128::from(negative), blob);
        digits.iter().for_each(|digit| blob.extend_from_slice(&digit.to_le_bytes()));
    }

    /// Adds what [`Accumulator::encode`] appended: all that the reader has left.
    pub(crate) fn merge_encoded(&mut self, reader: &mut Reader<'_>) -> Result<(), StateError> {
        if reader.rest().is_empty() {
            return Ok(());
        }
        let head: u8 = reader.number()?;
        let (low, negative) = (usize::from(head >> 1), head & 1 == 1);
        let (digits, odd) = reader.rest().as_chunks::<4>();
        if !odd.is_empty() || digits.is_empty() || low + digits.len() > DIGITS_MAX {
            return Err(StateError::Malformed);
        }
        self.add_digits(negative, low, digits);
        Ok(())
    }

    /// Bytes held beside the struct itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.digits.capacity() * size_of::<i64>()
    }

    /// Adds `mantissa * 2^(shift - 1074)`; the mantissa has at most 53 bits.
    fn add_scaled(&mut self, negative: bool, mantissa: u64, shift: u32) {
        if mantissa == 0 {
            return;
        }
        self.make_room();
        let wide = u128::from(mantissa) << (shift % DIGIT_BITS);
        let sign = if negative { -1 } else { 1 };
        let window = self.window((shift / DIGIT_BITS) as usize, 3);
        window[0] += sign * (wide as i64 & DIGIT_MASK);
        window[1] += sign * ((wide >> DIGIT_BITS) as i64 & DIGIT_MASK);
        window[2] += sign * ((wide >> (2 * DIGIT_BITS)) as i64 & DIGIT_MASK);
    }

    fn add_digits(&mut self, negative: bool, low: usize, digits: &[[u8; 4]]) {
        self.make_room();
        let sign = if negative { -1 } else { 1 };
        for (digit, bytes) in self.window(low, digits.len()).iter_mut().zip(digits) {
            *digit += sign * i64::from(u32::from_le_bytes(*bytes));
        }
    }

    /// Counts one more addition.
    fn make_room(&mut self) {
        if self.pending >= PENDING_MAX {
            self.carry();
        }
        self.pending += 1;
    }

    /// The digits from `low` on, made where there are none yet.
    fn window(&mut self, low: usize, length: usize) -> &mut [i64] {
        if self.digits.is_empty() {
            self.low = low;
        }
        if low < self.low {
            self.digits.splice(0..0, std::iter::repeat_n(0, self.low - low));
            self.low = low;
        }
        let start = low - self.low;
        if self.digits.len() < start + length {
            self.digits.resize(start + length, 0);
        }
        &mut self.digits[start..start + length]
    }

    /// Brings every digit but the last into 0..2^32, and the last into -2^32..2^32.
    fn carry(&mut self) {
        let mut carry = 0;
        for digit in &mut self.digits {
            let sum = *digit + carry;
            *digit = sum & DIGIT_MASK;
            carry = sum >> DIGIT_BITS;
        }
        match (carry, self.digits.last_mut()) {
            (-1, Some(last)) => *last -= 1 << DIGIT_BITS,
            (0, _) => {}
            _ => self.digits.push(carry),
        }
        self.pending = 1;
    }

    fn magnitude(&self) -> Option<Magnitude> {
        let mut sum = self.clone();
        sum.carry();
        // The digits below the last are not negative and less than one unit of it, so its sign is that of the sum.
        let negative = sum.digits.last().is_some_and(|last| *last < 0);
        if negative {
            sum.digits.iter_mut().for_each(|digit| *digit = -*digit);
            sum.carry();
        }
        let first = sum.digits.iter().position(|digit| *digit != 0)?;
        let last = sum.digits.iter().rposition(|digit| *digit != 0)?;
        let digits = sum.digits[first..=last].iter().map(|digit| *digit as u32).collect();
        Some(Magnitude { negative, low: sum.low + first, digits })
    }
}

/// The bits of the positive double nearest to digits of which the last is not 0, ties to even.
fn round(low: usize, digits: &[u32]) -> u64 {
    let digit = |back: usize| digits.len().checked_sub(back + 1).map_or(0, |index| u128::from(digits[index]));
    let top = digit(0) << 64 | digit(1) << 32 | digit(2);
    // The place of the lowest bit of `top`; below 0 there are only zeros.
    let place = DIGIT_BITS as i32 * (low as i32 + digits.len() as i32 - 3);
    let leading = 127 - top.leading_zeros();
    // The leading bit is at 64 or above, so `place` is negative when the sum has at most 53 bits. Their integer is then
    // also the double's bits: those of a subnormal, or of the exponent right above, which has the same unit.
    let length = place + leading as i32;
    if length <= FRACTION_BITS as i32 {
        return (top >> -place) as u64;
    }
    let cut = leading - FRACTION_BITS;
    let mantissa = (top >> cut) as u64;
    let (rest, half) = (top & ((1 << cut) - 1), 1u128 << (cut - 1));
    let more = digits[..digits.len().saturating_sub(3)].iter().any(|digit| *digit != 0);
    let up = rest > half || (rest == half && (more || mantissa & 1 == 1));
    // The mantissa's leading one adds one to the exponent, and a mantissa that rounds up to 2^53 one more.
    let exponent = (length - FRACTION_BITS as i32) as u64;
    let bits = (exponent << FRACTION_BITS) + mantissa + u64::from(up);
    bits.min(f64::INFINITY.to_bits())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::*;

    fn sum_of(reals: &[f64]) -> Accumulator {
        let mut sum = Accumulator::default();
        reals.iter().for_each(|real| sum.add(*real));
        sum
    }

    fn check(reals: &[f64], expected: f64) {
        assert_eq!(sum_of(reals).to_f64().to_bits(), expected.to_bits(), "{reals:?} {expected:e}");
        let opposite: Vec<f64> = reals.iter().map(|real| -real).collect();
        assert_eq!(sum_of(&opposite).to_f64(), -expected, "{opposite:?}");
    }

    #[test]
    fn small_terms_are_not_lost_beside_great_ones() {
        check(&[1e100, 1.0, -1e100], 1.0);
        check(&[0.1; 10], 1.0);
        check(&[1e16, 1.0, 1e-16], 10_000_000_000_000_002.0);
        check(&[f64::MAX, f64::from_bits(1), -f64::MAX], f64::from_bits(1));
    }

    #[test]
    fn halves_round_to_even_unless_the_least_bit_is_beyond() {
        let ulp = f64::EPSILON;
        check(&[1.0, ulp / 2.0], 1.0);
        check(&[1.0, ulp / 2.0, f64::from_bits(1)], 1.0 + ulp);
        check(&[1.0, ulp / 2.0, -f64::from_bits(1)], 1.0);
        check(&[1.0 + ulp, ulp / 2.0], 1.0 + 2.0 * ulp);
        check(&[2.0 - ulp, ulp / 2.0], 2.0);
    }

    #[test]
    fn what_overflows_on_the_way_comes_back() {
        check(&[f64::MAX, f64::MAX, -f64::MAX], f64::MAX);
        check(&[f64::MAX, f64::MAX], f64::INFINITY);
        check(&[f64::MAX, f64::MAX / 2f64.powi(54)], f64::MAX);
        check(&[f64::MAX, f64::MAX / 2f64.powi(53)], f64::INFINITY);
    }

    #[test]
    fn subnormals_and_their_border_are_exact() {
        let least = f64::from_bits(1);
        check(&[least, least], f64::from_bits(2));
        check(&[f64::MIN_POSITIVE, -least], f64::from_bits((1 << 52) - 1));
        check(&[f64::MIN_POSITIVE, f64::MIN_POSITIVE, least], f64::from_bits(2 << 52));
        check(&[f64::MIN_POSITIVE, f64::MIN_POSITIVE, least, least], f64::from_bits((2 << 52) + 1));
    }

    #[test]
    fn an_empty_sum_and_one_of_zeros_is_positive_zero() {
        assert_eq!(sum_of(&[]).to_f64().to_bits(), 0);
        assert_eq!(sum_of(&[-0.0, -0.0]).to_f64().to_bits(), 0);
        assert_eq!(sum_of(&[1.5, -1.5]).to_f64().to_bits(), 0);
    }

    #[test]
    fn carries_that_have_waited_too_long_are_made() {
        let mut sum = sum_of(&[1.0]);
        for doublings in 1..64 {
            let twice = sum.clone();
            sum.merge(&twice);
            sum.add(-1.0);
            sum.add(1.0);
            assert_eq!(sum.to_f64(), 2f64.powi(doublings));
            assert!(sum.pending <= PENDING_MAX);
        }
    }

    proptest! {
        #[test]
        fn one_double_comes_back(real in finite()) {
            let expected = if real == 0.0 { 0.0 } else { real };
            prop_assert_eq!(sum_of(&[real]).to_f64().to_bits(), expected.to_bits());
        }

        #[test]
        fn two_doubles_add_as_the_processor_adds_them(a in finite(), b in finite()) {
            prop_assert_eq!(sum_of(&[a, b]).to_f64(), a + b);
        }

        #[test]
        fn neighbours_add_as_the_processor_adds_them(a in finite(), step in 0u64..200, down: bool) {
            let (bits, step) = (a.to_bits(), step << 45);
            let b = f64::from_bits(if down { bits.saturating_sub(step) } else { bits.saturating_add(step) });
            prop_assume!(b.is_finite());
            prop_assert_eq!(sum_of(&[a, b]).to_f64(), a + b);
            prop_assert_eq!(sum_of(&[a, -b]).to_f64(), a - b);
        }

        #[test]
        fn integers_add_as_integers(a: i64, b: i128) {
            let b = b >> 2;
            let mut sum = Accumulator::default();
            sum.add_integer(b);
            sum.add_integer(i128::from(a));
            prop_assert_eq!(sum.to_f64(), (b + i128::from(a)) as f64);
        }

        #[test]
        fn any_order_has_the_same_magnitude(reals in prop::collection::vec(finite(), 0..20), seed in cuts()) {
            let mut shuffled = reals.clone();
            for (index, cut) in seed.iter().enumerate() {
                let length = shuffled.len();
                if length > 0 {
                    shuffled.swap(index % length, cut.index(length));
                }
            }
            prop_assert_eq!(sum_of(&reals).magnitude(), sum_of(&shuffled).magnitude());
        }
    }
}
