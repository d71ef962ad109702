//! What processes use: processor time and memory, as Linux counts them.

use std::{fs, time::Duration};

use anyhow::Context as _;

/// Memory of some processes, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Resident: pages that processes share are counted in each.
    pub(crate) rss: u64,
    /// Proportional: a shared page is counted once, divided among those who share it.
    pub(crate) pss: u64,
}

/// Memory of some processes together.
pub(crate) fn memory(processes: impl Iterator<Item = u32>) -> anyhow::Result<Memory> {
    let mut sum = Memory::default();
    for process in processes {
        let path = format!("/proc/{process}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))?;
        sum.rss += bytes(&text, "Rss:")?;
        sum.pss += bytes(&text, "Pss:")?;
    }
    Ok(sum)
}

fn bytes(text: &str, name: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).with_context(|| format!("no `{name}`"))?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// Time that a process's living threads have run on a processor.
pub(crate) fn processor_time(process: u32) -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end between the two.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanoseconds += text.split(' ').next().context("schedstat is empty")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}
