//! What all sessions share: the store and its newest snapshot, the nodes, and what is kept between statements.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use souk_proto::Reason;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::answers::Answers;
use crate::catalog::{Catalog, Snapshot, Store, Topology};
use crate::changes::Pulses;
use crate::commit::Transactions;
use crate::error::{Error, Result};
use crate::exec::Nodes;
use crate::locks::{Alone, Lock, Number, Shared};
use crate::plan::{self, Prepared};
use crate::settings::{Limits, NodeAddress, PlacementPolicy, Settings};
use crate::sql::{self, Bounds, ChangeStatement, Evaluator, SqlError, Statement, Verdict};
use crate::write::Rowids;

/// Prepared statements that are kept.
const PREPARED_KEPT: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
/// Threads that parse and plan, and their stacks in bytes: trees are deep.
const PLANNER_THREADS: usize = 2;
pub(crate) const PLANNER_STACK_BYTES: usize = 64 << 20;
/// Queries that may wait for their turn, for each that may run.
const WAITING_PER_RUNNING: usize = 1;

/// What the coordinators of a folder do one after the other.
struct Locks {
    /// Shared by whoever writes; a schema change has it alone, and before `changing`.
    writing: Lock,
    /// Had by whoever changes schema, topology or what every shard has.
    changing: Lock,
    /// Had by whoever has SQLite number rows after those that are there, and before `changing`: two would give the same numbers.
    numbering: Lock,
}

/// A cluster as its coordinator sees it.
pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) nodes: Arc<dyn Nodes>,
    /// All nodes, those without shards too.
    pub(crate) nodes_given: Vec<NodeAddress>,
    pub(crate) policy: PlacementPolicy,
    pub(crate) limits: Limits,
    pub(crate) evaluator: Evaluator,
    pub(crate) answers: Answers,
    pub(crate) transactions: Transactions,
    locks: Locks,
    /// For rows that leave theirs open.
    pub(crate) rowids: Arc<Rowids>,
    /// Who listens for writes.
    pub(crate) pulses: Pulses,
    snapshot: RwLock<Snapshot>,
    prepared: Mutex<LruCache<(u64, String), Arc<Prepared>>>,
    /// Statements that change rows.
    changes: Mutex<LruCache<(u64, String), Arc<ChangeStatement>>>,
    planners: rayon::ThreadPool,
    running: Semaphore,
    waiting: Semaphore,
}

impl Cluster {
    /// The cluster that the store describes, as the coordinator of this number has it.
    pub(crate) fn new(store: Store, number: Number, nodes: Arc<dyn Nodes>, settings: &Settings) -> Result<Cluster> {
        let (limits, folder) = (settings.limits.clone(), &settings.data);
        let number = Arc::new(number);
        let lock = |name| Lock::new(folder, name);
        let (log, topology) = store.load()?;
        let snapshot = Snapshot { catalog: Arc::new(Catalog::new(log)?), topology: Arc::new(topology) };
        let planners = rayon::ThreadPoolBuilder::new()
            .num_threads(PLANNER_THREADS)
            .stack_size(PLANNER_STACK_BYTES)
            .thread_name(|index| format!("souk-planner-{index}"))
            .build()
            .map_err(|error| Error::internal(error.to_string()))?;
        let evaluator = Evaluator::new().map_err(|error| Error::internal(error.to_string()))?;
        let running = Semaphore::new(limits.queries_max);
        let waiting = Semaphore::new(limits.queries_max * (1 + WAITING_PER_RUNNING));
        Ok(Cluster {
            store,
            nodes,
            nodes_given: settings.nodes.clone(),
            policy: settings.placement,
            answers: Answers::new(limits.kept_bytes_max),
            transactions: Transactions::open(&folder.join("ledger.db"), Arc::clone(&number))?,
            limits,
            evaluator,
            locks: Locks { writing: lock("writing"), changing: lock("changing"), numbering: lock("numbering") },
            rowids: Arc::new(Rowids::new(folder, number.get())),
            pulses: Pulses::default(),
            snapshot: RwLock::new(snapshot),
            prepared: Mutex::new(LruCache::new(PREPARED_KEPT)),
            changes: Mutex::new(LruCache::new(PREPARED_KEPT)),
            planners,
            running,
            waiting,
        })
    }

    /// The names of all nodes.
    pub(crate) fn node_ids(&self) -> Vec<String> {
        self.nodes_given.iter().map(|node| node.id.clone()).collect()
    }

    /// Catalog and topology, with all that this coordinator has changed, and what others had by the last [`Cluster::refresh`].
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshot.read().clone()
    }

    /// Takes over what other coordinators have changed by now. Costs little when they have changed nothing.
    pub(crate) fn refresh(&self) -> Result<()> {
        let Some(news) = self.store.look()? else { return Ok(()) };
        let Snapshot { catalog, topology } = self.snapshot();
        if let Some(log) = news.log_after(catalog.version)? {
            self.publish_catalog(Catalog::new(log)?);
        }
        if let Some(topology) = news.topology_after(topology.epoch)? {
            self.publish_topology(topology);
        }
        news.taken();
        Ok(())
    }

    /// From now on queries are planned for this catalog, unless there is a newer one.
    pub(crate) fn publish_catalog(&self, catalog: Catalog) {
        let mut snapshot = self.snapshot.write();
        if catalog.version > snapshot.catalog.version {
            snapshot.catalog = Arc::new(catalog);
        }
    }

    /// From now on queries are planned for this topology, unless there is a newer one.
    pub(crate) fn publish_topology(&self, topology: Topology) {
        let mut snapshot = self.snapshot.write();
        if topology.epoch > snapshot.topology.epoch {
            snapshot.topology = Arc::new(topology);
        }
    }

    /// Waits while the schema is changed; from then on it is not, and is known.
    pub(crate) async fn writing(&self) -> Result<Shared> {
        let writing = self.locks.writing.shared().await?;
        self.refresh()?;
        Ok(writing)
    }

    /// Waits until nobody writes; from then on nobody does.
    pub(crate) async fn not_writing(&self) -> Result<Alone> {
        self.locks.writing.alone().await
    }

    /// From now on nobody else changes what every shard has, and no shard is made; those that were are known.
    pub(crate) async fn changing(&self) -> Result<Alone> {
        let changing = self.locks.changing.alone().await?;
        self.refresh()?;
        Ok(changing)
    }

    /// From now on nobody else has SQLite number rows.
    pub(crate) async fn numbering(&self) -> Result<Alone> {
        let numbering = self.locks.numbering.alone().await?;
        self.refresh()?;
        Ok(numbering)
    }

    /// What SQL may be before it is parsed.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { bytes_max: self.limits.statement_bytes_max, tokens_max: self.limits.statement_tokens_max }
    }

    /// Waits for a query's turn. Refused at once when too many wait already.
    pub(crate) async fn turn(self: &Arc<Cluster>) -> Result<Turn> {
        let overloaded = || Error::new(Reason::Overloaded, "too many queries are waiting; try again in a second");
        let waiting = Arc::clone(self);
        let Ok(place) = waiting.waiting.try_acquire() else { return Err(overloaded()) };
        let permit = waiting.running.acquire().await.map_err(|_| overloaded())?;
        SemaphorePermit::forget(permit);
        SemaphorePermit::forget(place);
        Ok(Turn { cluster: Arc::clone(self) })
    }

    /// What a text can become, found on a thread with a large stack unless it is known.
    pub(crate) async fn prepared(
        self: &Arc<Cluster>,
        catalog: &Arc<Catalog>,
        text: &str,
        deadline: Instant,
    ) -> Result<Arc<Prepared>> {
        let key = (catalog.version, text.to_owned());
        if let Some(known) = self.prepared.lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let (sender, receiver) = oneshot::channel();
        let (catalog, text, bounds) = (Arc::clone(catalog), text.to_owned(), self.bounds());
        self.planners.spawn(move || {
            // A receiver that is gone wants no plan.
            let _ = sender.send(prepare(&catalog, &text, &bounds, deadline));
        });
        let made = receiver.await.map_err(|_| Error::internal("the planner failed on this statement"))??;
        let prepared = Arc::new(made);
        self.prepared.lock().put(key, Arc::clone(&prepared));
        Ok(prepared)
    }

    /// Whether a text is known as a statement that changes rows: it need not be read again to see what it is.
    pub(crate) fn is_known_change(&self, text: &str) -> bool {
        let version = self.snapshot.read().catalog.version;
        self.changes.lock().contains(&(version, text.to_owned()))
    }

    /// As [`Cluster::prepared`], of a statement that changes rows. Kept when it has parameters: else its values are in its text, and it is not
    /// seen again.
    pub(crate) async fn prepared_change(
        self: &Arc<Cluster>,
        catalog: &Arc<Catalog>,
        text: &str,
        deadline: Instant,
    ) -> Result<Arc<ChangeStatement>> {
        let key = (catalog.version, text.to_owned());
        if let Some(known) = self.changes.lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let (sender, receiver) = oneshot::channel();
        let (catalog, text, bounds) = (Arc::clone(catalog), text.to_owned(), self.bounds());
        self.planners.spawn(move || {
            // A receiver that is gone wants no statement.
            let _ = sender.send(prepare_change(&catalog, &text, &bounds, deadline));
        });
        let statement = receiver.await.map_err(|_| Error::internal("the planner failed on this statement"))??;
        let statement = Arc::new(statement);
        if !statement.parameters.is_empty() {
            self.changes.lock().put(key, Arc::clone(&statement));
        }
        Ok(statement)
    }
}

fn prepare_change(catalog: &Catalog, text: &str, bounds: &Bounds, deadline: Instant) -> Result<ChangeStatement> {
    let twin = catalog.twins.take().map_err(|error| Error::internal(error.to_string()))?;
    twin.watch(Some(Box::new(move || Instant::now() >= deadline)));
    let statement = sql::prepare_change(&twin, text, bounds);
    twin.watch(None);
    Ok(statement?)
}

fn prepare(catalog: &Catalog, text: &str, bounds: &Bounds, deadline: Instant) -> Result<Prepared> {
    let twin = catalog.twins.take().map_err(|error| Error::internal(error.to_string()))?;
    twin.watch(Some(Box::new(move || Instant::now() >= deadline)));
    let statement = sql::prepare(&twin, &catalog.schema, text, bounds);
    twin.watch(None);
    let judged = matches!(&statement, Ok(Statement { verdict: Verdict::Judged(_), .. }));
    if !judged && Instant::now() >= deadline {
        // What SQLite says of a text that it was interrupted at is not always that.
        return Err(SqlError::Deadline.into());
    }
    Ok(plan::prepare(text, statement?, &catalog.schema))
}

/// A query's turn; dropping it lets the next one in.
pub(crate) struct Turn {
    cluster: Arc<Cluster>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.cluster.running.add_permits(1);
        self.cluster.waiting.add_permits(1);
    }
}
