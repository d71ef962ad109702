//! The tables, as Markdown.

use std::time::Duration;

use super::{
    Report,
    conditions::Conditions,
    debian, levers, peers, repeats,
    table::{Table, number, percentiles, ratio},
};
use crate::{
    clients::Throughput,
    rounds::{Figures, Processors},
    scale::Point,
    times::Times,
    usage::{AFTER_QUERIES, ClusterMemory, Memory, Moment},
    writes::SHARDS_WRITTEN,
};

/// What a shard may take, in KiB.
const SHARD_KIB_GOAL: f64 = 64.0;

/// An answer of so many rows is also told by its rows a millisecond.
const ROWS_OF_LONG_ANSWER: usize = 1000;

/// Everything.
pub(crate) fn markdown(report: &Report) -> String {
    let Report { conditions, figures, throughput, memory, repeats, levers, scale, debian, peers: abouts } = report;
    let parts = [
        head(conditions),
        times(figures),
        ratios(figures),
        again(figures),
        parts(figures),
        peers::markdown(abouts, figures),
        clients(throughput),
        memory_of_processes(memory),
        repeats::table(repeats),
        levers::tables(levers),
        sizes(&scale.by_shards),
        sizes(&scale.by_nodes),
        debian::tables(debian),
        goals(figures, memory),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn head(conditions: &Conditions) -> String {
    let Conditions { settings, size, rounds, cores, processor, kernel, load, souk, sqlite, sqlite_of_souk } =
        conditions;
    format!(
        "{} shards at {} nodes, {} products and {} orders each; {} runs in {rounds} rounds; {cores} cores ({processor}); \
         Linux {kernel}; load average at the end {load} (1 and 5 minutes); souk {souk} with SQLite {sqlite_of_souk}, the others \
         with SQLite {sqlite}\n",
        size.vendors,
        settings.nodes,
        size.products,
        size.orders(),
        settings.runs,
    )
}

/// How long each query takes.
pub(super) fn times(all: &[Figures]) -> String {
    let mut table = Table::new(
        "query | plan | rows | souk: first rows p50 | p50 | p95 | p99 | a call a shard p50 | p95 | p99 | floor p50 | p95 | p99 \
         | loop p50 | p95 | p99 | one SQLite p50 | p95 | p99",
    );
    for figures in all {
        let Figures { query, souk, souk_first, naive, floor, walk, one, plan, rows, .. } = figures;
        let head = [query.name.to_owned(), plan.clone(), rows.to_string(), number(souk_first.percentile_ms(50))];
        let times = [souk, naive, floor, walk, one].map(|times| percentiles(times, [50, 95, 99]));
        table.row(head.into_iter().chain(times.into_iter().flatten()));
    }
    let long = all.iter().filter(|figures| figures.rows >= ROWS_OF_LONG_ANSWER);
    let most = long.max_by_key(|figures| figures.rows).map(rows_a_ms).unwrap_or_default();
    format!("{table}\nMilliseconds until the last row was there.{most}\n")
}

fn rows_a_ms(figures: &Figures) -> String {
    let Figures { query, souk, floor, walk, one, rows, .. } = figures;
    let rate = |times: &Times| *rows as f64 / times.percentile_ms(50);
    let (souk, floor, walk, one) = (rate(souk), rate(floor), rate(walk), rate(one));
    let name = query.name;
    format!(
        " {name}: {souk:.0} rows a ms from souk, {floor:.0} by the floor, {walk:.0} by the loop, {one:.0} by one SQLite."
    )
}

/// How many times the others' time souk takes.
pub(super) fn ratios(all: &[Figures]) -> String {
    let mut table = Table::new(
        "query | souk / floor | souk / loop | souk / one SQLite | souk / a call a shard | first rows / floor",
    );
    for Figures { query, souk, souk_first, naive, floor, walk, one, .. } in all {
        let others = [floor, walk, one, naive].map(|other| souk.ratio_to(other));
        let ratios = others.into_iter().chain([souk_first.ratio_to(floor)]);
        table.row([query.name.to_owned()].into_iter().chain(ratios.map(ratio)));
    }
    format!(
        "{table}\nIn each round the median of one is divided by the median of the other: the ratio in the middle, and the lowest and \
         the highest.\n"
    )
}

/// What asking the same again takes.
fn again(all: &[Figures]) -> String {
    let heads = format!(
        "query | souk p50 | again p50 | p95 | p99 | after writes to {SHARDS_WRITTEN} shards p50 | p95 | p99 | again / souk"
    );
    let mut table = Table::new(&heads);
    for Figures { query, souk, again, after_writes, .. } in all {
        let times = [again, after_writes].map(|times| percentiles(times, [50, 95, 99]));
        let head = [query.name.to_owned(), number(souk.percentile_ms(50))];
        table.row(head.into_iter().chain(times.into_iter().flatten()).chain([ratio(again.ratio_to(souk))]));
    }
    format!("{table}\nMilliseconds. Again: with the same parameters as the run before.\n")
}

/// Where the time goes.
pub(super) fn parts(all: &[Figures]) -> String {
    let mut table = Table::new(
        "query | best: souk | floor | loop | one SQLite | at the coordinator p50 | processor: nodes | coordinator | client | floor \
         | loop | one SQLite",
    );
    for figures in all {
        let Figures { query, souk, floor, walk, one, at_coordinator, .. } = figures;
        let best = [souk, floor, walk, one].map(Times::best_ms);
        let cells = best.into_iter().chain([at_coordinator.percentile_ms(50)]).chain(processors_ms(figures));
        table.row([query.name.to_owned()].into_iter().chain(cells.map(number)));
    }
    format!("{table}\nMilliseconds a run. Processor time is a mean, added up over all threads, and all nodes.\n")
}

/// Processor time a run, of nodes, coordinator, client, floor, loop and one SQLite.
pub(crate) fn processors_ms(figures: &Figures) -> [f64; 6] {
    let Figures { souk, floor: at_floor, walk: at_walk, one: at_one, .. } = figures;
    let Processors { nodes, coordinator, client, floor, walk, one } = figures.processors;
    let a_run = |time: Duration, times: &Times| time.as_secs_f64() * 1e3 / f64::from(times.runs());
    [
        a_run(nodes, souk),
        a_run(coordinator, souk),
        a_run(client, souk),
        a_run(floor, at_floor),
        a_run(walk, at_walk),
        a_run(one, at_one),
    ]
}

/// How many answers a second there are.
fn clients(all: &[Throughput]) -> String {
    let Some(first) = all.first() else { return String::new() };
    let names: Vec<&str> = first.queries.iter().map(|(query, _)| query.short()).collect();
    let heads = names.iter().map(|name| format!(" | {name} a second | p50 | p95 | p99 | {name} / echo"));
    let mut table = Table::new(&format!("clients | echo a second | p50 | p95 | p99{}", heads.collect::<String>()));
    for Throughput { clients, echo, queries } in all {
        let mut cells = vec![clients.to_string(), format!("{:.0}", echo.per_second())];
        cells.extend(percentiles(&echo.times, [50, 95, 99]));
        for (_, rate) in queries {
            cells.push(format!("{:.0}", rate.per_second()));
            cells.extend(percentiles(&rate.times, [50, 95, 99]));
            cells.push(ratio(rate.ratio_to(echo)));
        }
        table.row(cells);
    }
    format!(
        "{table}\nAnswers a second and milliseconds. Each client has a connection of its own and waits for each answer; all are one \
         thread. Echo is a service that sends back what it is sent: the request of Q1.\n"
    )
}

/// What clusters of other sizes take.
fn sizes(points: &[Point]) -> String {
    let Some(first) = points.first() else { return String::new() };
    let heads = first.figures.iter().map(|figures| format!(" | {} souk | floor", figures.query.short()));
    let mut table = Table::new(&format!("shards | nodes{}", heads.collect::<String>()));
    for Point { shards, nodes, figures } in points {
        let medians = figures.iter().flat_map(|Figures { souk, floor, .. }| [souk, floor]);
        let medians = medians.map(|times| number(times.percentile_ms(50)));
        table.row([shards.to_string(), nodes.to_string()].into_iter().chain(medians));
    }
    format!("{table}\nMilliseconds, p50.\n")
}

/// What each process holds.
fn memory_of_processes(memory: &ClusterMemory) -> String {
    let heads = memory.moments.iter().map(|moment| format!(" | PSS {} | RSS", moment.when)).collect::<String>();
    let mut table = Table::new(&format!("memory, MiB{heads}"));
    let mut row = |name: &str, of_moment: &dyn Fn(&Moment) -> Memory| {
        let cells = memory.moments.iter().map(of_moment).flat_map(|Memory { rss, pss }| [pss, rss].map(mib));
        table.row([name.to_owned()].into_iter().chain(cells));
    };
    let names = memory.moments.first().map(|moment| moment.processes.as_slice()).unwrap_or_default();
    for (place, (name, _)) in names.iter().enumerate() {
        row(name, &|moment| moment.processes[place].1);
    }
    row("all nodes", &Moment::nodes);
    let shard = memory.moments.iter().map(|moment| moment.nodes()).flat_map(|Memory { rss, pss }| [pss, rss]);
    let shard = shard.map(|bytes| format!("{:.0} KiB", kib_a_shard(bytes, memory)));
    table.row(["nodes, a shard".to_owned()].into_iter().chain(shard));
    let mut part = |name: &str, of_moment: &dyn Fn(&Moment) -> u64| {
        let cells = memory.moments.iter().map(of_moment);
        let cells = cells.flat_map(|bytes| [format!("{:.0} KiB", kib_a_shard(bytes, memory)), "-".to_owned()]);
        table.row([name.to_owned()].into_iter().chain(cells));
    };
    part("of these, pages of its file", &|moment| moment.page_cache_bytes);
    part("of these, kept answers", &|moment| moment.kept_bytes);
    part("a shard beside both", &Moment::beside_caches);
    format!("{table}\n{} shards open. RSS counts pages that processes share in each, PSS once.\n", memory.shards_open)
}

fn kib_a_shard(bytes: u64, memory: &ClusterMemory) -> f64 {
    bytes as f64 / 1024.0 / f64::from(memory.shards_open)
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// Which goals hold.
fn goals(all: &[Figures], memory: &ClusterMemory) -> String {
    let mut table = Table::new("goal | measured | met");
    let mut row = |goal: String, measured: String, met: bool| {
        table.row([goal, measured, if met { "yes" } else { "no" }.to_owned()]);
    };
    for Figures { query, souk, .. } in all {
        if let Some(goal) = query.goal_ms {
            let p50 = souk.percentile_ms(50);
            row(format!("{}: p50 < {goal} ms", query.name), format!("{} ms", number(p50)), p50 < goal);
        }
    }
    if let Some(moment) = memory.moments.iter().find(|moment| moment.when == AFTER_QUERIES) {
        let shard = kib_a_shard(moment.nodes().pss.saturating_sub(moment.page_cache_bytes), memory);
        let goal = format!(
            "memory a shard < {SHARD_KIB_GOAL} KiB (PSS of the nodes without the pages of shards, {AFTER_QUERIES})"
        );
        row(goal, format!("{shard:.0} KiB"), shard < SHARD_KIB_GOAL);
    }
    table.to_string()
}
