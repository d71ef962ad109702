//! How far somebody has read: of every vendor the number of its last event. Vendors share the beginnings of their names, so a cursor over a thousand of them takes
//! some kilobytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Error, Result};

/// Last numbers by vendor. A vendor that is not there has read nothing.
pub(super) type Heads = BTreeMap<Arc<str>, i64>;

/// The form of what follows, so that another one may be made.
const FORM: u8 = 1;

pub(super) fn write<'h>(heads: impl Iterator<Item = (&'h Arc<str>, &'h i64)>) -> String {
    let mut bytes = vec![FORM];
    let mut before: &[u8] = b"";
    for (vendor, seq) in heads {
        let name = vendor.as_bytes();
        let shared = before.iter().zip(name).take_while(|(before, now)| before == now).count();
        number(&mut bytes, shared as u64);
        number(&mut bytes, (name.len() - shared) as u64);
        bytes.extend(&name[shared..]);
        number(&mut bytes, seq.cast_unsigned());
        before = name;
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn read(text: &str) -> Result<Heads> {
    let unknown = || Error::invalid("`cursor` is none that was given: leave it out to begin now");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| unknown())?;
    parse(&bytes).ok_or_else(unknown)
}

fn parse(bytes: &[u8]) -> Option<Heads> {
    let mut rest = bytes.strip_prefix(&[FORM])?;
    let mut heads = Heads::new();
    let mut name: Vec<u8> = Vec::new();
    while !rest.is_empty() {
        let shared = usize::try_from(take(&mut rest)?).ok()?;
        let more = usize::try_from(take(&mut rest)?).ok()?;
        if shared > name.len() {
            return None;
        }
        name.truncate(shared);
        name.extend(rest.split_off(..more)?);
        heads.insert(Arc::from(std::str::from_utf8(&name).ok()?), i64::try_from(take(&mut rest)?).ok()?);
    }
    Some(heads)
}

/// Seven bits a byte, the last ones first, as protobuf has them.
fn number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_they_were_written() {
        let heads =
            |pairs: &[(&str, i64)]| pairs.iter().map(|(vendor, seq)| (Arc::from(*vendor), *seq)).collect::<Heads>();
        for known in
            [heads(&[]), heads(&[("v1", 1)]), heads(&[("a", 0), ("v0001", 127), ("v0002", 128), ("v01", i64::MAX)])]
        {
            assert_eq!(read(&write(known.iter())).unwrap(), known);
        }
        let thousand: Heads = (0..1000).map(|number| (Arc::from(format!("v{number:04}")), 5000 + number)).collect();
        assert!(write(thousand.iter()).len() < 8000);
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in ["", "zzz", "AQ=", "AgAA", "AQAF", "AQUBYQE", "AQABYf______________"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
