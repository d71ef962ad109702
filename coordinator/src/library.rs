//! The coordinator as a library: what an application asks of it that runs in the same process.

use std::sync::Arc;

use parking_lot::Mutex;
use souk_merge::{Batch, Value};
use souk_proto::{Expectation, Reason};

use crate::changes::Changes;
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::exec::Event;
use crate::session::{QueryOptions, QueryRequest, Session};
use crate::write::{self, Executed, TransactRequest, TransactStatement};

/// Calls take as long as the coordinator is set to.
const DEADLINE_DEFAULT: u32 = 0;

/// A cluster, as one database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    cluster: Arc<Cluster>,
}

/// SQL with values for its parameters, by their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    sql: String,
    parameters: Vec<Value>,
    expectation: Option<Expectation>,
}

/// What a SELECT gives.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// The rows, in their order.
    pub rows: Vec<Vec<Value>>,
}

/// What a statement did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Rows inserted, updated or deleted.
    pub rows_affected: u64,
    /// What it gives.
    pub rows: Vec<Vec<Value>>,
}

impl Statement {
    /// A statement.
    pub fn new(sql: impl Into<String>, parameters: impl IntoIterator<Item = Value>) -> Statement {
        Statement { sql: sql.into(), parameters: parameters.into_iter().collect(), expectation: None }
    }

    /// When it comes to something else, the transaction that it is in is not done, with [`Reason::Expectation`].
    pub fn expect(self, expectation: Expectation) -> Statement {
        Statement { expectation: Some(expectation), ..self }
    }
}

impl Database {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Database {
        Database { cluster }
    }

    /// The rows of a SELECT.
    ///
    /// # Errors
    ///
    /// [`Error`], as the query call of the service gives it. No row is missing from what is given.
    pub async fn query(&self, statement: Statement) -> Result<Vec<Vec<Value>>> {
        Ok(self.table(statement).await?.rows)
    }

    /// The rows of a SELECT with the names of its columns.
    ///
    /// # Errors
    ///
    /// As [`Database::query`].
    pub async fn table(&self, statement: Statement) -> Result<Table> {
        Ok(self.ask(statement, QueryOptions::default()).await?.0)
    }

    /// The rows of the shards that answer, and how many do not: for what is looked after again and again, where a node that is away must not stop the rest.
    ///
    /// # Errors
    ///
    /// [`Error`] as of [`Database::query`], but for shards that are not there.
    pub async fn query_reachable(&self, statement: Statement) -> Result<(Vec<Vec<Value>>, usize)> {
        // Whole answers are kept, others are not.
        match self.query(statement.clone()).await {
            Err(error) if error.reason == Reason::ShardUnavailable => {}
            answer => return Ok((answer?, 0)),
        }
        let options = QueryOptions { partial: true, ..QueryOptions::default() };
        let (table, missing) = self.ask(statement, options).await?;
        Ok((table.rows, missing))
    }

    /// What a SELECT gives, and how many shards are missing from it.
    async fn ask(&self, statement: Statement, options: QueryOptions) -> Result<(Table, usize)> {
        let Statement { sql, parameters, .. } = statement;
        let request = QueryRequest { sql, parameters: positional(parameters), options, ..QueryRequest::default() };
        let mut answer = Session::new(Arc::clone(&self.cluster)).query(request).await?;
        let columns = answer.columns.iter().map(|(name, _)| name.clone()).collect();
        let mut rows = Vec::new();
        while let Some(event) = answer.events.recv().await {
            match event? {
                Event::Rows(batch) => rows.extend(batch.into_rows()),
                Event::End(ending) => return Ok((Table { columns, rows }, ending.failed.len())),
            }
        }
        Err(Error::internal("the executor ended without an answer"))
    }

    /// Runs one statement that writes: INSERT, REPLACE, UPDATE, DELETE or a schema change. It happens everywhere or nowhere.
    ///
    /// # Errors
    ///
    /// [`Error`]; where its `in_doubt` is set, it may have happened nevertheless.
    pub async fn execute(&self, statement: Statement) -> Result<Outcome> {
        let parameters = positional(statement.parameters);
        Ok(write::execute(&self.cluster, &statement.sql, parameters, DEADLINE_DEFAULT).await?.into())
    }

    /// Runs statements one after the other, each seeing what those before did: all of them happen, or none. On one shard that is one local transaction.
    ///
    /// # Errors
    ///
    /// [`Error`], whose message begins with the number of the statement that was at fault; where its `in_doubt` is set, all may have happened nevertheless.
    pub async fn transact(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>> {
        let statement = |Statement { sql, parameters, expectation }: Statement| TransactStatement {
            sql,
            parameters: positional(parameters),
            expectation,
        };
        let request = TransactRequest {
            request_id: String::new(),
            digest: [0; 16],
            statements: statements.into_iter().map(statement).collect(),
            deadline_ms: DEADLINE_DEFAULT,
        };
        // What has no name is not written down, but handed over as it is.
        let done = Arc::new(Mutex::new(Vec::new()));
        let last = Arc::clone(&done);
        let hand_over = move |executed| {
            *last.lock() = executed;
            Vec::new()
        };
        write::transact(&self.cluster, request, Arc::new(hand_over)).await?;
        let done = std::mem::take(&mut *done.lock());
        Ok(done.into_iter().map(Outcome::from).collect())
    }

    /// Tells when there was a write, of whomever, to whichever shard. A query that is asked again then, and gives what is kept if nothing changed that it reads, costs a
    /// small call a node.
    pub fn changes(&self) -> Changes {
        self.cluster.pulses.listen(&self.cluster.nodes, self.cluster.node_ids())
    }

    /// Whether there is a table of this name.
    pub fn has_table(&self, name: &str) -> bool {
        self.cluster.snapshot().catalog.schema.table(name).is_some()
    }
}

impl From<Executed> for Outcome {
    fn from(executed: Executed) -> Outcome {
        let rows = executed.rows.map(Batch::into_rows).unwrap_or_default();
        Outcome { rows_affected: executed.rows_affected, rows }
    }
}

impl Error {
    /// The number of the statement of a transaction that was at fault, from 1.
    pub fn statement(&self) -> Option<usize> {
        let (number, _) = self.message.strip_prefix("statement ")?.split_once(": ")?;
        number.parse().ok()
    }

    /// Whether trying again later may help, with nothing changed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.reason,
            Reason::ShardUnavailable
                | Reason::Deadline
                | Reason::Overloaded
                | Reason::StaleTopology
                | Reason::SchemaMismatch
                | Reason::Cancelled
        )
    }
}

fn positional(parameters: Vec<Value>) -> Vec<(String, Value)> {
    parameters.into_iter().map(|value| (String::new(), value)).collect()
}
