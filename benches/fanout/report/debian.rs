//! The tables of Debian's package index.

use super::markdown;
use crate::debian::Debian;

/// The same tables as of rows that were made up.
pub(super) fn tables(debian: &Debian) -> String {
    let Debian { vendors, figures } = debian;
    if figures.is_empty() {
        return String::new();
    }
    let (times, ratios, parts) = (markdown::times(figures), markdown::ratios(figures), markdown::parts(figures));
    format!("Debian's package index: {vendors} vendors, a shard each.\n\n{times}\n{ratios}\n{parts}")
}
