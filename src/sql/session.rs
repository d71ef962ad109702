//! Runs statements at a coordinator.

use std::time::{Duration, Instant};

use souk_merge::{Batch, Value};
use souk_proto::v1::{
    Certificate, ExecuteRequest, ExecuteResponse, ExplainRequest, ExplainResponse, FailureMode, GetSchemaRequest,
    GetSchemaResponse, QueryOptions, QueryRequest, QueryResponse, RowFormat, query_response::Part,
};

use super::output::RowSink;
use crate::{client::Client, failure::Failure};

/// A connection, and what holds for all of its queries.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The coordinator.
    pub(crate) client: Client,
    /// The scope of queries: one shard key's rows.
    pub(crate) key: Option<Value>,
    /// Whether answers may lack shards that failed.
    pub(crate) partial: bool,
    /// Whether answers are given twice and compared.
    pub(crate) verify: bool,
}

/// What is known of an answer when its rows are written.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Which shards stand behind it.
    pub(crate) certificate: Certificate,
    /// From sending the query to the certificate.
    pub(crate) elapsed: Duration,
    /// From sending the query to the first rows; none without rows.
    pub(crate) first_rows: Option<Duration>,
}

/// What a statement that writes did.
#[derive(Debug)]
pub(crate) struct Done {
    /// The coordinator's word.
    pub(crate) response: ExecuteResponse,
    /// From sending it to the response.
    pub(crate) elapsed: Duration,
}

impl Session {
    /// Runs a SELECT and gives its rows to `sink` as they come. An answer without a certificate is a failure.
    pub(crate) async fn query(&self, sql: &str, sink: &mut dyn RowSink) -> Result<Answer, Failure> {
        let started = Instant::now();
        let failed = |status| Failure::of_status(&status);
        let mut stream = self.client.query().query(self.request(sql)).await.map_err(failed)?.into_inner();
        let mut reader = AnswerReader { sink, rows: 0, certificate: None, header: false };
        let mut first_rows = None;
        while let Some(response) = stream.message().await.map_err(failed)? {
            reader.take(response)?;
            if reader.rows > 0 && first_rows.is_none() {
                first_rows = Some(started.elapsed());
            }
        }
        let elapsed = started.elapsed();
        let certificate = reader.finish(self.partial)?;
        Ok(Answer { certificate, elapsed, first_rows })
    }

    fn request(&self, sql: &str) -> QueryRequest {
        QueryRequest {
            sql: sql.to_owned(),
            parameters: Vec::new(),
            shard_key: self.key.as_ref().map(Into::into),
            options: Some(self.options()),
        }
    }

    fn options(&self) -> QueryOptions {
        let failure_mode = if self.partial { FailureMode::Partial } else { FailureMode::Unspecified };
        QueryOptions {
            failure_mode: failure_mode.into(),
            row_format: RowFormat::Unspecified.into(),
            verify: self.verify,
            ..QueryOptions::default()
        }
    }

    /// Runs a statement that writes and gives the rows of its RETURNING to `sink`.
    pub(crate) async fn execute(&self, sql: &str, sink: &mut dyn RowSink) -> Result<Done, Failure> {
        if self.key.is_some() {
            return Err(Failure::Usage("--key is a scope for reading: leave it out to write".to_owned()));
        }
        let started = Instant::now();
        let request = ExecuteRequest { sql: sql.to_owned(), ..ExecuteRequest::default() };
        let response = self.client.write().execute(request).await.map_err(|status| Failure::of_status(&status))?;
        let mut done = Done { response: response.into_inner(), elapsed: started.elapsed() };
        if !done.response.columns.is_empty() {
            sink.header(&done.response.columns).map_err(Failure::of_output)?;
            if let Some(batch) = done.response.batch.take() {
                write_batch(batch, sink)?;
            }
            sink.finish().map_err(Failure::of_output)?;
        }
        Ok(done)
    }

    /// The plan of a SELECT, which is run to `analyze` it.
    pub(crate) async fn explain(&self, sql: &str, analyze: bool) -> Result<ExplainResponse, Failure> {
        let request = ExplainRequest {
            sql: sql.to_owned(),
            parameters: Vec::new(),
            shard_key: self.key.as_ref().map(Into::into),
            analyze,
            options: Some(self.options()),
        };
        let response = self.client.query().explain(request).await.map_err(|status| Failure::of_status(&status))?;
        Ok(response.into_inner())
    }

    /// The tables.
    pub(crate) async fn schema(&self) -> Result<GetSchemaResponse, Failure> {
        let response = self.client.cluster().get_schema(GetSchemaRequest {}).await;
        Ok(response.map_err(|status| Failure::of_status(&status))?.into_inner())
    }
}

/// Checks the order and the counts of an answer's parts on their way to the sink.
struct AnswerReader<'a> {
    sink: &'a mut dyn RowSink,
    header: bool,
    rows: u64,
    certificate: Option<Certificate>,
}

impl AnswerReader<'_> {
    fn take(&mut self, response: QueryResponse) -> Result<(), Failure> {
        if self.certificate.is_some() {
            return Err(broken("something follows the certificate"));
        }
        match response.part.ok_or_else(|| broken("a part is empty"))? {
            Part::Header(header) if !self.header => {
                self.header = true;
                self.sink.header(&header.columns).map_err(Failure::of_output)
            }
            Part::Header(_) => Err(broken("it has two headers")),
            _ if !self.header => Err(broken("it does not begin with a header")),
            Part::Batch(batch) => self.batch(batch),
            Part::Rows(_) => Err(broken("rows came where batches were asked for")),
            Part::Certificate(certificate) => {
                self.certificate = Some(certificate);
                Ok(())
            }
        }
    }

    fn batch(&mut self, batch: souk_proto::v1::Batch) -> Result<(), Failure> {
        self.rows += u64::from(batch.rows);
        write_batch(batch, self.sink)
    }

    fn finish(self, partial: bool) -> Result<Certificate, Failure> {
        let certificate =
            self.certificate.ok_or_else(|| broken("it ended without a certificate, so rows may be missing"))?;
        if certificate.rows != self.rows {
            return Err(broken(&format!("{} rows came, the certificate says {}", self.rows, certificate.rows)));
        }
        if certificate.asked as usize != certificate.answered as usize + certificate.failed.len() {
            return Err(broken("its certificate does not account for every shard that was asked"));
        }
        if !partial && let Some(failure) = certificate.failed.first() {
            return Err(broken(&format!(
                "shard {} is missing: {}: {}",
                failure.shard, failure.reason, failure.message
            )));
        }
        self.sink.finish().map_err(Failure::of_output)?;
        Ok(certificate)
    }
}

fn write_batch(batch: souk_proto::v1::Batch, sink: &mut dyn RowSink) -> Result<(), Failure> {
    let mut cursor = Batch::try_from(batch).map_err(|error| broken(&error.to_string()))?.into_cursor();
    while cursor.advance() {
        sink.row(&cursor).map_err(Failure::of_output)?;
    }
    Ok(())
}

fn broken(what: &str) -> Failure {
    Failure::failed(format!("the answer is not whole: {what}"))
}
