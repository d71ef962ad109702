//! What was measured, for people and for programs.
//!
//! - [`conditions`]: where and with what it was measured.
//! - [`markdown`]: the tables.
//! - [`json`]: the same for programs.
//! - [`plot`]: the medians as a drawing.
//! - [`table`]: how a table looks.

pub(crate) mod conditions;
mod json;
mod markdown;
mod plot;
mod table;

use std::{fs, path::Path};

use anyhow::Context as _;

use self::conditions::Conditions;
use crate::{clients::Throughput, rounds::Figures, usage::ClusterMemory};

/// All that was measured.
pub(crate) struct Report {
    pub(crate) conditions: Conditions,
    pub(crate) figures: Vec<Figures>,
    pub(crate) throughput: Vec<Throughput>,
    pub(crate) memory: ClusterMemory,
}

impl Report {
    /// The tables.
    pub(crate) fn markdown(&self) -> String {
        markdown::markdown(self)
    }

    /// Writes `report.md`, `report.json` and `p50.svg` into a folder.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let write = || -> anyhow::Result<()> {
            fs::create_dir_all(folder)?;
            fs::write(folder.join("report.md"), self.markdown())?;
            fs::write(folder.join("report.json"), serde_json::to_string_pretty(&json::json(self))?)?;
            plot::medians_svg(&self.figures, &folder.join("p50.svg"))
        };
        write().with_context(|| format!("cannot write the report into `{}`", folder.display()))
    }
}
