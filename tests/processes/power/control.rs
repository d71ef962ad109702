//! The same without some syncs, as with `synchronous = OFF`: checks that do not notice that are worth nothing.

use std::{path::Path, sync::Arc};

use super::{
    cut::Cut,
    disk::Disk,
    files::Files,
    image::Images,
    moments::Moments,
    reading::read_one,
    record::{Recording, node_folder},
    recoveries::first_wrong,
    say,
};

/// Were the logs of shards not synced, acknowledged rows would be lost: reading of files sees it.
pub(super) fn without_syncs_of_shards(recording: &Recording, moments: &Moments, seed: u64) {
    let is_log = |path: &Path| is_named(path, ".db-wal") && path.starts_with(node_folder(&recording.root));
    let disk =
        Disk::new(&recording.folders(), &recording.calls, |path, span| span.end < recording.from || !is_log(path));
    let (mut images, mut files) = (Images::default(), Files::new());
    let wrong = moments.all.iter().find_map(|at| {
        let found = Cut { at: *at, outcome: 0, seed }.files(&disk, &recording.folders(), &mut images);
        read_one(recording, &mut files, &found, *at).err()
    });
    let wrong = wrong.expect("a cut loses what shards do not sync");
    say(&format!("without syncs of shards: {wrong}"));
}

/// Were the ledger not synced, a transaction would be half done: recovery sees it, where one shard has done its part and another waits.
pub(super) async fn without_syncs_of_the_ledger(recording: &Arc<Recording>, moments: &Moments, seed: u64) {
    let disk = Disk::new(&recording.folders(), &recording.calls, |path, _| !is_named(path, "ledger.db-wal"));
    let (mut images, mut files) = (Images::default(), Files::new());
    let is_open = |cut: &Cut| {
        let found = cut.files(&disk, &recording.folders(), &mut images);
        read_one(recording, &mut files, &found, cut.at) == Ok(true)
    };
    let cuts = moments.all.iter().map(|at| Cut { at: *at, outcome: 0, seed }).filter(is_open);
    let (_, _, wrong) = first_wrong(recording, &disk, cuts.collect()).await.expect("a cut halves a transaction");
    say(&format!("without syncs of the ledger: {wrong}"));
}

fn is_named(path: &Path, ending: &str) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(ending.as_bytes())
}
