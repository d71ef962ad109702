//! The tables, as Markdown.

use std::{fmt::Write as _, fs, thread};

use crate::{measure::Figures, rows::Size, usage::Memory};

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
    text + "\nTimes in milliseconds.\n\n"
}

/// Where souk's time goes.
pub(crate) fn parts(all: &[Figures]) -> String {
    let mut text = "\
| query | client p50 | of it at the coordinator | processor: nodes | coordinator | client | rows a second |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
"
    .to_owned();
    for figures in all {
        let p50 = figures.souk.percentile_ms(50);
        let processors = figures.processors;
        let a_run = |time: std::time::Duration| number(time.as_secs_f64() * 1e3 / f64::from(figures.runs()));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {:.0} |",
            figures.query.name,
            number(p50),
            number(figures.at_coordinator.percentile_ms(50)),
            a_run(processors.nodes),
            a_run(processors.coordinator),
            a_run(processors.client),
            figures.rows as f64 / p50 * 1e3
        );
    }
    text + "\nMilliseconds a run; processor time is the mean over all cores, all nodes together.\n\n"
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
