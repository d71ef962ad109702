//! What every request is held to.

use crate::error::{Error, Result};

/// Bytes of a key, a name or a token.
const WORD_BYTES_MAX: usize = 128;
/// Bytes of a title or a review.
pub(crate) const TEXT_BYTES_MAX: usize = 4096;

/// Rows of a page when nothing is said, and at most.
const PAGE_DEFAULT: u32 = 20;
const PAGE_MAX: u32 = 100;

/// Neither empty nor too long, and of characters that can be seen.
pub(crate) fn word_is_sound(name: &str, word: &str) -> Result<()> {
    if word.is_empty() || word.len() > WORD_BYTES_MAX || word.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "`{name}` has 1 to {WORD_BYTES_MAX} bytes and no control characters; it has {} bytes",
            word.len()
        )));
    }
    Ok(())
}

/// What stands in names of files and in addresses.
pub(crate) fn id_is_sound(id: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || id.len() > 64 || !id.bytes().all(is_plain) {
        return Err(Error::invalid("`vendor_id` is 1 to 64 letters, digits, `-` and `_`"));
    }
    Ok(())
}

pub(crate) fn text_is_sound(name: &str, text: &str) -> Result<()> {
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(Error::invalid(format!("`{name}` has 1 to {TEXT_BYTES_MAX} bytes; it has {}", text.len())));
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
