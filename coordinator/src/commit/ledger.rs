//! The ledger: one durable decision a transaction, and one a request that its client has named. The first decision stands and answers every later wish.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use souk_proto::Reason;
use tokio::sync::oneshot;
use uuid::Uuid;

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

/// A request that its client has named and may send again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedRequest {
    pub(crate) id: String,
    /// Of what it asks for.
    pub(crate) digest: [u8; 16],
    /// What it is answered.
    pub(crate) answer: Vec<u8>,
}

/// What became of a named request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Done {
        digest: [u8; 16],
        answer: Vec<u8>,
    },
    /// It was not done when somebody asked, and will not be.
    NotDone,
}

/// Decisions, durable before they are told. Several coordinators may share one.
#[async_trait]
pub(super) trait Ledger: Send + Sync {
    /// Decides as wished unless it is decided; what stands then. A commit names the shards that have prepared. One for a named request
    /// ends that too, and is an abort when it has ended already.
    async fn decide(
        &self,
        name: Name,
        wish: Decision,
        shards: &[u64],
        request: Option<NamedRequest>,
    ) -> Result<Decision>;
    /// What became of a request, if it has ended.
    async fn ended(&self, id: &str) -> Result<Option<Ended>>;
    /// What became of a request, which ends now if it has not.
    async fn end(&self, id: &str) -> Result<Ended>;
    /// Forgets requests that ended longer ago than this, and as old decisions that all shards have carried out.
    async fn forget(&self, age: Duration) -> Result<()>;
    /// All shards have done it. Need not be durable: they can be told again.
    async fn finish(&self, name: Name) -> Result<()>;
    /// What is committed and not finished.
    async fn unfinished(&self) -> Result<Vec<Unfinished>>;
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS decision (
        name BLOB PRIMARY KEY, committed INTEGER NOT NULL, shards BLOB NOT NULL, finished INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS unfinished ON decision(name) WHERE finished = 0;
    CREATE TABLE IF NOT EXISTS request (
        id TEXT PRIMARY KEY, digest BLOB, answer BLOB, ended_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS request_by_end ON request(ended_ms)";

/// Work for the ledger's thread.
enum Job {
    /// What is to be durable before it is told.
    Decide(Deciding),
    Finish {
        name: Name,
    },
    Unfinished {
        told: Told<Vec<Unfinished>>,
    },
    Ended {
        id: String,
        told: Told<Option<Ended>>,
    },
    Forget {
        age: Duration,
        told: Told<()>,
    },
}

enum Deciding {
    Transaction { name: Name, wish: Decision, shards: Vec<u64>, request: Option<NamedRequest>, told: Told<Decision> },
    Request { id: String, told: Told<Ended> },
}

type Told<T> = oneshot::Sender<Result<T>>;

/// How long is waited for another coordinator that decides.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// How long what is only to be noted waits for a decision, whose sync it shares, whatever else is asked: others wait until they see it.
const NOTE_AFTER: Duration = Duration::from_millis(20);

/// Decisions asked for at the same time share one transaction, and with it one sync.
const TOGETHER_MAX: usize = 256;

/// The ledger in a file of its own, and the one thread that writes it.
pub(super) struct SqliteLedger {
    jobs: mpsc::Sender<Job>,
}

impl SqliteLedger {
    pub(super) fn open(file: &Path) -> std::result::Result<SqliteLedger, StoreError> {
        let connection = Connection::open(file)?;
        connection.busy_timeout(BUSY_MAX)?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
        connection.execute_batch(TABLES)?;
        // What is only noted waits for no disk.
        let notes = Connection::open(file)?;
        notes.busy_timeout(BUSY_MAX)?;
        notes.execute_batch("PRAGMA synchronous = NORMAL")?;
        let lock = File::options().create(true).truncate(false).write(true).open(file.with_extension("lock"));
        let lock = lock.map_err(|source| StoreError::Folder { path: file.with_extension("lock"), source })?;
        let (jobs, waiting) = mpsc::channel();
        // Ends when the ledger is dropped, and with it the last sender.
        thread::Builder::new()
            .name("souk-ledger".into())
            .spawn(move || work(connection, notes, &lock, &waiting))
            .map_err(|error| StoreError::Thread(error.to_string()))?;
        Ok(SqliteLedger { jobs })
    }

    /// Has the thread do a job, and waits for what it tells.
    async fn ask<T>(&self, job: impl FnOnce(Told<T>) -> Job) -> Result<T> {
        let (told, answer) = oneshot::channel();
        self.jobs.send(job(told)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn gone() -> Error {
    Error::internal("the ledger's thread is gone: restart the coordinator")
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn decide(
        &self,
        name: Name,
        wish: Decision,
        shards: &[u64],
        request: Option<NamedRequest>,
    ) -> Result<Decision> {
        let shards = shards.to_vec();
        self.ask(|told| Job::Decide(Deciding::Transaction { name, wish, shards, request, told })).await
    }

    async fn finish(&self, name: Name) -> Result<()> {
        failpoint!("finish-unnoted");
        self.jobs.send(Job::Finish { name }).map_err(|_| gone())
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>> {
        self.ask(|told| Job::Unfinished { told }).await
    }

    async fn ended(&self, id: &str) -> Result<Option<Ended>> {
        self.ask(|told| Job::Ended { id: id.to_owned(), told }).await
    }

    async fn end(&self, id: &str) -> Result<Ended> {
        self.ask(|told| Job::Decide(Deciding::Request { id: id.to_owned(), told })).await
    }

    async fn forget(&self, age: Duration) -> Result<()> {
        self.ask(|told| Job::Forget { age, told }).await
    }
}

fn work(mut connection: Connection, mut notes: Connection, lock: &File, waiting: &mpsc::Receiver<Job>) {
    let mut finished = Vec::new();
    // When the first of them has waited long enough.
    let mut note_at: Option<Instant> = None;
    loop {
        let first = match note_at {
            None => waiting.recv().map_err(RecvTimeoutError::from),
            Some(at) => waiting.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        let first = match first {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut deciding = Vec::new();
        for job in first.into_iter().chain(waiting.try_iter().take(TOGETHER_MAX)) {
            match job {
                Job::Decide(wish) => deciding.push(wish),
                Job::Finish { name } => finished.push(name),
                Job::Unfinished { told } => tell(told, unfinished(&connection, &finished)),
                Job::Ended { id, told } => tell(told, ended(&connection, &id)),
                Job::Forget { age, told } => tell(told, alone(lock, || forget(&mut connection, age))),
            }
        }
        if !finished.is_empty() {
            note_at.get_or_insert_with(|| Instant::now() + NOTE_AFTER);
        }
        let is_time = note_at.is_some_and(|at| Instant::now() >= at) || finished.len() >= TOGETHER_MAX;
        let noted = match deciding.is_empty() {
            true if is_time => alone(lock, || note(&mut notes, &finished)),
            true => continue,
            false => match alone(lock, || decide(&mut connection, &deciding, &finished)) {
                Ok(decisions) => {
                    deciding.into_iter().zip(decisions).for_each(|(wish, decided)| wish.tell(decided));
                    Ok(())
                }
                Err(error) => {
                    deciding.into_iter().for_each(|wish| wish.fail(&error));
                    Err(error)
                }
            },
        };
        match noted {
            Ok(()) => {
                finished.clear();
                note_at = None;
            }
            Err(error) => {
                tracing::warn!("the coordinator's ledger: {error}");
                note_at = note_at.map(|_| Instant::now() + NOTE_AFTER);
            }
        }
    }
}

/// Writes while no other coordinator does: each has its turn, where SQLite would look now and then whether it may.
fn alone<T>(lock: &File, write: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let broken = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    lock.lock().map_err(broken)?;
    let written = write();
    lock.unlock().map_err(broken)?;
    written
}

/// Who does not wait any more is not told.
fn tell<T>(told: Told<T>, outcome: rusqlite::Result<T>) {
    let _ = told.send(outcome.map_err(|error| broken(&error)));
}

/// What is decided.
enum Decided {
    Transaction(Decision),
    Request(Ended),
}

impl Deciding {
    fn tell(self, decided: Decided) {
        match (self, decided) {
            (Deciding::Transaction { told, .. }, Decided::Transaction(decision)) => tell(told, Ok(decision)),
            (Deciding::Request { told, .. }, Decided::Request(ended)) => tell(told, Ok(ended)),
            // Cannot be: each is decided as what it is. Who waits hears that nobody answers.
            (Deciding::Transaction { .. }, Decided::Request(_))
            | (Deciding::Request { .. }, Decided::Transaction(_)) => {}
        }
    }

    fn fail(self, error: &rusqlite::Error) {
        match self {
            Deciding::Transaction { told, .. } => drop(told.send(Err(broken(error)))),
            Deciding::Request { told, .. } => drop(told.send(Err(broken(error)))),
        }
    }
}

fn broken(error: &rusqlite::Error) -> Error {
    Error::new(Reason::ShardUnavailable, format!("the coordinator's ledger: {error}: look at its disk"))
}

/// Decides in one transaction: all of it is durable when it is told.
fn decide(connection: &mut Connection, wishes: &[Deciding], finished: &[Name]) -> rusqlite::Result<Vec<Decided>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut decisions = Vec::with_capacity(wishes.len());
    for wish in wishes {
        decisions.push(match wish {
            Deciding::Transaction { name, wish, shards, request, .. } => {
                Decided::Transaction(decide_one(&transaction, *name, *wish, shards, request.as_ref())?)
            }
            Deciding::Request { id, .. } => Decided::Request(end(&transaction, id)?),
        });
    }
    finish(&transaction, finished)?;
    failpoint!("decision-uncommitted");
    transaction.commit()?;
    failpoint!("decision-committed");
    Ok(decisions)
}

/// Notes that all shards have done these.
fn note(connection: &mut Connection, finished: &[Name]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    finish(&transaction, finished)?;
    transaction.commit()
}

fn finish(connection: &Connection, finished: &[Name]) -> rusqlite::Result<()> {
    let mut finish = connection.prepare_cached("UPDATE decision SET finished = 1 WHERE name = ?1")?;
    finished.iter().try_for_each(|name| finish.execute([name.as_bytes()]).map(drop))
}

fn decide_one(
    connection: &Connection,
    name: Name,
    wish: Decision,
    shards: &[u64],
    request: Option<&NamedRequest>,
) -> rusqlite::Result<Decision> {
    let known = "SELECT committed FROM decision WHERE name = ?1";
    let known: Option<bool> =
        connection.prepare_cached(known)?.query_row([name.as_bytes()], |row| row.get(0)).optional()?;
    if let Some(committed) = known {
        return Ok(if committed { Decision::Commit } else { Decision::Abort });
    }
    let mut commits = wish == Decision::Commit;
    if let Some(NamedRequest { id, digest, answer }) = request.filter(|_| commits) {
        let done = "INSERT INTO request VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        commits = connection.prepare_cached(done)?.execute(params![id, digest, answer, now_ms()])? == 1;
    }
    let finished = !commits || shards.is_empty();
    let shards: Vec<u8> = shards.iter().flat_map(|shard| shard.to_le_bytes()).collect();
    let keep = "INSERT INTO decision VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(keep)?.execute(params![name.as_bytes(), commits, shards, finished])?;
    Ok(if commits { Decision::Commit } else { Decision::Abort })
}

/// Ends a request that has not ended.
fn end(connection: &Connection, id: &str) -> rusqlite::Result<Ended> {
    if let Some(ended) = ended(connection, id)? {
        return Ok(ended);
    }
    connection.prepare_cached("INSERT INTO request VALUES (?1, NULL, NULL, ?2)")?.execute(params![id, now_ms()])?;
    Ok(Ended::NotDone)
}

fn ended(connection: &Connection, id: &str) -> rusqlite::Result<Option<Ended>> {
    let mut known = connection.prepare_cached("SELECT digest, answer FROM request WHERE id = ?1")?;
    let ended = known.query_row([id], |row| {
        let (digest, answer): (Option<[u8; 16]>, Option<Vec<u8>>) = (row.get(0)?, row.get(1)?);
        Ok(digest.zip(answer).map_or(Ended::NotDone, |(digest, answer)| Ended::Done { digest, answer }))
    });
    ended.optional()
}

/// A name begins with the time of its birth, so that names below another are older.
fn forget(connection: &mut Connection, age: Duration) -> rusqlite::Result<()> {
    let before_ms = now_ms().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    let oldest = Uuid::from_u128(u128::from(before_ms.max(0).cast_unsigned()) << 80);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("DELETE FROM request WHERE ended_ms < ?1", [before_ms])?;
    transaction.execute("DELETE FROM decision WHERE name < ?1 AND finished = 1", [oldest.as_bytes()])?;
    transaction.commit()
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
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
        assert_eq!(ledger.decide(committed, Decision::Commit, &[3, 7], None).await, Ok(Decision::Commit));
        assert_eq!(ledger.decide(committed, Decision::Abort, &[], None).await, Ok(Decision::Commit));
        assert_eq!(ledger.decide(aborted, Decision::Abort, &[], None).await, Ok(Decision::Abort));
        drop(ledger);
        let ledger = SqliteLedger::open(&file).expect("the same ledger");
        assert_eq!(ledger.decide(aborted, Decision::Commit, &[1], None).await, Ok(Decision::Abort));
        let open = vec![Unfinished { name: committed, shards: vec![3, 7] }];
        assert_eq!(ledger.unfinished().await, Ok(open));
        ledger.finish(committed).await.expect("it is noted");
        assert_eq!(ledger.unfinished().await, Ok(vec![]));
        assert_eq!(ledger.decide(committed, Decision::Abort, &[], None).await, Ok(Decision::Commit), "finished or not");
    }

    #[tokio::test]
    async fn many_decide_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = SqliteLedger::open(&folder.path().join("ledger.db")).expect("a ledger");
        let names: Vec<Name> = (0..500).map(|_| name()).collect();
        let wishes = names.iter().flat_map(|name| {
            [ledger.decide(*name, Decision::Commit, &[1], None), ledger.decide(*name, Decision::Abort, &[], None)]
        });
        let decided = futures::future::join_all(wishes).await;
        for pair in decided.chunks(2) {
            assert!(pair[0].is_ok() && pair[0] == pair[1], "{pair:?}");
        }
    }

    #[tokio::test]
    async fn a_request_ends_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = SqliteLedger::open(&folder.path().join("ledger.db")).expect("a ledger");
        let request = |id: &str, digest: u8| NamedRequest { id: id.into(), digest: [digest; 16], answer: vec![digest] };
        let done = |digest: u8| Ended::Done { digest: [digest; 16], answer: vec![digest] };
        assert_eq!(ledger.ended("a").await, Ok(None));
        assert_eq!(ledger.decide(name(), Decision::Commit, &[1], Some(request("a", 1))).await, Ok(Decision::Commit));
        let late = name();
        assert_eq!(ledger.decide(late, Decision::Commit, &[1], Some(request("a", 1))).await, Ok(Decision::Abort));
        assert_eq!(ledger.decide(late, Decision::Commit, &[1], None).await, Ok(Decision::Abort), "it is decided");
        assert_eq!(ledger.ended("a").await, Ok(Some(done(1))));
        assert_eq!(ledger.end("a").await, Ok(done(1)));
        // Asked about before it is done, it will not be done.
        assert_eq!(ledger.end("b").await, Ok(Ended::NotDone));
        assert_eq!(ledger.decide(name(), Decision::Commit, &[1], Some(request("b", 2))).await, Ok(Decision::Abort));
        assert_eq!(ledger.ended("b").await, Ok(Some(Ended::NotDone)));
        // Nothing to do for any shard is remembered too, and needs no shard's word.
        assert_eq!(ledger.decide(name(), Decision::Commit, &[], Some(request("c", 3))).await, Ok(Decision::Commit));
        assert_eq!(ledger.unfinished().await.expect("the first").len(), 1);
    }

    #[tokio::test]
    async fn what_is_old_is_forgotten_unless_a_shard_waits_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = SqliteLedger::open(&folder.path().join("ledger.db")).expect("a ledger");
        let (open, closed) = (name(), name());
        for name in [open, closed] {
            let request = NamedRequest { id: name.to_string(), digest: [0; 16], answer: vec![] };
            assert_eq!(ledger.decide(name, Decision::Commit, &[1], Some(request)).await, Ok(Decision::Commit));
        }
        ledger.finish(closed).await.expect("it is noted");
        ledger.decide(name(), Decision::Abort, &[], None).await.expect("what was noted is written");
        std::thread::sleep(Duration::from_millis(5));
        ledger.forget(Duration::from_secs(3600)).await.expect("nothing is so old");
        assert!(ledger.ended(&open.to_string()).await.expect("an answer").is_some());
        ledger.forget(Duration::ZERO).await.expect("all is old");
        assert_eq!(ledger.ended(&open.to_string()).await, Ok(None));
        assert_eq!(ledger.unfinished().await.expect("one").len(), 1);
        assert_eq!(ledger.decide(open, Decision::Abort, &[], None).await, Ok(Decision::Commit), "its shard may ask");
    }
}
