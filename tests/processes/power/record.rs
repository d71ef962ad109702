//! One node and one coordinator under `strace`, and what a client was told when.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::future::join_all;
use tempfile::TempDir;
use tokio::time::sleep;

use super::{
    trace::{self, Call, OPTIONS},
    workload::{Statement, Step, setup, steps},
};
use crate::{
    client::Client,
    service::{Service, souk, under},
};

/// A statement, when it was sent, and when its answer was there; in nanoseconds since 1970.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) statement: Statement,
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
}

/// As [`Sent`], of what makes the tables.
pub(crate) struct Made {
    pub(crate) sql: String,
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
}

pub(crate) struct Recording {
    pub(crate) calls: Vec<Call>,
    pub(crate) made: Vec<Made>,
    pub(crate) sent: Vec<Sent>,
    /// When both processes had made their own files.
    pub(crate) ready: u64,
    /// When the tables were there.
    pub(crate) from: u64,
    /// As they are at the end.
    pub(crate) files: BTreeMap<PathBuf, Vec<u8>>,
    /// Below which all files lie, each process's in its own folder.
    pub(crate) root: PathBuf,
    _folder: TempDir,
}

impl Recording {
    pub(crate) fn folders(&self) -> [PathBuf; 2] {
        [node_folder(&self.root), coordinator_folder(&self.root)]
    }
}

pub(crate) fn node_folder(root: &Path) -> PathBuf {
    root.join("node")
}

pub(crate) fn coordinator_folder(root: &Path) -> PathBuf {
    root.join("coordinator")
}

/// The processes, of which each keeps its address.
struct Recorded {
    strace: String,
    root: PathBuf,
    node: (String, Option<Service>),
    coordinator: (String, Option<Service>),
}

const ANY: &str = "127.0.0.1:0";

/// A node may end while one of its threads still closes a file: then all is recorded anew.
const ATTEMPTS: usize = 5;

/// How long after the last statement no process writes any more.
const IDLE_AFTER: Duration = Duration::from_millis(500);

pub(crate) async fn record(strace: &str, seed: u64) -> Recording {
    for _ in 0..ATTEMPTS {
        if let Some(recording) = try_record(strace, seed).await {
            return recording;
        }
    }
    panic!("each of {ATTEMPTS} times a process ended amidst a call");
}

async fn try_record(strace: &str, seed: u64) -> Option<Recording> {
    let folder = tempfile::tempdir().expect("a folder");
    // The kernel tells paths without links.
    let root = folder.path().canonicalize().expect("a folder has a path").join("disk");
    for folder in [node_folder(&root), coordinator_folder(&root)] {
        fs::create_dir_all(folder).expect("a folder");
    }
    let mut recorded =
        Recorded { strace: strace.to_owned(), root, node: (ANY.into(), None), coordinator: (ANY.into(), None) };
    recorded.start_node();
    recorded.start_coordinator();
    let client = Client::new(&recorded.coordinator.0);
    // Answered only when both have made their own files.
    client.status().await;
    let ready = now();
    let mut made = Vec::new();
    for sql in setup() {
        let sent = now();
        client.execute(&sql).await.expect("the tables are made");
        made.push(Made { sql, sent, acknowledged: now() });
    }
    let from = now();
    let mut sent = Vec::new();
    for step in steps(seed) {
        match step {
            Step::Send(statements) => {
                sent.extend(join_all(statements.into_iter().map(|statement| send(&client, statement))).await);
            }
            Step::RestartNode => {
                stop(&mut recorded.node);
                recorded.start_node();
            }
            Step::KillCoordinator => {
                sleep(IDLE_AFTER).await;
                kill(&mut recorded.coordinator);
                recorded.start_coordinator();
            }
        }
    }
    sleep(IDLE_AFTER).await;
    let (until, files) = (now(), read_below(&recorded.root));
    stop(&mut recorded.coordinator);
    stop(&mut recorded.node);
    sent.sort_by_key(|sent| sent.statement.number);
    let calls = trace::read(&recorded.prefix(), &recorded.root, until)?;
    Some(Recording { calls, made, sent, ready, from, files, root: recorded.root, _folder: folder })
}

async fn send(client: &Client, statement: Statement) -> Sent {
    let sent = now();
    let done = client.execute(&statement.sql).await;
    let acknowledged = now();
    done.unwrap_or_else(|refusal| panic!("{}: {refusal:?}", statement.sql));
    Sent { statement, sent, acknowledged }
}

impl Recorded {
    fn prefix(&self) -> PathBuf {
        self.root.parent().expect("the root lies in a folder").join("calls")
    }

    fn start_node(&mut self) {
        let service = start(&self.strace, &self.prefix(), &node_arguments(&self.node.0, &self.root));
        self.node = (service.address.to_string(), Some(service));
    }

    fn start_coordinator(&mut self) {
        let arguments = coordinator_arguments(&self.coordinator.0, &self.root, &self.node.0);
        let service = start(&self.strace, &self.prefix(), &arguments);
        self.coordinator = (service.address.to_string(), Some(service));
    }
}

fn start(strace: &str, prefix: &Path, arguments: &[String]) -> Service {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let prefix = format!("--output={}", prefix.display());
    let options: Vec<&str> = OPTIONS.iter().copied().chain([prefix.as_str()]).collect();
    Service::start_command(under(strace, &options, &souk(&arguments))).expect("it starts")
}

/// In good order: all of its calls are written down.
fn stop((_, service): &mut (String, Option<Service>)) {
    let (code, said) = service.take().expect("it runs").stop();
    assert_eq!(code, Some(0), "{said}");
}

/// While it is idle: none of its calls is cut off. (A coordinator that stops in good order may end while its files are being closed.)
fn kill((_, service): &mut (String, Option<Service>)) {
    service.take().expect("it runs").kill_traced();
}

/// All files, without the memory that connections share.
fn read_below(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else if !trace::is_shared_memory(&path) {
            let bytes = fs::read(&path).expect("a file");
            files.insert(path, bytes);
        }
    }
    files
}

pub(crate) fn node_arguments(listen: &str, root: &Path) -> Vec<String> {
    let data = node_folder(root);
    ["node", "--id", "n1", "--listen", listen, "--data", data.to_str().expect("a path that is text")]
        .map(str::to_owned)
        .to_vec()
}

pub(crate) fn coordinator_arguments(listen: &str, root: &Path, node: &str) -> Vec<String> {
    let (data, node) = (coordinator_folder(root), format!("--node=n1={node}"));
    let data = data.to_str().expect("a path that is text");
    ["coordinator", "--listen", listen, "--data", data, "--placement", "own", &node].map(str::to_owned).to_vec()
}

/// By the clock that `strace` reads.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos() as u64
}
