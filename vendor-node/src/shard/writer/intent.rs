//! A shard's part in a transaction over several: prepared, then resolved.
//!
//! To prepare is to run the statements so that every constraint speaks, to undo them, and to keep them as an intent, durably. While
//! a shard has an intent nothing else is written to it, so that running the statements again has the same effect. Only the
//! coordinators' ledger says what becomes of it: a shard never decides alone. What was done is remembered, so that a
//! late message does not do it twice.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rusqlite::OptionalExtension as _;
use souk_proto::Reason;

use super::{WriteFault, Writer};
use crate::{
    error::Fault,
    shard::{
        place::Phase,
        queue::{Done, WriteRequest},
    },
    ticket::Ticket,
};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS _souk_intent(name BLOB NOT NULL PRIMARY KEY, schema_version INTEGER NOT NULL, work BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS _souk_done(name BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID";

/// What began longer ago is not prepared any more: transactions take seconds, minutes at most.
const PREPARED_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// How long is remembered what was done: longer than it might be prepared again, by the same clock.
const DONE_KEPT_FOR: Duration = Duration::from_secs(48 * 3600);

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// How long ago the transaction of this name began: a UUID of version 7 starts with the time, in milliseconds. None for other names.
fn age(name: &[u8]) -> Option<Duration> {
    let (born, rest) = name.split_first_chunk::<6>()?;
    let is_v7 = rest.len() == 10 && rest[0] >> 4 == 7;
    let born = born.iter().fold(0, |born, byte| born << 8 | u64::from(*byte));
    is_v7.then(|| Duration::from_millis(now_ms().saturating_sub(born)))
}

/// What a shard has promised to do.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    /// The transaction's.
    pub(crate) name: Arc<[u8]>,
    /// Since when it waits: since it was promised, or, in a file that was found so, since the transaction began.
    pub(crate) since: Instant,
    schema_version: u64,
    /// The statements as they came.
    work: Arc<[u8]>,
}

/// A part of a transaction.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: Arc<[u8]>,
    /// The request as it came: what is kept.
    pub(crate) work: Arc<[u8]>,
    pub(crate) request: WriteRequest,
}

/// What a shard says of its part.
#[derive(Debug)]
pub(crate) enum Vote {
    Prepared(Vec<Done>),
    /// There is nothing to do, and no word is waited for.
    Nothing(Vec<Done>),
}

/// Reads the statements of an intent.
pub(crate) type ReadWork<'a> = &'a dyn Fn(&[u8]) -> Result<WriteRequest, Fault>;

impl Writer {
    /// The intent that the file holds.
    pub(super) fn read_intent(&mut self) -> rusqlite::Result<()> {
        let has_table = "SELECT 1 FROM sqlite_schema WHERE name = '_souk_intent'";
        if !self.connection.prepare(has_table)?.exists([])? {
            return Ok(());
        }
        let read = "SELECT name, schema_version, work FROM _souk_intent";
        let intent = self.connection.query_row(read, [], |row| {
            let name: Vec<u8> = row.get(0)?;
            Ok(Intent {
                // What a restart found waits since it began: nobody is at it any more.
                since: age(&name).and_then(|age| Instant::now().checked_sub(age)).unwrap_or_else(Instant::now),
                name: name.into(),
                schema_version: row.get::<_, i64>(1)?.cast_unsigned(),
                work: row.get::<_, Vec<u8>>(2)?.into(),
            })
        });
        self.intent = intent.optional()?;
        Ok(())
    }

    /// Promises to do a part; its statements have run, and nothing of them is left.
    pub(in crate::shard) fn prepare(&mut self, part: &Part) -> Result<Vote, WriteFault> {
        failpoint!("prepare-begun");
        if age(&part.name).is_some_and(|age| age > PREPARED_AGE_MAX) {
            let words = "the transaction began so long ago that this shard may have done and forgotten it";
            return Err(self.place.fault(Reason::InvalidArgument, words).into());
        }
        match &self.intent {
            Some(intent) if intent.name == part.name => return Ok(Vote::Prepared(self.try_out(&part.request)?)),
            Some(_) => return Err(self.held().into()),
            None if self.has_done(&part.name)? => {
                let words = "this transaction was done before";
                return Err(self.place.fault(Reason::InvalidArgument, words).into());
            }
            None => {}
        }
        let outcomes = self.try_out(&part.request)?;
        if outcomes.iter().all(|done| done.rows_affected == 0) {
            return Ok(Vote::Nothing(outcomes));
        }
        failpoint!("prepare-tried");
        let schema_version = self.schema_version;
        self.transaction(|writer| {
            failpoint!("intent-begun");
            let keep = writer.connection.execute_batch(TABLES).and_then(|()| {
                let keep = "INSERT INTO _souk_intent VALUES (?1, ?2, ?3)";
                writer.connection.execute(keep, (&*part.name, schema_version.cast_signed(), &*part.work))
            });
            keep.map(drop).map_err(|error| writer.place.sqlite(Phase::Run, &error))
        })?;
        failpoint!(doubt "intent-committed");
        let (name, work) = (Arc::clone(&part.name), Arc::clone(&part.work));
        self.intent = Some(Intent { name, since: Instant::now(), schema_version, work });
        Ok(Vote::Prepared(outcomes))
    }

    /// What the statements of a request do; nothing of it is left.
    fn try_out(&mut self, request: &WriteRequest) -> Result<Vec<Done>, WriteFault> {
        let control =
            |writer: &Writer, sql| writer.control(sql).map_err(|error| writer.place.sqlite(Phase::Run, &error));
        control(self, "BEGIN IMMEDIATE")?;
        let outcome = self.check_schema(request).and_then(|()| self.run_statements(request));
        self.roll_back().map_err(|error| WriteFault { fault: self.place.sqlite(Phase::Run, &error), close: true })?;
        outcome.map_err(WriteFault::from)
    }

    /// Does what was promised, or forgets it. May be repeated.
    pub(in crate::shard) fn resolve(
        &mut self,
        name: &[u8],
        commit: bool,
        read: ReadWork<'_>,
    ) -> Result<(), WriteFault> {
        failpoint!("word-heard");
        let intent = self.intent.clone().filter(|intent| *intent.name == *name);
        match (intent, commit) {
            (Some(intent), true) => {
                self.apply(&intent, read)?;
                failpoint!(doubt "apply-committed");
            }
            (Some(intent), false) => {
                failpoint!("release-begun");
                self.transaction(|writer| writer.forget(&intent))?;
                failpoint!(doubt "release-committed");
            }
            // What began longer ago than is remembered was done and forgotten.
            (None, true) if age(name).is_none_or(|age| age < DONE_KEPT_FOR) && !self.has_done(name)? => {
                let words = "a transaction is to be committed that it neither holds nor has done";
                return Err(self.place.fault(Reason::Internal, words).into());
            }
            (None, _) => return Ok(()),
        }
        self.intent = None;
        Ok(())
    }

    fn apply(&self, intent: &Intent, read: ReadWork<'_>) -> Result<(), WriteFault> {
        let mut request = WriteRequest {
            schema_version: intent.schema_version,
            // Promised is promised: neither time, nor bytes, nor what was expected matter any more.
            ticket: Arc::new(Ticket::new(Duration::MAX, Arc::default())),
            bytes_max: u64::MAX,
            ..read(&intent.work)?
        };
        request.statements.iter_mut().for_each(|statement| statement.expectation = None);
        self.transaction(|writer| {
            writer.check_schema(&request)?;
            writer.run_statements(&request)?;
            failpoint!("apply-uncommitted");
            writer.forget(intent)?;
            let done = writer.connection.execute("INSERT INTO _souk_done VALUES (?1)", [&*intent.name]);
            done.and_then(|_| writer.forget_done()).map_err(|error| writer.place.sqlite(Phase::Run, &error))
        })
    }

    /// Forgets what was done so long ago that it is not prepared again.
    fn forget_done(&self) -> rusqlite::Result<()> {
        let oldest = (now_ms().saturating_sub(DONE_KEPT_FOR.as_millis() as u64) << 16).to_be_bytes();
        let mut forget =
            self.connection.prepare_cached("DELETE FROM _souk_done WHERE name < ?1 AND length(name) = 16")?;
        forget.execute([&oldest[..]]).map(drop)
    }

    fn forget(&self, intent: &Intent) -> Result<(), Fault> {
        let forgotten = self.connection.execute("DELETE FROM _souk_intent WHERE name = ?1", [&*intent.name]);
        forgotten.map(drop).map_err(|error| self.place.sqlite(Phase::Run, &error))
    }

    fn has_done(&self, name: &[u8]) -> Result<bool, Fault> {
        let fault = |error: rusqlite::Error| self.place.sqlite(Phase::Run, &error);
        let has_table = "SELECT 1 FROM sqlite_schema WHERE name = '_souk_done'";
        let exists = self.connection.prepare_cached(has_table).and_then(|mut found| found.exists([])).map_err(fault)?;
        if !exists {
            return Ok(false);
        }
        let found = self.connection.prepare_cached("SELECT 1 FROM _souk_done WHERE name = ?1");
        found.and_then(|mut found| found.exists([name])).map_err(fault)
    }

    /// Another transaction has its word.
    pub(in crate::shard) fn held(&self) -> Fault {
        let words = "it waits for the word of a transaction over several shards: try again in a moment";
        self.place.fault(Reason::Overloaded, words)
    }

    /// What it has promised.
    pub(in crate::shard) fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref()
    }
}
