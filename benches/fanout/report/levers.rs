//! The tables of what each trick is worth.

use super::table::{Table, number, ratio};
use crate::levers::{Levers, Turns};

/// Each query beside souk as it is with each lever; a lever a row.
pub(super) fn tables(levers: &Levers) -> String {
    if levers.queries.is_empty() {
        return String::new();
    }
    let first = table(levers, "p50 of the first time", |turns| &turns.souk);
    let again = table(levers, "p50 of again", |turns| &turns.again);
    format!(
        "{first}\n{again}\nOf souk alone: milliseconds as it is, and beside that, round by round, the middle ratio (and the lowest and highest) with a lever. Nodes \
         that keep nothing have no summaries of columns either, by which they leave out shards. Again is with the same parameters as the run before.\n"
    )
}

fn table(levers: &Levers, what: &str, times: impl Fn(&Turns) -> &crate::times::Times) -> String {
    let heads = levers.queries.iter().map(|query| format!(" | {}", query.query.name));
    let mut table = Table::new(&format!("{what}{}", heads.collect::<String>()));
    for (place, lever) in levers.levers.iter().enumerate() {
        let cells = levers.queries.iter().map(|query| match place {
            0 => number(times(&query.turns[0]).percentile_ms(50)),
            _ => ratio(times(&query.turns[place]).ratio_to(times(&query.turns[0]))),
        });
        table.row(std::iter::once(lever.name.clone()).chain(cells));
    }
    table.to_string()
}
