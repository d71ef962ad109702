//! A smaller statement, over fewer rows, of which a cluster makes something else too.

use std::time::{Duration, Instant};

use super::changes::{Outcome, changed};
use super::generate::{StoredRows, Write};
use super::oracle::{Layout, Oracle};
use super::table::Table;
use super::values::{show_params, show_rows};

/// How long is tried: each try is a cluster of its own.
const TIME_MAX: Duration = Duration::from_secs(30);

/// What a case is made of.
#[derive(Clone)]
struct Case {
    tables: Vec<Table>,
    write: Write,
}

/// Shrinks one kind of failure.
struct Shrinker<'a> {
    layout: Layout,
    more: &'a [&'a str],
    until: Instant,
}

impl Shrinker<'_> {
    /// What is wrong, when something is.
    fn wrong(&self, case: &Case) -> Option<String> {
        let (sql, params) = case.write.node.render_with(case.write.places);
        let oracle = Oracle::new(&[self.layout], &case.tables, self.more);
        // A step may give a text that is no statement.
        oracle.plain.names(&sql).ok().filter(|_| params.len() <= 100)?;
        match changed(&oracle, &case.tables, &case.write) {
            Outcome::Different(what) => Some(what),
            _ => None,
        }
    }

    /// The first case of these that fails too.
    fn first(&self, cases: impl Iterator<Item = Case>) -> Option<(Case, String)> {
        cases.take_while(|_| Instant::now() < self.until).find_map(|case| self.wrong(&case).map(|what| (case, what)))
    }
}

/// The smallest case found from these rows on, as text.
pub fn shrink_write(layout: Layout, tables: &[Table], more: &[&str], rows: &StoredRows, write: &Write) -> String {
    let shrinker = Shrinker { layout, more, until: Instant::now() + TIME_MAX };
    let with_rows = |table: &Table| Table { rows: rows[&table.name].clone(), ..table.clone() };
    let mut best = Case { tables: tables.iter().map(with_rows).collect(), write: write.clone() };
    let Some(mut what) = shrinker.wrong(&best) else { return "it does not fail from these rows on".into() };
    loop {
        let found = shrinker.first(fewer_rows(&best)).or_else(|| shrinker.first(smaller(&best)));
        let Some((case, found)) = found else { break };
        (best, what) = (case, found);
    }
    let (sql, params) = best.write.node.render_with(best.write.places);
    let shown = best.tables.iter().filter(|table| !table.rows.is_empty() || table.name == best.write.table);
    let shown: Vec<String> =
        shown.map(|table| format!("  {}\n{}", table.distributed_sql(), show_rows(&table.rows))).collect();
    format!(
        "{layout:?} {sql}\n  with {}\n  {what}\n{}\n  {}",
        show_params(&params),
        shown.join("\n"),
        more.join("\n  ")
    )
}

fn smaller(case: &Case) -> impl Iterator<Item = Case> {
    let nodes = case.write.node.smaller();
    nodes.into_iter().map(|node| Case { write: Write { node, ..case.write.clone() }, tables: case.tables.clone() })
}

/// Cuts of rows: all of them, all but those of the table that is changed, all of a table, then halves, quarters, and single rows of small ones.
fn fewer_rows(case: &Case) -> impl Iterator<Item = Case> {
    let emptied = |keeps: bool| {
        let mut fewer = case.clone();
        let gone = |table: &&mut Table| !(keeps && table.name == case.write.table);
        fewer.tables.iter_mut().filter(gone).for_each(|table| table.rows.clear());
        fewer
    };
    let count = |case: &Case| case.tables.iter().map(|table| table.rows.len()).sum::<usize>();
    let whole: Vec<Case> =
        [emptied(false), emptied(true)].into_iter().filter(|fewer| count(fewer) < count(case)).collect();
    let mut cuts = Vec::new();
    for (index, table) in case.tables.iter().enumerate() {
        let count = table.rows.len();
        for size in [count, count / 2, count / 4, 1] {
            if size > 0 && (size > 1 || count <= 8) {
                cuts.extend((0..count).step_by(size).map(|start| (index, start..(start + size).min(count))));
            }
        }
    }
    let cut = |(index, cut): (usize, std::ops::Range<usize>)| {
        let mut fewer = case.clone();
        fewer.tables[index].rows.drain(cut);
        fewer
    };
    // A child must not lose its parent.
    whole.into_iter().chain(cuts.into_iter().map(cut)).filter(|fewer| is_whole(&fewer.tables))
}

/// Whether SQLite takes all rows.
fn is_whole(tables: &[Table]) -> bool {
    let plain = super::plain::Plain::new();
    tables.iter().all(|table| {
        plain.execute(&table.sql);
        let columns = plain.stored_columns(&table.name);
        table.rows.iter().all(|row| plain.insert(&table.name, &columns, row).is_ok())
    })
}
