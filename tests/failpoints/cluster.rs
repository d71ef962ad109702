//! Two nodes and a coordinator, whose folders serve one run after the other.

use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    case::Case,
    client::{Client, Told, Waiting},
    process::Process,
    work::VENDORS,
};

/// How often is looked for processes that ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How often is asked whether processes that were started answer; some fail for good.
const ANSWER_TRIES: usize = 50;

/// How often something is tried that is to be done.
const EXECUTE_TRIES: usize = 20;

/// How long shards may wait for a word when nothing fails any more.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// How long is waited for a step that only comes when shards have waited: longer than the sweeper's patience.
const LINGER_MAX: Duration = Duration::from_secs(4);

const SCHEMA: [&str; 3] = [
    "CREATE TABLE log(vendor_id INTEGER NOT NULL, number INTEGER NOT NULL CHECK (number > 0)) SHARD KEY (vendor_id)",
    "CREATE TABLE t(vendor_id INTEGER NOT NULL, n INTEGER NOT NULL) SHARD KEY (vendor_id)",
    "CREATE TABLE u(number INTEGER NOT NULL, at TEXT DEFAULT CURRENT_TIMESTAMP) REPLICATED",
];

/// Writes to every shard.
pub(crate) const EVERYWHERE: [&str; 2] = ["UPDATE t SET n = n", "UPDATE u SET number = number"];

pub(crate) struct Cluster {
    processes: Vec<Process>,
    pub(crate) client: Client,
    folder: TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        let node = |name| Process::start(name, words(&["node", "--id", name, "--data", &path(name)]));
        let mut processes = vec![node("n1"), node("n2")];
        let mut arguments = words(&["coordinator", "--data", &path("coordinator"), "--placement", "own"]);
        arguments.extend(processes.iter().map(|node| format!("--node={}={}", node.name, node.address)));
        processes.push(Process::start("coordinator", arguments));
        let client = Client::new(&processes[2].address);
        let vendors: Vec<String> = (1..=VENDORS).map(|vendor| format!("({vendor}, 0)")).collect();
        let rows = format!("INSERT INTO t VALUES {}", vendors.join(", "));
        let mut cluster = Cluster { processes, client, folder };
        for sql in SCHEMA.into_iter().chain([rows.as_str()]) {
            cluster.execute(sql).await;
        }
        cluster
    }

    /// Has something done; again when it was not, as on a machine that does much else.
    pub(crate) async fn execute(&mut self, sql: &str) {
        let mut told = self.client.execute(sql).await;
        for _ in 0..EXECUTE_TRIES {
            if !matches!(told, Told::NotDone(..)) {
                break;
            }
            told = self.client.execute(sql).await;
        }
        assert_eq!(told, Told::Done, "{sql}");
    }

    /// Starts all processes with what is to fail, and waits until they answer.
    pub(crate) async fn arm(&mut self, case: &Case) {
        for process in &mut self.processes {
            process.arm(case.0.iter().filter(|armed| armed.process == process.name).copied().collect());
        }
        self.answer().await;
    }

    /// Waits until processes that were started answer: connections are made anew.
    pub(crate) async fn answer(&mut self) {
        let client = self.client.clone();
        let mut tries = 0;
        while self.look_after(client.rows("SELECT count(*) FROM t")).await.is_none() && tries < ANSWER_TRIES {
            self.look_after(sleep(LOOK_EVERY)).await;
            tries += 1;
        }
    }

    /// Starts processes again that end while something is done.
    pub(crate) async fn look_after<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = pin!(done);
        loop {
            tokio::select! {
                outcome = &mut done => return outcome,
                () = sleep(LOOK_EVERY) => self.processes.iter_mut().for_each(Process::look_after),
            }
        }
    }

    /// Whether every point of a case was reached.
    pub(crate) fn has_hit(&self, case: &Case) -> bool {
        case.0.iter().all(|armed| {
            let process = self.processes.iter().find(|process| process.name == armed.process);
            process.is_some_and(|process| process.hits.iter().any(|hit| hit == armed.point.name))
        })
    }

    /// Goes on until the sweeper's steps have failed, or it has come and gone.
    pub(crate) async fn linger(&mut self, case: &Case) {
        if case.0.iter().all(|armed| armed.point.behind.is_none()) {
            return;
        }
        let until = Instant::now() + LINGER_MAX;
        while !self.has_hit(case) && Instant::now() < until {
            self.look_after(sleep(LOOK_EVERY * 2)).await;
        }
    }

    /// From now on nothing fails for good; waits until no shard waits for a word: then what changes all of them goes through. What may yet
    /// fail once, fails even then, so the shards are asked afterwards.
    pub(crate) async fn settle(&mut self) -> Result<(), String> {
        self.processes.iter_mut().for_each(Process::calm);
        let until = Instant::now() + SETTLE_MAX;
        let client = self.client.clone();
        loop {
            let settled = async {
                let told = [client.execute(EVERYWHERE[0]).await, client.execute(EVERYWHERE[1]).await];
                let is_settled = told == [Told::Done, Told::Done] && client.waiting().await == Some(Waiting::default());
                if is_settled { Ok(()) } else { Err(told) }
            };
            let Err(told) = self.look_after(settled).await else { return Ok(()) };
            if Instant::now() >= until {
                return Err(format!("shards do not take new writes: {told:?}"));
            }
            self.look_after(sleep(LOOK_EVERY)).await;
        }
    }

    /// Ends all processes: the files are nobody's then.
    pub(crate) fn stop(&mut self) {
        self.processes.iter_mut().for_each(Process::kill);
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.path().join("coordinator").join("ledger.db")
    }

    /// The files of all shards.
    pub(crate) fn shard_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for node in ["n1", "n2"] {
            databases(&self.folder.path().join(node).join("shards"), &mut files);
        }
        files
    }
}

fn databases(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            databases(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "db") {
            found.push(path);
        }
    }
}
