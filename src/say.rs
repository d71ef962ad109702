//! Plain lines on stdout.

use std::io::{self, Write as _};

use crate::failure::Failure;

/// Writes a line. Unlike `println!` it does not panic when nobody reads any more.
pub(crate) fn say(text: impl AsRef<str>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.as_ref()).and_then(|()| out.flush()).map_err(Failure::of_output)
}
