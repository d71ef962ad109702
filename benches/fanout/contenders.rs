//! Who answers.

use std::{path::Path, sync::Arc, thread};

use anyhow::Context as _;

use crate::{data::Data, one::OneSqlite, shards::Shards, souk::Souk, walk::Walk};

/// souk and what it is measured beside.
pub(crate) struct Contenders<'a> {
    pub(crate) souk: Souk<'a>,
    /// As many threads as there are processors.
    pub(crate) floor: Walk,
    /// One thread.
    pub(crate) walk: Walk,
    pub(crate) one: OneSqlite,
}

impl<'a> Contenders<'a> {
    /// Opens the files.
    pub(crate) fn open(souk: Souk<'a>, data: &Data) -> anyhow::Result<Contenders<'a>> {
        let shards = Arc::new(Shards::open(&data.shard_copies()?)?);
        let floor = Walk::over(&shards, thread::available_parallelism()?.get());
        Ok(Contenders { souk, floor, walk: Walk::over(&shards, 1), one: open(&data.one_sqlite())? })
    }
}

fn open(file: &Path) -> anyhow::Result<OneSqlite> {
    OneSqlite::open(file).with_context(|| format!("cannot open `{}`", file.display()))
}
