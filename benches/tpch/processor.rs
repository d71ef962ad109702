//! Time that the threads of this process have run on a processor, as Linux counts it.

use std::{collections::HashMap, ffi::OsString, fs, time::Duration};

use anyhow::Context as _;

/// The time of every living thread.
///
/// By thread, as a pool lets idle threads end at any time: of these nothing may be taken away later.
pub(crate) struct Processor(HashMap<OsString, u64>);

impl Processor {
    pub(crate) fn now() -> anyhow::Result<Processor> {
        let mut threads = HashMap::new();
        for task in fs::read_dir("/proc/self/task")? {
            let task = task?;
            // A thread may end between the two.
            let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            let nanoseconds = text.split(' ').next().context("schedstat is empty")?.parse()?;
            threads.insert(task.file_name(), nanoseconds);
        }
        Ok(Processor(threads))
    }

    /// What all threads ran since then.
    pub(crate) fn since(&self, before: &Processor) -> Duration {
        let ran = |(thread, now): (&OsString, &u64)| now.saturating_sub(before.0.get(thread).copied().unwrap_or(0));
        Duration::from_nanos(self.0.iter().map(ran).sum())
    }
}
