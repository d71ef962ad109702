//! Files that hold what the tests found.

use std::fs;
use std::path::Path;

/// Holds `found` against a file of the repository, or writes it there when the variable `SOUK_BLESS` is set.
#[track_caller]
pub(crate) fn check(file: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("SOUK_BLESS").is_some() {
        fs::write(&path, found).unwrap_or_else(|error| panic!("{file}: {error}"));
        return;
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    let differs = held.lines().zip(found.lines()).position(|(held, found)| held != found);
    let line = differs.unwrap_or_else(|| held.lines().count().min(found.lines().count()));
    assert!(
        held == found,
        "{file} is out of date from line {}: run the test with SOUK_BLESS=1 and look at the difference\n  held:  {:?}\n  found: {:?}",
        line + 1,
        held.lines().nth(line),
        found.lines().nth(line)
    );
}
