//! A connection to the coordinator, whose prepared statements are kept.

use std::{cell::RefCell, collections::HashMap};

use anyhow::{Context as _, bail};
use postgres::{
    Client, Config, NoTls, Row, Statement,
    fallible_iterator::FallibleIterator as _,
    types::{ToSql, Type},
};
use souk_merge::{Batch, Value, ValueRef};

use super::SESSION;
use crate::{
    peers::{self, dialect::without_serial},
    queries::Query,
};

/// A connection.
pub(super) struct Connection(RefCell<Inner>);

struct Inner {
    client: Client,
    /// By name of the query.
    statements: HashMap<&'static str, Statement>,
}

impl Connection {
    /// Connects.
    pub(super) fn open(config: &Config) -> anyhow::Result<Connection> {
        let mut client = config.connect(NoTls)?;
        for (name, value) in SESSION {
            client.batch_execute(&format!("SET {name} = {value}"))?;
        }
        Ok(Connection(RefCell::new(Inner { client, statements: HashMap::new() })))
    }
}

impl peers::Client for Connection {
    /// Asks and takes all rows.
    fn ask(&self, query: &Query, parameters: &[Value]) -> anyhow::Result<Batch> {
        let Inner { client, statements } = &mut *self.0.borrow_mut();
        let (sql, parameters) = without_serial(query, parameters);
        let statement = match statements.get(query.name) {
            Some(statement) => statement.clone(),
            None => statements.entry(query.name).or_insert(client.prepare(&dialect(&sql))?).clone(),
        };
        let parameters = parameters.iter().zip(statement.params());
        let parameters = parameters.map(|(value, kind)| to_sql(value, kind)).collect::<anyhow::Result<Vec<_>>>()?;
        let mut rows = client.query_raw(&statement, parameters)?;
        let types: Vec<Type> = statement.columns().iter().map(|column| column.type_().clone()).collect();
        let mut batch = Batch::new(types.len());
        while let Some(row) = rows.next()? {
            push(&mut batch, &types, &row)?;
        }
        Ok(batch)
    }
}

/// SQLite's LIKE is blind to case. Its mean of integers is a real; PostgreSQL's is a NUMERIC.
fn dialect(sql: &str) -> String {
    let sql = sql.replace(" LIKE ", " ILIKE ").replace("AVG(price)", "AVG(price)::float8");
    let mut numbers = 1..;
    let pieces = sql.split('?').map(str::to_owned);
    pieces.reduce(|sql, rest| format!("{sql}${}{rest}", numbers.next().unwrap_or(1))).unwrap_or_default()
}

fn to_sql(value: &Value, kind: &Type) -> anyhow::Result<Box<dyn ToSql + Sync>> {
    Ok(match value {
        Value::Integer(integer) if *kind == Type::INT4 => Box::new(i32::try_from(*integer)?),
        Value::Text(bytes) => Box::new(str::from_utf8(bytes)?.to_owned()),
        other => bail!("no parameter is {other:?} as {kind}"),
    })
}

fn push(batch: &mut Batch, types: &[Type], row: &Row) -> anyhow::Result<()> {
    let values = types.iter().enumerate().map(|(place, kind)| value(kind, row, place));
    // As many as the widest table has.
    let mut all = [ValueRef::Null; 8];
    for (place, value) in values.enumerate() {
        *all.get_mut(place).context("too many columns")? = value?;
    }
    batch.push_row(all[..types.len()].iter().copied());
    Ok(())
}

fn value<'a>(kind: &Type, row: &'a Row, place: usize) -> anyhow::Result<ValueRef<'a>> {
    Ok(match *kind {
        Type::INT4 => ValueRef::Integer(row.try_get::<_, i32>(place)?.into()),
        Type::INT8 => ValueRef::Integer(row.try_get(place)?),
        Type::FLOAT8 => ValueRef::Real(row.try_get(place)?),
        Type::TEXT => ValueRef::Text(row.try_get::<_, &str>(place)?.as_bytes()),
        ref other => bail!("no column is a {other}"),
    })
}
