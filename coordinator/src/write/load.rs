//! Bulk load: rows are gathered by shard and written in few, large transactions. Rows that every shard has come to all of them or to none.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use souk_merge::{Batch, Pieces};
use souk_proto::Reason;
use tokio::time::Instant;

use super::router::{Routed, RoutedRows, route, target};
use super::rowids::{Handed, Numbered, with_rowids};
use super::{OneWrite, Writing, shards, writing};
use crate::cluster::Cluster;
use crate::commit::{Judged, Part, Work, commit};
use crate::error::{Error, Result};
use crate::exec::{Done, InsertRequest, Inserted, ShardRows, ShardStatement, TableRows};
use crate::locks::Alone;
use crate::settings::PlacementPolicy;
use crate::sql::quote;

/// Bytes of rows that are gathered before they are written.
const FLUSH_BYTES: usize = 32 << 20;
/// Bytes of rows in one call to a node, about.
const CALL_BYTES: usize = 8 << 20;

/// Bytes of the copies for all shards of a node in one transaction, about: half of what a message may have.
const EVERYWHERE_BYTES: usize = 32 << 20;

/// How long rows may take to come to every shard.
const INSERT_MAX: Duration = Duration::from_secs(60);

/// Rows for one table.
#[derive(Debug)]
pub(crate) struct LoadRows {
    pub(crate) table: String,
    pub(crate) columns: Vec<String>,
    pub(crate) batch: Batch,
    /// The client's number of the first row.
    pub(crate) first_row: u64,
}

/// Progress: everything up to here is durable or rejected.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Rows written since the last progress.
    pub(crate) rows: u64,
    pub(crate) rejected: Vec<RejectedRow>,
    /// Shards written since the last progress.
    pub(crate) shards: usize,
}

/// A row that was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RejectedRow {
    pub(crate) row: u64,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// A running load.
pub(crate) struct Loader {
    cluster: Arc<Cluster>,
    policy: PlacementPolicy,
    /// Whether rows that are refused leave the others in place.
    keep_going: bool,
    /// What is to be written, as it came.
    pushed: Vec<LoadRows>,
    bytes: usize,
}

/// Rows for one table of one shard, and their numbers.
struct PendingRows {
    table: String,
    columns: Vec<String>,
    rows: RoutedRows,
}

#[derive(Default)]
struct Pending {
    by_key: BTreeMap<Vec<u8>, Vec<PendingRows>>,
    everywhere: Vec<PendingRows>,
}

impl Loader {
    pub(crate) fn new(cluster: Arc<Cluster>, keep_going: bool) -> Loader {
        let policy = cluster.policy;
        Loader { cluster, policy, keep_going, pushed: Vec::new(), bytes: 0 }
    }

    /// Takes rows; writes what has been gathered when it is much.
    pub(crate) async fn push(&mut self, rows: LoadRows) -> Result<Option<Loaded>> {
        let LoadRows { table, columns, batch, first_row } = rows;
        if columns.len() != batch.width() {
            let message = format!("{} columns are named for rows of {}", columns.len(), batch.width());
            return Err(Error::new(Reason::InvalidArgument, message));
        }
        self.bytes += batch.byte_size();
        self.cluster.refresh()?;
        let snapshot = self.cluster.snapshot();
        if target(&snapshot, &table, &columns)?.has_insert_triggers {
            let message =
                format!("rows of `{table}` fire triggers, which bulk load does not run; send INSERT statements");
            return Err(Error::new(Reason::UnsupportedSql, message));
        }
        self.pushed.push(LoadRows { table, columns, batch, first_row });
        if self.bytes >= FLUSH_BYTES { self.flush().await.map(Some) } else { Ok(None) }
    }

    /// Rows by where they go, those that cannot have a key, and the rowids that were handed out.
    async fn route(&mut self, writing: &OneWrite) -> Result<(Pending, Vec<RejectedRow>, Vec<Handed>)> {
        let (mut pending, mut refused, mut all_handed) = (Pending::default(), Vec::new(), Vec::new());
        let (snapshot, deadline) = (self.cluster.snapshot(), Instant::now() + INSERT_MAX);
        for LoadRows { table, columns, batch, first_row } in std::mem::take(&mut self.pushed) {
            // Once more: the schema may have changed since they came.
            let info = target(&snapshot, &table, &columns)?;
            let numbered = with_rowids(&self.cluster, writing, deadline, info, columns, batch).await?;
            let Numbered { columns, rows: batch, handed, .. } = numbered;
            all_handed.extend(handed);
            match route(info, &columns, batch, first_row, &self.cluster.evaluator)? {
                Routed::Everywhere(rows) => append(&mut pending.everywhere, info.name.clone(), &columns, rows),
                Routed::ByKey { keys, refused: keyless } => {
                    for (key, rows) in keys {
                        append(pending.by_key.entry(key).or_default(), info.name.clone(), &columns, rows);
                    }
                    let reason = Reason::Constraint;
                    refused.extend(keyless.into_iter().map(|(row, message)| RejectedRow { row, reason, message }));
                }
            }
        }
        Ok((pending, refused, all_handed))
    }

    /// Writes all that has been gathered.
    pub(crate) async fn flush(&mut self) -> Result<Loaded> {
        self.bytes = 0;
        let writing = writing(&self.cluster, Instant::now() + INSERT_MAX).await?;
        // Kept until the rows can be read.
        let (pending, refused, _handed) = self.route(&writing).await?;
        let mut loaded = Loaded { rejected: refused, ..Loaded::default() };
        if self.policy == PlacementPolicy::Own {
            let keys: Vec<Vec<u8>> = pending.by_key.keys().cloned().collect();
            shards::pin_keys(&self.cluster, keys).await?;
        }
        // A shard that was made meanwhile would get the rows as they were.
        let alone = match pending.everywhere.is_empty() {
            true => None,
            false => Some(Arc::new(self.cluster.changing().await?)),
        };
        let taken = pending.rows();
        let Pending { by_key, everywhere } = pending;
        let by_shard = self.by_shard(by_key)?;
        loaded.shards =
            if everywhere.is_empty() { by_shard.len() } else { self.cluster.snapshot().topology.shard_count() };
        // First, since rows of single shards may refer to those.
        let mut rejected = Vec::new();
        for rows in everywhere {
            let held = (alone.clone(), Arc::clone(&writing));
            rejected.extend(Everywhere::new(&self.cluster, &rows, self.keep_going, held)?.write().await?);
        }
        rejected.extend(self.write(by_shard).await?);
        rejected.sort_by_key(|rejected| rejected.row);
        loaded.rows = (taken - rejected.len()) as u64;
        loaded.rejected.extend(rejected);
        loaded.rejected.sort_by_key(|rejected| rejected.row);
        Ok(loaded)
    }

    fn by_shard(&self, by_key: BTreeMap<Vec<u8>, Vec<PendingRows>>) -> Result<BTreeMap<u64, Vec<PendingRows>>> {
        let topology = self.cluster.snapshot().topology;
        let mut by_shard: BTreeMap<u64, Vec<PendingRows>> = BTreeMap::new();
        for (key, rows) in by_key {
            let shard = topology.owner_of_bytes(&key);
            let shard = shard.ok_or_else(|| Error::internal("a key that was just given a shard has none"))?;
            by_shard.entry(shard).or_default().extend(rows);
        }
        Ok(by_shard)
    }

    /// Gives the rows that some shard refused.
    async fn write(&self, by_shard: BTreeMap<u64, Vec<PendingRows>>) -> Result<Vec<RejectedRow>> {
        let snapshot = self.cluster.snapshot();
        let mut calls: HashMap<String, Vec<Call>> = HashMap::new();
        for (shard, tables) in by_shard {
            let node = snapshot.topology.node_of(shard).ok_or_else(|| Error::internal("a shard has no node"))?;
            Call::add(calls.entry(node.to_owned()).or_default(), shard, tables);
        }
        let nodes = calls.into_iter().map(|(node, calls)| self.write_to(node, calls, snapshot.catalog.version));
        let mut rejected = Vec::new();
        for outcome in join_all(nodes).await {
            rejected.extend(outcome?);
        }
        Ok(rejected)
    }

    /// One call after the other: a node's own pool works on many shards at a time.
    async fn write_to(&self, node: String, calls: Vec<Call>, schema_version: u64) -> Result<Vec<RejectedRow>> {
        let mut rejected = Vec::new();
        for call in calls {
            let (shards, numbers) = call.split();
            let request = InsertRequest { shards, schema_version, keep_going: self.keep_going };
            let inserted = self.cluster.nodes.insert_rows(&node, request).await?;
            numbers.settle(inserted, &mut rejected);
        }
        Ok(rejected)
    }
}

/// What is held until rows that every shard has are written: that no shard is made, and that the schema stays.
type Held = (Option<Arc<Alone>>, Writing);

/// Rows of a table on their way to every shard.
struct Everywhere<'l> {
    cluster: &'l Arc<Cluster>,
    rows: &'l PendingRows,
    /// The statement that inserts one row.
    sql: String,
    shards: Arc<[u64]>,
    /// Bytes of rows in one transaction, about.
    bytes_max: usize,
    keep_going: bool,
    held: Held,
}

impl<'l> Everywhere<'l> {
    fn new(cluster: &'l Arc<Cluster>, rows: &'l PendingRows, keep_going: bool, held: Held) -> Result<Everywhere<'l>> {
        let topology = cluster.snapshot().topology;
        let shards = topology.shards();
        let mut by_node: HashMap<&str, usize> = HashMap::new();
        for shard in shards.iter() {
            let node = topology.node_of(*shard).ok_or_else(|| Error::internal("a shard has no node"))?;
            *by_node.entry(node).or_default() += 1;
        }
        // A node is sent a copy for each of its shards in one message.
        let bytes_max = EVERYWHERE_BYTES / by_node.into_values().max().unwrap_or(1);
        let columns: Vec<String> = rows.columns.iter().map(|column| quote(column)).collect();
        let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
        let (table, columns, places) = (quote(&rows.table), columns.join(", "), places.join(", "));
        let sql = format!("INSERT INTO main.{table}({columns}) VALUES ({places})");
        Ok(Everywhere { cluster, rows, sql, shards, bytes_max, keep_going, held })
    }

    /// Writes them, in parts that come to all shards or to none; gives those that were refused. To find these, parts are halved.
    async fn write(&self) -> Result<Vec<RejectedRow>> {
        let mut rejected = Vec::new();
        let mut left = vec![(0..self.rows.rows.numbers.len(), self.rows.rows.batch.clone())];
        while let Some((range, batch)) = left.pop() {
            let is_one = range.len() <= 1;
            let too_large = batch.byte_size() > self.bytes_max && !is_one;
            let refused = if too_large { None } else { self.insert(batch.clone()).await? };
            match refused {
                None if !too_large => {}
                Some(error) if is_one || !self.keep_going => {
                    rejected.extend(self.rows.rows.numbers[range].iter().map(|number| RejectedRow {
                        row: *number,
                        reason: error.reason,
                        message: error.message.clone(),
                    }))
                }
                _ => {
                    let middle = range.len() / 2;
                    let mut pieces = Pieces::new(&batch);
                    let first = pieces.take(middle);
                    left.push((range.start + middle..range.end, pieces.take(range.len())));
                    left.push((range.start..range.start + middle, first));
                }
            }
        }
        Ok(rejected)
    }

    /// Inserts rows on all shards; gives why they are refused, when they are.
    async fn insert(&self, rows: Batch) -> Result<Option<Error>> {
        let statement = ShardStatement::of_rows(self.sql.clone(), rows);
        let part = |shard: &u64| Part { shard: *shard, statements: vec![statement.clone()] };
        let work = Work {
            parts: self.shards.iter().map(part).collect(),
            schema_version: self.cluster.snapshot().catalog.version,
            deadline: Instant::now() + INSERT_MAX,
            bytes_max: 0,
        };
        let judge = |_: &[Vec<Done>]| Ok(Judged { answer: (), request: None });
        match commit(self.cluster, work, judge, self.held.clone()).await {
            Ok(()) => Ok(None),
            Err(error) if matches!(error.reason, Reason::Constraint | Reason::SqlRuntime | Reason::TooLarge) => {
                Ok(Some(error))
            }
            Err(error) => Err(error),
        }
    }
}

impl Pending {
    /// Rows, each once however many shards it goes to.
    fn rows(&self) -> usize {
        self.by_key.values().flatten().chain(&self.everywhere).map(|rows| rows.rows.batch.rows()).sum()
    }
}

/// Rows join those of the same table and columns before them.
fn append(pending: &mut Vec<PendingRows>, table: String, columns: &[String], rows: RoutedRows) {
    match pending.last_mut().filter(|last| last.table == table && last.columns == columns) {
        Some(last) => {
            let mut cursor = rows.batch.into_cursor();
            while cursor.advance() {
                last.rows.batch.push_row(cursor.values());
            }
            last.rows.numbers.extend(rows.numbers);
        }
        None => pending.push(PendingRows { table, columns: columns.to_vec(), rows }),
    }
}

/// Shards that are written in one call to their node.
#[derive(Default)]
struct Call {
    shards: Vec<(u64, Vec<PendingRows>)>,
    bytes: usize,
}

impl Call {
    fn add(calls: &mut Vec<Call>, shard: u64, tables: Vec<PendingRows>) {
        let bytes: usize = tables.iter().map(|table| table.rows.batch.byte_size()).sum();
        match calls.last_mut().filter(|call| call.bytes + bytes <= CALL_BYTES) {
            Some(call) => {
                call.bytes += bytes;
                call.shards.push((shard, tables));
            }
            None => calls.push(Call { shards: vec![(shard, tables)], bytes }),
        }
    }

    /// What travels, and what stays here to make sense of the answer.
    fn split(self) -> (Vec<ShardRows>, Numbers) {
        let mut numbers = HashMap::new();
        let mut shards = Vec::new();
        for (shard, tables) in self.shards {
            let mut of_shard = Vec::new();
            let mut travelling = Vec::new();
            for PendingRows { table, columns, rows } in tables {
                of_shard.push(rows.numbers);
                travelling.push(TableRows { table, columns, batch: rows.batch });
            }
            numbers.insert(shard, of_shard);
            shards.push(ShardRows { shard, tables: travelling });
        }
        (shards, Numbers(numbers))
    }
}

/// The client's number of each row, by shard, table and place.
struct Numbers(HashMap<u64, Vec<Vec<u64>>>);

impl Numbers {
    fn settle(&self, inserted: Inserted, rejected: &mut Vec<RejectedRow>) {
        for row in inserted.rejected {
            let number = self.0.get(&row.shard).and_then(|tables| tables.get(row.table)?.get(row.row));
            rejected.push(RejectedRow {
                row: number.copied().unwrap_or(u64::MAX),
                reason: row.reason,
                message: row.message,
            });
        }
        for failure in inserted.failed {
            for number in self.0.get(&failure.shard).into_iter().flatten().flatten() {
                rejected.push(RejectedRow { row: *number, reason: failure.reason, message: failure.message.clone() });
            }
        }
    }
}
