//! A smaller case that fails too.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::expression::Node;
use super::oracle::{Layout, Oracle, Verdict};
use super::table::Table;

/// Statements tried at most: a smaller case is a help, not the point.
const TRIES_MAX: usize = 1500;

/// What the failing layout says about a query, when it is wrong.
pub fn wrong(oracle: &Oracle, query: &Node) -> Option<(Layout, String)> {
    let (sql, params) = query.render();
    // A step may give a text that is no statement: that is no failure of the same kind.
    oracle.plain.query(&sql, &params).ok()?;
    // Nor is one that the test cannot rank.
    let verdicts = catch_unwind(AssertUnwindSafe(|| oracle.verdicts(&sql, &params))).ok()?;
    verdicts.into_iter().find_map(|(layout, verdict)| match verdict {
        Verdict::Different(what) => Some((layout, what)),
        Verdict::Same | Verdict::Refused(_) => None,
    })
}

/// The smallest query found, over the fewest rows found, with what is wrong then. `more` are the statements beside the tables.
pub fn shrink(oracle: &Oracle, tables: &[Table], more: &[&str], query: &Node) -> String {
    let mut best = query.clone();
    let Some((mut layout, mut what)) = wrong(oracle, &best) else { return "it does not fail again".into() };
    let mut tries = 0;
    'smaller: while tries < TRIES_MAX {
        for candidate in best.smaller() {
            let (sql, _) = candidate.render();
            if oracle.plain.names(&sql).is_err() {
                continue;
            }
            tries += 1;
            if let Some(found) = wrong(oracle, &candidate) {
                (layout, what) = found;
                best = candidate;
                continue 'smaller;
            }
            if tries >= TRIES_MAX {
                break;
            }
        }
        break;
    }
    let mut tables = tables.to_vec();
    while let Some((fewer, found)) = fewer_rows(&tables, more, layout, &best) {
        (tables, what) = (fewer, found);
    }
    let (sql, params) = best.render();
    let mut shown: Vec<String> = tables.iter().filter(|table| !table.rows.is_empty()).map(show_table).collect();
    shown.extend(more.iter().map(|sql| format!("  {sql}")));
    format!("{layout:?} {sql}\n  with {}\n  {what}\n{}", super::values::show_params(&params), shown.join("\n"))
}

/// The first cut of rows that fails too: all of a table, then halves, quarters, and single rows of small ones.
fn fewer_rows(tables: &[Table], more: &[&str], layout: Layout, query: &Node) -> Option<(Vec<Table>, String)> {
    for (index, table) in tables.iter().enumerate() {
        let count = table.rows.len();
        let sizes = [count, count / 2, count / 4, 1];
        for size in sizes.into_iter().filter(|size| *size > 0 && (*size > 1 || count <= 8)) {
            for start in (0..count).step_by(size) {
                let mut fewer = tables.to_vec();
                fewer[index].rows.drain(start..(start + size).min(count));
                let oracle = Oracle::new(&[layout], &fewer, more);
                if let Some((_, what)) = wrong(&oracle, query) {
                    return Some((fewer, what));
                }
            }
        }
    }
    None
}

fn show_table(table: &Table) -> String {
    let rows = super::values::show_rows(&table.rows);
    format!("  {}\n{rows}", table.distributed_sql())
}
