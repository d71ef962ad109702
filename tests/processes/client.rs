//! A client that insists on the shape of answers.

use souk_merge::{Batch, Value};
use souk_proto::{
    Reason,
    v1::{
        Certificate, ExecuteRequest, ExecuteResponse, FailureMode, GetSchemaRequest, GetSchemaResponse,
        GetStatusRequest, GetStatusResponse, GetTransactionRequest, LoadRequest, QueryOptions, QueryRequest,
        QueryResponse, TransactRequest, TransactStatement, cluster_service_client::ClusterServiceClient,
        query_response::Part, query_service_client::QueryServiceClient, write_service_client::WriteServiceClient,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint},
};

#[derive(Clone)]
pub(crate) struct Client {
    channel: Channel,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) certificate: Certificate,
}

/// Reason and message.
pub(crate) type Refusal = (Reason, String);

fn refusal(status: Status) -> Refusal {
    let reason = Reason::of(&status).unwrap_or_else(|| panic!("an error without a reason: {status:?}"));
    (reason, status.message().to_owned())
}

impl Client {
    /// Connects on first use, and again when the coordinator was away.
    pub(crate) fn new(address: &str) -> Client {
        Client { channel: Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy() }
    }

    pub(crate) async fn execute(&self, sql: &str) -> Result<ExecuteResponse, Refusal> {
        let request = ExecuteRequest { sql: sql.to_owned(), ..ExecuteRequest::default() };
        let response = WriteServiceClient::new(self.channel.clone()).execute(request).await;
        Ok(response.map_err(refusal)?.into_inner())
    }

    /// As [`Client::execute`]; an error that has no reason is none: the connection broke.
    pub(crate) async fn try_execute(&self, sql: &str) -> Result<ExecuteResponse, Option<Refusal>> {
        let request = ExecuteRequest { sql: sql.to_owned(), ..ExecuteRequest::default() };
        let response = WriteServiceClient::new(self.channel.clone()).execute(request).await;
        let refusal = |status: Status| Some((Reason::of(&status)?, status.message().to_owned()));
        Ok(response.map_err(refusal)?.into_inner())
    }

    /// Statements that happen together or not at all, under a name; the error as in [`Client::try_execute`].
    pub(crate) async fn transact(&self, request_id: &str, statements: &[String]) -> Result<bool, Option<Refusal>> {
        let statement = |sql: &String| TransactStatement { sql: sql.clone(), ..TransactStatement::default() };
        let statements = statements.iter().map(statement).collect();
        let request = TransactRequest { request_id: request_id.to_owned(), statements, ..TransactRequest::default() };
        let response = WriteServiceClient::new(self.channel.clone()).transact(request).await;
        let refusal = |status: Status| Some((Reason::of(&status)?, status.message().to_owned()));
        Ok(response.map_err(refusal)?.into_inner().repeated)
    }

    /// Whether a named request is done; none when nobody answers.
    pub(crate) async fn is_done(&self, request_id: &str) -> Option<bool> {
        let request = GetTransactionRequest { request_id: request_id.to_owned() };
        let response = WriteServiceClient::new(self.channel.clone()).get_transaction(request).await;
        response.ok().map(|response| response.into_inner().done.is_some())
    }

    /// The rows of all shards, or why not.
    pub(crate) async fn query(&self, sql: &str) -> Result<Answer, Refusal> {
        let answer = self.ask(sql, FailureMode::Unspecified).await?;
        assert_eq!(answer.certificate.failed, [], "failures though partial answers were not allowed");
        Ok(answer)
    }

    /// The rows of the shards that answer.
    pub(crate) async fn partial(&self, sql: &str) -> Result<Answer, Refusal> {
        self.ask(sql, FailureMode::Partial).await
    }

    async fn ask(&self, sql: &str, mode: FailureMode) -> Result<Answer, Refusal> {
        let options = QueryOptions { failure_mode: mode.into(), ..QueryOptions::default() };
        let request = QueryRequest { sql: sql.to_owned(), options: Some(options), ..QueryRequest::default() };
        let stream = QueryServiceClient::new(self.channel.clone()).query(request).await.map_err(refusal)?;
        let answer = read(stream.into_inner()).await?;
        self.check(&answer).await;
        Ok(answer)
    }

    /// The certificate accounts for every shard and row.
    async fn check(&self, answer: &Answer) {
        let Certificate { asked, answered, pruned, failed, rows, .. } = &answer.certificate;
        let shards = self.status().await.shards;
        assert_eq!(*asked, answered + failed.len() as u32, "{answer:?}");
        assert_eq!(asked + pruned, shards, "{answer:?}");
        assert_eq!(*rows, answer.rows.len() as u64, "{answer:?}");
    }

    pub(crate) async fn status(&self) -> GetStatusResponse {
        ClusterServiceClient::new(self.channel.clone()).get_status(GetStatusRequest {}).await.unwrap().into_inner()
    }

    pub(crate) async fn schema(&self) -> GetSchemaResponse {
        ClusterServiceClient::new(self.channel.clone()).get_schema(GetSchemaRequest {}).await.unwrap().into_inner()
    }

    /// Loads as long as messages come; the rows that are durable for certain, and whether the load went to its end.
    pub(crate) async fn load(&self, messages: mpsc::Receiver<LoadRequest>) -> (u64, bool) {
        let mut loaded = 0;
        let stream = WriteServiceClient::new(self.channel.clone()).load(ReceiverStream::new(messages)).await;
        let Ok(stream) = stream else { return (0, false) };
        let mut stream = stream.into_inner();
        loop {
            match stream.message().await {
                Ok(Some(response)) => loaded = response.loaded,
                Ok(None) => return (loaded, true),
                Err(_) => return (loaded, false),
            }
        }
    }
}

async fn read(mut stream: Streaming<QueryResponse>) -> Result<Answer, Refusal> {
    let mut header = false;
    let mut rows = Vec::new();
    let mut certificate = None;
    while let Some(response) = stream.message().await.map_err(refusal)? {
        assert!(certificate.is_none(), "something follows the certificate");
        match response.part.unwrap() {
            Part::Header(_) => header = true,
            Part::Batch(batch) => rows.extend(Batch::try_from(batch).unwrap().into_rows()),
            Part::Rows(rows) => panic!("rows came where batches were asked for: {rows:?}"),
            Part::Certificate(last) => certificate = Some(last),
        }
    }
    assert!(header, "an answer begins with its header");
    Ok(Answer { rows, certificate: certificate.expect("an answer ends with its certificate") })
}

/// The integers of a row.
pub(crate) fn integers(row: &[Value]) -> Vec<i64> {
    row.iter()
        .map(|value| match value {
            Value::Integer(integer) => *integer,
            other => panic!("{other:?} is no integer"),
        })
        .collect()
}
