//! Live queries: asked again when something was written, told when the rows are others.

use std::pin::Pin;
use std::time::Duration;

use futures::stream::{self, Stream};
use souk_coordinator::{Changes, Statement, Table};
use souk_merge::{Batch, Value};
use souk_proto::v1;
use tokio::time::sleep;

use crate::error::{Error, Result};
use crate::market::Market;

/// Versions as they come.
pub(crate) type Watched = Pin<Box<dyn Stream<Item = Result<v1::WatchResponse>> + Send>>;

/// Time between two versions at least.
const VERSION_MIN: Duration = Duration::from_millis(50);

/// How long is waited when the rows cannot be read.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

struct Watch {
    market: Market,
    statement: Statement,
    changes: Changes,
    version: u64,
    last: Option<Table>,
}

impl Market {
    pub(crate) async fn watch(&self, request: v1::WatchRequest) -> Result<Watched> {
        let v1::WatchRequest { sql, parameters } = request;
        let value = |parameter: v1::Parameter| {
            if !parameter.name.is_empty() {
                return Err(Error::invalid("parameters of a live query are given by position"));
            }
            let value = parameter.value.ok_or_else(|| Error::invalid("a parameter has no value"))?;
            Value::try_from(value).map_err(|error| Error::invalid(error.to_string()))
        };
        let parameters = parameters.into_iter().map(value).collect::<Result<Vec<Value>>>()?;
        let statement = Statement::new(sql, parameters);
        // Before it is asked: what is written in between is told.
        let changes = self.database.changes();
        let first = self.database.table(statement.clone()).await?;
        let watch = Watch { market: self.clone(), statement, changes, version: 0, last: None };
        Ok(Box::pin(stream::unfold((Some(watch), Some(first)), |(watch, first)| async move {
            let mut watch = watch?;
            let next = match first {
                Some(first) => Ok(first),
                None => watch.next().await,
            };
            match next {
                Ok(table) => Some((Ok(watch.told(table)), (Some(watch), None))),
                Err(error) => Some((Err(error), (None, None))),
            }
        })))
    }
}

impl Watch {
    /// The rows when they are others than before.
    async fn next(&mut self) -> Result<Table> {
        let mut must_wait = true;
        loop {
            sleep(VERSION_MIN).await;
            if must_wait {
                self.changes.next().await;
            }
            must_wait = true;
            match self.market.database.table(self.statement.clone()).await {
                Ok(table) if self.last.as_ref() == Some(&table) => {}
                Ok(table) => return Ok(table),
                // What was written is not known yet.
                Err(error) if error.is_transient() => {
                    tracing::debug!("a live query waits: {error}");
                    sleep(TRY_AGAIN_AFTER).await;
                    must_wait = false;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn told(&mut self, table: Table) -> v1::WatchResponse {
        self.version += 1;
        let mut rows = Batch::new(table.columns.len());
        table.rows.iter().for_each(|row| rows.push_row(row.iter().map(Value::as_ref)));
        let column = |name: &String| v1::ColumnDescription { name: name.clone(), declared_type: String::new() };
        let columns = table.columns.iter().map(column).collect();
        self.last = Some(table);
        v1::WatchResponse { version: self.version, columns, rows: Some(rows.into()) }
    }
}
