//! The table, as Markdown.

use std::{fmt::Write as _, fs, thread};

use crate::{Arguments, measure::Figures};

/// What was measured where.
pub(crate) fn head(arguments: &Arguments) -> anyhow::Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').take(2).collect::<Vec<_>>().join(" and ");
    let cores = thread::available_parallelism()?;
    let Arguments { scale, shards, nodes, rounds, .. } = arguments;
    Ok(format!(
        "Scale {scale}, {shards} shards at {nodes} nodes; medians of {rounds} rounds; {cores} cores; \
         load average at the end {load} (1 and 5 minutes); SQLite {}\n\n",
        rusqlite::version()
    ))
}

/// A line for each query, and the two sums.
pub(crate) fn table(all: &[Figures]) -> String {
    let mut text = "\
| query | plan | rows | souk ms | SQLite ms | souk / SQLite | rows into scratch | KiB into scratch |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
"
    .to_owned();
    for Figures { query, plan, rows, souk_ms, sqlite_ms, brought } in all {
        let (name, title, ratio) = (query.name, query.title(), number(souk_ms / sqlite_ms));
        let (souk, sqlite, kib) = (number(*souk_ms), number(*sqlite_ms), number(brought.bytes as f64 / 1024.0));
        let scratch = brought.rows;
        let _ =
            writeln!(text, "| {name} {title} | {plan} | {rows} | {souk} | {sqlite} | {ratio} | {scratch} | {kib} |");
    }
    let souk: f64 = all.iter().map(|figures| figures.souk_ms).sum();
    let sqlite: f64 = all.iter().map(|figures| figures.sqlite_ms).sum();
    let (all, ratio) = (all.len(), number(souk / sqlite));
    let _ = writeln!(text, "| all {all} | | | {} | {} | {ratio} | | |", number(souk), number(sqlite));
    text
}

/// Three digits that matter; 0 is nothing.
fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        value => format!("{value:.3}"),
    }
}
