//! The gRPC adapter: a message becomes a call on the node's own threads; nothing is decided here.

mod from_wire;
mod to_wire;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use souk_merge::Batch;
use souk_proto::{Reason, v1};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::spawn_blocking,
    time::timeout_at,
};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, async_trait};

use crate::{error::Fault, fragment::Fragment, node::Node, ticket::Ticket};

/// Most calls that run at a time; more are told to try again. Each takes a thread of tokio's blocking pool, which has
/// 512.
const CALLS_MAX: usize = 256;

/// Most calls that write rows at a time, beside those: they wait for others' commits, and for the word of transactions, which
/// must not keep readers, nor that word, from being let in.
const WRITES_MAX: usize = 192;

/// Most calls that bring the word of transactions at a time: nothing else may keep them out.
const WORDS_MAX: usize = 32;

/// Parts of an answer that wait for the client: with batches of 1 MiB, what a client that does not read costs.
const PARTS_WAITING: usize = 4;

/// Rows and bytes of the last batch that go with the summary at most: it is the only one then, or none was full before.
const FEW_ROWS: usize = 1024;
const FEW_BYTES: usize = 256 << 10;

/// How long a call waits for a client that does not read: meanwhile its shard's log cannot start anew.
const CLIENT_WAIT_MAX: Duration = Duration::from_secs(30);

/// How often a call that waits for its client looks whether it is still to go on.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often is looked for commits while somebody waits for one, and how long at most: a node that stops waits for its calls.
const COMMITS_LOOK_EVERY: Duration = Duration::from_millis(10);
const COMMITS_WAIT_MAX: Duration = Duration::from_secs(1);

/// Serves a node over gRPC.
#[derive(Clone)]
pub(crate) struct Service {
    node: Arc<Node>,
    calls: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    words: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn new(node: Arc<Node>) -> Service {
        let [calls, writes, words] = [CALLS_MAX, WRITES_MAX, WORDS_MAX].map(|max| Arc::new(Semaphore::new(max)));
        Service { node, calls, writes, words }
    }

    /// Resolves when no call runs; none may begin afterwards.
    pub(crate) async fn ended(&self) {
        for (calls, all) in [(&self.calls, CALLS_MAX), (&self.writes, WRITES_MAX), (&self.words, WORDS_MAX)] {
            let all = u32::try_from(all).expect("a small constant");
            // Closed or not: nobody runs.
            let _ = calls.acquire_many(all).await;
        }
    }

    fn admit(&self) -> Result<OwnedSemaphorePermit, Status> {
        let admitted = Arc::clone(&self.calls).try_acquire_owned();
        admitted.map_err(|_| Reason::Overloaded.status(format!("`{CALLS_MAX}` calls run: try again in a moment")))
    }

    fn admit_write(&self) -> Result<OwnedSemaphorePermit, Status> {
        let admitted = Arc::clone(&self.writes).try_acquire_owned();
        admitted.map_err(|_| Reason::Overloaded.status(format!("`{WRITES_MAX}` writes wait: try again in a moment")))
    }

    /// Runs blocking work off tokio's threads.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        self.run_admitted(self.admit()?, work).await
    }

    async fn run_admitted<T: Send + 'static>(
        &self,
        admitted: OwnedSemaphorePermit,
        work: impl FnOnce(&Node) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let node = Arc::clone(&self.node);
        let ran = spawn_blocking(move || {
            let outcome = work(&node);
            drop(admitted);
            outcome
        });
        match ran.await {
            Ok(outcome) => outcome.map(Response::new).map_err(Fault::status),
            Err(_) => Err(Reason::Internal.status("the call broke down")),
        }
    }
}

#[async_trait]
impl v1::shard_service_server::ShardService for Service {
    async fn describe(&self, _request: Request<v1::DescribeRequest>) -> Result<Response<v1::DescribeResponse>, Status> {
        self.run(|node| Ok(to_wire::description(node.describe()?))).await
    }

    async fn create_shards(
        &self,
        request: Request<v1::CreateShardsRequest>,
    ) -> Result<Response<v1::CreateShardsResponse>, Status> {
        let v1::CreateShardsRequest { shards, schema } = request.into_inner();
        let schema = from_wire::schema(schema).map_err(Fault::status)?;
        self.run(move |node| Ok(v1::CreateShardsResponse { created: node.create_shards(&shards, schema)? })).await
    }

    async fn apply_schema(
        &self,
        request: Request<v1::ApplySchemaRequest>,
    ) -> Result<Response<v1::ApplySchemaResponse>, Status> {
        let v1::ApplySchemaRequest { schema, trial } = request.into_inner();
        let schema = from_wire::schema(schema).map_err(Fault::status)?;
        self.run(move |node| {
            let (applied, failed) = if trial { node.try_schema(&schema)? } else { node.apply_schema(schema)? };
            Ok(v1::ApplySchemaResponse { applied, failed: to_wire::failures(node.name(), failed) })
        })
        .await
    }

    type RunFragmentStream = Answer;

    async fn run_fragment(&self, request: Request<v1::RunFragmentRequest>) -> Result<Response<Answer>, Status> {
        let request = request.into_inner();
        let ticket = self.node.ticket(Duration::from_millis(request.deadline_ms.into()));
        let fragment = from_wire::fragment(request, Arc::clone(&ticket)).map_err(Fault::status)?;
        let admitted = self.admit()?;
        let (sender, receiver) = mpsc::channel(PARTS_WAITING + 1);
        // The end of an answer has a place of its own, so that it never waits.
        let last = sender.clone().try_reserve_owned().map_err(|_| Reason::Internal.status("a new channel is full"))?;
        let node = Arc::clone(&self.node);
        let runtime = Handle::current();
        spawn_blocking(move || {
            last.send(answer(&node, &fragment, Way { sender, runtime, ticket: &fragment.ticket, few: None }));
            drop(admitted);
        });
        let mut answer = Answer { first: None, receiver, _awaited: Awaited(ticket) };
        // Then the head of the response and a short answer leave as one.
        answer.first = answer.receiver.recv().await.transpose()?.map(Ok);
        Ok(Response::new(answer))
    }

    async fn hold(&self, request: Request<v1::HoldRequest>) -> Result<Response<v1::HoldResponse>, Status> {
        let v1::HoldRequest { schema_version, readings } = request.into_inner();
        let readings = from_wire::readings(readings).map_err(Fault::status)?;
        // A look at counters: no thread is needed for it.
        Ok(Response::new(v1::HoldResponse { holds: self.node.hold(&readings, schema_version) }))
    }

    async fn await_commits(
        &self,
        request: Request<v1::AwaitCommitsRequest>,
    ) -> Result<Response<v1::AwaitCommitsResponse>, Status> {
        let v1::AwaitCommitsRequest { start, commits, wait_ms } = request.into_inner();
        let until = Instant::now() + Duration::from_millis(wait_ms.into()).min(COMMITS_WAIT_MAX);
        // A look at a counter: no commit has to know who waits for it.
        while self.node.moment() == (start, commits) && Instant::now() < until {
            tokio::time::sleep(COMMITS_LOOK_EVERY).await;
        }
        let (start, commits) = self.node.moment();
        Ok(Response::new(v1::AwaitCommitsResponse { start, commits }))
    }

    async fn insert_rows(
        &self,
        request: Request<v1::InsertRowsRequest>,
    ) -> Result<Response<v1::InsertRowsResponse>, Status> {
        let v1::InsertRowsRequest { shards, schema_version, keep_going } = request.into_inner();
        self.run_admitted(self.admit_write()?, move |node| {
            let shards = from_wire::rows(shards)?;
            Ok(to_wire::insertions(node.name(), node.insert_rows(shards, schema_version, keep_going)?))
        })
        .await
    }

    async fn write(&self, request: Request<v1::WriteRequest>) -> Result<Response<v1::WriteResponse>, Status> {
        let request = request.into_inner();
        let shard = request.shard;
        let ticket = self.node.ticket(Duration::from_millis(request.deadline_ms.into()));
        // Of a coordinator that is gone nothing more is begun: another changes the schema, or makes shards, as if it were over.
        let _awaited = Awaited(Arc::clone(&ticket));
        let request = from_wire::write(request, ticket).map_err(Fault::status)?;
        self.run_admitted(self.admit_write()?, move |node| Ok(to_wire::written(node.write(shard, request)?))).await
    }

    async fn prepare(&self, request: Request<v1::PrepareRequest>) -> Result<Response<v1::PrepareResponse>, Status> {
        let request = request.into_inner();
        let ticket = self.node.ticket(Duration::from_millis(request.deadline_ms.into()));
        let parts = from_wire::parts(request, &ticket).map_err(Fault::status)?;
        self.run(move |node| Ok(to_wire::votes(node.name(), node.prepare(parts)?))).await
    }

    async fn resolve(&self, request: Request<v1::ResolveRequest>) -> Result<Response<v1::ResolveResponse>, Status> {
        let v1::ResolveRequest { transaction, commit, shards } = request.into_inner();
        let admitted = Arc::clone(&self.words).acquire_owned().await;
        let admitted = admitted.map_err(|_| Reason::Internal.status("the node takes no more calls"))?;
        self.run_admitted(admitted, move |node| {
            let failed = node.resolve(&transaction, commit, &shards, from_wire::work);
            Ok(v1::ResolveResponse { failed: to_wire::failures(node.name(), failed) })
        })
        .await
    }

    async fn list_fences(
        &self,
        _request: Request<v1::ListFencesRequest>,
    ) -> Result<Response<v1::ListFencesResponse>, Status> {
        Ok(Response::new(to_wire::fences(self.node.fences())))
    }
}

/// A part of an answer on its way.
type Part = Result<v1::RunFragmentResponse, Status>;

/// Runs a fragment and sends its rows; gives the last part, which is the summary or an error.
fn answer(node: &Node, fragment: &Fragment, mut way: Way<'_>) -> Part {
    let ran = catch_unwind(AssertUnwindSafe(|| node.run_fragment(fragment, &mut |batch| way.send(batch))));
    match ran {
        Ok(Ok(summary)) => Ok(to_wire::summary(node.name(), summary, way.few)),
        Ok(Err(fault)) => Err(fault.status()),
        Err(_) => Err(Reason::Internal.status("the fragment broke down")),
    }
}

/// The way to the client, for a thread that may block.
struct Way<'a> {
    sender: mpsc::Sender<Part>,
    runtime: Handle,
    ticket: &'a Ticket,
    /// Rows that may turn out to be the last: those go with the summary.
    few: Option<Batch>,
}

impl Way<'_> {
    fn send(&mut self, batch: Batch) -> Result<(), Fault> {
        if let Some(few) = self.few.take() {
            self.send_part(Ok(to_wire::batch(few)))?;
        }
        if batch.rows() <= FEW_ROWS && batch.byte_size() <= FEW_BYTES {
            self.few = Some(batch);
            return Ok(());
        }
        self.send_part(Ok(to_wire::batch(batch)))
    }

    /// Waits for the client no longer than the call may run, and no longer than [`CLIENT_WAIT_MAX`].
    fn send_part(&self, part: Part) -> Result<(), Fault> {
        let part = match self.sender.try_send(part) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(self.gone()),
            Err(mpsc::error::TrySendError::Full(part)) => part,
        };
        let patience = Instant::now() + CLIENT_WAIT_MAX;
        self.runtime.block_on(async {
            loop {
                let look = self.ticket.deadline().min(Instant::now() + LOOK_EVERY);
                match timeout_at(look.into(), self.sender.reserve()).await {
                    Ok(Ok(place)) => {
                        place.send(part);
                        return Ok(());
                    }
                    Ok(Err(_)) => return Err(self.gone()),
                    Err(_) if Instant::now() >= patience => return Err(stalled()),
                    Err(_) => self.ticket.check()?,
                }
            }
        })
    }

    fn gone(&self) -> Fault {
        self.ticket.cancel();
        self.ticket.fault()
    }
}

fn stalled() -> Fault {
    let seconds = CLIENT_WAIT_MAX.as_secs();
    Fault::new(Reason::Deadline, format!("the client read nothing for `{seconds}` s: ask again, and read"))
}

/// Somebody awaits a call; dropping it cancels that.
struct Awaited(Arc<Ticket>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// An answer as it goes to the client; dropping it cancels the call.
pub(crate) struct Answer {
    first: Option<Part>,
    receiver: mpsc::Receiver<Part>,
    _awaited: Awaited,
}

impl Stream for Answer {
    type Item = Part;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Part>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.receiver.poll_recv(context),
        }
    }
}
