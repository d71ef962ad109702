//! A node: what it does for a coordinator, synchronously. Nothing here knows gRPC or tokio.
//!
//! The life of a fragment: [`Node::run_fragment`] checks the request, `fragment` picks how the shards' rows become one
//! answer, [`Shards::with`] opens each shard that is not open yet, `Shard::read` lends a reader whose snapshot is
//! renewed only when the shard has changed, and the rows go where the merge wants them.

use std::{
    collections::HashSet,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};
use rusqlite::Connection;
use souk_merge::Batch;
use souk_proto::{Identity, Reason};

use crate::{
    NodeError, Settings,
    commits::State,
    error::{Failure, Fault},
    folder::Folder,
    fragment::{self, Fragment, Summary},
    kept::Kept,
    schema::SchemaLog,
    shard::{self, Done, Inserted, Intent, Part, TableRows, Vote, WriteRequest},
    shards::Shards,
    statistics::Statistics,
    ticket::Ticket,
    walkers::Walkers,
};

/// Threads that write: they wait for the disk more than they compute, and must not keep reads waiting.
const WRITE_THREADS: usize = 8;

/// Threads that bring the word of transactions.
const RESOLVE_THREADS: usize = 4;

/// What summaries of columns may take beside the answers that are kept: one in so many of their bytes.
const STATISTICS_SHARE: u64 = 4;

/// Who a node is.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) node: String,
    pub(crate) compile_options: Vec<String>,
    pub(crate) schema_version: u64,
    pub(crate) shards: Vec<u64>,
    pub(crate) shards_open: usize,
    pub(crate) memory_bytes: u64,
    /// Bytes of answers that are kept.
    pub(crate) kept_bytes: u64,
    /// Bytes of pages that idle readers hold.
    pub(crate) page_cache_bytes: u64,
    /// Shards that are known to be at the schema's number.
    pub(crate) shards_at_schema: usize,
    /// Shards that have tried a schema change; 0 when none is being tried.
    pub(crate) shards_tried: usize,
}

/// Rows for one shard: one transaction.
#[derive(Debug)]
pub(crate) struct ShardRows {
    pub(crate) shard: u64,
    pub(crate) tables: Vec<TableRows>,
}

/// What became of one shard's rows.
#[derive(Debug)]
pub(crate) struct ShardOutcome {
    pub(crate) shard: u64,
    pub(crate) outcome: Result<Inserted, Fault>,
}

/// A node and its shards.
pub(crate) struct Node {
    folder: Arc<Folder>,
    shards: Shards,
    kept: Kept,
    statistics: Statistics,
    walkers: Walkers,
    /// Makes, changes and closes files.
    writers: ThreadPool,
    /// Brings the word of transactions, for which the others may be waiting.
    resolvers: ThreadPool,
    stopping: Arc<AtomicBool>,
    /// Held while shards are made or schemas change: one at a time.
    administration: Mutex<()>,
    /// Shards at which the schema change that is under way was applied, or tried.
    applied: AtomicUsize,
    tried: AtomicUsize,
}

impl Node {
    /// Takes the folder and starts the threads.
    pub(crate) fn open(settings: &Settings) -> Result<Node, NodeError> {
        settings.check()?;
        let folder = Arc::new(Folder::open(&settings.data, &settings.id)?);
        let walkers = Walkers::new(settings.threads)?;
        let writers = pool("write", WRITE_THREADS)?;
        let resolvers = pool("resolve", RESOLVE_THREADS)?;
        let shards = Shards::new(Arc::clone(&folder), settings.open_shards_max);
        let kept = Kept::new(settings.kept_bytes_max);
        let statistics = Statistics::new(settings.kept_bytes_max / STATISTICS_SHARE);
        Ok(Node {
            folder,
            shards,
            kept,
            statistics,
            walkers,
            writers,
            resolvers,
            stopping: Arc::default(),
            administration: Mutex::default(),
            applied: AtomicUsize::new(0),
            tried: AtomicUsize::new(0),
        })
    }

    /// The node's name.
    pub(crate) fn name(&self) -> &str {
        self.folder.node()
    }

    /// A ticket for a call with so much time left.
    pub(crate) fn ticket(&self, time_left: Duration) -> Arc<Ticket> {
        Arc::new(Ticket::new(time_left, Arc::clone(&self.stopping)))
    }

    /// Ends every call that runs.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Closes every shard. Only after the last call has ended.
    pub(crate) fn close(&self) {
        self.writers.install(|| self.shards.close_all());
    }

    /// Who the node is.
    pub(crate) fn describe(&self) -> Result<Description, Fault> {
        let node = self.folder.node();
        let shards = self.folder.shards();
        let shards = shards.map_err(|error| {
            Fault::new(Reason::ShardUnavailable, format!("node `{node}` cannot list shards: {error}"))
        })?;
        let version = self.folder.schema().version();
        let is_whole = self.folder.shards_at()? == version;
        let shards_at_schema = if is_whole { shards.len() } else { self.applied.load(Ordering::Relaxed) };
        Ok(Description {
            node: node.to_owned(),
            compile_options: compile_options().map_err(|error| Fault::internal(error.to_string()))?,
            schema_version: version,
            shards_at_schema,
            shards_tried: self.tried.load(Ordering::Relaxed),
            shards,
            shards_open: self.shards.count(),
            memory_bytes: resident_bytes(),
            kept_bytes: self.kept.byte_size(),
            page_cache_bytes: self.shards.page_cache_bytes(),
        })
    }

    /// Whom a call must be meant for to be let in.
    pub(crate) fn identity(&self) -> Result<Identity, NodeError> {
        let options = compile_options().map_err(|source| NodeError::Sqlite { path: ":memory:".into(), source })?;
        Ok(Identity::new(self.folder.node(), rusqlite::version(), &options))
    }

    /// Makes the files of shards that have none, with the whole schema; gives how many it made.
    pub(crate) fn create_shards(&self, shards: &[u64], schema: SchemaLog) -> Result<u32, Fault> {
        check_distinct(shards.iter().copied())?;
        let _alone = self.administration.lock();
        let schema = self.folder.extend_schema(schema)?;
        self.folder.make_buckets(shards)?;
        let made = self.writers.install(|| {
            shards.par_iter().map(|shard| self.create_shard(*shard, &schema)).collect::<Result<Vec<bool>, Fault>>()
        })?;
        self.folder.sync_buckets(shards)?;
        Ok(made.into_iter().map(u32::from).sum())
    }

    fn create_shard(&self, id: u64, schema: &SchemaLog) -> Result<bool, Fault> {
        let place = self.folder.place(id);
        if place.file.try_exists().map_err(|error| shard::disk(&place, &error))? {
            return Ok(false);
        }
        // A shard that was asked for before it was made must not be found in its old state.
        self.shards.close(id);
        shard::create(&place, schema)?;
        self.shards.commits().of(id).add();
        Ok(true)
    }

    /// Takes a longer schema log over and applies to every shard what it misses; gives how many are at its end, and
    /// which are not.
    pub(crate) fn apply_schema(&self, schema: SchemaLog) -> Result<(u32, Vec<Failure>), Fault> {
        let _alone = self.administration.lock();
        let schema = self.folder.extend_schema(schema)?;
        let shards = self.shards_with_files()?;
        // Coordinators say so whenever they start: a hundred thousand files are not opened for that.
        if self.folder.shards_at()? == schema.version() {
            return Ok((count(shards.len()), Vec::new()));
        }
        let failed = self.at_each(&shards, &self.applied, |shard| shard.catch_up(&schema));
        if failed.is_empty() {
            self.folder.set_shards_at(schema.version())?;
        }
        Ok((count(shards.len() - failed.len()), failed))
    }

    /// Has every shard try what it misses of a longer schema log, and undo it; gives how many could, and which could not.
    pub(crate) fn try_schema(&self, schema: &SchemaLog) -> Result<(u32, Vec<Failure>), Fault> {
        let _alone = self.administration.lock();
        self.folder.schema().check_extended_by(schema)?;
        let shards = self.shards_with_files()?;
        let failed = self.at_each(&shards, &self.tried, |shard| shard.try_catch_up(schema));
        self.tried.store(0, Ordering::Relaxed);
        Ok((count(shards.len() - failed.len()), failed))
    }

    fn shards_with_files(&self) -> Result<Vec<u64>, Fault> {
        let shards = self.folder.shards();
        shards.map_err(|error| Fault::new(Reason::ShardUnavailable, format!("cannot list shards: {error}")))
    }

    /// Does something at each shard, and counts those at which it was done.
    fn at_each(
        &self,
        shards: &[u64],
        done: &AtomicUsize,
        act: impl Fn(&shard::Shard) -> Result<(), shard::Trouble> + Sync,
    ) -> Vec<Failure> {
        done.store(0, Ordering::Relaxed);
        let one = |&shard: &u64| match self.shards.with(shard, |open| act(open)) {
            Ok(()) => {
                done.fetch_add(1, Ordering::Relaxed);
                None
            }
            Err(fault) => Some(Failure { shard, fault }),
        };
        self.writers.install(|| shards.par_iter().filter_map(one).collect())
    }

    /// Inserts rows, one transaction a shard; each shard's outcome in the order given.
    pub(crate) fn insert_rows(
        &self,
        shards: Vec<ShardRows>,
        schema_version: u64,
        keep_going: bool,
    ) -> Result<Vec<ShardOutcome>, Fault> {
        check_distinct(shards.iter().map(|rows| rows.shard))?;
        let schema = self.folder.schema();
        schema.check_version(schema_version, self.folder.node())?;
        Ok(self.writers.install(|| {
            shards
                .into_par_iter()
                .map(|mut rows| {
                    let insert = |shard: &shard::Shard| shard.insert(&schema, &mut rows.tables, keep_going);
                    ShardOutcome { shard: rows.shard, outcome: self.shards.with(rows.shard, insert) }
                })
                .collect()
        }))
    }

    /// Runs statements on a shard, all or none.
    pub(crate) fn write(&self, shard: u64, request: WriteRequest) -> Result<Vec<Done>, Fault> {
        self.folder.schema().check_version(request.schema_version, self.folder.node())?;
        let (mut request, mut own) = (Some(request), None);
        let outcome = self.shards.with(shard, |open| {
            if let Some(request) = request.take() {
                own = Some(open.enqueue(request)?);
            }
            let own = own.as_ref().ok_or_else(|| Fault::internal("a write that was not begun"))?;
            open.run_queue(|| self.folder.schema(), own)
        });
        if let (Err(_), Some(own)) = (&outcome, own) {
            let settled = self.shards.with(shard, |open| Ok(open.withdraw(&own)))?;
            return settled.unwrap_or(outcome);
        }
        failpoint!(crash "write-unanswered");
        outcome
    }

    /// Prepares parts of a transaction, each on its shard; their votes in the order given.
    pub(crate) fn prepare(&self, parts: Vec<(u64, Part)>) -> Result<Vec<Result<Vote, Failure>>, Fault> {
        check_distinct(parts.iter().map(|(shard, _)| *shard))?;
        let schema = self.folder.schema();
        for (_, part) in &parts {
            schema.check_version(part.request.schema_version, self.folder.node())?;
        }
        let votes = self.writers.install(|| {
            let prepare = |(shard, part): &(u64, Part)| {
                let vote = self.shards.with(*shard, |open| open.prepare(&schema, part));
                vote.map_err(|fault| Failure { shard: *shard, fault })
            };
            parts.par_iter().map(prepare).collect()
        });
        failpoint!("votes-unsent");
        Ok(votes)
    }

    /// Tells shards the word of a transaction; those that have not done as told.
    pub(crate) fn resolve(
        &self,
        name: &[u8],
        commit: bool,
        shards: &[u64],
        read: impl Fn(&[u8]) -> Result<WriteRequest, Fault> + Sync,
    ) -> Vec<Failure> {
        let failed = self.resolvers.install(|| {
            let resolve = |shard: &u64| {
                let resolved = self.shards.with(*shard, |open| open.resolve(name, commit, &read));
                resolved.err().map(|fault| Failure { shard: *shard, fault })
            };
            shards.par_iter().filter_map(resolve).collect()
        });
        failpoint!(crash "word-unanswered");
        failed
    }

    /// The shards that wait for the word of a transaction.
    pub(crate) fn fences(&self) -> Vec<(u64, Intent)> {
        failpoint!(crash "fences-asked");
        self.shards.fences()
    }

    /// Whether shards are as they were.
    pub(crate) fn hold(&self, readings: &[(Vec<u64>, State)], schema_version: u64) -> bool {
        let commits = self.shards.commits();
        self.folder.schema().version() == schema_version
            && readings.iter().all(|(shards, state)| commits.hold(shards, state))
    }

    /// Which moment it is, in commits.
    pub(crate) fn moment(&self) -> (u64, u64) {
        self.shards.commits().moment()
    }

    /// Runs a fragment on its shards and gives the merged rows to `sink`, which may wait.
    pub(crate) fn run_fragment(
        &self,
        fragment: &Fragment,
        sink: &mut dyn FnMut(Batch) -> Result<(), Fault>,
    ) -> Result<Summary, Fault> {
        check_distinct(fragment.shards.iter().copied())?;
        let schema = self.folder.schema();
        schema.check_version(fragment.schema_version, self.folder.node())?;
        let Node { shards, kept, statistics, walkers, .. } = self;
        fragment::run(fragment::Run::new(fragment, &schema, shards, kept, statistics, walkers), sink)
    }
}

fn pool(name: &'static str, threads: usize) -> Result<ThreadPool, NodeError> {
    Ok(ThreadPoolBuilder::new().num_threads(threads).thread_name(move |n| format!("{name}-{n}")).build()?)
}

fn count(shards: usize) -> u32 {
    u32::try_from(shards).unwrap_or(u32::MAX)
}

fn check_distinct(shards: impl IntoIterator<Item = u64>) -> Result<(), Fault> {
    let mut seen = HashSet::new();
    match shards.into_iter().find(|shard| !seen.insert(*shard)) {
        Some(twice) => Err(Fault::invalid(format!("shard `{twice}` is named twice"))),
        None => Ok(()),
    }
}

/// How this SQLite was built; without the compiler, which changes no answer.
fn compile_options() -> rusqlite::Result<Vec<String>> {
    let connection = Connection::open_in_memory()?;
    let mut statement = connection.prepare("PRAGMA compile_options")?;
    let options = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut options = options.collect::<rusqlite::Result<Vec<String>>>()?;
    options.retain(|option| !option.starts_with("COMPILER="));
    options.sort();
    Ok(options)
}

/// Resident memory of the process; 0 where the system does not say.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
