//! Bytes as hexadecimal digits.

use std::fmt::Write as _;

/// Lower-case digits, two a byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(digits, "{byte:02x}").expect("writing to a string cannot fail");
    }
    digits
}

/// An SQL literal: `x'00ff'`.
pub(super) fn literal(bytes: &[u8]) -> String {
    format!("x'{}'", hex(bytes))
}
