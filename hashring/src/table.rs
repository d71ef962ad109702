//! The table of points: finds the first point at or after a hash in one step or a few, all in one cache line mostly.
//!
//! A sorted array in which each point stands about where its place on the ring says, as in hashing with linear
//! probing that keeps its order (Amble and Knuth, "Ordered hash tables", 1974). A cell that no point needs repeats the point after it.

/// Low bits of a cell, which hold the member; the high ones hold the place.
const MEMBER_BITS: u32 = 20;
const MEMBER_MASK: u64 = (1 << MEMBER_BITS) - 1;

/// Points with their members.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    /// A place and the member of a point there, ascending. The last cell is at the highest place, so every place has one at or after it.
    cells: Box<[u64]>,
    /// Over how many cells the places spread; points that are pushed on may lie beyond.
    width: usize,
}

impl Table {
    pub(crate) const MEMBERS_MAX: usize = 1 << MEMBER_BITS;

    /// A table of hashes and their members. Of two points in one place the lower member's counts.
    pub(crate) fn new(points: impl Iterator<Item = (u64, u32)>) -> Table {
        let mut sorted: Vec<u64> = points.map(|(hash, member)| place(hash) | u64::from(member)).collect();
        sorted.sort_unstable();
        sorted.dedup_by_key(|cell| place(*cell));
        close(&mut sorted);
        let width = sorted.len() * 3 / 2;
        Table { cells: spread(&sorted, width), width }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The member of the first point at or after this hash's place.
    pub(crate) fn find(&self, hash: u64) -> Option<usize> {
        let place = place(hash);
        let begin = position(place, self.width);
        // A member's bits only add to its place, so a cell at the same place is no lower.
        self.cells.get(begin..)?.iter().find(|cell| **cell >= place).map(|cell| member(*cell))
    }

    /// The last hash of each point's arc, and its member.
    pub(crate) fn arcs(&self) -> impl Iterator<Item = (u64, usize)> {
        let points = self.cells.chunk_by(|cell, next| cell == next).map(|same| same[0]);
        points.map(|cell| (cell | MEMBER_MASK, member(cell)))
    }
}

/// The place of a hash: the bits above a member's.
fn place(hash: u64) -> u64 {
    hash & !MEMBER_MASK
}

fn member(cell: u64) -> usize {
    (cell & MEMBER_MASK) as usize
}

/// Where a place's cell would be if the points were perfectly even; never falls as places rise.
fn position(place: u64, width: usize) -> usize {
    ((u128::from(place) * width as u128) >> u64::BITS) as usize
}

/// Ends the arc that wraps around at the end of the ring, so that no lookup has to.
fn close(sorted: &mut Vec<u64>) {
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return };
    if place(*last) != place(u64::MAX) {
        sorted.push(place(u64::MAX) | member(*first) as u64);
    }
}

/// Puts each point at its position or, where that is taken, behind the point before it.
fn spread(sorted: &[u64], width: usize) -> Box<[u64]> {
    let mut cells = Vec::with_capacity(width);
    for cell in sorted {
        let position = position(place(*cell), width);
        cells.resize(cells.len().max(position) + 1, *cell);
    }
    cells.into()
}
