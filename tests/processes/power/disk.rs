//! The files as histories: every change, and when which of them were durable.
//!
//! What is modelled: a sync makes durable what had been done to that one file, or to the names of that one folder, when the sync
//! *began*, and from the time on at which it had *ended*. That is what POSIX promises; a journaling file system keeps names more
//! willingly ([`Names`]).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::trace::{Act, Call, Span};

/// What keeps the names of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Only the sync of their folder, as POSIX has it.
    OfSyncedFolders,
    /// Any sync, as of a journal that all share.
    Journaled,
}

/// A file, whatever its name.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) changes: Vec<(Span, Change)>,
    syncs: Vec<Span>,
}

#[derive(Debug)]
pub(crate) enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

/// The names in a folder.
#[derive(Debug, Default)]
pub(crate) struct Folder {
    pub(crate) changes: Vec<(Span, Rename)>,
    syncs: Vec<Span>,
}

/// What becomes of a name.
#[derive(Debug, Clone)]
pub(crate) enum Rename {
    Link(PathBuf, Node),
    Unlink(PathBuf),
    Move(PathBuf, PathBuf),
}

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    File(usize),
    Folder,
}

/// How many changes are certainly on the disk, and how many may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) certain: usize,
    pub(crate) possible: usize,
}

pub(crate) struct Disk {
    pub(crate) inodes: Vec<Inode>,
    pub(crate) folders: BTreeMap<PathBuf, Folder>,
    /// Of whatever it was.
    syncs: Vec<Span>,
    live: BTreeMap<PathBuf, usize>,
}

impl Disk {
    /// Folders that are there from the beginning, durably, and what was done below them. Syncs that `is_synced` denies are left
    /// out: so it would be without them.
    pub(crate) fn new(folders: &[PathBuf], calls: &[Call], is_synced: impl Fn(&Path, Span) -> bool) -> Disk {
        let folders = folders.iter().map(|folder| (folder.clone(), Folder::default())).collect();
        let mut disk = Disk { inodes: Vec::new(), folders, syncs: Vec::new(), live: BTreeMap::new() };
        for Call { span, act } in calls {
            match act {
                Act::Sync { path } if !is_synced(path, *span) => {}
                act => disk.note(*span, act),
            }
        }
        disk
    }

    fn note(&mut self, span: Span, act: &Act) {
        match act {
            Act::Open { file, truncates } => {
                let is_there = self.live.contains_key(file);
                if !is_there {
                    self.make(span, file);
                }
                if is_there && *truncates {
                    self.change(span, file, Change::Resize(0));
                }
            }
            Act::Write { file, at, bytes } => self.change(span, file, Change::Write { at: *at, bytes: bytes.clone() }),
            Act::Resize { file, length } => self.change(span, file, Change::Resize(*length)),
            Act::Sync { path } => self.sync(span, path),
            Act::Rename { from, to } => {
                let inode = self.live.remove(from).expect("what is renamed is known");
                self.live.insert(to.clone(), inode);
                assert_eq!(from.parent(), to.parent(), "a file that goes to another folder is not modelled");
                self.rename(span, from, Rename::Move(from.clone(), to.clone()));
            }
            Act::Unlink { file } => {
                self.live.remove(file);
                self.rename(span, file, Rename::Unlink(file.clone()));
            }
            Act::MakeFolder { folder } => {
                self.folders.entry(folder.clone()).or_default();
                self.rename(span, folder, Rename::Link(folder.clone(), Node::Folder));
            }
        }
    }

    fn make(&mut self, span: Span, file: &Path) {
        let inode = self.inodes.len();
        self.inodes.push(Inode { changes: Vec::new(), syncs: Vec::new() });
        self.live.insert(file.to_owned(), inode);
        self.rename(span, file, Rename::Link(file.to_owned(), Node::File(inode)));
    }

    fn change(&mut self, span: Span, file: &Path, change: Change) {
        let inode = self.live.get(file).unwrap_or_else(|| panic!("{} is written and was not made", file.display()));
        self.inodes[*inode].changes.push((span, change));
    }

    fn rename(&mut self, span: Span, name: &Path, rename: Rename) {
        let folder = name.parent().expect("a name lies in a folder");
        let folder = self.folders.get_mut(folder).unwrap_or_else(|| panic!("{} was not made", folder.display()));
        folder.changes.push((span, rename));
    }

    fn sync(&mut self, span: Span, path: &Path) {
        add_sync(&mut self.syncs, span);
        match (self.folders.get_mut(path), self.live.get(path)) {
            (Some(folder), _) => add_sync(&mut folder.syncs, span),
            (None, Some(inode)) => add_sync(&mut self.inodes[*inode].syncs, span),
            (None, None) => panic!("{} is synced and was not made", path.display()),
        }
    }

    /// What of a file's changes is there at some time.
    pub(crate) fn bytes_kept(&self, inode: usize, at: u64) -> Kept {
        kept(&self.inodes[inode].changes, &self.inodes[inode].syncs, at)
    }

    /// What of a folder's names is there at some time.
    pub(crate) fn names_kept(&self, folder: &Folder, names: Names, at: u64) -> Kept {
        let syncs = match names {
            Names::OfSyncedFolders => &folder.syncs,
            Names::Journaled => &self.syncs,
        };
        kept(&folder.changes, syncs, at)
    }

    /// When syncs had ended.
    pub(crate) fn syncs(&self) -> impl Iterator<Item = u64> {
        self.syncs.iter().map(|sync| sync.end)
    }

    /// When bytes or names had been changed.
    pub(crate) fn changes(&self) -> impl Iterator<Item = u64> {
        let of_files = self.inodes.iter().flat_map(|inode| inode.changes.iter().map(|(span, _)| span.end));
        of_files.chain(self.names_changed())
    }

    /// When names had been changed.
    pub(crate) fn names_changed(&self) -> impl Iterator<Item = u64> {
        self.folders.values().flat_map(|folder| folder.changes.iter().map(|(span, _)| span.end))
    }
}

/// The next sync that ended. What an earlier one covers it covers too.
fn add_sync(syncs: &mut Vec<Span>, Span { begin, end }: Span) {
    let covered = syncs.last().map_or(0, |last| last.begin);
    syncs.push(Span { begin: begin.max(covered), end });
}

fn kept<C>(changes: &[(Span, C)], syncs: &[Span], at: u64) -> Kept {
    let ended = syncs.partition_point(|sync| sync.end <= at);
    let covered = syncs[..ended].last().map_or(0, |sync| sync.begin);
    let certain = changes.partition_point(|(span, _)| span.end <= covered);
    let begun = changes[certain..].iter().take_while(|(span, _)| span.begin <= at).count();
    Kept { certain, possible: certain + begun }
}
