//! When the power is cut.

use std::collections::BTreeSet;

use super::{
    disk::Disk,
    record::{Recording, Sent},
};
use crate::transactions::Chance;

/// Cuts after some change during each statement, besides those after syncs and acknowledgements.
const BETWEEN: usize = 2;

/// In the order of time.
pub(super) struct Moments {
    /// While the tables are made.
    pub(super) before: Vec<u64>,
    /// Then.
    pub(super) all: Vec<u64>,
    /// Of these, while statements run for which files are made or removed.
    pub(super) names: Vec<u64>,
}

impl Moments {
    /// After each sync and each acknowledgement, and after some changes.
    pub(super) fn new(recording: &Recording, disk: &Disk, seed: u64) -> Moments {
        let mut chance = Chance(seed | 1);
        let made = recording.made.iter().map(|made| made.acknowledged);
        let sent = recording.sent.iter().map(|sent| sent.acknowledged);
        let mut moments: BTreeSet<u64> = disk.syncs().chain(made).chain(sent).collect();
        for sent in &recording.sent {
            let changes: Vec<u64> = disk.changes().filter(|at| is_during(sent, *at)).collect();
            moments.extend((0..BETWEEN).map(|_| changes[chance.below(changes.len() as u64) as usize]));
        }
        moments.extend(disk.names_changed().filter(|at| *at < recording.from));
        // A node that was cut off while it made its own file says so and wants an empty folder.
        moments.retain(|at| *at >= recording.ready);
        let (before, all): (Vec<u64>, Vec<u64>) = moments.into_iter().partition(|at| *at < recording.from);
        let makes = |sent: &&Sent| disk.names_changed().any(|at| is_during(sent, at));
        let makers: Vec<&Sent> = recording.sent.iter().filter(makes).collect();
        let names = all.iter().copied().filter(|at| makers.iter().any(|sent| is_during(sent, *at))).collect();
        Moments { before, all, names }
    }
}

fn is_during(sent: &Sent, at: u64) -> bool {
    (sent.sent..=sent.acknowledged).contains(&at)
}
