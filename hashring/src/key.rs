//! Shard keys and their canonical bytes.

/// Tag bytes of the encoding; a point of the ring has one that no key has.
const TAG_NULL: u8 = 0;
const TAG_INTEGER: u8 = 1;
const TAG_REAL: u8 = 2;
const TAG_TEXT: u8 = 3;
const TAG_BLOB: u8 = 4;

/// 2^63, the first real above the 64-bit integers; its negative is the lowest of them.
const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

/// A shard key's value, after the key column's affinity was applied.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    /// NULL.
    Null,
    /// An integer.
    Integer(i64),
    /// A real. One that is a whole number of 64 bits has the bytes of that integer; NaN, which SQLite stores as NULL, has those of NULL.
    Real(f64),
    /// Text, in UTF-8 as far as it is valid.
    Text(&'a [u8]),
    /// A blob.
    Blob(&'a [u8]),
}

impl Key<'_> {
    /// The canonical bytes: equal for two keys exactly when SQLite's `=` (collation BINARY, no affinity) holds or both are NULL.
    /// The encoding is in the crate's specification.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        match *self {
            Key::Null => vec![TAG_NULL],
            Key::Integer(integer) => encode(TAG_INTEGER, &integer.to_le_bytes()),
            Key::Real(real) => encode_real(real),
            Key::Text(text) => encode(TAG_TEXT, text),
            Key::Blob(blob) => encode(TAG_BLOB, blob),
        }
    }
}

fn encode(tag: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + payload.len());
    bytes.push(tag);
    bytes.extend_from_slice(payload);
    bytes
}

fn encode_real(real: f64) -> Vec<u8> {
    if real.is_nan() {
        return Key::Null.canonical_bytes();
    }
    match whole(real) {
        Some(integer) => Key::Integer(integer).canonical_bytes(),
        None => encode(TAG_REAL, &real.to_bits().to_le_bytes()),
    }
}

/// The 64-bit integer that equals `real`, if there is one. -0.0 is 0.
fn whole(real: f64) -> Option<i64> {
    let in_range = (-TWO_POW_63..TWO_POW_63).contains(&real);
    (in_range && real.trunc() == real).then_some(real as i64)
}
