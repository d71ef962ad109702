//! Words that are seen whatever the test runner captures: a test that did not run must not look like one that passed.

use std::{fs::OpenOptions, io::Write as _};

pub(crate) fn say(words: &str) {
    let line = format!("{words}\n");
    let _ = OpenOptions::new().append(true).open("/dev/stderr").and_then(|mut err| err.write_all(line.as_bytes()));
}
