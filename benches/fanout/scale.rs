//! How times grow with shards, and with nodes: the same queries over clusters of other sizes.

use crate::{
    contenders::Contenders,
    data::Data,
    process::Cluster,
    queries::{ALL, Query, Serial},
    rounds::{Figures, Rounds},
    settings::Settings,
};

/// Shards of a cluster, at as many nodes as were asked for.
const SHARDS: [u32; 4] = [10, 100, 1000, 10_000];

/// Nodes of a cluster, with as many shards as were asked for.
const NODES: [u32; 4] = [1, 2, 4, 8];

/// One of each kind of merge; those that take long at many shards are left out.
const QUERIES: [&str; 6] = ["Q1", "Q2", "Q3", "Q4", "Q6", "Q8"];

/// Runs for each hundred of the main measurement.
const RUNS_PERCENT: u32 = 50;

/// What clusters of several sizes took.
#[derive(Default)]
pub(crate) struct Scale {
    pub(crate) by_shards: Vec<Point>,
    pub(crate) by_nodes: Vec<Point>,
}

/// What a cluster of this size took.
pub(crate) struct Point {
    pub(crate) shards: u32,
    pub(crate) nodes: u32,
    pub(crate) figures: Vec<Figures>,
}

/// Measures clusters of every size.
pub(crate) fn measure(settings: &Settings) -> anyhow::Result<Scale> {
    let by_shards = SHARDS.iter().map(|shards| point(settings, *shards, settings.nodes)).collect::<Result<_, _>>()?;
    let by_nodes = NODES.iter().map(|nodes| point(settings, settings.shards, *nodes)).collect::<Result<_, _>>()?;
    Ok(Scale { by_shards, by_nodes })
}

fn point(settings: &Settings, shards: u32, nodes: u32) -> anyhow::Result<Point> {
    let data = Data::take(shards, nodes, settings.rows)?;
    let cluster = Cluster::start(data.folder(), nodes)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A call a shard takes long at many shards, and nothing is told of it here.
    let contenders = Contenders { naive: None, ..Contenders::open(&runtime, &cluster, &data)? };
    let runs = (settings.runs * RUNS_PERCENT).div_ceil(100);
    let serial = Serial::default();
    let rounds = Rounds { cluster: &cluster, contenders: &contenders, size: data.size(), runs, serial: &serial };
    let wanted = |query: &&'static Query| QUERIES.iter().any(|name| query.is(name));
    let mut figures: Vec<Figures> = ALL.iter().filter(wanted).map(Figures::new).collect();
    rounds.measure(&mut figures)?;
    eprintln!("{shards} shards at {nodes} nodes: done");
    Ok(Point { shards, nodes, figures })
}
