//! Messages to the node's calls, checked.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use souk_merge::{Batch, MergeSpec, Value};
use souk_proto::{Expectation, WireError, v1};

use crate::{
    commits::State,
    error::Fault,
    fragment::Fragment,
    node::ShardRows,
    schema::SchemaLog,
    shard::{Part, Scope, ScopedTable, Statement, TableRows, WriteRequest, WriteStatement},
    statistics::{Need, StoredColumn, Test},
    ticket::Ticket,
};

pub(crate) fn schema(changes: Vec<v1::SchemaChange>) -> Result<SchemaLog, Fault> {
    SchemaLog::from_numbered(changes.into_iter().map(|change| (change.version, change.sql)))
}

pub(crate) fn fragment(request: v1::RunFragmentRequest, ticket: Arc<Ticket>) -> Result<Fragment, Fault> {
    let v1::RunFragmentRequest {
        shards,
        sql,
        parameters,
        merge,
        schema_version,
        deadline_ms: _,
        bytes_max,
        scope: scoped,
        failure_mode,
        slowest_max,
        keep,
        needs,
        lead,
    } = request;
    let parameters = parameters.into_iter().map(Value::try_from).collect::<Result<_, _>>().map_err(malformed)?;
    let merge = merge.ok_or(WireError::Missing("run_fragment.merge")).map_err(malformed)?;
    let merge = MergeSpec::try_from(merge).map_err(malformed)?;
    let partial = match v1::FailureMode::try_from(failure_mode) {
        Ok(v1::FailureMode::Unspecified) => false,
        Ok(v1::FailureMode::Partial) => true,
        Err(_) => return Err(malformed(WireError::Unknown("run_fragment.failure_mode"))),
    };
    let scope = scoped.map(scope).transpose()?.map(Arc::new);
    let statement = Statement { sql, parameters };
    Ok(Fragment {
        shards,
        statement,
        merge,
        schema_version,
        bytes_max,
        scope,
        partial,
        keep,
        needs: needs.into_iter().map(need).collect::<Result<_, _>>().map_err(malformed)?,
        lead: lead.map(stored_column),
        slowest_max: slowest_max as usize,
        ticket,
    })
}

pub(crate) fn readings(readings: Vec<v1::Reading>) -> Result<Vec<(Vec<u64>, State)>, Fault> {
    let reading = |reading: v1::Reading| {
        let state = reading.state.ok_or(WireError::Missing("reading.state")).map_err(malformed)?;
        let v1::ShardsState { start, node_commits: all, commits: sum } = state;
        Ok((reading.shards, State { start, all, sum }))
    };
    readings.into_iter().map(reading).collect()
}

fn need(need: v1::Need) -> Result<Need, WireError> {
    let column = stored_column(need.column.ok_or(WireError::Missing("need.column"))?);
    let test = match need.test.ok_or(WireError::Missing("need.test"))? {
        v1::need::Test::Among(v1::Values { values }) => {
            Test::Among(values.into_iter().map(Value::try_from).collect::<Result<_, _>>()?)
        }
        v1::need::Test::AtLeast(bound) => Test::AtLeast(bound.try_into()?),
        v1::need::Test::AtMost(bound) => Test::AtMost(bound.try_into()?),
    };
    Ok(Need { column, test, of_lead: need.of_lead })
}

fn stored_column(column: v1::StoredColumn) -> StoredColumn {
    StoredColumn { table: column.table, column: column.column }
}

fn scope(scope: v1::Scope) -> Result<Scope, Fault> {
    let key = scope.key.ok_or(WireError::Missing("scope.key")).map_err(malformed)?;
    let key = Value::try_from(key).map_err(malformed)?;
    let table = |scoped: v1::ScopedTable| ScopedTable { table: scoped.table, key_column: scoped.key_column };
    Scope::new(scope.tables.into_iter().map(table).collect(), key)
}

pub(crate) fn rows(shards: Vec<v1::ShardInserts>) -> Result<Vec<ShardRows>, Fault> {
    let shard = |inserts: v1::ShardInserts| {
        let tables = inserts.tables.into_iter().map(table_rows).collect::<Result<_, _>>()?;
        Ok(ShardRows { shard: inserts.shard, tables })
    };
    shards.into_iter().map(shard).collect()
}

fn table_rows(inserts: v1::TableInserts) -> Result<TableRows, Fault> {
    let v1::TableInserts { table, columns, batch } = inserts;
    let batch = batch.ok_or(WireError::Missing("table_inserts.batch")).map_err(malformed)?;
    TableRows::new(table, columns, Batch::try_from(batch).map_err(malformed)?)
}

pub(crate) fn write(request: v1::WriteRequest, ticket: Arc<Ticket>) -> Result<WriteRequest, Fault> {
    let v1::WriteRequest { shard: _, schema_version, deadline_ms: _, bytes_max, statements } = request;
    let statements = statements.into_iter().map(write_statement).collect::<Result<_, _>>().map_err(malformed)?;
    Ok(WriteRequest { statements, schema_version, bytes_max, ticket })
}

pub(crate) fn parts(request: v1::PrepareRequest, ticket: &Arc<Ticket>) -> Result<Vec<(u64, Part)>, Fault> {
    let v1::PrepareRequest { transaction, shards, deadline_ms: _ } = request;
    let name: Arc<[u8]> = transaction.into();
    let part = |request: v1::WriteRequest| {
        let (shard, work) = (request.shard, request.encode_to_vec().into());
        Ok((shard, Part { name: Arc::clone(&name), work, request: write(request, Arc::clone(ticket))? }))
    };
    shards.into_iter().map(part).collect()
}

/// The request that an intent was made of.
pub(crate) fn work(kept: &[u8]) -> Result<WriteRequest, Fault> {
    let request = v1::WriteRequest::decode(kept).map_err(|error| Fault::internal(format!("an intent: {error}")))?;
    write(request, Arc::new(Ticket::new(Duration::ZERO, Arc::default())))
}

fn write_statement(statement: v1::ShardStatement) -> Result<WriteStatement, WireError> {
    let v1::ShardStatement { sql, rows, parameters, expectation, number, defers_foreign_keys, foreign_keys_checked } =
        statement;
    Ok(WriteStatement {
        sql,
        expectation: expectation.map(Expectation::from),
        number,
        defers_foreign_keys,
        foreign_keys_checked,
        rows: rows.map(Batch::try_from).transpose()?,
        parameters: parameters.into_iter().map(Value::try_from).collect::<Result<_, _>>()?,
    })
}

fn malformed(error: WireError) -> Fault {
    Fault::invalid(error.to_string())
}
