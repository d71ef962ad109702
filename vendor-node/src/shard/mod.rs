//! A shard: its file, its readers and its writer.
//!
//! - [`place`]: where it lies, and what SQLite's errors mean.
//! - [`connection`]: how its file is opened.
//! - [`file`]: how its file is made and checked.
//! - [`scope`]: one key's rows as views.
//! - [`authorizer`]: what a statement may do.
//! - [`reader`], [`writer`]: connections.
//! - [`queue`]: requests that wait for the writer.

mod authorizer;
mod connection;
mod file;
mod place;
mod queue;
mod reader;
mod scope;
mod writer;

use std::{
    fs, io, mem,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};
use souk_proto::Reason;

pub(crate) use connection::OpenConnections;
pub(crate) use file::{create, disk};
pub(crate) use place::{Place, Trouble};
pub(crate) use queue::{Done, Waiting, WriteRequest, WriteStatement};
pub(crate) use reader::{RowView, Statement, Visit, bindable};
pub(crate) use scope::{Scope, ScopedTable, quote};
pub(crate) use writer::{Inserted, Intent, Part, ReadWork, TableRows, Vote};

use crate::{commits::ShardCommits, error::Fault, schema::SchemaLog, ticket::Ticket};
use place::Phase;
use queue::Queue;
use reader::Reader;
use writer::{WriteFault, Writer};

/// Readers that a shard keeps when nobody uses them. More are opened when more calls read at once.
const READERS_KEPT: usize = 2;

/// Most readers of one shard at a time, more than calls that run; calls beyond are told to try again.
const READERS_MAX: usize = 512;

/// Pages in the log after which a commit is followed by a checkpoint that waits for nobody: 4 MiB.
const WAL_PAGES_SOFT: usize = 1000;

/// Pages in the log after which a commit waits for those who read what the log holds, so that it starts anew: 16 MiB.
const WAL_PAGES_HARD: usize = 4000;

/// Pages in the log after which those readers are ended: 64 MiB. Beyond it the log grows only by what is committed until they have noticed.
const WAL_PAGES_MAX: usize = 16_000;

/// How long such a commit waits: what it wrote is acknowledged so much later.
const WAL_WAIT_MAX: Duration = Duration::from_millis(500);

/// How long rows and schema changes wait for the word of a transaction over several shards.
const FENCE_WAIT_MAX: Duration = Duration::from_secs(10);

/// How often who waits for a word looks whether to go on.
const WORD_LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often it looks whether they are done.
const WAL_LOOK_EVERY: Duration = Duration::from_millis(5);

/// One shard.
pub(crate) struct Shard {
    /// Declared before the writer, so that a writer closes last and leaves no log behind.
    idle: Mutex<Vec<Reader>>,
    writer: Mutex<Option<Writer>>,
    queue: Queue,
    /// Told when the writer has kept, or been freed of, a promise.
    resolved: Condvar,
    /// What the writer has promised to do.
    fence: Mutex<Option<Intent>>,
    place: Arc<Place>,
    open: Arc<OpenConnections>,
    commits: Arc<ShardCommits>,
    /// Set while a commit waits for the log to start anew: readers that come to rest give up their snapshots.
    log_is_full: AtomicBool,
    /// Device and inode of the file that was opened.
    inode: OnceLock<(u64, u64)>,
    /// The calls that read, once for each reader in use.
    running: Mutex<Vec<Arc<Ticket>>>,
}

impl Shard {
    /// A shard that is not open yet.
    pub(crate) fn new(place: Place, open: &Arc<OpenConnections>, commits: Arc<ShardCommits>) -> Shard {
        commits.reopen();
        Shard {
            idle: Mutex::default(),
            writer: Mutex::default(),
            queue: Queue::default(),
            resolved: Condvar::new(),
            fence: Mutex::default(),
            place: Arc::new(place),
            open: Arc::clone(open),
            commits,
            log_is_full: AtomicBool::new(false),
            inode: OnceLock::new(),
            running: Mutex::default(),
        }
    }

    /// Runs a statement on the shard as it is now, at exactly the schema of `log`.
    pub(crate) fn read(&self, query: &Query<'_>, visit: &mut Visit<'_>) -> Result<(), Trouble> {
        query.ticket.check()?;
        if self.try_read(query, visit)? == Schema::Behind {
            self.catch_up(query.schema)?;
            if self.try_read(query, visit)? == Schema::Behind {
                return Err(self.place.fault(Reason::Internal, "it did not catch up with the schema").into());
            }
        }
        Ok(())
    }

    /// Runs a statement unless the shard misses a change of the schema.
    fn try_read(&self, query: &Query<'_>, visit: &mut Visit<'_>) -> Result<Schema, Trouble> {
        let _counted = Reading::new(self, query.ticket)?;
        let mut reader = self.take_reader(query.scope)?;
        // The counter first: a commit in between makes the snapshot newer than its number, never older.
        let commits = self.commits.count();
        let version = reader.renew(commits).map_err(|error| self.place.sqlite(Phase::Open, &error))?;
        if version < query.schema.version() {
            self.keep(reader);
            return Ok(Schema::Behind);
        }
        if version > query.schema.version() {
            let words = format!("its schema is at {version}, the call was planned for {}", query.schema.version());
            return Err(self.place.fault(Reason::SchemaMismatch, words).into());
        }
        let outcome = reader.run(query.statement, query.ticket, visit);
        // A connection that met damage is closed.
        if !outcome.as_ref().is_err_and(Fault::is_of_shard) {
            self.keep(reader);
        }
        outcome?;
        Ok(Schema::Current)
    }

    fn take_reader(&self, scope: Option<&Arc<Scope>>) -> Result<Reader, Trouble> {
        let mut idle = self.idle.lock();
        if let Some(index) = idle.iter().rposition(|reader| reader.has_scope(scope)) {
            return Ok(idle.remove(index));
        }
        drop(idle);
        let reader = Reader::open(&self.place, scope.cloned(), &self.open)?;
        self.remember_inode()?;
        Ok(reader)
    }

    /// Keeps a reader for the next call, or closes one when enough are kept.
    fn keep(&self, mut reader: Reader) {
        if let Err(error) = reader.rest() {
            tracing::warn!(shard = self.place.shard, %error, "a reader keeps its memory");
        }
        let mut idle = self.idle.lock();
        // Under the lock: a writer finds the reader here, or has counted its commit before.
        let is_in_the_way = self.log_is_full.load(Ordering::Relaxed) || reader.is_behind(self.commits.count());
        if is_in_the_way && reader.end_snapshot().is_err() {
            return;
        }
        idle.push(reader);
        let surplus = if idle.len() > READERS_KEPT { Some(idle.remove(0)) } else { None };
        drop(idle);
        drop(surplus);
    }

    /// Bytes of pages that idle readers hold.
    pub(crate) fn page_cache_bytes(&self) -> u64 {
        self.idle.lock().iter().map(|reader| reader.cache_bytes() as u64).sum()
    }

    /// Inserts rows in one transaction. `tables` is left as it is only when the shard could not be opened.
    pub(crate) fn insert(
        &self,
        log: &SchemaLog,
        tables: &mut Vec<TableRows>,
        keep_going: bool,
    ) -> Result<Inserted, Trouble> {
        let until = Instant::now() + FENCE_WAIT_MAX;
        self.write(log, until, |writer| writer.insert(mem::take(tables), keep_going))
    }

    /// Brings the schema to the end of `log`.
    pub(crate) fn catch_up(&self, log: &SchemaLog) -> Result<(), Trouble> {
        self.write(log, Instant::now() + FENCE_WAIT_MAX, |_| Ok(()))
    }

    /// Tries to bring the schema to the end of `log`, and undoes it.
    pub(crate) fn try_catch_up(&self, log: &SchemaLog) -> Result<(), Trouble> {
        let mut held = self.writer.lock();
        self.wait_for_word(&mut held, Instant::now() + FENCE_WAIT_MAX, None)?;
        self.write_held(&mut held, None, |writer| writer.try_catch_up(log))
    }

    /// Puts a request into the queue.
    pub(crate) fn enqueue(&self, request: WriteRequest) -> Result<Arc<Waiting>, Fault> {
        let words = "too many writes wait for it: try again in a moment";
        self.queue.push(request).ok_or_else(|| self.place.fault(Reason::Overloaded, words))
    }

    /// Gives what became of a request of the queue: another call has run it, or this one runs all that wait.
    pub(crate) fn run_queue(&self, log: impl Fn() -> Arc<SchemaLog>, own: &Arc<Waiting>) -> Result<Vec<Done>, Trouble> {
        let mut held = self.writer.lock();
        loop {
            if let Some(outcome) = own.take() {
                return Ok(outcome?);
            }
            // Before others' requests are taken: they wait for their own calls, which come here next.
            let waited = self.wait_for_word(&mut held, own.until(), Some(own.ticket()));
            if own.is_settled() {
                continue;
            }
            waited?;
            let together = self.queue.take();
            if together.is_empty() {
                let words = "a write broke down: whether it happened is unknown, read before trying again";
                return Err(self.place.fault(Reason::Internal, words).into());
            }
            if let Err(Trouble::Fault(fault) | Trouble::NoDescriptors(fault)) =
                self.write_held(&mut held, Some(&log()), |writer| writer.run_all(&together))
            {
                together.iter().for_each(|waiting| waiting.settle(Err(fault.clone())));
            }
        }
    }

    /// Takes a request back that could not be run; what became of it when another call has run it meanwhile.
    pub(crate) fn withdraw(&self, own: &Arc<Waiting>) -> Option<Result<Vec<Done>, Fault>> {
        // Under the writer's lock: no call is at it then.
        let _held = self.writer.lock();
        self.queue.withdraw(own);
        own.take()
    }

    /// Runs a part of a transaction, undoes it, and promises to do it.
    pub(crate) fn prepare(&self, log: &SchemaLog, part: &Part) -> Result<Vote, Trouble> {
        let mut held = self.writer.lock();
        let vote = self.write_held(&mut held, Some(log), |writer| writer.prepare(part));
        self.show_fence(&held);
        vote
    }

    /// Does what was promised, or forgets it. The schema waits meanwhile.
    pub(crate) fn resolve(&self, name: &[u8], commit: bool, read: ReadWork<'_>) -> Result<(), Trouble> {
        let mut held = self.writer.lock();
        let resolved = self.write_held(&mut held, None, |writer| writer.resolve(name, commit, read));
        self.show_fence(&held);
        self.resolved.notify_all();
        resolved
    }

    /// What the writer has promised to do.
    pub(crate) fn fence(&self) -> Option<Intent> {
        self.fence.lock().clone()
    }

    fn show_fence(&self, held: &Option<Writer>) {
        *self.fence.lock() = held.as_ref().and_then(Writer::intent).cloned();
    }

    /// Writes at the schema of `log`, one writer at a time, when nothing is promised or that is over before `until`.
    fn write<T>(
        &self,
        log: &SchemaLog,
        until: Instant,
        body: impl FnOnce(&mut Writer) -> Result<T, WriteFault>,
    ) -> Result<T, Trouble> {
        let mut held = self.writer.lock();
        self.wait_for_word(&mut held, until, None)?;
        self.write_held(&mut held, Some(log), body)
    }

    /// Opens the writer, and waits until it has no promise to keep.
    fn wait_for_word(
        &self,
        held: &mut MutexGuard<'_, Option<Writer>>,
        until: Instant,
        ticket: Option<&Ticket>,
    ) -> Result<(), Trouble> {
        loop {
            let writer = self.open_writer(held)?;
            if writer.intent().is_none() {
                return Ok(());
            }
            let fault = writer.held();
            self.show_fence(held);
            if Instant::now() >= until {
                return Err(fault.into());
            }
            if let Some(ticket) = ticket {
                ticket.check()?;
            }
            self.resolved.wait_until(held, until.min(Instant::now() + WORD_LOOK_EVERY));
        }
    }

    fn open_writer<'w>(&self, held: &'w mut Option<Writer>) -> Result<&'w mut Writer, Trouble> {
        self.check_inode()?;
        Ok(match held {
            Some(writer) => writer,
            None => held.insert(Writer::open(&self.place, &self.open)?),
        })
    }

    fn write_held<T>(
        &self,
        held: &mut Option<Writer>,
        log: Option<&SchemaLog>,
        body: impl FnOnce(&mut Writer) -> Result<T, WriteFault>,
    ) -> Result<T, Trouble> {
        let writer = self.open_writer(held)?;
        self.remember_inode()?;
        let counted = CountOnDrop(&self.commits);
        let outcome = log.map_or(Ok(()), |log| writer.catch_up(log)).and_then(|()| body(writer));
        // Not between a promise and its word: other statistics may make other plans.
        if outcome.is_ok()
            && writer.intent().is_none()
            && let Err(error) = writer.optimize()
        {
            tracing::warn!(shard = self.place.shard, %error, "SQLite made no statistics");
        }
        drop(counted);
        self.end_idle_snapshots();
        match outcome {
            Ok(outcome) => {
                self.shorten_log(writer);
                if let Err(error) = writer.release_memory() {
                    tracing::warn!(shard = self.place.shard, %error, "a writer keeps its memory");
                }
                Ok(outcome)
            }
            Err(WriteFault { fault, close }) => {
                if close {
                    self.commits.doubt();
                    *held = None;
                }
                Err(fault.into())
            }
        }
    }

    fn remember_inode(&self) -> Result<(), Fault> {
        if self.inode.get().is_none() {
            let inode = inode(&self.place.file).map_err(|error| disk(&self.place, &error))?;
            self.inode.get_or_init(|| inode);
        }
        Ok(())
    }

    /// Refuses to write to a file that is no longer the one under its name: the rows would be lost.
    fn check_inode(&self) -> Result<(), Fault> {
        let Some(opened) = self.inode.get() else {
            return Ok(());
        };
        match inode(&self.place.file) {
            Ok(found) if found == *opened => Ok(()),
            Ok(_) => Err(self.place.damaged("was replaced while it was open")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.place.damaged("is missing")),
            Err(error) => Err(disk(&self.place, &error)),
        }
    }

    /// Idle readers give up their snapshots, which are old now; one that cannot is closed.
    fn end_idle_snapshots(&self) {
        self.idle.lock().retain_mut(|reader| reader.end_snapshot().is_ok());
    }

    /// Keeps the log short. What was committed stays committed whatever comes of it, and is tried again after the next commit.
    fn shorten_log(&self, writer: &Writer) {
        let shortened = match writer.wal_pages() {
            ..WAL_PAGES_SOFT => return,
            WAL_PAGES_SOFT..WAL_PAGES_HARD => writer.checkpoint(),
            WAL_PAGES_HARD.. => {
                self.log_is_full.store(true, Ordering::Relaxed);
                let restarted = self.restart_log(writer);
                self.log_is_full.store(false, Ordering::Relaxed);
                restarted
            }
        };
        if let Err(error) = shortened {
            tracing::warn!(shard = self.place.shard, %error, "a checkpoint failed");
        }
    }

    /// Waits until the log can start anew. New readers are not held up: while nothing is committed they soon read what is in the file
    /// already, and only those who came before are waited for; far beyond the bound they are ended.
    fn restart_log(&self, writer: &Writer) -> rusqlite::Result<()> {
        let until = Instant::now() + WAL_WAIT_MAX;
        loop {
            self.end_idle_snapshots();
            if writer.restart_log()? || Instant::now() >= until {
                return Ok(());
            }
            if writer.wal_pages() >= WAL_PAGES_MAX {
                self.running.lock().iter().for_each(|ticket| ticket.outrun());
            }
            thread::sleep(WAL_LOOK_EVERY);
        }
    }
}

fn inode(file: &Path) -> io::Result<(u64, u64)> {
    let found = fs::metadata(file)?;
    Ok((found.dev(), found.ino()))
}

/// Counts a commit when it is dropped, come of it what may: a count too many makes nobody wrong.
struct CountOnDrop<'a>(&'a ShardCommits);

impl Drop for CountOnDrop<'_> {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// A statement, and how it is to be run on any shard.
pub(crate) struct Query<'a> {
    pub(crate) statement: &'a Statement,
    pub(crate) scope: Option<&'a Arc<Scope>>,
    /// The schema that the statement was planned for.
    pub(crate) schema: &'a SchemaLog,
    pub(crate) ticket: &'a Arc<Ticket>,
}

/// Whether a shard's schema is the one that a statement was planned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Schema {
    Current,
    Behind,
}

/// A reader in use, counted until it is dropped.
struct Reading<'a> {
    shard: &'a Shard,
    ticket: &'a Arc<Ticket>,
}

impl<'a> Reading<'a> {
    fn new(shard: &'a Shard, ticket: &'a Arc<Ticket>) -> Result<Reading<'a>, Fault> {
        let mut running = shard.running.lock();
        if running.len() >= READERS_MAX {
            let words = format!("`{READERS_MAX}` calls read it: try again later");
            return Err(shard.place.fault(Reason::Overloaded, words));
        }
        running.push(Arc::clone(ticket));
        Ok(Reading { shard, ticket })
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut running = self.shard.running.lock();
        if let Some(place) = running.iter().position(|ticket| Arc::ptr_eq(ticket, self.ticket)) {
            running.swap_remove(place);
        }
    }
}
