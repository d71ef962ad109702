//! The demo over real processes.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{Ran, command, souk};

/// Runs a small demonstration to its end, with its temporary files under `folder`.
fn demo(folder: &Path, more: &[&str]) -> Ran {
    let mut command = command(&[&["demo", "--vendors", "6", "--nodes", "2"], more].concat());
    let output = command.env("TMPDIR", folder).stdin(Stdio::null()).output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Starts a large one and waits for its first line.
fn begun(folder: &Path) -> Child {
    let mut command = command(&["demo", "--vendors", "5000", "--nodes", "2"]);
    command.env("TMPDIR", folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("Starting a coordinator and 2 nodes"), "{line}");
    child
}

/// A demonstration that goes on serving, with few shops.
pub(crate) struct Served {
    child: Child,
    /// Its stdout: what it says at its end goes nowhere else.
    _lines: Box<dyn Iterator<Item = String>>,
    folder: TempDir,
    /// `http://HOST:PORT` of the marketplace.
    pub(crate) address: String,
}

impl Served {
    pub(crate) fn start() -> Served {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(&["demo", "--vendors", "30", "--nodes", "2", "--serve"]);
        command.env("TMPDIR", folder.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address =
            lines.find_map(|line| Some(line.trim().strip_prefix("http://")?.strip_suffix("/shop/")?.to_owned()));
        let address = format!("http://{}", address.expect("it says where the shop is"));
        Served { child, _lines: Box::new(lines), folder, address }
    }

    /// Ends it by an interrupt; it leaves nothing behind.
    pub(crate) fn stop(mut self) {
        let id = i32::try_from(self.child.id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGINT).unwrap();
        self.child.wait().unwrap();
        assert_eq!((entries(&self.folder), processes(self.folder.path())), (0, 0));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes that were started with a path under `folder`.
fn processes(folder: &Path) -> usize {
    let folder = folder.to_str().unwrap();
    let command = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
    let of_demo = |line: &String| line.contains(folder) && line.contains("--stop-with-stdin");
    fs::read_dir("/proc").unwrap().map(|entry| command(entry.unwrap())).filter(of_demo).count()
}

fn entries(folder: &TempDir) -> usize {
    fs::read_dir(folder.path()).unwrap().count()
}

/// Every shard's file, and its bytes.
fn shards(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.join("n1").join("shards"), folder.join("n2").join("shards")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn it_shows_six_queries_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let ran = demo(folder.path(), &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    assert_eq!(ran.stdout.matches(", pruned ").count(), 6, "{ran:?}");
    assert!(ran.stdout.contains("1200 "), "there are 200 products a vendor: {ran:?}");
    assert!(ran.stdout.contains("souk sql --addr http://127.0.0.1:"), "{ran:?}");
    assert_eq!((entries(&folder), processes(folder.path())), (0, 0));
}

#[test]
fn the_same_seed_gives_the_same_files() {
    let made = |seed: &str| {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        assert_eq!(demo(folder.path(), &["--keep", "--seed", seed, "--data", data.to_str().unwrap()]).code, Some(0));
        shards(&data)
    };
    let first = made("7");
    assert!(first.len() >= 6, "each vendor has a file");
    assert!(first == made("7"), "the files of the same seed differ");
    assert!(first != made("8"), "the files of another seed are the same");
}

#[test]
fn what_is_kept_can_be_served_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let ran = demo(folder.path(), &["--keep", "--data", data.to_str().unwrap()]);
    let commands: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("  souk "))
        .filter(|line| line.starts_with("node") || line.starts_with("coordinator"))
        .map(|line| line.split(' ').collect())
        .collect();
    assert_eq!(commands.len(), 3, "{ran:?}");
    let services: Vec<_> = commands.iter().map(|arguments| super::serve::announced(arguments, &[])).collect();
    let address = services[2].1.trim_end().rsplit_once(' ').unwrap().1;
    let answer = souk(&["sql", "--addr", address, "--format", "jsonl", "-c", "SELECT count(*) AS n FROM products"], "");
    assert_eq!(answer.stdout, "{\"n\":1200}\n", "{answer:?}");
}

#[test]
fn an_interrupt_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = begun(folder.path());
    assert_eq!(processes(folder.path()), 3);
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!((entries(&folder), processes(folder.path())), (0, 0));
}

#[test]
fn services_end_when_the_demonstration_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = begun(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    while processes(folder.path()) > 0 {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(entries(&folder), 1, "nobody was left to remove the folder");
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "").unwrap();
    let ran = demo(folder.path(), &["--data", folder.path().to_str().unwrap()]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("is not empty"), "{ran:?}");
}

#[test]
fn its_shops_sell_to_a_script() {
    let demo = Served::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop/shop.sh");
    let ran = Command::new("bash").arg(script).arg(&demo.address).output().unwrap();
    let (said, complaints) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}{complaints}");
    for told in ["is placed", "it is shipped", "  order.placed", "  order.shipped"] {
        assert!(said.contains(told), "no `{told}` in {said}");
    }
    demo.stop();
}
