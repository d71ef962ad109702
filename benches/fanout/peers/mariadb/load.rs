//! The rows, inserted into the databases; and the partitions over them.

use std::{fmt::Write as _, iter};

use mysql::{Conn, prelude::Queryable as _};
use souk_merge::{Batch, ValueRef};

use super::{FRONT, USER};
use crate::{
    peers::schema::{self, Index, Table},
    rows::Size,
};

/// Makes all databases and loads every row.
pub(super) fn fill(connection: &mut Conn, port: u16, databases: usize, size: Size) -> anyhow::Result<()> {
    let tables = schema::tables()?;
    for number in 0..databases {
        let name = database(number);
        connection.query_drop(format!("CREATE DATABASE {name}"))?;
        connection.query_drop(format!(
            "CREATE SERVER {name} FOREIGN DATA WRAPPER mysql \
             OPTIONS (HOST '127.0.0.1', PORT {port}, USER '{USER}', DATABASE '{name}')"
        ))?;
    }
    for vendor in 1..=size.vendors {
        let database = database(at(vendor, databases));
        for (table, batch) in tables.iter().zip(size.vendor(vendor).batches()) {
            let name = format!("{database}.{}_{vendor}", table.name);
            let index = |Index { name, columns }: &Index| format!(", KEY {name} ({columns})");
            let indices = table.indices.iter().map(index).collect::<String>();
            connection.query_drop(format!("CREATE TABLE {name} ({}{indices}) ENGINE=InnoDB", definitions(table)))?;
            connection.query_drop(format!("INSERT INTO {name} VALUES {}", rows(&batch)))?;
        }
    }
    connection.query_drop(format!("CREATE DATABASE {FRONT}"))?;
    tables.iter().try_for_each(|table| Ok(connection.query_drop(partitioned(table, databases, size))?))
}

/// Foreign servers are at another port when the server was started again.
pub(super) fn readdress(connection: &mut Conn, port: u16, databases: usize) -> anyhow::Result<()> {
    let mut alter = (0..databases).map(|number| format!("ALTER SERVER {} OPTIONS (PORT {port})", database(number)));
    alter.try_for_each(|sql| Ok(connection.query_drop(sql)?))
}

/// A database and its foreign server.
fn database(number: usize) -> String {
    format!("part{number}")
}

/// The number of the database that has a vendor's rows.
fn at(vendor: u64, databases: usize) -> usize {
    (vendor % databases as u64) as usize
}

/// Columns and the key. Texts are short, as indices need; `name`, which LIKE is asked of, is blind to case as SQLite's LIKE is.
fn definitions(table: &Table) -> String {
    let columns = table.columns.replace("name TEXT", "name VARCHAR(64) COLLATE utf8mb4_general_ci");
    let columns = columns.replace(" TEXT ", " VARCHAR(32) ").replace(" REAL ", " DOUBLE ");
    format!("{columns}, {}", table.key)
}

/// A table whose partitions are in other databases. It has the key alone: Spider sends conditions and orders to the partitions, which
/// find their indices, while with indices here a table that is read whole would be read in the order of one.
fn partitioned(table: &Table, databases: usize, size: Size) -> String {
    let name = table.name;
    let partition = |vendor| {
        let server = database(at(vendor, databases));
        format!("PARTITION p{vendor} VALUES IN ({vendor}) COMMENT='srv \"{server}\", table \"{name}_{vendor}\"'")
    };
    let partitions = (1..=size.vendors).map(partition).collect::<Vec<_>>().join(",\n");
    format!(
        "CREATE TABLE {FRONT}.{name} ({}) ENGINE=SPIDER COMMENT='wrapper \"mysql\"' \
         PARTITION BY LIST (vendor_id) ({partitions})",
        definitions(table)
    )
}

/// Rows as VALUES takes them: none of their texts has a quote.
fn rows(batch: &Batch) -> String {
    let mut text = String::new();
    let mut rows = batch.cursor();
    let mut begin = "(";
    while rows.advance() {
        for (value, before) in rows.values().zip(iter::once(begin).chain(iter::repeat(", "))) {
            // Writing to a string cannot fail.
            let _ = match value {
                ValueRef::Null => write!(text, "{before}NULL"),
                ValueRef::Integer(integer) => write!(text, "{before}{integer}"),
                ValueRef::Real(real) => write!(text, "{before}{real:?}"),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                    write!(text, "{before}'{}'", String::from_utf8_lossy(bytes))
                }
            };
        }
        text.push(')');
        begin = ",\n(";
    }
    text
}
