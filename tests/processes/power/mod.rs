//! The power is cut: what was not synced is lost, or not. Killing a process does not show that, since the kernel keeps what it wrote.
//!
//! Real processes run under `strace`, which tells every write and every sync. From that the files are made as they may be found after a
//! cut at any moment; SQLite reads all of them, and real processes recover from some.
//!
//! What is modelled of disks:
//!
//! - What a sync covers is there: see `disk`.
//! - Of a file's writes since then, for each block (of a sector or a page) those up to any one: blocks reach the disk in any order, and
//!   none is torn within a sector. SQLite counts on that for what lies beside the bytes that it writes ("powersafe overwrite").
//! - The file's length is any of those that it had since then; what was never written in it holds zeros or junk.
//! - A folder's names are as after any of the changes since its last sync, in their order. Files in it may be newer or older than that.
//! - Node and coordinator run on one machine: they lose power together.
//!
//! Not modelled: disks that lie about syncs, decay, syncs that fail, loss of the folders that `--data` names, node and coordinator that lose
//! power apart from each other, cuts while the two make their own files at their first start.
//!
//! - `workload`: the statements; `record`: how they are run; `trace`: what the processes called meanwhile.
//! - `disk`: files as histories; `image`, `cut`: what a cut leaves of them; `moments`: when the power is cut.
//! - `files`, `reading`: what they hold; `recovery`, `recoveries`: what processes make of them.
//! - `control`: the same without some syncs, which must be noticed.

mod control;
mod cut;
mod disk;
mod files;
mod image;
mod moments;
mod reading;
mod record;
mod recoveries;
mod recovery;
mod trace;
mod workload;

use std::{env, path::Display, path::Path, path::PathBuf, process::Command, sync::Arc};

use crate::loud::say;
use cut::{Cut, Found};
use disk::Disk;
use image::Images;
use moments::Moments;
use record::{Recording, record};

fn number(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |number| number.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// `SOUK_CUTS`: how many outcomes of each cut are read. Processes recover from four times as many cuts.
fn outcomes() -> u64 {
    number("SOUK_CUTS", 20)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let strace = match strace() {
        Ok(strace) => strace,
        Err(why) => return skipped(&why),
    };
    let seed = number("SOUK_SEED", 20_261_127);
    say(&format!("SOUK_SEED={seed} SOUK_CUTS={}", outcomes()));
    let recording = Arc::new(record(&strace, seed).await);
    let disk = Disk::new(&recording.folders(), &recording.calls, |_, _| true);
    is_recorded(&recording, &disk);
    let moments = Moments::new(&recording, &disk, seed);
    let open = reading::read_all(&recording, &disk, &moments.all, seed);
    recoveries::recover_some(&recording, &disk, &moments, open, seed).await;
    control::without_syncs_of_shards(&recording, &moments, seed);
    control::without_syncs_of_the_ledger(&recording, &moments, seed).await;
}

/// The record tells all: with every change it gives the files as they are.
fn is_recorded(recording: &Recording, disk: &Disk) {
    let last = Cut { at: u64::MAX, outcome: 1, seed: 0 };
    let found = last.files(disk, &recording.folders(), &mut Images::default());
    let names = |names: Vec<&PathBuf>| names.iter().map(|name| short(recording, name).to_string()).collect::<Vec<_>>();
    assert_eq!(names(found.keys().collect()), names(recording.files.keys().collect()), "files that are there");
    for (name, bytes) in &recording.files {
        assert!(*found[name].bytes == *bytes, "{} is otherwise than recorded", short(recording, name));
    }
}

fn short<'n>(recording: &Recording, name: &'n Path) -> Display<'n> {
    name.strip_prefix(&recording.root).unwrap_or(name).display()
}

/// Keeps the files for whoever looks into it: another run is timed otherwise.
fn fail(recording: &Recording, found: &Found, cut: Cut, wrong: &str) -> ! {
    let kept = tempfile::tempdir().expect("a folder").keep();
    cut::write(found, &recording.root, &kept);
    let after = (cut.at as f64 - recording.from as f64) / 1e6;
    let wrong: String = wrong.chars().take(400).collect();
    let kept = kept.display();
    panic!(
        "cut {after:.3} ms after the tables were made, outcome {}: {wrong}\nthe files are kept in {kept}",
        cut.outcome
    );
}

/// The `strace` to use, `SOUK_TEST_STRACE` or the one that is found; or why none can be.
fn strace() -> Result<String, String> {
    let named = env::var("SOUK_TEST_STRACE").ok();
    let strace = named.clone().unwrap_or_else(|| "strace".to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    let record = format!("--output={}", folder.path().join("calls").display());
    let tried = Command::new(&strace).args(trace::OPTIONS).args([&record, "true"]).output();
    let why = match tried {
        Ok(output) if output.status.success() => return Ok(strace),
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    // Who names one wants the test to run.
    assert!(named.is_none(), "`SOUK_TEST_STRACE={strace}` cannot trace: {why}");
    Err(why)
}

fn skipped(why: &str) {
    say(&format!("SKIPPED a_power_cut_loses_nothing_that_was_acknowledged: no strace that can trace ({why})"));
}
