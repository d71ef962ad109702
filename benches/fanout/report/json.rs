//! The figures, for programs.

use serde_json::{Map, Value, json};

use super::{Report, conditions::Conditions, markdown::processors_ms, peers};
use crate::{
    clients::{Rate, Throughput},
    levers::{ByLever, Lever, Turns},
    peers::About,
    repeats::{PLACES, Repeats},
    rounds::Figures,
    scale::Point,
    times::{Ratio, Times},
    usage::{ClusterMemory, Memory, Moment},
};

/// Everything.
pub(crate) fn json(report: &Report) -> Value {
    json!({
        "conditions": conditions(&report.conditions),
        "queries": report.figures.iter().map(|figures| query(figures, &report.peers)).collect::<Vec<_>>(),
        "clients": report.throughput.iter().map(throughput).collect::<Vec<_>>(),
        "memory": memory(&report.memory),
        "repeats": report.repeats.iter().map(repeats).collect::<Vec<_>>(),
        "levers": report.levers.queries.iter().map(|query| levers(&report.levers.levers, query)).collect::<Vec<_>>(),
        "peers": peers::abouts(&report.peers),
        "by_shards": report.scale.by_shards.iter().map(point).collect::<Vec<_>>(),
        "by_nodes": report.scale.by_nodes.iter().map(point).collect::<Vec<_>>(),
        "debian": { "vendors": report.debian.vendors, "queries": report.debian.figures.iter().map(|figures| query(figures, &[])).collect::<Vec<_>>() },
    })
}

fn point(point: &Point) -> Value {
    let Point { shards, nodes, figures } = point;
    json!({ "shards": shards, "nodes": nodes, "queries": figures.iter().map(|figures| query(figures, &[])).collect::<Vec<_>>() })
}

fn conditions(conditions: &Conditions) -> Value {
    let Conditions { settings, size, rounds, cores, processor, kernel, load, souk, sqlite, sqlite_of_souk } =
        conditions;
    json!({
        "shards": settings.shards, "nodes": settings.nodes, "products": size.products, "orders": size.orders(),
        "runs": settings.runs, "rounds": rounds, "clients": settings.clients, "seconds": settings.seconds,
        "cores": cores, "processor": processor, "kernel": kernel, "load": load,
        "souk": souk, "sqlite": sqlite, "sqlite_of_souk": sqlite_of_souk,
    })
}

fn query(figures: &Figures, abouts: &[About]) -> Value {
    let Figures { souk, souk_first, at_coordinator, again, after_writes, naive, floor, walk, one, .. } = figures;
    let [nodes, coordinator, client, at_floor, at_walk, at_one] = processors_ms(figures);
    json!({
        "name": figures.query.name,
        "sql": figures.query.sql,
        "plan": figures.plan,
        "rows": figures.rows,
        "times": {
            "souk": times(souk), "souk_first_rows": times(souk_first), "at_coordinator": times(at_coordinator),
            "again": times(again), "after_writes": times(after_writes),
            "call_a_shard": times(naive), "floor": times(floor), "loop": times(walk), "one_sqlite": times(one),
        },
        "ratios": {
            "souk_to_floor": ratio(souk.ratio_to(floor)), "souk_to_loop": ratio(souk.ratio_to(walk)),
            "souk_to_call_a_shard": ratio(souk.ratio_to(naive)), "souk_to_one_sqlite": ratio(souk.ratio_to(one)), "again_to_souk": ratio(again.ratio_to(souk)),
        },
        "peers": peers::of_query(abouts, figures),
        "processor_ms": {
            "nodes": nodes, "coordinator": coordinator, "client": client,
            "floor": at_floor, "loop": at_walk, "one_sqlite": at_one,
        },
    })
}

pub(crate) fn times(times: &Times) -> Value {
    let percents = [50, 95, 99].map(|percent| (format!("p{percent}_ms"), json!(times.percentile_ms(percent))));
    let mut object = Map::from_iter(percents);
    object.insert("best_ms".to_owned(), json!(times.best_ms()));
    object.insert("runs".to_owned(), json!(times.runs()));
    object.insert("medians_of_rounds_ms".to_owned(), json!(times.medians_ms()));
    Value::Object(object)
}

fn ratio(ratio: Ratio) -> Value {
    json!({ "median": ratio.median, "lowest": ratio.lowest, "highest": ratio.highest })
}

fn throughput(throughput: &Throughput) -> Value {
    let Throughput { clients, echo, queries } = throughput;
    let queries = queries.iter().map(|(query, of_query)| (query.short().to_owned(), rate(of_query)));
    json!({ "clients": clients, "echo": rate(echo), "queries": Map::from_iter(queries) })
}

fn rate(rate: &Rate) -> Value {
    json!({ "per_second": rate.per_second(), "times": times(&rate.times) })
}

fn repeats(repeats: &Repeats) -> Value {
    let by_place = PLACES.iter().zip(&repeats.times).map(|((name, _), at)| ((*name).to_owned(), times(at)));
    json!({
        "name": repeats.query.name, "rows_per_second_wanted": repeats.rate,
        "rows_per_second_written": repeats.written_per_second(), "rows_per_question": repeats.written_per_question(),
        "repeats": Map::from_iter(by_place),
    })
}

fn levers(levers: &[Lever], query: &ByLever) -> Value {
    let turn = |turns: &Turns| json!({ "souk": times(&turns.souk), "again": times(&turns.again) });
    let turns = levers.iter().zip(&query.turns).map(|(lever, turns)| (lever.name.clone(), turn(turns)));
    json!({ "name": query.query.name, "levers": Map::from_iter(turns) })
}

fn memory(memory: &ClusterMemory) -> Value {
    let moments = memory.moments.iter().map(|Moment { when, processes, page_cache_bytes, kept_bytes }| {
        let processes = processes.iter().map(|(name, memory)| (name.clone(), bytes(memory)));
        let mut all: Map<String, Value> = processes.collect();
        all.insert("nodes_page_cache_bytes".to_owned(), json!(page_cache_bytes));
        all.insert("nodes_kept_bytes".to_owned(), json!(kept_bytes));
        ((*when).to_owned(), Value::Object(all))
    });
    json!({ "shards_open": memory.shards_open, "moments": Map::from_iter(moments) })
}

fn bytes(memory: &Memory) -> Value {
    json!({ "rss_bytes": memory.rss, "pss_bytes": memory.pss })
}
