//! The ledger: one durable decision a transaction. The first decision stands and answers every later wish.

use std::path::Path;
use std::sync::mpsc;
use std::thread;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use souk_proto::Reason;
use tokio::sync::oneshot;

use super::Name;
use crate::catalog::StoreError;
use crate::error::{Error, Result};

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Commit,
    Abort,
}

/// A transaction that is committed, and whose shards have not all said that they did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfinished {
    pub(super) name: Name,
    pub(super) shards: Vec<u64>,
}

/// Decisions, durable before they are told. Several coordinators may share one.
#[async_trait]
pub(super) trait Ledger: Send + Sync {
    /// Decides as wished unless it is decided; what stands then. A commit names the shards that have prepared.
    async fn decide(&self, name: Name, wish: Decision, shards: &[u64]) -> Result<Decision>;
    /// All shards have done it. Need not be durable: they can be told again.
    async fn finish(&self, name: Name) -> Result<()>;
    /// What is committed and not finished.
    async fn unfinished(&self) -> Result<Vec<Unfinished>>;
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS decision (
        name BLOB PRIMARY KEY, committed INTEGER NOT NULL, shards BLOB NOT NULL, finished INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS unfinished ON decision(name) WHERE finished = 0";

/// Work for the ledger's thread.
enum Job {
    Decide { name: Name, wish: Decision, shards: Vec<u64>, told: oneshot::Sender<Result<Decision>> },
    Finish { name: Name },
    Unfinished { told: oneshot::Sender<Result<Vec<Unfinished>>> },
}

/// Decisions asked for at the same time share one transaction, and with it one sync.
const TOGETHER_MAX: usize = 256;

/// The ledger in a file of its own, and the one thread that writes it.
pub(super) struct SqliteLedger {
    jobs: mpsc::Sender<Job>,
}

impl SqliteLedger {
    pub(super) fn open(file: &Path) -> std::result::Result<SqliteLedger, StoreError> {
        let connection = Connection::open(file)?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
        connection.execute_batch(TABLES)?;
        let (jobs, waiting) = mpsc::channel();
        // Ends when the ledger is dropped, and with it the last sender.
        thread::Builder::new()
            .name("souk-ledger".into())
            .spawn(move || work(connection, &waiting))
            .map_err(|error| StoreError::Thread(error.to_string()))?;
        Ok(SqliteLedger { jobs })
    }

    fn send(&self, job: Job) -> Result<()> {
        self.jobs.send(job).map_err(|_| gone())
    }
}

fn gone() -> Error {
    Error::internal("the ledger's thread is gone: restart the coordinator")
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn decide(&self, name: Name, wish: Decision, shards: &[u64]) -> Result<Decision> {
        let (told, decided) = oneshot::channel();
        self.send(Job::Decide { name, wish, shards: shards.to_vec(), told })?;
        decided.await.map_err(|_| gone())?
    }

    async fn finish(&self, name: Name) -> Result<()> {
        self.send(Job::Finish { name })
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>> {
        let (told, found) = oneshot::channel();
        self.send(Job::Unfinished { told })?;
        found.await.map_err(|_| gone())?
    }
}

fn work(mut connection: Connection, waiting: &mpsc::Receiver<Job>) {
    // What is only to be noted waits for a decision, whose sync it shares.
    let mut finished = Vec::new();
    while let Ok(first) = waiting.recv() {
        let mut deciding = Vec::new();
        for job in std::iter::once(first).chain(waiting.try_iter().take(TOGETHER_MAX)) {
            match job {
                Job::Decide { name, wish, shards, told } => deciding.push((name, wish, shards, told)),
                Job::Finish { name } => finished.push(name),
                Job::Unfinished { told } => {
                    let found = unfinished(&connection, &finished).map_err(|error| broken(&error));
                    // Who does not wait any more is not told.
                    let _ = told.send(found);
                }
            }
        }
        if deciding.is_empty() && finished.len() < TOGETHER_MAX {
            continue;
        }
        let wishes: Vec<_> = deciding.iter().map(|(name, wish, shards, _)| (*name, *wish, shards.as_slice())).collect();
        match decide(&mut connection, &wishes, &finished) {
            Ok(decisions) => {
                finished.clear();
                for ((.., told), decision) in deciding.into_iter().zip(decisions) {
                    let _ = told.send(Ok(decision));
                }
            }
            Err(error) => deciding.into_iter().for_each(|(.., told)| {
                let _ = told.send(Err(broken(&error)));
            }),
        }
    }
}

fn broken(error: &rusqlite::Error) -> Error {
    Error::new(Reason::ShardUnavailable, format!("the coordinator's ledger: {error}: look at its disk"))
}

/// Decides in one transaction: all of it is durable when it is told.
fn decide(
    connection: &mut Connection,
    wishes: &[(Name, Decision, &[u64])],
    finished: &[Name],
) -> rusqlite::Result<Vec<Decision>> {
    let transaction = connection.transaction()?;
    let mut decisions = Vec::with_capacity(wishes.len());
    for (name, wish, shards) in wishes {
        let known = "SELECT committed FROM decision WHERE name = ?1";
        let known: Option<bool> =
            transaction.prepare_cached(known)?.query_row([name.as_bytes()], |row| row.get(0)).optional()?;
        let decision = match known {
            Some(true) => Decision::Commit,
            Some(false) => Decision::Abort,
            None => {
                let commits = *wish == Decision::Commit;
                let shards: Vec<u8> = shards.iter().flat_map(|shard| shard.to_le_bytes()).collect();
                let keep = "INSERT INTO decision VALUES (?1, ?2, ?3, ?4)";
                transaction.prepare_cached(keep)?.execute(params![name.as_bytes(), commits, shards, !commits])?;
                *wish
            }
        };
        decisions.push(decision);
    }
    for name in finished {
        transaction.prepare_cached("UPDATE decision SET finished = 1 WHERE name = ?1")?.execute([name.as_bytes()])?;
    }
    transaction.commit()?;
    Ok(decisions)
}

fn unfinished(connection: &Connection, finished: &[Name]) -> rusqlite::Result<Vec<Unfinished>> {
    let mut open = connection.prepare_cached("SELECT name, shards FROM decision WHERE finished = 0")?;
    let rows = open.query_map([], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let mut all = Vec::new();
    for row in rows {
        let (name, shards) = row?;
        let name = Name::from_bytes(name);
        if !finished.contains(&name) {
            let shards = shards.chunks_exact(8).map(|shard| u64::from_le_bytes(shard.try_into().unwrap_or_default()));
            all.push(Unfinished { name, shards: shards.collect() });
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Name {
        Name::now_v7()
    }

    #[tokio::test]
    async fn the_first_decision_stands() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ledger.db");
        let (committed, aborted) = (name(), name());
        let ledger = SqliteLedger::open(&file).expect("a ledger");
        assert_eq!(ledger.decide(committed, Decision::Commit, &[3, 7]).await, Ok(Decision::Commit));
        assert_eq!(ledger.decide(committed, Decision::Abort, &[]).await, Ok(Decision::Commit));
        assert_eq!(ledger.decide(aborted, Decision::Abort, &[]).await, Ok(Decision::Abort));
        drop(ledger);
        let ledger = SqliteLedger::open(&file).expect("the same ledger");
        assert_eq!(ledger.decide(aborted, Decision::Commit, &[1]).await, Ok(Decision::Abort));
        let open = vec![Unfinished { name: committed, shards: vec![3, 7] }];
        assert_eq!(ledger.unfinished().await, Ok(open));
        ledger.finish(committed).await.expect("it is noted");
        assert_eq!(ledger.unfinished().await, Ok(vec![]));
        assert_eq!(ledger.decide(committed, Decision::Abort, &[]).await, Ok(Decision::Commit), "finished or not");
    }

    #[tokio::test]
    async fn many_decide_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = SqliteLedger::open(&folder.path().join("ledger.db")).expect("a ledger");
        let names: Vec<Name> = (0..500).map(|_| name()).collect();
        let wishes = names.iter().flat_map(|name| {
            [ledger.decide(*name, Decision::Commit, &[1]), ledger.decide(*name, Decision::Abort, &[])]
        });
        let decided = futures::future::join_all(wishes).await;
        for pair in decided.chunks(2) {
            assert!(pair[0].is_ok() && pair[0] == pair[1], "{pair:?}");
        }
    }
}
