//! Real processes recover from some cuts.

use std::{sync::Arc, time::Instant};

use futures::{StreamExt as _, stream};

use super::{
    cut::{Cut, Found},
    disk::Disk,
    fail,
    image::Images,
    moments::Moments,
    outcomes,
    record::Recording,
    recovery, say,
};
use crate::transactions::Chance;

/// Processes that recover at the same time.
const AT_ONCE: usize = 3;

/// From cuts of four kinds, as many of each: some shard waits for a word (those that are given); files are being made or removed; the
/// tables are being made; any.
pub(super) async fn recover_some(
    recording: &Arc<Recording>,
    disk: &Disk,
    moments: &Moments,
    mut open: Vec<Cut>,
    seed: u64,
) {
    let began = Instant::now();
    let mut chance = Chance(seed | 1);
    let mut cuts = Vec::new();
    for number in 0..outcomes() * 4 {
        let moments = match number % 4 {
            0 if !open.is_empty() => {
                cuts.push(open.swap_remove(chance.below(open.len() as u64) as usize));
                continue;
            }
            1 => &moments.names,
            2 => &moments.before,
            _ => &moments.all,
        };
        let at = moments[chance.below(moments.len() as u64) as usize];
        // As often as not nothing is there that was not synced: that is the hardest.
        let outcome = if chance.below(3) == 0 { 0 } else { chance.below(outcomes()) };
        cuts.push(Cut { at, outcome, seed });
    }
    cuts.sort_unstable_by_key(|cut| cut.at);
    let count = cuts.len();
    if let Some((cut, found, wrong)) = first_wrong(recording, disk, cuts).await {
        fail(recording, &found, cut, &wrong);
    }
    say(&format!("{count} recoveries in {:.1?}", began.elapsed()));
}

/// The first cut after which recovered processes do not answer as they must.
pub(super) async fn first_wrong(
    recording: &Arc<Recording>,
    disk: &Disk,
    cuts: Vec<Cut>,
) -> Option<(Cut, Found, String)> {
    let mut images = Images::default();
    let checks = cuts.into_iter().map(|cut| {
        let (recording, found) = (Arc::clone(recording), cut.files(disk, &recording.folders(), &mut images));
        tokio::spawn(async move {
            let checked = match cut.at < recording.from {
                true => recovery::check_beginning(&recording, &found, cut.at).await,
                false => recovery::check(&recording, &found, cut.at).await,
            };
            checked.err().map(|wrong| (cut, found, wrong))
        })
    });
    let mut checks = stream::iter(checks).buffer_unordered(AT_ONCE);
    while let Some(checked) = checks.next().await {
        if let Some(wrong) = checked.expect("a check ends") {
            return Some(wrong);
        }
    }
    None
}
