//! The table of what keeping is worth.

use super::table::{Table, number, ratio};
use crate::levers::{LEVERS, Levers};

/// Each query with each lever, and beside souk as it is.
pub(super) fn table(all: &[Levers]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let first = LEVERS[0].name();
    let heads = LEVERS.iter().enumerate().map(|(place, lever)| match place {
        0 => format!(" | {first}: p50 | again"),
        _ => format!(" | {}: p50 | / {first} | again", lever.name()),
    });
    let mut table = Table::new(&format!("query{}", heads.collect::<String>()));
    for Levers { query, turns } in all {
        let mut cells = vec![query.name.to_owned()];
        for (place, turn) in turns.iter().enumerate() {
            cells.push(number(turn.souk.percentile_ms(50)));
            if place > 0 {
                cells.push(ratio(turn.souk.ratio_to(&turns[0].souk)));
            }
            cells.push(number(turn.again.percentile_ms(50)));
        }
        table.row(cells);
    }
    format!(
        "{table}\nMilliseconds, of souk alone. Nodes that keep nothing have no summaries of columns either, by which they leave out shards: that is \
         what the p50 of a query that is asked for the first time shows. Again is with the same parameters as the run before.\n"
    )
}
