//! What was measured, for people and for programs.
//!
//! - [`conditions`]: where and with what it was measured.
//! - [`markdown`]: the tables.
//! - [`json`]: the same for programs.
//! - [`peers`]: other systems, in both.
//! - [`plot`]: the medians as a drawing; [`lines`]: how they grow.
//! - [`table`]: how a table looks.

pub(crate) mod conditions;
mod json;
mod lines;
mod markdown;
mod peers;
mod plot;
mod table;

use std::{fs, path::Path};

use anyhow::Context as _;

use self::conditions::Conditions;
use self::lines::{Line, lines_svg};
use crate::{
    clients::Throughput,
    peers::About,
    rounds::Figures,
    scale::{Point, Scale},
    usage::ClusterMemory,
};

/// All that was measured.
pub(crate) struct Report {
    pub(crate) conditions: Conditions,
    pub(crate) figures: Vec<Figures>,
    pub(crate) throughput: Vec<Throughput>,
    pub(crate) memory: ClusterMemory,
    /// Empty when it was not wanted.
    pub(crate) scale: Scale,
    /// In the order of the times that figures have of them.
    pub(crate) peers: Vec<About>,
}

impl Report {
    /// The tables.
    pub(crate) fn markdown(&self) -> String {
        markdown::markdown(self)
    }

    /// Writes `report.md`, `report.json` and drawings into a folder.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let write = || -> anyhow::Result<()> {
            fs::create_dir_all(folder)?;
            fs::write(folder.join("report.md"), self.markdown())?;
            fs::write(folder.join("report.json"), serde_json::to_string_pretty(&json::json(self))?)?;
            plot::medians_svg(&self.figures, &folder.join("p50.svg"))?;
            self.draw_lines(folder)
        };
        write().with_context(|| format!("cannot write the report into `{}`", folder.display()))
    }

    fn draw_lines(&self, folder: &Path) -> anyhow::Result<()> {
        let Scale { by_shards, by_nodes } = &self.scale;
        if !self.throughput.is_empty() {
            lines_svg("answers a second", "clients", &self.rates(), &folder.join("clients.svg"))?;
        }
        if !by_shards.is_empty() {
            let lines = medians(by_shards, |point| point.shards);
            lines_svg("p50, milliseconds", "shards", &lines, &folder.join("shards.svg"))?;
            let lines = medians(by_nodes, |point| point.nodes);
            lines_svg("p50, milliseconds", "nodes", &lines, &folder.join("nodes.svg"))?;
        }
        Ok(())
    }

    /// Answers a second, of the echo and of each query.
    fn rates(&self) -> Vec<Line> {
        let line = |name: &str, rate: &dyn Fn(&Throughput) -> f64| {
            let points = self.throughput.iter().map(|at| (f64::from(at.clients), rate(at)));
            Line { name: name.to_owned(), points: points.collect() }
        };
        let names = self.throughput.first().map(|at| at.queries.as_slice()).unwrap_or_default();
        let queries = names.iter().enumerate();
        let queries = queries.map(|(place, (query, _))| line(query.name, &move |at| at.queries[place].1.per_second()));
        [line("echo", &|at| at.echo.per_second())].into_iter().chain(queries).collect()
    }
}

/// The median of each query at souk, by size.
fn medians(points: &[Point], size: impl Fn(&Point) -> u32) -> Vec<Line> {
    let queries = points.first().map(|point| point.figures.as_slice()).unwrap_or_default();
    let line = |(place, figures): (usize, &Figures)| {
        let points = points.iter().map(|point| (f64::from(size(point)), point.figures[place].souk.percentile_ms(50)));
        Line { name: figures.query.name.to_owned(), points: points.collect() }
    };
    queries.iter().enumerate().map(line).collect()
}
