//! The folder as a power cut may leave it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    disk::{Disk, Folder, Names, Node, Rename},
    image::{Image, Images, Luck},
};
use crate::transactions::Chance;

/// The files that are found, by their names when they were recorded.
pub(crate) type Found = BTreeMap<PathBuf, Image>;

/// One outcome of a cut: chance decides what of that which was not synced is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// In nanoseconds since 1970.
    pub(crate) at: u64,
    /// 0: nothing that was not synced is there; 1: all of it; beyond: any part.
    pub(crate) outcome: u64,
    pub(crate) seed: u64,
}

impl Cut {
    fn luck(self, chance: &mut Chance) -> Luck {
        match self.outcome {
            0 => Luck::None,
            1 => Luck::All,
            _ => Luck::by(chance),
        }
    }

    pub(crate) fn files(self, disk: &Disk, roots: &[PathBuf], images: &mut Images) -> Found {
        // One seed for each outcome of each cut, whatever was asked for before.
        let mut chance = Chance((self.seed ^ self.at.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.outcome << 1) | 1);
        let names = if self.outcome > 1 && chance.below(2) == 0 { Names::Journaled } else { Names::OfSyncedFolders };
        let mut found = Found::new();
        let mut open: Vec<PathBuf> = roots.to_vec();
        while let Some(path) = open.pop() {
            for (name, node) in self.names(disk, &disk.folders[&path], names, &mut chance) {
                match node {
                    Node::Folder => open.push(name),
                    Node::File(number) => {
                        let (inode, kept) = (&disk.inodes[number], disk.bytes_kept(number, self.at));
                        let luck = self.luck(&mut chance);
                        found.insert(name, images.of(number, inode, kept, luck, &mut chance));
                    }
                }
            }
        }
        found
    }

    /// The names in a folder: with the first changes, some or all. What came later is not there without what came before.
    fn names(self, disk: &Disk, folder: &Folder, names: Names, chance: &mut Chance) -> BTreeMap<PathBuf, Node> {
        let kept = disk.names_kept(folder, names, self.at);
        let count = match self.luck(chance) {
            Luck::None => kept.certain,
            Luck::All => kept.possible,
            Luck::Some { .. } => kept.certain + chance.below((kept.possible - kept.certain) as u64 + 1) as usize,
        };
        let mut there = BTreeMap::new();
        for (_, change) in &folder.changes[..count] {
            match change.clone() {
                Rename::Link(name, node) => drop(there.insert(name, node)),
                Rename::Unlink(name) => drop(there.remove(&name)),
                Rename::Move(from, to) => {
                    let node = there.remove(&from).expect("what is renamed is there");
                    there.insert(to, node);
                }
            }
        }
        there
    }
}

/// Writes files below another folder than the one where they were recorded.
pub(crate) fn write(found: &Found, recorded: &Path, folder: &Path) {
    for (name, image) in found {
        let file = folder.join(name.strip_prefix(recorded).expect("it was recorded below the root"));
        fs::create_dir_all(file.parent().expect("a file lies in a folder")).expect("a folder");
        fs::write(&file, &*image.bytes).expect("a file");
    }
}
