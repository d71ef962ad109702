//! The bytes of a file of which not all changes reached the disk.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use super::disk::{Change, Inode, Kept};
use crate::transactions::Chance;

/// The bytes of a file, and a digest of them.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) digest: u64,
}

/// Which of a file's changes that need not be on the disk are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Luck {
    None,
    All,
    Some {
        /// What a disk writes whole: bytes of a sector or of a page. Each such block has any of the contents that it had since the sync.
        block: usize,
        /// In so many of a hundred blocks the last one.
        newest: u64,
        /// What of a longer file was not written holds what the disk held there before, not zeros.
        junk: bool,
    },
}

impl Luck {
    /// Any.
    pub(crate) fn by(chance: &mut Chance) -> Luck {
        match chance.below(6) {
            0 => Luck::None,
            1 => Luck::All,
            _ => Luck::Some {
                block: [512, 4096][chance.below(2) as usize],
                newest: [0, 50, 90, 98][chance.below(4) as usize],
                junk: chance.below(3) == 0,
            },
        }
    }
}

/// Images that are asked for again and again.
#[derive(Default)]
pub(crate) struct Images {
    /// The last few of each file, with the number of changes that they have.
    kept: HashMap<usize, Vec<(usize, Image)>>,
}

const KEPT: usize = 2;

impl Images {
    /// A file as it may be.
    pub(crate) fn of(&mut self, number: usize, inode: &Inode, kept: Kept, luck: Luck, chance: &mut Chance) -> Image {
        match luck {
            Luck::None => self.after(number, inode, kept.certain),
            Luck::All => self.after(number, inode, kept.possible),
            Luck::Some { .. } if kept.certain == kept.possible => self.after(number, inode, kept.certain),
            Luck::Some { block, newest, junk } => {
                let base = self.after(number, inode, kept.certain);
                let pending: Vec<&Change> =
                    inode.changes[kept.certain..kept.possible].iter().map(|(_, change)| change).collect();
                Image::new(mixed(&base.bytes, &pending, block, newest, junk, chance))
            }
        }
    }

    /// A file with its first changes.
    pub(crate) fn after(&mut self, number: usize, inode: &Inode, count: usize) -> Image {
        let kept = self.kept.entry(number).or_default();
        if let Some((_, image)) = kept.iter().find(|(of, _)| *of == count) {
            return image.clone();
        }
        // Goes on from an earlier one when there is one.
        let (done, base) = kept
            .iter()
            .filter(|(of, _)| *of < count)
            .max_by_key(|(of, _)| *of)
            .map_or((0, Vec::new()), |(of, image)| (*of, (*image.bytes).clone()));
        let mut bytes = base;
        inode.changes[done..count].iter().for_each(|(_, change)| apply(&mut bytes, change));
        let image = Image::new(bytes);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((count, image.clone()));
        image
    }
}

impl Image {
    fn new(bytes: Vec<u8>) -> Image {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Image { bytes: Arc::new(bytes), digest: hasher.finish() }
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes: written } => {
            let end = at + written.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*at..end].copy_from_slice(written);
        }
        Change::Resize(length) => bytes.resize(*length, 0),
    }
}

/// The file with some of its pending changes: for each block those up to one of them, and one of the lengths that it had.
fn mixed(base: &[u8], pending: &[&Change], block: usize, newest: u64, junk: bool, chance: &mut Chance) -> Vec<u8> {
    let mut lengths = vec![base.len()];
    let mut touched: HashMap<usize, u64> = HashMap::new();
    for change in pending {
        let before = lengths[lengths.len() - 1];
        let (from, to) = reach(change, before);
        lengths.push(if let Change::Resize(length) = change { *length } else { before.max(to) });
        blocks(from, to, block).for_each(|number| *touched.entry(number).or_default() += 1);
    }
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let mut numbers: Vec<usize> = touched.keys().copied().collect();
    // In order, so that the seed repeats it.
    numbers.sort_unstable();
    for number in numbers {
        let times = touched.get_mut(&number).expect("it is touched");
        *times = if chance.below(100) < newest { *times } else { chance.below(*times + 1) };
    }
    let mut bytes = base.to_vec();
    let fresh = |place: usize| if junk { (place.wrapping_mul(0x9e37_79b9) >> 11) as u8 } else { 0 };
    bytes.extend((base.len()..longest).map(fresh));
    for (change, before) in pending.iter().zip(&lengths) {
        let (from, to) = reach(change, *before);
        for number in blocks(from, to, block) {
            let left = touched.get_mut(&number).expect("it is touched");
            if *left > 0 {
                *left -= 1;
                write_part(&mut bytes, change, from.max(number * block), to.min((number + 1) * block));
            }
        }
    }
    let last = lengths[lengths.len() - 1];
    bytes.truncate(if chance.below(2) == 0 { last } else { lengths[chance.below(lengths.len() as u64) as usize] });
    bytes
}

/// The bytes that a change writes, or sets to nothing.
fn reach(change: &Change, length: usize) -> (usize, usize) {
    match change {
        Change::Write { at, bytes } => (*at, at + bytes.len()),
        Change::Resize(shorter) => (*shorter.min(&length), length),
    }
}

fn blocks(from: usize, to: usize, block: usize) -> std::ops::Range<usize> {
    from / block..to.div_ceil(block)
}

fn write_part(bytes: &mut [u8], change: &Change, from: usize, to: usize) {
    match change {
        Change::Write { at, bytes: written } => bytes[from..to].copy_from_slice(&written[from - at..to - at]),
        Change::Resize(_) => bytes[from..to].fill(0),
    }
}
