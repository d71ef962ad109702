//! Requests of clients, many in one transaction: each in a savepoint, so that one that fails fails alone.

use std::{
    slice,
    sync::{Arc, atomic::Ordering},
};

use rusqlite::{CachedStatement, ErrorCode, Row, config::DbConfig};
use souk_merge::{Batch, Value, ValueRef};
use souk_proto::Reason;

use super::{WriteFault, Writer};
use crate::{
    error::Fault,
    raw,
    shard::{
        place::{Phase, code},
        queue::{Done, Waiting, WriteRequest, WriteStatement},
        reader::{bindable, value_of},
    },
};

/// What became of a request whose transaction is still to be committed.
type Outcome = Result<Vec<Done>, Fault>;

impl Writer {
    /// Runs requests in one transaction and settles each when it is durable. An error is of all that are not settled.
    pub(in crate::shard) fn run_all(&mut self, together: &[Arc<Waiting>]) -> Result<(), WriteFault> {
        match self.transaction(|writer| writer.run_each(together)) {
            Ok(outcomes) => {
                failpoint!(doubt "write-committed");
                together.iter().zip(outcomes).for_each(|(waiting, outcome)| waiting.settle(outcome));
                Ok(())
            }
            // A deferred constraint speaks at the end of the transaction, and who is interrupted takes the transaction along: alone
            // each is told of its own.
            Err(WriteFault { fault, close: false }) if !fault.is_of_shard() && together.len() > 1 => {
                together.iter().try_for_each(|waiting| self.run_alone(waiting))
            }
            Err(fault) => Err(fault),
        }
    }

    fn run_alone(&mut self, waiting: &Arc<Waiting>) -> Result<(), WriteFault> {
        match self.transaction(|writer| writer.run_each(slice::from_ref(waiting))) {
            Ok(outcomes) => outcomes.into_iter().for_each(|outcome| waiting.settle(outcome)),
            Err(WriteFault { fault, close: false }) => waiting.settle(Err(fault)),
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    fn run_each(&self, together: &[Arc<Waiting>]) -> Result<Vec<Outcome>, Fault> {
        failpoint!("write-begun");
        together.iter().map(|waiting| self.run_request(&waiting.request)).collect()
    }

    /// Runs a request in a savepoint. Its own failure is its outcome; an error ends the transaction.
    fn run_request(&self, request: &WriteRequest) -> Result<Outcome, Fault> {
        if let Err(fault) = request.ticket.check().and_then(|()| self.check_schema(request)) {
            return Ok(Err(fault));
        }
        let control = |sql| self.control(sql).map_err(|error| self.place.sqlite(Phase::Run, &error));
        control("SAVEPOINT request")?;
        let outcome = self.run_statements(request);
        match &outcome {
            Ok(_) => {}
            Err(fault) if fault.is_of_shard() => return Err(fault.clone()),
            Err(fault) if self.connection.is_autocommit() => {
                let words = format!("a statement ended the transaction that it ran in: {}", fault.message);
                return Err(Fault { message: words, ..fault.clone() });
            }
            Err(_) => control("ROLLBACK TO request")?,
        }
        control("RELEASE request")?;
        Ok(outcome)
    }

    /// Refuses what was planned for another schema.
    pub(super) fn check_schema(&self, request: &WriteRequest) -> Result<(), Fault> {
        let (planned, held) = (request.schema_version, self.schema_version);
        if planned == held {
            return Ok(());
        }
        let words = format!("the statement was planned for schema {planned}, the shard is at {held}: plan again");
        Err(self.place.fault(Reason::SchemaMismatch, words))
    }

    /// Runs the statements of a request in the transaction that is open.
    pub(super) fn run_statements(&self, request: &WriteRequest) -> Outcome {
        let mut checked = request.statements.iter().flat_map(|statement| &statement.foreign_keys_checked).peekable();
        if checked.peek().is_none() {
            return self.run_enforced(request);
        }
        let enforce = |on| {
            let set = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, on);
            set.map_err(|error| self.place.sqlite(Phase::Run, &error))
        };
        enforce(false)?;
        let outcome = self.run_enforced(request);
        enforce(true)?;
        let outcome = outcome?;
        *self.client.ticket.lock() = Some(Arc::clone(&request.ticket));
        let holds = checked.try_for_each(|table| self.check_foreign_keys(table, request));
        *self.client.ticket.lock() = None;
        holds.map(|()| outcome)
    }

    /// Every row of a table must find those that it refers to.
    fn check_foreign_keys(&self, table: &str, request: &WriteRequest) -> Result<(), Fault> {
        let check = "SELECT 1 FROM pragma_foreign_key_check(?1) LIMIT 1";
        let broken = self.connection.prepare_cached(check).and_then(|mut check| check.exists([table]));
        let fault = |error| match code(&error) {
            Some(ErrorCode::OperationInterrupted) => request.ticket.fault(),
            _ => self.place.sqlite(Phase::Run, &error),
        };
        match broken.map_err(fault)? {
            true => Err(Fault::new(Reason::Constraint, "FOREIGN KEY constraint failed")),
            false => Ok(()),
        }
    }

    /// Runs them with foreign keys as they are switched now.
    fn run_enforced(&self, request: &WriteRequest) -> Outcome {
        // Nothing is broken yet: the requests before it have been asked.
        self.control("PRAGMA defer_foreign_keys = OFF").map_err(|error| self.place.sqlite(Phase::Run, &error))?;
        self.client.trusted.store(false, Ordering::Relaxed);
        *self.client.ticket.lock() = Some(Arc::clone(&request.ticket));
        let mut bytes_left = request.bytes_max;
        let run = |statement: &WriteStatement| {
            let outcome = self.defer(statement).and_then(|()| self.run_statement(statement, request, &mut bytes_left));
            outcome.map_err(|fault| match statement.number {
                0 => fault,
                number => Fault { message: format!("statement {number}: {}", fault.message), ..fault },
            })
        };
        let outcome: Outcome = request.statements.iter().map(run).collect();
        *self.client.ticket.lock() = None;
        self.client.trusted.store(true, Ordering::Relaxed);
        if outcome.is_ok() && raw::breaks_deferred_constraint(&self.connection) {
            return Err(Fault::new(Reason::Constraint, "FOREIGN KEY constraint failed"));
        }
        outcome
    }

    /// Lets foreign keys wait for the end of the request from a statement on whose rows may name such that come behind them. Never back within a request: that
    /// would forgive what is broken by then.
    fn defer(&self, statement: &WriteStatement) -> Result<(), Fault> {
        if !statement.defers_foreign_keys {
            return Ok(());
        }
        let is_trusted = self.client.trusted.swap(true, Ordering::Relaxed);
        let switched = self.control("PRAGMA defer_foreign_keys = ON");
        self.client.trusted.store(is_trusted, Ordering::Relaxed);
        switched.map_err(|error| self.place.sqlite(Phase::Run, &error))
    }

    fn run_statement(
        &self,
        statement: &WriteStatement,
        request: &WriteRequest,
        bytes_left: &mut u64,
    ) -> Result<Done, Fault> {
        let fault = |phase| {
            move |error: rusqlite::Error| match code(&error) {
                Some(ErrorCode::OperationInterrupted) => request.ticket.fault(),
                Some(ErrorCode::TypeMismatch) => Fault::new(Reason::Constraint, error.to_string()),
                _ => self.place.sqlite(phase, &error),
            }
        };
        request.ticket.check()?;
        let mut prepared = self.connection.prepare_cached(&statement.sql).map_err(fault(Phase::Prepare))?;
        check_kind(&prepared)?;
        *self.client.inserted.lock() = None;
        let mut done = Done::default();
        let mut rows = statement.rows.as_ref().map(Batch::cursor);
        loop {
            let in_front = match &mut rows {
                Some(rows) => {
                    if !rows.advance() {
                        break;
                    }
                    bind(&mut prepared, 0, rows.values()).map_err(fault(Phase::Run))?
                }
                None => 0,
            };
            let parameters = statement.parameters.iter().map(Value::as_ref);
            let bound = bind(&mut prepared, in_front, parameters).map_err(fault(Phase::Run))?;
            if bound != prepared.parameter_count() {
                let count = prepared.parameter_count();
                return Err(Fault::invalid(format!(
                    "the statement has `{count}` parameters, the call gives `{bound}`"
                )));
            }
            if step(&mut prepared, &mut done.rows, bytes_left, &fault(Phase::Run))? {
                done.rows_affected += self.connection.changes();
            }
            if rows.is_none() {
                break;
            }
        }
        done.last_insert_rowid = self.client.inserted.lock().take();
        let unmet = statement.expectation.and_then(|expected| expected.unmet(done.rows_affected, done.rows.is_some()));
        unmet.map_or(Ok(done), |words| Err(Fault::new(Reason::Expectation, words)))
    }
}

/// What changes rows, or gives some: nothing that begins or ends a transaction.
fn check_kind(prepared: &CachedStatement<'_>) -> Result<(), Fault> {
    if prepared.is_explain() == 0 && (!prepared.readonly() || prepared.column_count() > 0) {
        return Ok(());
    }
    Err(Fault::new(Reason::UnsupportedSql, "a statement that neither changes rows nor gives any"))
}

/// Binds values behind the first so many parameters; gives how many are bound then.
fn bind<'v>(
    prepared: &mut CachedStatement<'_>,
    in_front: usize,
    values: impl Iterator<Item = ValueRef<'v>>,
) -> rusqlite::Result<usize> {
    let mut bound = in_front;
    for value in values {
        bound += 1;
        prepared.raw_bind_parameter(bound, bindable(value))?;
    }
    Ok(bound)
}

/// Runs to the end; whether it may have changed rows.
fn step(
    prepared: &mut CachedStatement<'_>,
    given: &mut Option<Batch>,
    bytes_left: &mut u64,
    fault: &impl Fn(rusqlite::Error) -> Fault,
) -> Result<bool, Fault> {
    let (width, changes) = (prepared.column_count(), !prepared.readonly());
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next().map_err(fault)? {
        let batch = given.get_or_insert_with(|| Batch::new(width));
        let before = batch.byte_size();
        batch.push_row(values(row, width));
        let taken = (batch.byte_size() - before) as u64;
        *bytes_left = bytes_left
            .checked_sub(taken)
            .ok_or_else(|| Fault::new(Reason::TooLarge, "the statement returns more than it may: return less"))?;
    }
    Ok(changes)
}

fn values<'r>(row: &'r Row<'_>, width: usize) -> impl Iterator<Item = ValueRef<'r>> {
    (0..width).map(|column| value_of(row, column))
}
