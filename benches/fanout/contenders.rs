//! Who answers.

use std::{path::Path, sync::Arc, thread};

use anyhow::Context as _;
use tokio::runtime::Runtime;

use crate::{
    data::Data, naive::Naive, one::OneSqlite, peers::Peer, process::Cluster, shards::Shards, souk::Souk, walk::Walk,
};

/// souk and what it is measured beside.
pub(crate) struct Contenders<'a> {
    pub(crate) souk: Souk<'a>,
    /// One call a shard; it may be left out.
    pub(crate) naive: Option<Naive<'a>>,
    /// As many threads as there are processors.
    pub(crate) floor: Walk,
    /// One thread.
    pub(crate) walk: Walk,
    pub(crate) one: OneSqlite,
    /// Other systems; none but those that were asked for.
    pub(crate) peers: Vec<Peer>,
}

impl<'a> Contenders<'a> {
    /// Connects to the cluster and opens the files.
    pub(crate) fn open(runtime: &'a Runtime, cluster: &Cluster, data: &Data) -> anyhow::Result<Contenders<'a>> {
        let souk = Souk::at(runtime, cluster.address())?;
        let table_of_all_vendors = data.source().table_of_all_vendors();
        let naive = Some(Naive { runtime, nodes: cluster.node_addresses(), table_of_all_vendors });
        let shards = Arc::new(Shards::open(&data.shard_copies()?, table_of_all_vendors)?);
        let floor = Walk::over(&shards, thread::available_parallelism()?.get());
        let (walk, one) = (Walk::over(&shards, 1), open(&data.one_sqlite())?);
        Ok(Contenders { souk, naive, floor, walk, one, peers: Vec::new() })
    }
}

fn open(file: &Path) -> anyhow::Result<OneSqlite> {
    OneSqlite::open(file).with_context(|| format!("cannot open `{}`", file.display()))
}
