//! A connection to the database that is asked, whose prepared statements are kept.

use std::cell::RefCell;

use anyhow::{Context as _, bail};
use mysql::{Conn, Opts, consts::ColumnType, prelude::Queryable as _};
use souk_merge::{Batch, Value, ValueRef};

use super::SESSION;
use crate::{
    peers::{self, dialect::without_serial},
    queries::Query,
};

/// A connection.
pub(super) struct Connection(RefCell<Conn>);

impl Connection {
    /// Connects.
    pub(super) fn open(options: Opts) -> anyhow::Result<Connection> {
        let mut connection = Conn::new(options)?;
        for (name, value) in SESSION {
            connection.query_drop(format!("SET SESSION {name} = {value}"))?;
        }
        Ok(Connection(RefCell::new(connection)))
    }
}

impl peers::Client for Connection {
    /// Asks and takes all rows. The client keeps the statement under its text.
    fn ask(&self, query: &Query, parameters: &[Value]) -> anyhow::Result<Batch> {
        let mut connection = self.0.borrow_mut();
        let (sql, parameters) = without_serial(query, parameters);
        let statement = connection.prep(sql)?;
        let parameters = parameters.iter().map(to_sql).collect::<anyhow::Result<Vec<_>>>()?;
        let rows = connection.exec_iter(&statement, parameters)?;
        let types: Vec<ColumnType> = rows.columns().as_ref().iter().map(|column| column.column_type()).collect();
        let mut batch = Batch::new(types.len());
        for row in rows {
            let row = row?;
            // As many as the widest table has.
            let mut all = [ValueRef::Null; 8];
            for (place, kind) in types.iter().enumerate() {
                let value = row.as_ref(place).context("a row has all columns")?;
                *all.get_mut(place).context("too many columns")? = from_sql(*kind, value)?;
            }
            batch.push_row(all[..types.len()].iter().copied());
        }
        Ok(batch)
    }
}

fn to_sql(value: &Value) -> anyhow::Result<mysql::Value> {
    Ok(match value {
        Value::Integer(integer) => mysql::Value::Int(*integer),
        Value::Text(bytes) => mysql::Value::Bytes(bytes.to_vec()),
        other => bail!("no parameter is {other:?}"),
    })
}

fn from_sql(kind: ColumnType, value: &mysql::Value) -> anyhow::Result<ValueRef<'_>> {
    Ok(match value {
        mysql::Value::Int(integer) => ValueRef::Integer(*integer),
        mysql::Value::Double(real) => ValueRef::Real(*real),
        mysql::Value::Bytes(bytes) if kind == ColumnType::MYSQL_TYPE_NEWDECIMAL => decimal(str::from_utf8(bytes)?)?,
        mysql::Value::Bytes(bytes) => ValueRef::Text(bytes),
        other => bail!("no column is {other:?}"),
    })
}

/// Sums of integers are decimals without digits after the point, and their means decimals with some.
fn decimal(text: &str) -> anyhow::Result<ValueRef<'static>> {
    Ok(if text.contains('.') { ValueRef::Real(text.parse()?) } else { ValueRef::Integer(text.parse()?) })
}
