//! What was measured, for people and for programs.
//!
//! - [`conditions`]: where and with what it was measured.
//! - [`markdown`]: the tables.
//! - [`json`]: the same for programs.
//! - [`repeats`], [`levers`], [`debian`]: tables of their own.
//! - [`plot`]: the medians as a drawing; [`charts`], [`lines`]: how they grow; [`legend`]: what colours mean.
//! - [`peers`]: other systems.
//! - [`table`]: how a table looks.

mod charts;
pub(crate) mod conditions;
mod debian;
mod json;
mod legend;
mod levers;
mod lines;
mod markdown;
mod peers;
mod plot;
mod repeats;
mod table;

use std::{fs, path::Path};

use anyhow::Context as _;

use self::conditions::Conditions;
use crate::{
    clients::Throughput, debian::Debian, levers::Levers, peers::About, repeats::Repeats, rounds::Figures, scale::Scale,
    usage::ClusterMemory,
};

/// All that was measured.
pub(crate) struct Report {
    pub(crate) conditions: Conditions,
    pub(crate) figures: Vec<Figures>,
    pub(crate) throughput: Vec<Throughput>,
    pub(crate) memory: ClusterMemory,
    pub(crate) repeats: Vec<Repeats>,
    /// Empty when it was not wanted, as are the next.
    pub(crate) levers: Levers,
    pub(crate) scale: Scale,
    pub(crate) debian: Debian,
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
            if !self.debian.figures.is_empty() {
                plot::medians_svg(&self.debian.figures, &folder.join("debian.svg"))?;
            }
            charts::draw(self, folder)
        };
        write().with_context(|| format!("cannot write the report into `{}`", folder.display()))
    }
}
