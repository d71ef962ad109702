//! Values of any kind as they travel: a class byte and the number, or the length, the bytes and what SUM reads them as.

use super::Number;
use crate::{
    StateError, ValueRef,
    bytes::{Reader, put_signed, put_unsigned},
};

pub(super) const CLASS_INTEGER: u8 = 1;
pub(super) const CLASS_REAL: u8 = 2;
const CLASS_TEXT: u8 = 3;
const CLASS_BLOB: u8 = 4;

/// Appends a value, which is not NULL, and what SUM would read it as.
pub(super) fn put(value: ValueRef<'_>, number: Number, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => {}
        ValueRef::Integer(integer) => put_number(Number::Integer(integer), out),
        ValueRef::Real(real) => put_number(Number::Real(real), out),
        ValueRef::Text(bytes) => put_bytes(CLASS_TEXT, bytes, number, out),
        ValueRef::Blob(bytes) => put_bytes(CLASS_BLOB, bytes, number, out),
    }
}

fn put_number(number: Number, out: &mut Vec<u8>) {
    match number {
        Number::Integer(integer) => {
            out.push(CLASS_INTEGER);
            put_signed(i128::from(integer), out);
        }
        Number::Real(real) => {
            out.push(CLASS_REAL);
            out.extend_from_slice(&real.to_le_bytes());
        }
    }
}

fn put_bytes(class: u8, bytes: &[u8], number: Number, out: &mut Vec<u8>) {
    out.push(class);
    put_unsigned(bytes.len() as u128, out);
    out.extend_from_slice(bytes);
    put_number(number, out);
}

/// The first value of some entries, its number, and the bytes that both take.
#[inline]
pub(super) fn read(entries: &[u8]) -> Result<(ValueRef<'_>, Number, usize), StateError> {
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

#[inline]
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
