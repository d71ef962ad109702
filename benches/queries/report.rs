//! The tables, as Markdown.

use std::{fmt::Write as _, fs, thread, time::Duration};

use crate::{
    measure::{Figures, Processors, Times},
    rows::Size,
    usage::Memory,
};

/// What a shard may take, in KiB.
const SHARD_KIB_GOAL: f64 = 256.0;

/// What was measured where.
pub(crate) fn head(size: Size, nodes: u32, runs: u32) -> anyhow::Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').take(2).collect::<Vec<_>>().join(" and ");
    let cores = thread::available_parallelism()?;
    Ok(format!(
        "{} shards at {nodes} nodes, {} products and {} orders each; {runs} runs; {cores} cores; \
         load average at the end {load} (1 and 5 minutes); SQLite {}\n\n",
        size.vendors,
        size.products,
        size.orders(),
        rusqlite::version()
    ))
}

/// How long each query takes.
pub(crate) fn times(all: &[Figures]) -> String {
    let mut text = "\
| query | rows | souk p50 | p95 | loop p50 | p95 | one SQLite p50 | p95 | souk / loop | souk / one |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"
    .to_owned();
    for figures in all {
        let Figures { query, souk, walk, one, .. } = figures;
        let name = query.name;
        let times = [souk, walk, one].map(|times| {
            let (p50, p95) = (times.percentile_ms(50), times.percentile_ms(95));
            format!("{} | {}", number(p50), number(p95))
        });
        let ratio = |other: f64| number(souk.percentile_ms(50) / other);
        let (to_loop, to_one) = (ratio(walk.percentile_ms(50)), ratio(one.percentile_ms(50)));
        let _ = writeln!(text, "| {name} | {} | {} | {to_loop} | {to_one} |", figures.rows, times.join(" | "));
    }
    text.push_str("\nMilliseconds.");
    if let Some(figures) = all.iter().max_by_key(|figures| figures.rows) {
        let Figures { souk, walk, one, .. } = figures;
        let [souk, walk, one] = [souk, walk, one].map(|times| figures.rows as f64 / times.percentile_ms(50));
        let name = figures.query.name;
        let _ = write!(text, " {name}: {souk:.0} rows a ms from souk, {walk:.0} by the loop, {one:.0} by one SQLite.");
    }
    text + "\n\n"
}

/// Where the time goes.
pub(crate) fn parts(all: &[Figures]) -> String {
    let mut text = "\
| query | best: souk | loop | one SQLite | at the coordinator p50 | processor: nodes | coordinator | client | loop | one SQLite |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"
    .to_owned();
    for Figures { query, souk, walk, one, at_coordinator, processors, .. } in all {
        let Processors { nodes, coordinator, client, walk: of_walk, one: of_one } = *processors;
        let a_run = |time: Duration, times: &Times| time.as_secs_f64() * 1e3 / f64::from(times.runs());
        let cells = [
            souk.best_ms(),
            walk.best_ms(),
            one.best_ms(),
            at_coordinator.percentile_ms(50),
            a_run(nodes, souk),
            a_run(coordinator, souk),
            a_run(client, souk),
            a_run(of_walk, walk),
            a_run(of_one, one),
        ];
        let _ = writeln!(text, "| {} | {} |", query.name, cells.map(number).join(" | "));
    }
    text + "\nMilliseconds a run. Processor time is a mean, added up over all threads, and all nodes.\n\n"
}

/// What the nodes hold.
pub(crate) fn memory(at_start: Memory, now: Memory, shards_open: u32) -> String {
    let kib = |bytes: u64| bytes as f64 / 1024.0;
    let row = |name: &str, start: u64, now: u64| {
        let grown = kib(now.saturating_sub(start)) / f64::from(shards_open);
        let mean = kib(now) / f64::from(shards_open);
        format!("| {name} | {:.1} | {:.1} | {grown:.0} | {mean:.0} |\n", kib(start) / 1024.0, kib(now) / 1024.0)
    };
    format!(
        "| nodes' memory | at the start, MiB | after all queries, MiB | grown a shard, KiB | all a shard, KiB |\n\
         | --- | ---: | ---: | ---: | ---: |\n{}{}\n{shards_open} shards open.\n\n",
        row("RSS", at_start.rss, now.rss),
        row("PSS", at_start.pss, now.pss)
    )
}

/// Which goals hold.
pub(crate) fn goals(all: &[Figures], memory: Memory, shards_open: u32) -> String {
    let mut text = "| goal | measured | |\n| --- | ---: | --- |\n".to_owned();
    let mut row = |goal: String, measured: String, met: bool| {
        let _ = writeln!(text, "| {goal} | {measured} | {} |", if met { "met" } else { "missed" });
    };
    for figures in all {
        if let Some(goal) = figures.query.goal_ms {
            let p50 = figures.souk.percentile_ms(50);
            row(format!("{}: p50 < {goal} ms", figures.query.name), format!("{} ms", number(p50)), p50 < goal);
        }
    }
    let shard = memory.rss as f64 / 1024.0 / f64::from(shards_open);
    let goal = format!("memory a shard < {SHARD_KIB_GOAL} KiB (all RSS of the nodes)");
    row(goal, format!("{shard:.0} KiB"), shard < SHARD_KIB_GOAL);
    text
}

/// Three digits that matter.
fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}
