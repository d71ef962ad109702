//! SQLite reads the files of every outcome of every cut.

use std::time::Instant;

use super::{
    cut::{Cut, Found},
    disk::Disk,
    fail,
    files::Files,
    image::Images,
    outcomes,
    record::Recording,
    say, short,
    workload::shown,
};

/// Reads the files of every outcome; gives the cuts at which some shard waits for a word.
pub(super) fn read_all(recording: &Recording, disk: &Disk, moments: &[u64], seed: u64) -> Vec<Cut> {
    let began = Instant::now();
    let (mut images, mut files, mut open) = (Images::default(), Files::new(), Vec::new());
    for at in moments {
        for outcome in 0..outcomes() {
            let cut = Cut { at: *at, outcome, seed };
            let found = cut.files(disk, &recording.folders(), &mut images);
            match read_one(recording, &mut files, &found, *at) {
                Ok(true) => open.push(cut),
                Ok(false) => {}
                Err(wrong) => fail(recording, &found, cut, &wrong),
            }
        }
    }
    let (cuts, outcomes, read) = (moments.len(), moments.len() as u64 * outcomes(), files.read_count());
    say(&format!("{cuts} cuts, {outcomes} outcomes, {read} different files, read in {:.1?}", began.elapsed()));
    open
}

/// Every file is sound, and what one shard did by itself and was acknowledged is there. Whether some shard waits for a word.
pub(super) fn read_one(recording: &Recording, files: &mut Files, found: &Found, at: u64) -> Result<bool, String> {
    let (mut rows, mut waits) = (Vec::new(), false);
    for (name, facts) in files.facts(found) {
        let facts = facts.map_err(|broken| format!("{}: {broken}", short(recording, &name)))?;
        waits |= facts.intents > 0;
        rows.extend_from_slice(&facts.rows);
    }
    let shown = shown(recording.sent.iter().map(|sent| &sent.statement), &rows)?;
    for sent in &recording.sent {
        let is_there = shown.contains_key(&sent.statement.number);
        if sent.acknowledged <= at && sent.statement.mark.is_of_one_shard() && !is_there {
            return Err(format!("`{}` was acknowledged, and is not there", sent.statement.sql));
        }
        if sent.sent > at && is_there {
            return Err(format!("`{}` is there, and was not sent", sent.statement.sql));
        }
    }
    Ok(waits)
}
