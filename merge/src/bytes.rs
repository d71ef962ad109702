//! Reading and writing the blobs of aggregate states.

use crate::StateError;

/// Appends an unsigned number in groups of seven bits, the lowest first (LEB128).
pub(crate) fn put_unsigned(mut number: u128, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a signed number so that those near zero are short (zigzag).
pub(crate) fn put_signed(number: i128, out: &mut Vec<u8>) {
    put_unsigned(((number << 1) ^ (number >> 127)) as u128, out);
}

/// Takes a blob apart from its front. Everything that the blob does not hold is `Malformed`.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(blob: &'a [u8]) -> Reader<'a> {
        Reader { rest: blob }
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], StateError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(StateError::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, StateError> {
        let (byte, rest) = self.rest.split_first().ok_or(StateError::Malformed)?;
        self.rest = rest;
        Ok(*byte)
    }

    #[inline]
    pub(crate) fn eight(&mut self) -> Result<[u8; 8], StateError> {
        let (eight, rest) = self.rest.split_first_chunk().ok_or(StateError::Malformed)?;
        self.rest = rest;
        Ok(*eight)
    }

    #[inline]
    pub(crate) fn unsigned(&mut self) -> Result<u128, StateError> {
        /// Bytes whose bits fit 64: nearly all numbers are as short.
        const SHORT_BYTES: usize = 9;
        let mut number = 0u64;
        for (index, byte) in self.rest.iter().take(SHORT_BYTES).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[index + 1..];
                return Ok(u128::from(number));
            }
        }
        self.long_unsigned()
    }

    fn long_unsigned(&mut self) -> Result<u128, StateError> {
        let mut number = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(StateError::Malformed);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(StateError::Malformed)
    }

    #[inline]
    pub(crate) fn signed(&mut self) -> Result<i128, StateError> {
        let number = self.unsigned()?;
        Ok((number >> 1) as i128 ^ -((number & 1) as i128))
    }

    /// An unsigned number that must fit `T`.
    #[inline]
    pub(crate) fn number<T: TryFrom<u128>>(&mut self) -> Result<T, StateError> {
        T::try_from(self.unsigned()?).map_err(|_| StateError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(unsigned: u128, signed: i128) {
            let mut blob = Vec::new();
            put_unsigned(unsigned, &mut blob);
            put_signed(signed, &mut blob);
            let mut reader = Reader::new(&blob);
            prop_assert_eq!(reader.unsigned(), Ok(unsigned));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert!(reader.rest().is_empty());
        }
    }

    #[test]
    fn a_number_of_more_bits_than_fit_is_malformed() {
        assert_eq!(Reader::new(&[0xff; 19]).unsigned(), Err(StateError::Malformed));
        let mut most = [0xff; 19];
        most[18] = 0x03;
        assert_eq!(Reader::new(&most).unsigned(), Ok(u128::MAX));
        most[18] = 0x04;
        assert_eq!(Reader::new(&most).unsigned(), Err(StateError::Malformed));
    }
}
