//! What moves when one placement follows another.

use std::collections::BTreeSet;

use crate::placement::Placement;
use crate::ring::{Ring, part};

/// A part of the ring that changes hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeMove {
    /// First hash of the range.
    pub start: u64,
    /// Last hash of the range, which belongs to it.
    pub end: u64,
    /// The owner before; none when the ring had no members.
    pub from: Option<u64>,
    /// The owner after; none when the ring has no members any more.
    pub to: Option<u64>,
}

/// A key with a pin, before or after, that changes hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinMove {
    /// The key's canonical bytes.
    pub key: Vec<u8>,
    /// Where it lived, by pin or by ring.
    pub from: Option<u64>,
    /// Where it lives next, by pin or by ring.
    pub to: Option<u64>,
}

/// All that moves between two placements. A key with a pin in either of them is named in `pins` if it moves;
/// the ranges hold for all other keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MovePlan {
    /// Ascending, disjoint, and as few as possible.
    pub ranges: Vec<RangeMove>,
    /// Ascending by key.
    pub pins: Vec<PinMove>,
}

impl MovePlan {
    /// What moves when `next` follows `current`.
    pub fn between(current: &Placement, next: &Placement) -> MovePlan {
        MovePlan { ranges: range_moves(&current.ring, &next.ring), pins: pin_moves(current, next) }
    }

    /// True when nothing moves.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.pins.is_empty()
    }

    /// The part of the ring that moves, from 0 to 1: about that part of the keys without a pin does.
    pub fn ring_share(&self) -> f64 {
        self.ranges.iter().map(|range| part(range.start, range.end)).sum()
    }
}

/// Walks both rings' arcs side by side: each step ends where the nearer arc ends.
fn range_moves(current: &Ring, next: &Ring) -> Vec<RangeMove> {
    let mut moves = Vec::new();
    let (mut before, mut after) = (current.arcs().peekable(), next.arcs().peekable());
    let mut start = 0;
    while let (Some(&(before_end, from)), Some(&(after_end, to))) = (before.peek(), after.peek()) {
        let end = before_end.min(after_end);
        push(&mut moves, RangeMove { start, end, from, to });
        before.next_if(|_| before_end == end);
        after.next_if(|_| after_end == end);
        // Wraps only behind the last arcs, where the walk ends.
        start = end.wrapping_add(1);
    }
    moves
}

/// Adds a range if it moves, to the last one if it continues that.
fn push(moves: &mut Vec<RangeMove>, range: RangeMove) {
    if range.from == range.to {
        return;
    }
    match moves.last_mut() {
        Some(last)
            if last.end.checked_add(1) == Some(range.start) && (last.from, last.to) == (range.from, range.to) =>
        {
            last.end = range.end;
        }
        _ => moves.push(range),
    }
}

fn pin_moves(current: &Placement, next: &Placement) -> Vec<PinMove> {
    let pinned: BTreeSet<&Vec<u8>> = current.pins.keys().chain(next.pins.keys()).collect();
    let moves =
        pinned.into_iter().map(|key| PinMove { key: key.clone(), from: current.owner_of(key), to: next.owner_of(key) });
    moves.filter(|pin| pin.from != pin.to).collect()
}
