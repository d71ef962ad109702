//! What processes use: processor time and memory, as Linux counts them.

use std::{fs, ops::Add, time::Duration};

use anyhow::Context as _;
use nix::{time::ClockId, unistd::Pid};
use souk_proto::v1::NodeStatus;

use crate::process::Cluster;

/// The moment when one client has asked everything: what a goal is about.
pub(crate) const AFTER_QUERIES: &str = "after one client's queries";

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Resident: pages that processes share are counted in each.
    pub(crate) rss: u64,
    /// Proportional: a shared page is counted once, divided among those who share it.
    pub(crate) pss: u64,
}

/// Memory of every process of the cluster, at some moments.
#[derive(Default)]
pub(crate) struct ClusterMemory {
    pub(crate) moments: Vec<Moment>,
    /// Shards that the nodes held open at the end.
    pub(crate) shards_open: u32,
}

/// What the processes hold at a moment.
pub(crate) struct Moment {
    /// Which moment: `at the start`.
    pub(crate) when: &'static str,
    /// By name; the coordinator first.
    pub(crate) processes: Vec<(String, Memory)>,
    /// Of all nodes together: pages of shards that they hold, in bytes.
    pub(crate) page_cache_bytes: u64,
    /// Of all nodes together: answers that they keep, in bytes.
    pub(crate) kept_bytes: u64,
}

impl Memory {
    /// That of a process now.
    fn of(process: u32) -> anyhow::Result<Memory> {
        let path = format!("/proc/{process}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))?;
        Ok(Memory { rss: bytes(&text, "Rss:")?, pss: bytes(&text, "Pss:")? })
    }
}

impl Add for Memory {
    type Output = Memory;

    fn add(self, other: Memory) -> Memory {
        Memory { rss: self.rss + other.rss, pss: self.pss + other.pss }
    }
}

impl ClusterMemory {
    /// Looks now; `nodes` is what they say of themselves.
    pub(crate) fn look(&mut self, when: &'static str, cluster: &Cluster, nodes: &[NodeStatus]) -> anyhow::Result<()> {
        let processes = processes(cluster).map(|(name, process)| Ok((name, Memory::of(process)?)));
        self.moments.push(Moment {
            when,
            processes: processes.collect::<anyhow::Result<_>>()?,
            page_cache_bytes: nodes.iter().map(|node| node.page_cache_bytes).sum(),
            kept_bytes: nodes.iter().map(|node| node.kept_bytes).sum(),
        });
        Ok(())
    }
}

impl Moment {
    /// What nodes hold beside the pages of shards and the answers that they keep.
    pub(crate) fn beside_caches(&self) -> u64 {
        self.nodes().pss.saturating_sub(self.page_cache_bytes + self.kept_bytes)
    }

    /// All nodes together.
    pub(crate) fn nodes(&self) -> Memory {
        self.processes.iter().skip(1).fold(Memory::default(), |sum, (_, node)| sum + *node)
    }
}

fn processes(cluster: &Cluster) -> impl Iterator<Item = (String, u32)> + '_ {
    let nodes = (1..).zip(cluster.nodes()).map(|(number, process)| (format!("node n{number}"), process));
    [("coordinator".to_owned(), cluster.coordinator())].into_iter().chain(nodes)
}

fn bytes(text: &str, name: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).with_context(|| format!("no `{name}`"))?;
    Ok(kib.parse::<u64>()? * 1024)
}

/// Time that a process has run on processors, in all its threads.
///
/// Of those that have ended too: a node lets idle threads go at any time, and a sum over those that live falls by what they ran.
pub(crate) fn processor_time(process: u32) -> anyhow::Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(process.try_into()?))?;
    Ok(clock.now()?.into())
}
