//! What is measured.

use std::{path::PathBuf, str::FromStr};

use anyhow::{Context as _, ensure};
use clap::{Parser, value_parser};

use crate::{
    peers::Kind,
    queries::{ALL, Query},
};

/// What is measured.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Settings {
    /// Shards, one vendor each
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(u32).range(1..))]
    pub(crate) shards: u32,
    /// Node processes
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u32).range(1..=64))]
    pub(crate) nodes: u32,
    /// Products of a vendor, and half as many orders
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(2..))]
    pub(crate) rows: u32,
    /// Only these queries, for example Q2,Q6
    #[arg(long, value_delimiter = ',')]
    queries: Vec<String>,
    /// Timed runs of each query at each contender
    #[arg(long, default_value_t = 60, value_parser = value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Clients at a time, at most
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=1024))]
    pub(crate) clients: u32,
    /// Seconds for which each number of clients asks, and each query under each rate of writes; 0 leaves both out
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u32,
    /// Also measure clusters of 10 to 10,000 shards and of 1 to 8 nodes
    #[arg(long)]
    pub(crate) scale: bool,
    /// Also measure souk with parts of what it keeps switched off
    #[arg(long)]
    pub(crate) levers: bool,
    /// Also measure other programs as souk, NAME=PROGRAM: builds with something left out, or scripts that run one
    #[arg(long, value_name = "NAME=PROGRAM")]
    pub(crate) beside: Vec<Build>,
    /// Also measure Debian's package index: the folder with its four files (docs/debian.md)
    #[arg(long, value_name = "DIR")]
    pub(crate) debian: Option<PathBuf>,
    /// Other systems to measure beside souk, for example postgres,mariadb; needs the feature `peers`
    #[arg(long, value_delimiter = ',')]
    pub(crate) peers: Vec<Kind>,
    /// Folder for report.md, report.json and drawings
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// Another program that is run as souk.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
}

impl FromStr for Build {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Build> {
        let (name, program) = text.split_once('=').context("NAME=PROGRAM is wanted")?;
        Ok(Build { name: name.to_owned(), program: program.into() })
    }
}

impl Settings {
    /// The queries to be measured.
    pub(crate) fn queries(&self) -> anyhow::Result<Vec<&'static Query>> {
        for name in &self.queries {
            ensure!(ALL.iter().any(|query| query.is(name)), "there is no query `{name}`");
        }
        let wanted = |query: &Query| self.queries.is_empty() || self.queries.iter().any(|name| query.is(name));
        Ok(ALL.iter().filter(|query| wanted(query)).collect())
    }
}
