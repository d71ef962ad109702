//! A client that knows three outcomes: done, not done, and unknown.

use std::{future::Future, time::Duration};

use souk_merge::{Batch, Value};
use souk_proto::{
    Reason,
    v1::{
        ExecuteRequest, GetStatusRequest, GetTransactionRequest, QueryRequest, TransactRequest, TransactStatement,
        cluster_service_client::ClusterServiceClient, query_response::Part, query_service_client::QueryServiceClient,
        write_service_client::WriteServiceClient,
    },
};
use tonic::{
    Response, Status,
    transport::{Channel, Endpoint},
};

/// How long a statement may take, at the coordinator and in all.
const DEADLINE: Duration = Duration::from_millis(1000);
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Done,
    NotDone(Reason, String),
    Unknown(String),
}

/// What is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Waiting {
    /// Open shards without a word.
    pub(crate) shards: u32,
    /// Transactions that are decided and not known to be done.
    pub(crate) transactions: u32,
}

#[derive(Clone)]
pub(crate) struct Client(Channel);

/// An answer, or what the client is to make of its absence. An error without a reason is none: the connection broke.
async fn hear<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Told> {
    let answer = tokio::time::timeout(PATIENCE, call).await.map_err(|_| Told::Unknown("no answer".to_owned()))?;
    let told = |status: Status| match Reason::of(&status) {
        Some(reason) if !status.message().contains("unknown") => Told::NotDone(reason, status.message().to_owned()),
        _ => Told::Unknown(status.message().to_owned()),
    };
    answer.map(Response::into_inner).map_err(told)
}

impl Client {
    pub(crate) fn new(address: &str) -> Client {
        Client(Endpoint::from_shared(format!("http://{address}")).expect("an address").connect_lazy())
    }

    fn writes(&self) -> WriteServiceClient<Channel> {
        WriteServiceClient::new(self.0.clone())
    }

    pub(crate) async fn execute(&self, sql: &str) -> Told {
        let deadline_ms = DEADLINE.as_millis() as u32;
        let request = ExecuteRequest { sql: sql.to_owned(), deadline_ms, ..ExecuteRequest::default() };
        hear(self.writes().execute(request)).await.map_or_else(|told| told, |_| Told::Done)
    }

    /// Sends a named request.
    pub(crate) async fn transact(&self, request_id: &str, statements: &[String]) -> Told {
        let statement = |sql: &String| TransactStatement { sql: sql.clone(), ..TransactStatement::default() };
        let request = TransactRequest {
            request_id: request_id.to_owned(),
            statements: statements.iter().map(statement).collect(),
            deadline_ms: DEADLINE.as_millis() as u32,
            ..TransactRequest::default()
        };
        hear(self.writes().transact(request)).await.map_or_else(|told| told, |_| Told::Done)
    }

    /// Whether a named request was done; none when nobody says.
    pub(crate) async fn was_done(&self, request_id: &str) -> Option<bool> {
        let request = GetTransactionRequest { request_id: request_id.to_owned() };
        Some(hear(self.writes().get_transaction(request)).await.ok()?.done.is_some())
    }

    /// What waits; none when it is not known of all nodes.
    pub(crate) async fn waiting(&self) -> Option<Waiting> {
        let asked = ClusterServiceClient::new(self.0.clone()).get_status(GetStatusRequest {}).await;
        let status = asked.ok()?.into_inner();
        let shards = status.nodes.iter().map(|node| node.error.is_empty().then_some(node.shards_waiting));
        Some(Waiting { shards: shards.sum::<Option<u32>>()?, transactions: status.transactions_unfinished })
    }

    /// Rows of integers, or none when they are not all given.
    pub(crate) async fn rows(&self, sql: &str) -> Option<Vec<Vec<i64>>> {
        let request = QueryRequest { sql: sql.to_owned(), ..QueryRequest::default() };
        let mut stream = hear(QueryServiceClient::new(self.0.clone()).query(request)).await.ok()?;
        let mut rows = Vec::new();
        loop {
            match stream.message().await.ok()??.part? {
                Part::Batch(batch) => rows.extend(Batch::try_from(batch).ok()?.into_rows()),
                Part::Certificate(_) => break,
                Part::Header(_) | Part::Rows(_) => {}
            }
        }
        Some(rows.iter().map(|row| row.iter().map(integer).collect()).collect())
    }
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Integer(integer) => *integer,
        other => panic!("{other:?} is no integer"),
    }
}
