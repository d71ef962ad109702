//! The same over rows that nobody made up: Debian's package index, a shard for each maintainer. Vendors are as unequal as they are in
//! life, and there are NULLs and long texts.
//!
//! - [`files`]: its packed CSV files.
//! - [`queries`]: what is asked.

mod files;
mod queries;

use std::path::Path;

pub(crate) use self::files::{byte_size, read, schema};
use crate::{
    check,
    contenders::Contenders,
    data::Data,
    process::Cluster,
    queries::Serial,
    rounds::{Figures, Rounds},
};

/// What was measured.
#[derive(Default)]
pub(crate) struct Debian {
    pub(crate) vendors: usize,
    pub(crate) figures: Vec<Figures>,
}

/// Loads the index, whose files are in `files`, unless it was loaded before; compares all answers, and measures.
pub(crate) fn measure(files: &Path, nodes: u32, runs: u32) -> anyhow::Result<Debian> {
    let data = Data::take_debian(files, nodes)?;
    let cluster = Cluster::start(data.folder(), nodes)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let contenders = Contenders::open(&runtime, &cluster, &data)?;
    let (size, serial) = (data.size(), Serial::default());
    for query in &queries::ALL {
        check::check(query, size, &contenders, &serial)?;
    }
    eprintln!("all answers of Debian's index agree; measuring");
    let rounds = Rounds { cluster: &cluster, contenders: &contenders, size, runs, serial: &serial };
    let mut figures: Vec<Figures> = queries::ALL.iter().map(Figures::new).collect();
    rounds.measure(&mut figures)?;
    Ok(Debian { vendors: contenders.floor.shards(), figures })
}
