//! The ring: members' points, and whose each part of the ring is.

use std::collections::BTreeMap;

use crate::hash::{key_hash, point_hash};
use crate::table::Table;

/// A shard on the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The shard.
    pub shard: u64,
    /// Its share of the keys, relative to the others'; 1 is usual. With 0 it owns nothing.
    pub weight: u32,
}

/// Members or settings that make no ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// A shard is listed twice.
    #[error("shard `{shard}` is on the ring twice: list it once, with the sum of its weights")]
    DuplicateShard {
        /// The shard.
        shard: u64,
    },
    /// There are more members than [`Ring::MEMBERS_MAX`].
    #[error("the ring has `{members}` members, over the limit of `{}`: put fewer shards on it", Ring::MEMBERS_MAX)]
    TooManyMembers {
        /// Members of the ring.
        members: usize,
    },
    /// There are members, but none of them would get a point.
    #[error("`0` points a shard leave the ring's members nothing to own: use `{}`", Ring::POINTS_DEFAULT)]
    NoPoints,
    /// The points of all members together pass [`Ring::POINTS_MAX`].
    #[error(
        "the ring would have `{points}` points, over the limit of `{}`: lower the weights or the points a shard",
        Ring::POINTS_MAX
    )]
    TooManyPoints {
        /// Points of all members together.
        points: u128,
    },
}

/// The ring. Immutable: a change makes a new one. The default is a ring without members.
///
/// It takes 12 bytes a point: 1,000 shards of weight 1 take 1.8 MB with [`Ring::POINTS_DEFAULT`].
#[derive(Debug, Clone, Default)]
pub struct Ring {
    /// The members' shards, ascending.
    shards: Box<[u64]>,
    /// The points, each with its shard's position in `shards`.
    table: Table,
}

impl Ring {
    /// Points a shard of weight 1 has by default. The fullest of 100 shards then holds about 1.2 times the mean.
    pub const POINTS_DEFAULT: u32 = 150;
    /// Points a shard of weight 1 has for an even spread: the fullest of 100 shards holds at most 1.05 times the mean.
    pub const POINTS_EVEN: u32 = 8_192;
    /// Points of all members together that a ring may have, 800 MB of them.
    pub const POINTS_MAX: u32 = 1 << 26;
    /// Members that a ring may have.
    pub const MEMBERS_MAX: usize = Table::MEMBERS_MAX;
    /// The version of hash, byte encoding and ring together, as stored in the topology.
    pub const VERSION: u32 = 1;

    /// A ring of these members, in any order, with `points` points a unit of weight; no members give a ring that owns nothing.
    ///
    /// # Errors
    /// [`RingError`] when a shard is listed twice, when members would get no points, and when there are too many of either.
    pub fn new(members: &[Member], points: u32) -> Result<Ring, RingError> {
        let mut members = members.to_vec();
        members.sort_unstable_by_key(|member| member.shard);
        check(&members, points)?;
        let hashes = (0u32..)
            .zip(&members)
            .flat_map(|(number, member)| point_hashes(*member, points).map(move |hash| (hash, number)));
        let table = Table::new(hashes);
        Ok(Ring { shards: members.into_iter().map(|member| member.shard).collect(), table })
    }

    /// The shard that owns these canonical bytes.
    pub fn owner(&self, canonical: &[u8]) -> Option<u64> {
        self.owner_at(key_hash(canonical))
    }

    /// The shard that owns this place on the ring.
    pub fn owner_at(&self, hash: u64) -> Option<u64> {
        self.table.find(hash).map(|member| self.shards[member])
    }

    /// Each shard that owns something, with its exact part of the ring; the parts add up to 1.
    pub fn shares(&self) -> BTreeMap<u64, f64> {
        let mut shares = BTreeMap::new();
        let mut start = 0;
        for (end, owner) in self.arcs() {
            if let Some(shard) = owner {
                *shares.entry(shard).or_default() += part(start, end);
            }
            start = end.wrapping_add(1);
        }
        shares
    }

    /// The ring cut into arcs, from 0 to `u64::MAX`: the last hash of each, and its owner.
    pub(crate) fn arcs(&self) -> impl Iterator<Item = (u64, Option<u64>)> {
        let unowned = self.table.is_empty().then_some((u64::MAX, None));
        self.table.arcs().map(|(end, member)| (end, Some(self.shards[member]))).chain(unowned)
    }
}

/// The part of the ring from `start` to `end`, both included.
pub(crate) fn part(start: u64, end: u64) -> f64 {
    ((end - start) as f64 + 1.0) / 2f64.powi(64)
}

/// Checks members that are sorted by shard.
fn check(members: &[Member], points: u32) -> Result<(), RingError> {
    if let Some(pair) = members.windows(2).find(|pair| pair[0].shard == pair[1].shard) {
        return Err(RingError::DuplicateShard { shard: pair[0].shard });
    }
    if members.len() > Ring::MEMBERS_MAX {
        return Err(RingError::TooManyMembers { members: members.len() });
    }
    if points == 0 && !members.is_empty() {
        return Err(RingError::NoPoints);
    }
    let total = members.iter().map(|member| u128::from(member.weight) * u128::from(points)).sum();
    if total > u128::from(Ring::POINTS_MAX) {
        return Err(RingError::TooManyPoints { points: total });
    }
    Ok(())
}

fn point_hashes(member: Member, points: u32) -> impl Iterator<Item = u64> {
    (0..member.weight * points).map(move |number| point_hash(member.shard, number))
}
