//! Integers of JSON. One that is written as `3.0` is one too: JSON Schema and protobuf's own JSON say so.

use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

/// Up to here a number with a point is exactly what stands there.
const EXACT: f64 = 9_007_199_254_740_992.0;

struct Integer;

impl Visitor<'_> for Integer {
    type Value = i64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("i64")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(|_| E::custom("over 2^63 - 1"))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
        if number.fract() == 0.0 && number.abs() <= EXACT { Ok(number as i64) } else { Err(E::custom("no integer")) }
    }
}

/// An integer.
pub(crate) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    deserializer.deserialize_i64(Integer)
}

struct IntegerOrNone;

impl<'de> Visitor<'de> for IntegerOrNone {
    type Value = Option<i64>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("i64 or null")
    }

    fn visit_none<E: Error>(self) -> Result<Option<i64>, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<i64>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<i64>, D::Error> {
        integer(deserializer).map(Some)
    }
}

/// An integer, or none.
pub(crate) fn integer_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    deserializer.deserialize_option(IntegerOrNone)
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, F64Deserializer, U64Deserializer};

    use super::*;

    #[test]
    fn an_integer_may_have_a_point_but_no_fraction() {
        let real = |number: f64| {
            let deserializer: F64Deserializer<Error> = number.into_deserializer();
            deserializer.deserialize_i64(Integer).ok()
        };
        assert_eq!((real(3.0), real(-0.0), real(-1e15)), (Some(3), Some(0), Some(-1_000_000_000_000_000)));
        assert_eq!((real(1.5), real(1e17), real(f64::NAN), real(f64::INFINITY)), (None, None, None, None));
        let whole = |number: u64| {
            let deserializer: U64Deserializer<Error> = number.into_deserializer();
            deserializer.deserialize_i64(Integer).ok()
        };
        assert_eq!((whole(i64::MAX as u64), whole(i64::MAX as u64 + 1)), (Some(i64::MAX), None));
    }
}
