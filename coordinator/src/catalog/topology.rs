//! Where keys and shards are: key -> shard by pin or ring, shard -> node by record.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use souk_hashring::{Key, Member, Placement, Ring};
use souk_merge::{Value, ValueRef};

/// One immutable state of the topology.
#[derive(Debug, Clone)]
pub(crate) struct Topology {
    /// Grows with every change.
    pub(crate) epoch: u64,
    placement: Placement,
    nodes: BTreeMap<u64, String>,
    /// How many keys are pinned to a shard.
    pinned: HashMap<u64, usize>,
    ring_members: Vec<u64>,
    /// All shards, and all by node: what most statements ask for.
    shards: Arc<[u64]>,
    all: Vec<Target>,
}

impl Topology {
    /// From its records: pins by canonical key, shards on the ring, and the node of every shard.
    pub(crate) fn new(
        epoch: u64,
        pins: BTreeMap<Vec<u8>, u64>,
        ring_members: Vec<u64>,
        nodes: BTreeMap<u64, String>,
    ) -> Result<Topology, souk_hashring::RingError> {
        let members: Vec<Member> = ring_members.iter().map(|&shard| Member { shard, weight: 1 }).collect();
        let ring = Ring::new(&members, Ring::POINTS_DEFAULT)?;
        let mut pinned = HashMap::new();
        pins.values().for_each(|shard| *pinned.entry(*shard).or_default() += 1);
        let all = by_node(nodes.iter().map(|(&shard, node)| (shard, node.as_str())));
        let shards = nodes.keys().copied().collect();
        Ok(Topology { epoch, placement: Placement { pins, ring }, nodes, pinned, ring_members, shards, all })
    }

    /// The shard that a key lives on; none for one that lives nowhere.
    pub(crate) fn owner(&self, key: &Value) -> Option<u64> {
        self.placement.owner(&ring_key(key.as_ref()))
    }

    /// As [`Topology::owner`], of canonical bytes.
    pub(crate) fn owner_of_bytes(&self, canonical: &[u8]) -> Option<u64> {
        self.placement.pins.get(canonical).copied().or_else(|| self.placement.ring.owner(canonical))
    }

    /// Whether a shard is one key's alone.
    pub(crate) fn is_own(&self, shard: u64) -> bool {
        self.pinned.get(&shard) == Some(&1) && !self.ring_members.contains(&shard)
    }

    /// All shards, sorted.
    pub(crate) fn shards(&self) -> Arc<[u64]> {
        Arc::clone(&self.shards)
    }

    pub(crate) fn shard_count(&self) -> usize {
        self.nodes.len()
    }

    /// A shard for what every shard has.
    pub(crate) fn any_shard(&self) -> Option<u64> {
        self.nodes.keys().next().copied()
    }

    pub(crate) fn node_of(&self, shard: u64) -> Option<&str> {
        self.nodes.get(&shard).map(String::as_str)
    }

    /// How many shards each node serves.
    pub(crate) fn shards_by_node(&self) -> HashMap<&str, u32> {
        let mut counts = HashMap::new();
        self.nodes.values().for_each(|node| *counts.entry(node.as_str()).or_default() += 1);
        counts
    }

    /// All shards by node, both in order.
    pub(crate) fn all(&self) -> &[Target] {
        &self.all
    }

    /// These shards by node, both in order; the first shard without a node when there is one.
    pub(crate) fn targets(&self, shards: &[u64]) -> Result<Vec<Target>, u64> {
        let placed = shards.iter().map(|&shard| Ok((shard, self.node_of(shard).ok_or(shard)?)));
        Ok(by_node(placed.collect::<Result<Vec<_>, u64>>()?.into_iter()))
    }
}

fn by_node<'a>(placed: impl Iterator<Item = (u64, &'a str)>) -> Vec<Target> {
    let mut by_node: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    placed.for_each(|(shard, node)| by_node.entry(node).or_default().push(shard));
    by_node.into_iter().map(|(node, shards)| Target { node: node.to_owned(), shards: shards.into() }).collect()
}

/// Shards of one node, in the order in which their rows come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) node: String,
    pub(crate) shards: Arc<[u64]>,
}

/// A value as the ring's key.
pub(crate) fn ring_key(value: ValueRef<'_>) -> Key<'_> {
    match value {
        ValueRef::Null => Key::Null,
        ValueRef::Integer(integer) => Key::Integer(integer),
        ValueRef::Real(real) => Key::Real(real),
        ValueRef::Text(bytes) => Key::Text(bytes),
        ValueRef::Blob(bytes) => Key::Blob(bytes),
    }
}
