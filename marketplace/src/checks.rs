//! What every request is held to. Lengths are in characters, as JSON Schema counts them.

use crate::error::{Error, Result};

/// Of a vendor's id.
pub(crate) const ID_MAX: usize = 64;
/// Of a key, a name or a token.
pub(crate) const WORD_MAX: usize = 128;
/// Of a title or a review.
pub(crate) const TEXT_MAX: usize = 4096;

/// An amount or a number of pieces is at most this: sums of many of them are no more than an integer holds.
pub(crate) const NUMBER_MAX: i64 = 1_000_000_000_000;

/// Rows of a page when nothing is said, and at most.
const PAGE_DEFAULT: u32 = 20;
pub(crate) const PAGE_MAX: u32 = 100;

/// Neither empty nor too long, and of characters that can be seen.
pub(crate) fn word_is_sound(name: &str, word: &str) -> Result<()> {
    let length = word.chars().count();
    if !(1..=WORD_MAX).contains(&length) || word.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "`{name}` has 1 to {WORD_MAX} characters and no control characters; it has {length}"
        )));
    }
    Ok(())
}

/// What stands in names of files and in addresses.
pub(crate) fn id_is_sound(id: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || id.len() > ID_MAX || !id.bytes().all(is_plain) {
        return Err(Error::invalid(format!("`vendor_id` is 1 to {ID_MAX} letters, digits, `-` and `_`")));
    }
    Ok(())
}

pub(crate) fn text_is_sound(name: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::invalid(format!("`{name}` is empty")));
    }
    text_fits(name, text)
}

/// Of what may be empty.
pub(crate) fn text_fits(name: &str, text: &str) -> Result<()> {
    let length = text.chars().count();
    if length > TEXT_MAX {
        return Err(Error::invalid(format!("`{name}` has at most {TEXT_MAX} characters; it has {length}")));
    }
    Ok(())
}

pub(crate) fn number_is_sound(name: &str, number: i64) -> Result<()> {
    if !(0..=NUMBER_MAX).contains(&number) {
        return Err(Error::invalid(format!("`{name}` is {number}: it is 0 to {NUMBER_MAX}")));
    }
    Ok(())
}

/// Rows of a page.
pub(crate) fn page(asked: u32) -> Result<u32> {
    match asked {
        0 => Ok(PAGE_DEFAULT),
        1..=PAGE_MAX => Ok(asked),
        _ => Err(Error::invalid(format!("`page_size` is {asked}, over {PAGE_MAX}"))),
    }
}
