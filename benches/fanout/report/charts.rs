//! Which lines are drawn.

use std::path::Path;

use super::{
    Report,
    lines::{Chart, Line, charts_svg},
};
use crate::{
    clients::Throughput,
    repeats::{PLACES, Repeats},
    rounds::Figures,
    scale::Point,
};

/// Draws what was measured of many sizes into a folder.
pub(super) fn draw(report: &Report, folder: &Path) -> anyhow::Result<()> {
    let (throughput, repeats, scale) = (&report.throughput, &report.repeats, &report.scale);
    if !throughput.is_empty() {
        charts_svg("answers a second by clients", &[rates(throughput)], 1, &folder.join("clients.svg"))?;
    }
    if !repeats.is_empty() {
        let title = "milliseconds until a repeat was answered while rows were written: p50, dashed p95";
        charts_svg(title, &of_repeats(repeats), 2, &folder.join("repeats.svg"))?;
    }
    if !scale.by_shards.is_empty() {
        let title = "p50 in milliseconds: souk, dashed the floor";
        charts_svg(title, &[medians(&scale.by_shards, "shards", |at| at.shards)], 1, &folder.join("shards.svg"))?;
        charts_svg(title, &[medians(&scale.by_nodes, "nodes", |at| at.nodes)], 1, &folder.join("nodes.svg"))?;
    }
    Ok(())
}

/// Answers a second, of the echo and of each query.
fn rates(all: &[Throughput]) -> Chart {
    let line = |name: &str, rate: &dyn Fn(&Throughput) -> f64| Line {
        name: name.to_owned(),
        solid: all.iter().map(rate).collect(),
        dashed: Vec::new(),
    };
    let names = all.first().map(|at| at.queries.as_slice()).unwrap_or_default();
    let queries = names.iter().enumerate();
    let queries = queries.map(|(place, (query, _))| line(query.name, &move |at| at.queries[place].1.per_second()));
    Chart {
        title: String::new(),
        x: "clients".to_owned(),
        ticks: all.iter().map(|at| at.clients.to_string()).collect(),
        lines: [line("echo", &|at| at.echo.per_second())].into_iter().chain(queries).collect(),
    }
}

/// A chart for each query, and in it a line for each rate of writes.
fn of_repeats(all: &[Repeats]) -> Vec<Chart> {
    let of_query = |repeats: &[Repeats]| Chart {
        title: repeats.first().map(|repeats| repeats.query.name.to_owned()).unwrap_or_default(),
        x: "repeat".to_owned(),
        ticks: PLACES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        lines: repeats.iter().map(of_rate).collect(),
    };
    all.chunk_by(|a, b| a.query.name == b.query.name).map(of_query).collect()
}

fn of_rate(repeats: &Repeats) -> Line {
    let percentile = |percent| repeats.times.iter().map(|times| times.percentile_ms(percent)).collect();
    Line { name: format!("{} rows a second", repeats.rate), solid: percentile(50), dashed: percentile(95) }
}

/// The median of each query, by size.
fn medians(points: &[Point], x: &str, size: impl Fn(&Point) -> u32) -> Chart {
    let queries = points.first().map(|point| point.figures.as_slice()).unwrap_or_default();
    let line = |(place, figures): (usize, &Figures)| {
        let of =
            |point: &Point| [&point.figures[place].souk, &point.figures[place].floor].map(|at| at.percentile_ms(50));
        let (solid, dashed) = points.iter().map(of).map(|[souk, floor]| (souk, floor)).unzip();
        Line { name: figures.query.name.to_owned(), solid, dashed }
    };
    Chart {
        title: String::new(),
        x: x.to_owned(),
        ticks: points.iter().map(|point| size(point).to_string()).collect(),
        lines: queries.iter().enumerate().map(line).collect(),
    }
}
