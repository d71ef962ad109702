//! `QueryService`.

use std::pin::Pin;
use std::time::Duration;

use futures::Stream;
use souk_proto::v1;
use tonic::{Request, Response, Status};

use super::{from_wire, to_wire};
use crate::error::Error;
use crate::exec::Event;
use crate::session::{Answer, QueryOptions, Session};

pub(crate) struct QueryRpc {
    pub(crate) session: Session,
}

#[tonic::async_trait]
impl v1::query_service_server::QueryService for QueryRpc {
    type QueryStream = Pin<Box<dyn Stream<Item = Result<v1::QueryResponse, Status>> + Send>>;

    async fn query(&self, request: Request<v1::QueryRequest>) -> Result<Response<Self::QueryStream>, Status> {
        let timeout = grpc_timeout(&request);
        let (mut query, format) = from_wire::query(request.into_inner())?;
        end_within(&mut query.options, timeout);
        let mut answer = self.session.query(query).await?;
        // Then the head of the response, the header and a short answer leave as one.
        let first = answer.events.recv().await;
        if let Some(Err(error)) = first {
            return Err(error.into());
        }
        Ok(Response::new(Box::pin(responses(answer, first, format))))
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        let timeout = grpc_timeout(&request);
        let (mut query, analyze) = from_wire::explain(request.into_inner())?;
        end_within(&mut query.options, timeout);
        Ok(Response::new(to_wire::explanation(self.session.explain(query, analyze).await?)))
    }
}

fn end_within(options: &mut QueryOptions, timeout: Option<Duration>) {
    if let Some(timeout) = timeout {
        let ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
        // A little earlier than tonic, which ends the call without a reason.
        let ms = ms.saturating_sub((ms / 20).max(5)).max(1);
        let asked = options.deadline_ms;
        options.deadline_ms = if asked == 0 { ms } else { asked.min(ms) };
    }
}

/// The time that gRPC's own header leaves (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
fn grpc_timeout<T>(request: &Request<T>) -> Option<Duration> {
    let header = request.metadata().get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(number.saturating_mul(60))),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Header, rows, certificate; `first` is the first event of the answer.
fn responses(
    answer: Answer,
    first: Option<Result<Event, Error>>,
    format: v1::RowFormat,
) -> impl Stream<Item = Result<v1::QueryResponse, Status>> {
    let header = v1::Header { columns: answer.columns.iter().cloned().map(to_wire::column).collect() };
    let header = response(v1::query_response::Part::Header(header));
    let rest = futures::stream::unfold(Some((answer, Some(first), 0u64)), move |state| async move {
        let (mut answer, first, rows) = state?;
        let event = match first {
            Some(first) => first,
            None => answer.events.recv().await,
        };
        match event {
            Some(Ok(Event::Rows(batch))) => {
                let rows = rows + batch.rows() as u64;
                let part = match format {
                    v1::RowFormat::Rows => v1::query_response::Part::Rows(batch.into()),
                    v1::RowFormat::Unspecified => v1::query_response::Part::Batch(batch.into()),
                };
                Some((Ok(response(part)), Some((answer, None, rows))))
            }
            Some(Ok(Event::End(ending))) => {
                let certificate = to_wire::certificate(&answer.facts, ending, rows);
                Some((Ok(response(v1::query_response::Part::Certificate(certificate))), None))
            }
            Some(Err(error)) => Some((Err(error.into()), None)),
            None => Some((Err(Error::internal("the executor ended without an answer").into()), None)),
        }
    });
    futures::StreamExt::chain(futures::stream::once(async { Ok(header) }), rest)
}

fn response(part: v1::query_response::Part) -> v1::QueryResponse {
    v1::QueryResponse { part: Some(part) }
}
