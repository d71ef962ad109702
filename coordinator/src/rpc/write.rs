//! `WriteService`.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use prost::Message as _;
use souk_merge::Batch;
use souk_proto::{Reason, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{from_wire, to_wire};
use crate::cluster::Cluster;
use crate::error::Error;
use crate::write::{Answer, Executed, LoadRows, Loaded, Loader, RejectedRow, execute, get_transaction, transact};

pub(crate) struct WriteRpc {
    pub(crate) cluster: Arc<Cluster>,
}

#[tonic::async_trait]
impl v1::write_service_server::WriteService for WriteRpc {
    type LoadStream = Pin<Box<dyn Stream<Item = Result<v1::LoadResponse, Status>> + Send>>;

    async fn execute(&self, request: Request<v1::ExecuteRequest>) -> Result<Response<v1::ExecuteResponse>, Status> {
        let request = request.into_inner();
        let format = request.row_format();
        let parameters = from_wire::parameters(request.parameters)?;
        let executed = execute(&self.cluster, &request.sql, parameters, request.deadline_ms).await?;
        Ok(Response::new(to_wire::executed(executed, format)))
    }

    async fn transact(&self, request: Request<v1::TransactRequest>) -> Result<Response<v1::TransactResponse>, Status> {
        let request = request.into_inner();
        let format = request.row_format();
        let request = from_wire::transact(request)?;
        let encode = move |results: Vec<Executed>| {
            let results = results.into_iter().map(|executed| to_wire::executed(executed, format)).collect();
            v1::TransactResponse { results, repeated: false }.encode_to_vec()
        };
        let Answer { bytes, repeated } = transact(&self.cluster, request, Arc::new(encode)).await?;
        Ok(Response::new(v1::TransactResponse { repeated, ..answer(&bytes)? }))
    }

    async fn get_transaction(
        &self,
        request: Request<v1::GetTransactionRequest>,
    ) -> Result<Response<v1::GetTransactionResponse>, Status> {
        let done = get_transaction(&self.cluster, &request.into_inner().request_id).await?;
        let done = done.map(|bytes| answer(&bytes)).transpose()?;
        Ok(Response::new(v1::GetTransactionResponse { done }))
    }

    async fn load(&self, request: Request<Streaming<v1::LoadRequest>>) -> Result<Response<Self::LoadStream>, Status> {
        let (sender, responses) = mpsc::channel(1);
        let loader = Loader::new(Arc::clone(&self.cluster), true);
        tokio::spawn(async move {
            if let Err(status) = load(loader, request.into_inner(), &sender).await {
                // A client that is gone wants no error.
                let _ = sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }
}

/// An answer as it was written down.
fn answer(bytes: &[u8]) -> Result<v1::TransactResponse, Error> {
    v1::TransactResponse::decode(bytes).map_err(|error| Error::internal(format!("an answer that was kept: {error}")))
}

type Responses = mpsc::Sender<Result<v1::LoadResponse, Status>>;

async fn load(
    mut loader: Loader,
    mut requests: Streaming<v1::LoadRequest>,
    responses: &Responses,
) -> Result<(), Status> {
    let mut total = 0;
    while let Some(request) = requests.message().await? {
        if let Some(loaded) = loader.push(rows(request)?).await? {
            respond(loaded, &mut total, responses).await;
        }
    }
    respond(loader.flush().await?, &mut total, responses).await;
    Ok(())
}

async fn respond(loaded: Loaded, total: &mut u64, responses: &Responses) {
    *total += loaded.rows;
    let response = v1::LoadResponse { loaded: *total, rejected: loaded.rejected.into_iter().map(rejected).collect() };
    // A client that is gone is noticed by its request stream.
    let _ = responses.send(Ok(response)).await;
}

fn rows(request: v1::LoadRequest) -> Result<LoadRows, Error> {
    let invalid = |message: String| Error::new(Reason::InvalidArgument, message);
    let batch = request.batch.ok_or_else(|| invalid("a load request has no batch".into()))?;
    let batch = Batch::try_from(batch).map_err(|error| invalid(error.to_string()))?;
    Ok(LoadRows { table: request.table, columns: request.columns, batch, first_row: request.first_row })
}

fn rejected(row: RejectedRow) -> v1::RejectedRow {
    v1::RejectedRow { row: row.row, reason: row.reason.as_str().to_owned(), message: row.message }
}
