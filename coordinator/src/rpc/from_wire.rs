//! Messages to requests.

use prost::Message as _;
use souk_merge::Value;
use souk_proto::{Expectation, Reason, v1};
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Result};
use crate::session::{QueryOptions, QueryRequest};
use crate::write::{TransactRequest, TransactStatement};

pub(super) fn value(value: v1::Value) -> Result<Value> {
    Value::try_from(value).map_err(|error| Error::new(Reason::InvalidArgument, error.to_string()))
}

pub(super) fn parameters(parameters: Vec<v1::Parameter>) -> Result<Vec<(String, Value)>> {
    let parameter = |parameter: v1::Parameter| {
        let missing = || Error::new(Reason::InvalidArgument, format!("parameter `{}` has no value", parameter.name));
        let value = value(parameter.value.clone().ok_or_else(missing)?)?;
        Ok((parameter.name, value))
    };
    parameters.into_iter().map(parameter).collect()
}

/// A transaction. Its digest is of its statements alone: how much time it has and how rows travel change nothing that is done.
pub(super) fn transact(request: v1::TransactRequest) -> Result<TransactRequest> {
    let v1::TransactRequest { request_id, statements, deadline_ms, row_format: _ } = request;
    let content = v1::TransactRequest { statements, ..v1::TransactRequest::default() };
    let digest = xxh3_128(&content.encode_to_vec()).to_le_bytes();
    let statement = |statement: v1::TransactStatement| {
        Ok(TransactStatement {
            sql: statement.sql,
            parameters: parameters(statement.parameters)?,
            expectation: statement.expectation.map(Expectation::from),
        })
    };
    let statements = content.statements.into_iter().map(statement).collect::<Result<_>>()?;
    Ok(TransactRequest { request_id, digest, statements, deadline_ms })
}

pub(super) fn query(request: v1::QueryRequest) -> Result<(QueryRequest, v1::RowFormat)> {
    let options = request.options.unwrap_or_default();
    let format = v1::RowFormat::try_from(options.row_format).map_err(|_| unknown("row_format"))?;
    let request = QueryRequest {
        sql: request.sql,
        parameters: parameters(request.parameters)?,
        shard_key: request.shard_key.map(value).transpose()?,
        options: self::options(&options)?,
    };
    Ok((request, format))
}

/// The SELECT, and whether to run it.
pub(super) fn explain(request: v1::ExplainRequest) -> Result<(QueryRequest, bool)> {
    let query = QueryRequest {
        sql: request.sql,
        parameters: parameters(request.parameters)?,
        shard_key: request.shard_key.map(value).transpose()?,
        options: options(&request.options.unwrap_or_default())?,
    };
    Ok((query, request.analyze))
}

fn options(options: &v1::QueryOptions) -> Result<QueryOptions> {
    let failure_mode = v1::FailureMode::try_from(options.failure_mode).map_err(|_| unknown("failure_mode"))?;
    Ok(QueryOptions {
        deadline_ms: options.deadline_ms,
        rows_max: options.rows_max,
        bytes_max: options.bytes_max,
        partial: failure_mode == v1::FailureMode::Partial,
        verify: options.verify,
    })
}

fn unknown(what: &str) -> Error {
    Error::new(Reason::InvalidArgument, format!("`options.{what}` has an unknown value"))
}
