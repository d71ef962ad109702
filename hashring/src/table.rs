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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(points: &[(u64, u32)], hash: u64, member: Option<usize>) {
        assert_eq!(Table::new(points.iter().copied()).find(hash), member, "{hash:#x} in {points:x?}");
    }

    #[test]
    fn the_lower_member_counts_where_two_points_share_a_place() {
        for points in [[(0x50_0000, 2), (0x5f_ffff, 1)], [(0x5f_ffff, 1), (0x50_0000, 2)]] {
            check(&points, 0x50_0000, Some(1));
            check(&points, 0x5f_ffff, Some(1));
        }
    }

    #[test]
    fn a_place_behind_the_last_point_is_the_first_points() {
        let points = [(0x50_0000, 1), (0x90_0000, 2)];
        check(&points, 0x5f_ffff, Some(1));
        check(&points, 0x60_0000, Some(2));
        check(&points, 0xa0_0000, Some(1));
        check(&points, u64::MAX, Some(1));
    }

    #[test]
    fn a_point_at_the_last_place_ends_the_ring() {
        let points = [(0, 1), (u64::MAX, 2)];
        check(&points, 0, Some(1));
        check(&points, 1 << 20, Some(2));
        check(&points, u64::MAX, Some(2));
        assert_eq!(Table::new(points.into_iter()).arcs().collect::<Vec<_>>(), [(0xf_ffff, 1), (u64::MAX, 2)]);
    }

    #[test]
    fn points_that_crowd_one_end_are_found() {
        let points: Vec<(u64, u32)> = (0..1_000).map(|number| (u64::MAX - (u64::from(number) << 20), number)).collect();
        for &(hash, number) in &points {
            check(&points, hash, Some(number as usize));
        }
        check(&points, 0, Some(999));
    }

    #[test]
    fn without_points_nothing_is_found() {
        check(&[], 0, None);
        check(&[], u64::MAX, None);
    }
}
