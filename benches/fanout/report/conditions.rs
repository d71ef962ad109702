//! Where and with what it was measured.

use std::{fs, thread};

use souk_proto::v1::GetStatusResponse;

use crate::{rounds::ROUNDS, rows::Size, settings::Settings};

/// Settings, versions and the machine.
pub(crate) struct Conditions {
    pub(crate) settings: Settings,
    pub(crate) size: Size,
    pub(crate) rounds: u32,
    pub(crate) cores: usize,
    /// The processor's name.
    pub(crate) processor: String,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// Over 1 and 5 minutes, when all was measured.
    pub(crate) load: String,
    pub(crate) souk: String,
    /// Of this process: of walks and of one SQLite.
    pub(crate) sqlite: String,
    /// Of the coordinator.
    pub(crate) sqlite_of_souk: String,
}

impl Conditions {
    /// Those of now.
    pub(crate) fn now(settings: Settings, size: Size, status: &GetStatusResponse) -> anyhow::Result<Conditions> {
        let load = fs::read_to_string("/proc/loadavg")?;
        Ok(Conditions {
            settings,
            size,
            rounds: ROUNDS,
            cores: thread::available_parallelism()?.get(),
            processor: processor(&fs::read_to_string("/proc/cpuinfo")?),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: load.split(' ').take(2).collect::<Vec<_>>().join(" and "),
            souk: status.souk_version.clone(),
            sqlite: rusqlite::version().to_owned(),
            sqlite_of_souk: status.sqlite_version.clone(),
        })
    }
}

fn processor(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": "));
    name.map_or_else(|| "unnamed".to_owned(), |(_, name)| name.to_owned())
}
