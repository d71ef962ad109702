//! What souk is measured beside: a loop over the same files in one process and one thread, and one SQLite file.
//!
//! Both do what makes them fast: connections, statements and a read transaction are kept, and nothing is planned twice.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use rusqlite::{
    Connection, OpenFlags, OptionalExtension as _,
    config::DbConfig,
    types::{ToSqlOutput, ValueRef as SqlValue},
};
use souk_merge::{Batch, Collation, SortKey, Top, Value, ValueRef};

use crate::queries::{Merge, Query};

/// Statements kept a connection: all queries'.
const STATEMENTS_KEPT: usize = 16;

/// All rows in one file.
pub(crate) struct OneSqlite(Connection);

impl OneSqlite {
    /// Opens the file.
    pub(crate) fn open(file: &Path) -> anyhow::Result<OneSqlite> {
        let connection = open(file)?;
        connection.execute_batch("PRAGMA cache_size = -1000000")?;
        Ok(OneSqlite(connection))
    }

    /// Asks and takes all rows.
    pub(crate) fn ask(&self, query: &Query, parameters: &[Value]) -> anyhow::Result<Batch> {
        collect(&self.0, query.sql, parameters)
    }
}

/// A connection for each shard file.
pub(crate) struct Loop {
    shards: Vec<Connection>,
    /// Places in `shards`.
    by_vendor: HashMap<i64, usize>,
}

impl Loop {
    /// Opens every file.
    pub(crate) fn open(files: &[PathBuf]) -> anyhow::Result<Loop> {
        let hint = "its descriptors may be too few: raise `ulimit -n`";
        let mut walk = Loop { shards: Vec::new(), by_vendor: HashMap::new() };
        for file in files {
            let shard = open(file).with_context(|| format!("`{}`: {hint}", file.display()))?;
            let vendor = "SELECT vendor_id FROM products LIMIT 1";
            // A new cluster has a shard that is no vendor's.
            if let Some(vendor) = shard.query_row(vendor, [], |row| row.get(0)).optional()? {
                walk.by_vendor.insert(vendor, walk.shards.len());
                walk.shards.push(shard);
            }
        }
        Ok(walk)
    }

    /// Asks each shard and merges by hand.
    pub(crate) fn ask(&self, query: &Query, parameters: &[Value]) -> anyhow::Result<Batch> {
        let sql = query.shard_sql;
        match query.merge {
            Merge::OneShard => collect(self.of_vendor(parameters)?, sql, parameters),
            Merge::Concatenate => self.concatenate(sql, parameters),
            Merge::Top { column, descending, limit } => {
                let key = SortKey { column, descending, nulls_last: descending, collation: Collation::Binary };
                self.top(sql, parameters, key, limit)
            }
            Merge::Add { keys, average } => self.add(sql, parameters, keys, average),
            Merge::CountDistinct => self.count_distinct(sql, parameters),
        }
    }

    fn of_vendor(&self, parameters: &[Value]) -> anyhow::Result<&Connection> {
        let Some(Value::Integer(vendor)) = parameters.first() else {
            bail!("no vendor in {parameters:?}");
        };
        let place = self.by_vendor.get(vendor).with_context(|| format!("no shard of vendor {vendor}"))?;
        Ok(&self.shards[*place])
    }

    fn concatenate(&self, sql: &str, parameters: &[Value]) -> anyhow::Result<Batch> {
        let mut all = None;
        for shard in &self.shards {
            visit(shard, sql, parameters, &mut |row| {
                all.get_or_insert_with(|| Batch::new(row.len())).push_row(row.iter().copied());
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(all.unwrap_or_else(|| Batch::new(0)))
    }

    /// Stops reading a shard at the first row that does not enter.
    fn top(&self, sql: &str, parameters: &[Value], key: SortKey, limit: u64) -> anyhow::Result<Batch> {
        let mut top = None;
        for (source, shard) in (0..).zip(&self.shards) {
            visit(shard, sql, parameters, &mut |row| {
                let top = top.get_or_insert_with(|| Top::new(vec![key], limit, row.len()));
                Ok(if top.offer(source, |column| row[column]) {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                })
            })?;
        }
        Ok(top.map_or_else(|| Batch::new(0), Top::into_batch))
    }

    fn add(
        &self,
        sql: &str,
        parameters: &[Value],
        keys: usize,
        average: Option<(usize, usize)>,
    ) -> anyhow::Result<Batch> {
        let mut groups: BTreeMap<Vec<u8>, Vec<Value>> = BTreeMap::new();
        let mut key = Vec::new();
        for shard in &self.shards {
            visit(shard, sql, parameters, &mut |row| {
                key.clear();
                row[..keys].iter().try_for_each(|value| append_text(&mut key, *value))?;
                match groups.get_mut(&key) {
                    Some(sums) => add_row(&mut sums[keys..], &row[keys..])?,
                    None => drop(groups.insert(key.clone(), row.iter().copied().map(ValueRef::to_owned).collect())),
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        let mut batch = Batch::new(groups.values().next().map_or(0, Vec::len));
        for mut row in groups.into_values() {
            if let Some((sum, count)) = average {
                row[sum] = Value::Real(real(&row[sum])? / real(&row[count])?);
            }
            batch.push_row(row.iter().map(Value::as_ref));
        }
        Ok(batch)
    }

    fn count_distinct(&self, sql: &str, parameters: &[Value]) -> anyhow::Result<Batch> {
        let mut seen = HashSet::new();
        for shard in &self.shards {
            visit(shard, sql, parameters, &mut |row| {
                let ValueRef::Integer(integer) = row[0] else { bail!("{row:?} is no integer") };
                seen.insert(integer);
                Ok(ControlFlow::Continue(()))
            })?;
        }
        let mut batch = Batch::new(1);
        batch.push_row([ValueRef::Integer(seen.len() as i64)]);
        Ok(batch)
    }
}

fn append_text(key: &mut Vec<u8>, value: ValueRef<'_>) -> anyhow::Result<()> {
    let ValueRef::Text(text) = value else { bail!("{value:?} is no text") };
    key.extend_from_slice(text);
    Ok(())
}

fn add_row(sums: &mut [Value], row: &[ValueRef<'_>]) -> anyhow::Result<()> {
    for (sum, value) in sums.iter_mut().zip(row) {
        match (sum, value) {
            (Value::Integer(sum), ValueRef::Integer(value)) => *sum += value,
            (Value::Real(sum), ValueRef::Real(value)) => *sum += value,
            (sum, value) => bail!("{sum:?} and {value:?} cannot be added"),
        }
    }
    Ok(())
}

fn real(value: &Value) -> anyhow::Result<f64> {
    match value {
        Value::Integer(integer) => Ok(*integer as f64),
        Value::Real(real) => Ok(*real),
        other => bail!("{other:?} is no number"),
    }
}

fn open(file: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // Locks and the log's index in the process: fewer descriptors, and no lock is ever asked for.
    let connection = Connection::open_with_flags_and_vfs(file, flags, "unix-excl")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Without it every new value of a parameter plans the statement anew.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch("BEGIN")?;
    Ok(connection)
}

/// Runs a statement and gives each row to `take`.
fn visit(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    take: &mut dyn FnMut(&[ValueRef<'_>]) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, parameters)?;
    let width = statement.column_count();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let mut values = [ValueRef::Null; 8];
        for (column, value) in values[..width].iter_mut().enumerate() {
            *value = from_sqlite(row.get_ref(column)?);
        }
        if take(&values[..width])?.is_break() {
            break;
        }
    }
    Ok(())
}

fn collect(connection: &Connection, sql: &str, parameters: &[Value]) -> anyhow::Result<Batch> {
    let mut all = None;
    visit(connection, sql, parameters, &mut |row| {
        all.get_or_insert_with(|| Batch::new(row.len())).push_row(row.iter().copied());
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(all.unwrap_or_else(|| Batch::new(0)))
}

fn bind(statement: &mut rusqlite::Statement<'_>, parameters: &[Value]) -> rusqlite::Result<()> {
    parameters.iter().zip(1..).try_for_each(|(value, index)| statement.raw_bind_parameter(index, to_sqlite(value)))
}

fn to_sqlite(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value.as_ref() {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(integer) => SqlValue::Integer(integer),
        ValueRef::Real(real) => SqlValue::Real(real),
        ValueRef::Text(bytes) => SqlValue::Text(bytes),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes),
    })
}

fn from_sqlite(value: SqlValue<'_>) -> ValueRef<'_> {
    match value {
        SqlValue::Null => ValueRef::Null,
        SqlValue::Integer(integer) => ValueRef::Integer(integer),
        SqlValue::Real(real) => ValueRef::Real(real),
        SqlValue::Text(bytes) => ValueRef::Text(bytes),
        SqlValue::Blob(bytes) => ValueRef::Blob(bytes),
    }
}

/// Inserts rows into a table.
pub(crate) fn insert(connection: &Connection, table: &str, columns: &[&str], batch: Batch) -> anyhow::Result<()> {
    let marks = vec!["?"; columns.len()].join(", ");
    let sql = format!("INSERT INTO {table}({}) VALUES ({marks})", columns.join(", "));
    let mut insert = connection.prepare_cached(&sql)?;
    for row in batch.into_rows() {
        bind(&mut insert, &row)?;
        insert.raw_execute()?;
    }
    Ok(())
}
