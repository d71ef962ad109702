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

/// A line for each query, and the sums.
pub(crate) fn table(all: &[Figures]) -> String {
    let mut text = "\
| query | plan | rows | souk ms | SQLite ms | souk / SQLite | processor: souk ms | SQLite ms | souk / SQLite | rows into scratch | KiB into scratch |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"
    .to_owned();
    for Figures { query, plan, rows, souk, sqlite, brought } in all {
        let (name, title) = (query.name, query.title());
        let elapsed = beside(souk.median_ms(), sqlite.median_ms());
        let processor = beside(souk.processor_ms(), sqlite.processor_ms());
        let (scratch, kib) = (brought.rows, number(brought.bytes as f64 / 1024.0));
        let _ = writeln!(text, "| {name} {title} | {plan} | {rows} | {elapsed} | {processor} | {scratch} | {kib} |");
    }
    let sum = |of: fn(&Figures) -> f64| all.iter().map(of).sum();
    let elapsed = beside(sum(|figures| figures.souk.median_ms()), sum(|figures| figures.sqlite.median_ms()));
    let processor = beside(sum(|figures| figures.souk.processor_ms()), sum(|figures| figures.sqlite.processor_ms()));
    let _ = writeln!(text, "| all {} | | | {elapsed} | {processor} | | |", all.len());
    text
}

/// Two times and their ratio.
fn beside(souk: f64, sqlite: f64) -> String {
    format!("{} | {} | {}", number(souk), number(sqlite), number(souk / sqlite))
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
