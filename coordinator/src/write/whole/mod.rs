//! The most naive plan of statements that change rows: the tables that they touch are fetched whole, SQLite runs the user's own texts over them, and
//! the shards are told which rows are to be otherwise.
//!
//! So it is right for what SQLite accepts, as the naive plan of a SELECT is. Foreign keys act and triggers fire in the scratch, and what they did
//! comes to the shards as any other row does: there no trigger fires, and foreign keys do not act again, but must hold in the end. A row that was changed by others since it was read is noticed by the shard that has it, which compares it with what was read: then all is
//! done anew.
//!
//! - [`rows`]: which shard has which rows, and is to have them otherwise.
//! - [`work`]: that as statements.

mod rows;
mod work;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use souk_merge::{Batch, Value, ValueRef};
use souk_proto::{Expectation, Reason};
use tokio::time::{Instant, timeout_at};

use super::change::{RETURNED_BYTES_MAX, alone};
use super::rowids::{NobodyElse, Watch};
use super::{Executed, Writing, numbered, unsupported, write_alone};
use crate::catalog::{Catalog, Snapshot};
use crate::cluster::Cluster;
use crate::commit::{Judged, Part, Work, commit};
use crate::error::{Error, Result};
use crate::exec::{Done, WriteRequest};
use crate::locks::Alone;
use crate::scratch::{CancelOnDrop, ChangedRows, Kept, Ran, Scratch, Stop, StoredTable, WholeStatement};
use crate::session::Session;
use crate::sql::{TableInfo, Touched};

/// How often it is tried while others change the same rows.
const TRIES_MAX: u32 = 8;

/// How often it is tried when a shard's constraint refuses what was none in the scratch: a row may have come between, or a row and the one that it refers to are on
/// different shards.
const CONSTRAINED_TRIES_MAX: u32 = 5;

/// How long the second try waits; each further one waits longer.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// A statement to be run.
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) parameters: Vec<Value>,
    /// Name and declared type of each column that it gives.
    pub(super) columns: Vec<(String, Option<String>)>,
    pub(super) touched: Touched,
    pub(super) is_read: bool,
    pub(super) expectation: Option<Expectation>,
}

/// Statements to be run one after the other, all or none.
pub(super) struct Whole<'c> {
    cluster: &'c Arc<Cluster>,
    snapshot: Snapshot,
    writing: Writing,
    deadline: Instant,
    statements: Arc<[Statement]>,
    /// Whether failures say which of them it was; one that stands alone may leave rows changed when it fails, as OR FAIL has it.
    are_several: bool,
    tables: BTreeSet<String>,
    written: BTreeSet<String>,
}

/// What the tables may yet take.
struct Left {
    bytes: u64,
    rows: u64,
}

/// What was done in the scratch.
struct Scratched {
    executed: Vec<Executed>,
    /// What ended the one statement, whose rows stay changed.
    failed: Option<Error>,
    /// By table.
    rows: Vec<(String, ChangedRows)>,
    /// Rows that were changed, each as often as it was.
    changes: u64,
}

/// What is held until it is over.
struct Held {
    /// Nobody else changes a replicated table, and no shard is made.
    alone: Option<Alone>,
    /// Nobody else numbers rows as SQLite does, after the highest that is there, and no other coordinator hands out rowids.
    numbering: Option<Numbering>,
}

/// Ends in this order: a statement that numbers rows next must not lose its watch.
type Numbering = (Watch, NobodyElse, Alone);

/// What came of one try.
enum Tried<T> {
    Done(T),
    /// What shards said to their part. Nothing was done.
    Refused(Error),
}

impl<'c> Whole<'c> {
    /// One statement by itself.
    pub(super) fn one(
        cluster: &'c Arc<Cluster>,
        writing: Writing,
        statement: Statement,
        deadline: Instant,
    ) -> Whole<'c> {
        Whole::new(cluster, writing, vec![statement], false, deadline)
    }

    /// The statements of a transaction.
    pub(super) fn several(
        cluster: &'c Arc<Cluster>,
        writing: Writing,
        statements: Vec<Statement>,
        deadline: Instant,
    ) -> Whole<'c> {
        Whole::new(cluster, writing, statements, true, deadline)
    }

    fn new(
        cluster: &'c Arc<Cluster>,
        writing: Writing,
        statements: Vec<Statement>,
        are_several: bool,
        deadline: Instant,
    ) -> Whole<'c> {
        let all = |names: fn(&Touched) -> &BTreeSet<String>| {
            statements
                .iter()
                .flat_map(|statement| names(&statement.touched))
                .map(|name| name.to_ascii_lowercase())
                .collect()
        };
        let (tables, written) = (all(|touched| &touched.tables), all(|touched| &touched.written));
        let (snapshot, statements) = (cluster.snapshot(), statements.into());
        Whole { cluster, snapshot, writing, deadline, statements, are_several, tables, written }
    }

    /// Runs them; gives what `conclude` makes of what each did. `is_named`: there is a request to be remembered.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        is_named: bool,
        conclude: impl Fn(Vec<Executed>) -> Result<Judged<T>> + Clone + Send + Sync + 'static,
    ) -> Result<T> {
        self.refuse()?;
        for tried in 1.. {
            let error = match self.try_once(is_named, conclude.clone()).await? {
                Tried::Done(answer) => return Ok(answer),
                Tried::Refused(error) => error,
            };
            match error.reason {
                Reason::Expectation if tried < TRIES_MAX => {}
                Reason::Expectation => {
                    let names: Vec<&str> = self.written().map(|table| table.name.as_str()).collect();
                    let message = format!(
                        "rows of `{}` were changed by others each time they had been read; try again ({})",
                        names.join("`, `"),
                        error.message
                    );
                    return Err(Error::new(Reason::Overloaded, message));
                }
                Reason::Constraint if tried < CONSTRAINED_TRIES_MAX => {}
                _ => return Err(error),
            }
            tokio::time::sleep(TRY_AGAIN_AFTER * tried).await;
        }
        Err(Error::internal("a statement was tried without end"))
    }

    /// The tables that may be changed.
    fn written(&self) -> impl Iterator<Item = &TableInfo> {
        self.written.iter().filter_map(|name| self.snapshot.catalog.schema.table(name))
    }

    fn refuse(&self) -> Result<()> {
        if self.statements.iter().any(|statement| statement.touched.reads_schema) {
            return Err(unsupported("reading the schema in what is run over whole tables is not supported"));
        }
        let nameless =
            |table: &&TableInfo| !table.without_rowid && table.rowid_alias.is_none() && table.rowid_name().is_none();
        match self.written().find(nameless) {
            Some(table) => Err(unsupported(format!(
                "this change of `{}`, whose columns take every name of its rowid, is not supported",
                table.name
            ))),
            None => Ok(()),
        }
    }

    async fn try_once<T: Send + 'static>(
        &self,
        is_named: bool,
        conclude: impl Fn(Vec<Executed>) -> Result<Judged<T>> + Send + Sync + 'static,
    ) -> Result<Tried<T>> {
        let mut held = self.hold().await?;
        let scratched = {
            // For no longer: who waits for a lock would keep others from their turns.
            let turn = timeout_at(self.deadline, self.cluster.turn()).await;
            let _turn = turn.map_err(|_| Error::deadline())??;
            // Those too that were made while it waited.
            let snapshot = Snapshot { topology: self.cluster.snapshot().topology, ..self.snapshot.clone() };
            self.run_in_scratch(&snapshot).await?
        };
        let Scratched { mut executed, failed, rows, changes } = scratched;
        if !self.are_free(&rows, changes)? {
            let message = "rowids that are given are handed out to others at the same time";
            return Ok(Tried::Refused(Error::new(Reason::Expectation, message)));
        }
        let parts = match self.parts(rows, &mut held.alone).await {
            Ok(parts) => parts,
            Err(error) => return Ok(Tried::Refused(error)),
        };
        let shards = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        executed.iter_mut().filter(|executed| executed.rows_affected > 0).for_each(|executed| executed.shards = shards);
        let done = if parts.len() > 1 || is_named {
            let (schema_version, deadline) = (self.snapshot.catalog.version, self.deadline);
            let work = Work { parts, schema_version, deadline, bytes_max: RETURNED_BYTES_MAX };
            let judge = move |_: &[Vec<Done>]| conclude(executed.clone());
            commit(self.cluster, work, judge, (held.alone, held.numbering, Arc::clone(&self.writing))).await
        } else {
            // First, since it may yet refuse.
            let answer = conclude(executed)?.answer;
            self.write(parts, held).await.map(|()| answer)
        };
        match (done, failed) {
            (Err(error), _) => Ok(Tried::Refused(error)),
            (Ok(_), Some(error)) => Err(error),
            (Ok(answer), None) => Ok(Tried::Done(answer)),
        }
    }

    /// Has the one shard do its part, if there is one.
    async fn write(&self, mut parts: Vec<Part>, held: Held) -> Result<()> {
        let Some(Part { shard, statements }) = parts.pop() else { return Ok(()) };
        let (schema_version, deadline) = (self.snapshot.catalog.version, self.deadline);
        let request = WriteRequest { shard, schema_version, deadline, bytes_max: RETURNED_BYTES_MAX, statements };
        write_alone(self.cluster, request, (held.alone, held.numbering, Arc::clone(&self.writing))).await.map(drop)
    }

    /// From now on no other statement has SQLite number rows, and no other coordinator hands out rowids.
    async fn numbering(&self) -> Result<Numbering> {
        let alone = self.cluster.numbering().await?;
        let nobody_else = self.cluster.rowids.nobody_else().await?;
        Ok((self.cluster.rowids.watch(), nobody_else, alone))
    }

    async fn hold(&self) -> Result<Held> {
        let numbering = match self.numbered().next() {
            Some(_) => {
                let numbering = timeout_at(self.deadline, self.numbering()).await.map_err(|_| Error::deadline())??;
                // What the one before decided must be there to be seen.
                self.cluster.transactions.settled(self.deadline).await?;
                Some(numbering)
            }
            None => None,
        };
        let alone = match self.written().any(|table| table.key().is_none()) {
            true => Some(alone(self.cluster, self.deadline).await?),
            false => None,
        };
        Ok(Held { alone, numbering })
    }

    /// Tables whose rows SQLite may number, which no two shards may do alike.
    fn numbered(&self) -> impl Iterator<Item = &TableInfo> {
        self.written().filter(|table| table.key().is_some() && table.rowid_alias.is_some())
    }

    /// Whether the rowids of new rows were handed out to nobody, and will not be.
    fn are_free(&self, rows: &[(String, ChangedRows)], changes: u64) -> Result<bool> {
        let mut rowids = Vec::new();
        for table in self.numbered() {
            let alias = table.rowid_alias.map(|alias| &table.columns[alias].name);
            let place = table.stored().position(|column| Some(&column.name) == alias);
            let inserted = rows.iter().find(|(name, _)| *name == table.name).map(|(_, rows)| &rows.inserted);
            let (Some(place), Some(inserted)) = (place, inserted) else { continue };
            let mut cursor = inserted.cursor();
            while cursor.advance() {
                if let ValueRef::Integer(rowid) = cursor.value(1 + place) {
                    rowids.push(rowid);
                }
            }
        }
        Ok(rowids.is_empty() || self.cluster.rowids.are_free(&self.cluster.store, &rowids, changes)?)
    }

    async fn run_in_scratch(&self, snapshot: &Snapshot) -> Result<Scratched> {
        let limits = &self.cluster.limits;
        let mut left = Left { bytes: limits.gather_bytes_max, rows: limits.gather_rows_max };
        let mut all = Vec::new();
        let schema = &snapshot.catalog.schema;
        for table in self.tables.iter().filter_map(|name| schema.table(name)) {
            all.push((table.name.clone(), self.stored(snapshot, table, &mut left).await?));
        }
        let counted_from = match self.numbered().next() {
            Some(_) => self.cluster.rowids.above(&self.cluster.store)?,
            None => 0,
        };
        let (catalog, statements) = (Arc::clone(&self.snapshot.catalog), Arc::clone(&self.statements));
        let (written, are_several) = (self.written.clone(), self.are_several);
        let stop = Stop { deadline: self.deadline, cancelled: Arc::default() };
        // Who goes away wants nothing run any more.
        let _cancel = CancelOnDrop(Arc::clone(&stop.cancelled));
        let bytes_max = self.cluster.limits.result_bytes_max.min(RETURNED_BYTES_MAX);
        let ran = tokio::task::spawn_blocking(move || {
            let tables = stored_tables(&catalog, all, &written)?;
            let mut scratch = catalog.scratches.take(&stop)?;
            scratch.load(&tables)?;
            let numbered = tables.iter().filter(|stored| stored.kept.is_some() && stored.table.key().is_some());
            numbered.into_iter().try_for_each(|stored| scratch.count_from(stored.table, counted_from))?;
            scratched(&scratch, catalog.version, &tables, &statements, are_several, bytes_max)
        });
        ran.await.map_err(|_| Error::internal("a thread that ran a statement died"))?
    }

    /// The rows of a table, which take of what is left.
    async fn stored(&self, snapshot: &Snapshot, table: &TableInfo, left: &mut Left) -> Result<Vec<Batch>> {
        let too_large = || {
            Error::new(
                Reason::GatherTooLarge,
                format!(
                    "this can only be run over whole tables, and with `{}` they are larger than `gather_bytes_max` or `gather_rows_max`; \
                     change rows by their shard key, of tables without triggers",
                    table.name
                ),
            )
        };
        let session = Session::new(Arc::clone(self.cluster));
        let rows = session.stored_rows(snapshot, table, self.deadline, left.bytes).await;
        let rows = rows.map_err(|error| if error.reason == Reason::TooLarge { too_large() } else { error })?;
        let bytes: usize = rows.iter().map(Batch::byte_size).sum();
        let count: usize = rows.iter().map(Batch::rows).sum();
        left.bytes = left.bytes.checked_sub(bytes as u64).ok_or_else(too_large)?;
        left.rows = left.rows.checked_sub(count as u64).ok_or_else(too_large)?;
        Ok(rows)
    }
}

/// The tables with their rows; those that may be changed keep them as they are.
fn stored_tables<'t>(
    catalog: &'t Catalog,
    all: Vec<(String, Vec<Batch>)>,
    written: &BTreeSet<String>,
) -> Result<Vec<StoredTable<'t>>> {
    let stored = |(place, (name, rows)): (usize, (String, Vec<Batch>))| {
        let table = catalog.schema.table(&name);
        let table = table.ok_or_else(|| Error::internal("a table that was read is not there any more"))?;
        let kept = written.contains(&name.to_ascii_lowercase()).then_some(Kept(place));
        Ok(StoredTable { table, rows, kept })
    };
    all.into_iter().enumerate().map(stored).collect()
}

/// Runs the statements over the tables, and finds what became of those.
fn scratched(
    scratch: &Scratch<'_>,
    version: u64,
    tables: &[StoredTable<'_>],
    statements: &[Statement],
    are_several: bool,
    returned_bytes_max: u64,
) -> Result<Scratched> {
    let before = scratch.changes();
    let (mut executed, mut ended) = (Vec::with_capacity(statements.len()), None);
    for (number, statement) in (1..).zip(statements) {
        let named = |error| if are_several { numbered(number, error) } else { error };
        let Statement { text, parameters, columns, touched, is_read, expectation } = statement;
        let ran = scratch.run(&WholeStatement { text, parameters, fires: touched.fires, returned_bytes_max });
        let Ran { rows_affected, last_insert_rowid, returned, failed } = ran.map_err(named)?;
        match failed {
            Some(error) if are_several => return Err(named(error)),
            failed => ended = failed,
        }
        let mut done = Executed { columns: columns.clone(), rows: returned, ..Executed::at(version) };
        if !is_read {
            (done.rows_affected, done.last_insert_rowid) = (rows_affected, last_insert_rowid);
        }
        let gives_rows = done.rows.as_ref().is_some_and(|rows| !rows.is_empty());
        if let Some(words) = expectation.and_then(|expected| expected.unmet(done.rows_affected, gives_rows)) {
            return Err(named(Error::new(Reason::Expectation, words)));
        }
        executed.push(done);
    }
    let changes = scratch.changes() - before;
    let kept = tables.iter().filter_map(|stored| Some((stored.table, stored.kept?)));
    let rows = kept.map(|(table, kept)| Ok((table.name.clone(), scratch.changed(table, kept)?)));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    match ended {
        Some(error) if rows.iter().all(|(_, rows)| rows.is_empty()) => Err(error),
        failed => Ok(Scratched { executed, failed, rows, changes }),
    }
}
