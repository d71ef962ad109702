//! The table of repeats under writes.

use super::table::{Table, number, percentiles};
use crate::repeats::{PLACES, Repeats};

/// What the k-th repeat cost, under each rate of writes.
pub(super) fn table(all: &[Repeats]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let heads = PLACES.iter().map(|(name, _)| format!(" | {name} p50 | p95")).collect::<String>();
    let mut table = Table::new(&format!("query | rows a second: wanted | written | rows a question{heads}"));
    for repeats in all {
        let written = [repeats.written_per_second(), repeats.written_per_question()].map(number);
        let times = repeats.times.iter().flat_map(|times| percentiles(times, [50, 95]));
        let head = [repeats.query.name.to_owned(), repeats.rate.to_string()];
        table.row(head.into_iter().chain(written).chain(times));
    }
    format!(
        "{table}\nMilliseconds until the k-th repeat was answered, while rows were written, each by a call of its own to a vendor of its own: the \
         first time that a query is asked, its repeats with the same parameters one after the other, and then anew. Rows a question: how many were \
         written from one question to the next.\n"
    )
}
