//! INSERT, UPDATE and DELETE: where their rows lie, and then there. On one shard a statement is one local transaction; on several it is a
//! transaction of all of them.
//!
//! - [`in_place`]: UPDATE and DELETE, placed by a SELECT of everything that they read, from the rows that they change.
//! - [`insert`]: INSERT, whose rows are computed first, as those of any query.
//! - [`defaults`]: values of columns that the rows leave out.
//! - [`taken`]: rowids that other shards have.
//!
//! Everything else is run over whole tables (`write::whole`).

mod defaults;
mod in_place;
mod insert;
mod taken;

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use souk_merge::{Batch, Value};
use souk_proto::Reason;
use tokio::time::{Instant, timeout_at};

use super::rowids::Handed;
use super::whole::{Statement, Whole};
use super::{Executed, Writing, unsupported, write_alone, writing};
use crate::catalog::Snapshot;
use crate::cluster::Cluster;
use crate::commit::{Judged, Part, Work, commit};
use crate::error::{Error, Result};
use crate::exec::{Done, ShardStatement, WriteRequest};
use crate::locks::Alone;
use crate::session::{Session, order_parameters};
use crate::sql::{Change, ChangeStatement, TableInfo, mentions};

/// Bytes that RETURNING may give: it travels as one message.
pub(super) const RETURNED_BYTES_MAX: u64 = 16 << 20;

/// A statement on its way, with what was given for it.
pub(super) struct Changing<'c> {
    cluster: &'c Arc<Cluster>,
    writing: Writing,
    session: Session,
    snapshot: Snapshot,
    text: &'c str,
    parameters: Vec<Value>,
    pub(super) statement: Arc<ChangeStatement>,
    /// Rowids that were handed out for it.
    pub(super) handed: AllHanded,
    deadline: Instant,
}

/// Rowids that were handed out, kept until the statement is over.
pub(super) type AllHanded = Arc<Mutex<Vec<Handed>>>;

/// How what several shards did is one.
#[derive(Debug, Clone)]
pub(super) enum Together {
    /// Each has rows of its own.
    Sharded {
        /// The part of the last row that was given, when that is known.
        last: Option<usize>,
        /// The INTEGER PRIMARY KEYs of all rows in their order, where parts may leave some out: then the last row is the last that one of them inserted.
        order: Vec<Value>,
        /// The table and the column of its INTEGER PRIMARY KEY, where rows give it.
        rowids: Option<(String, usize)>,
    },
    /// Each has the same rows.
    Replicated,
}

impl Together {
    /// Of rows that were there, or are only read.
    pub(super) const OF_ROWS: Together = Together::Sharded { last: None, order: Vec::new(), rowids: None };
}

/// What is to be done.
pub(super) enum Plan {
    /// There is no row.
    Nothing,
    /// Shards do it by themselves, one statement each. `repeats`: run again, it does the same.
    Parts { parts: Vec<Part>, together: Together, repeats: bool },
    /// Every shard does it.
    Everywhere { statement: ShardStatement, repeats: bool },
    /// No shard can do it alone.
    Whole,
}

/// Runs one statement that changes rows.
pub(super) async fn change(
    cluster: &Arc<Cluster>,
    text: &str,
    given: Vec<(String, Value)>,
    deadline_ms: u32,
) -> Result<Executed> {
    let deadline = Instant::now() + Session::new(Arc::clone(cluster)).deadline(deadline_ms);
    let writing = writing(cluster, deadline).await?;
    loop {
        match change_once(cluster, &writing, text, given.clone(), deadline).await {
            Err(error) if error.reason == Reason::StaleTopology && Instant::now() < deadline => {}
            outcome => return outcome,
        }
    }
}

async fn change_once(
    cluster: &Arc<Cluster>,
    writing: &Writing,
    text: &str,
    given: Vec<(String, Value)>,
    deadline: Instant,
) -> Result<Executed> {
    let changing = Changing::read(cluster, writing, text, given, deadline).await?;
    match changing.plan().await? {
        Plan::Nothing => Ok(changing.nothing()),
        Plan::Parts { parts, together, .. } => changing.run(parts, together).await,
        Plan::Everywhere { statement, .. } => changing.run_everywhere(statement).await,
        Plan::Whole => changing.whole(deadline).await,
    }
}

impl<'c> Changing<'c> {
    /// Reads a statement, with what is given for its parameters.
    pub(super) async fn read(
        cluster: &'c Arc<Cluster>,
        writing: &Writing,
        text: &'c str,
        given: Vec<(String, Value)>,
        deadline: Instant,
    ) -> Result<Changing<'c>> {
        let snapshot = cluster.snapshot();
        let statement = cluster.prepared_change(&snapshot.catalog, text, deadline).await?;
        let parameters = order_parameters(&statement.parameters, given)?;
        Ok(Changing {
            cluster,
            writing: Arc::clone(writing),
            session: Session::new(Arc::clone(cluster)),
            snapshot,
            text,
            parameters,
            statement,
            handed: AllHanded::default(),
            deadline,
        })
    }

    /// How it is done. Its rows are read for that, where a query gives them; nothing is written but new shards.
    pub(super) async fn plan(&self) -> Result<Plan> {
        if self.statement.touched.fires {
            // Shards fire no triggers.
            return Ok(Plan::Whole);
        }
        let change = &self.statement.change;
        let table = self.table(change.table())?;
        match change {
            Change::Insert(insert) => self.insert(table, insert).await,
            Change::Update(update) => {
                let or = update.or.as_deref();
                let moves = self.moves(table, &update.columns);
                if moves || ends_otherwise(or) || self.replaces(table, or) {
                    return Ok(Plan::Whole);
                }
                let by_order = matches!(or, Some("IGNORE" | "REPLACE")) || mentions(self.text, &["LIMIT", "FROM"]);
                self.in_place(table, &update.reads, by_order).await
            }
            Change::Delete(delete) => self.in_place(table, &delete.reads, mentions(self.text, &["LIMIT"])).await,
        }
    }
}

impl Changing<'_> {
    pub(super) fn table(&self, name: &str) -> Result<&TableInfo> {
        let table = self.snapshot.catalog.schema.table(name);
        table.ok_or_else(|| unsupported(format!("writing to `{name}`, which is no table, is not supported")))
    }

    /// Whether a NULL in the place of a value that must be there may take a default: one that each shard would compute by itself, and twice, or one
    /// that says where the row goes.
    fn replaces(&self, table: &TableInfo, or: Option<&str>) -> bool {
        let by_key = table.key().is_some_and(|key| key.not_null && key.default.is_some());
        or == Some("REPLACE") && (by_key || (self.are_several() && defaults::replaces_with_expressions(table)))
    }

    /// The tables that it may change, be it by a foreign key, in lower case.
    pub(super) fn written(&self) -> impl Iterator<Item = String> {
        self.statement.touched.written.iter().map(|name| name.to_ascii_lowercase())
    }

    /// Whether other shards are asked which rowids they have, before rows are inserted.
    pub(super) fn asks_others(&self, table: &str) -> bool {
        let table = self.snapshot.catalog.schema.table(table);
        table.is_some_and(|table| table.key().is_some() && table.rowid_alias.is_some()) && self.are_several()
    }

    /// Whether there is more than one shard.
    pub(super) fn are_several(&self) -> bool {
        self.snapshot.topology.shard_count() > 1
    }

    /// Runs the statement over whole tables.
    async fn whole(self, deadline: Instant) -> Result<Executed> {
        let (cluster, writing) = (self.cluster, Arc::clone(&self.writing));
        let whole = Whole::one(cluster, writing, self.into_whole(), deadline);
        whole
            .run(false, |mut executed| Ok(Judged { answer: executed.pop(), request: None }))
            .await?
            .ok_or_else(|| Error::internal("a statement was not run"))
    }

    /// The statement as it is run over whole tables.
    pub(super) fn into_whole(self) -> Statement {
        let Changing { text, parameters, statement, .. } = self;
        let ChangeStatement { columns, touched, .. } = ChangeStatement::clone(&statement);
        Statement { text: text.to_owned(), parameters, columns, touched, is_read: false, expectation: None }
    }

    async fn alone(&self) -> Result<Alone> {
        alone(self.cluster, self.deadline).await
    }

    /// Changes what every shard has. No shard is made meanwhile: it would get the rows as they were.
    async fn run_everywhere(&self, statement: ShardStatement) -> Result<Executed> {
        let alone = self.alone().await?;
        let shards = self.cluster.snapshot().topology.shards();
        if shards.len() > 1 && !self.are_several() {
            // It was planned for one shard, which may do what several must not.
            return Err(Error::new(Reason::StaleTopology, "shards were made meanwhile; try again"));
        }
        let part = |shard| Part { shard, statements: vec![statement.clone()] };
        self.run_alone(shards.iter().copied().map(part).collect(), Together::Replicated, Some(alone)).await
    }

    /// Does the parts, all or none.
    async fn run(&self, parts: Vec<Part>, together: Together) -> Result<Executed> {
        self.run_alone(parts, together, None).await
    }

    async fn run_alone(&self, parts: Vec<Part>, together: Together, alone: Option<Alone>) -> Result<Executed> {
        if parts.is_empty() {
            return Ok(self.nothing());
        }
        let done = self.do_parts(parts, alone).await?;
        combined(self.nothing(), done.into_iter().flatten().collect(), together)
    }

    /// Does the parts, all or none; what the statements of each did.
    async fn do_parts(&self, mut parts: Vec<Part>, alone: Option<Alone>) -> Result<Vec<Vec<Done>>> {
        let (version, deadline) = (self.snapshot.catalog.version, self.deadline);
        let bytes_max = self.cluster.limits.result_bytes_max.min(RETURNED_BYTES_MAX);
        if parts.len() > 1 {
            let work = Work { parts, schema_version: version, deadline, bytes_max };
            let judge = |outcomes: &[Vec<Done>]| Ok(Judged { answer: outcomes.to_vec(), request: None });
            let held = (alone, Arc::clone(&self.writing), Arc::clone(&self.handed));
            return commit(self.cluster, work, judge, held).await;
        }
        let Some(Part { shard, statements }) = parts.pop() else { return Ok(Vec::new()) };
        let request = WriteRequest { shard, schema_version: version, deadline, bytes_max, statements };
        let held = (alone, Arc::clone(&self.writing), Arc::clone(&self.handed));
        Ok(vec![write_alone(self.cluster, request, held).await?])
    }

    /// The outcome of a statement that no row was there for.
    fn nothing(&self) -> Executed {
        Executed { columns: self.statement.columns.clone(), ..Executed::at(self.snapshot.catalog.version) }
    }
}

/// From now on nobody else changes what every shard has, and no shard is made.
pub(super) async fn alone(cluster: &Cluster, deadline: Instant) -> Result<Alone> {
    timeout_at(deadline, cluster.changing()).await.map_err(|_| Error::deadline())?
}

/// What the parts did, of which each is one statement.
pub(super) fn combined(nothing: Executed, mut done: Vec<Done>, together: Together) -> Result<Executed> {
    let shards = done.iter().filter(|done| done.rows_affected > 0).count() as u32;
    let last_insert_rowid = match &together {
        Together::Sharded { order, .. } if !order.is_empty() => {
            let inserted: HashSet<i64> = done.iter().filter_map(|done| done.last_insert_rowid).collect();
            order.iter().rev().find_map(|id| match id {
                Value::Integer(id) if inserted.contains(id) => Some(*id),
                _ => None,
            })
        }
        Together::Sharded { last, .. } => last.and_then(|last| done.get(last)?.last_insert_rowid),
        Together::Replicated => done.first().and_then(|done| done.last_insert_rowid),
    };
    if let Together::Replicated = together {
        if done.iter().any(|other| Some(other.rows_affected) != done.first().map(|first| first.rows_affected)) {
            return Err(Error::internal("shards that must have the same rows have not: compare the table on them"));
        }
        done.truncate(1);
    }
    let rows_affected = done.iter().map(|done| done.rows_affected).sum();
    let mut given = done.into_iter().filter_map(|done| done.rows);
    let rows = given.next().map(|mut rows: Batch| {
        given.for_each(|more| rows.append(&more));
        rows
    });
    Ok(Executed { rows_affected, last_insert_rowid, rows, shards, ..nothing })
}

/// Whether a failing row leaves in place, or takes with it, what a shard cannot judge alone.
fn ends_otherwise(or: Option<&str>) -> bool {
    matches!(or, Some("FAIL" | "ROLLBACK"))
}
