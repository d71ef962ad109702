//! The rows, copied into the databases; and the partitions over them.

use std::{fmt::Write as _, io::Write as _, iter};

use postgres::{Client, NoTls};
use souk_merge::{Batch, ValueRef};

use super::{COORDINATOR, FOREIGN, USER, config};
use crate::{
    peers::schema::{self, Table},
    rows::Size,
};

/// Makes all databases and loads every row; `postgres` is a connection to any.
pub(super) fn fill(postgres: &mut Client, port: u16, databases: usize, size: Size) -> anyhow::Result<()> {
    let tables = schema::tables()?;
    for number in 0..databases {
        let name = database(number);
        postgres.batch_execute(&format!("CREATE DATABASE {name}"))?;
        let vendors = (1..=size.vendors).filter(|vendor| at(*vendor, databases) == number);
        fill_database(&mut config(port, &name).connect(NoTls)?, &tables, vendors, size)?;
    }
    postgres.batch_execute(&format!("CREATE DATABASE {COORDINATOR}"))?;
    let mut coordinator = config(port, COORDINATOR).connect(NoTls)?;
    coordinator.batch_execute(&partitions(&tables, port, databases, size))?;
    // The statistics of foreign tables are only taken when they are named.
    let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
    coordinator.batch_execute(&format!("ANALYZE {}", names.join(", ")))?;
    Ok(postgres.batch_execute("CHECKPOINT")?)
}

/// Foreign servers are at another port when the server was started again.
pub(super) fn readdress(coordinator: &mut Client, port: u16, databases: usize) -> anyhow::Result<()> {
    let alter = (0..databases).map(|number| format!("ALTER SERVER {} OPTIONS (SET port '{port}');", database(number)));
    Ok(coordinator.batch_execute(&alter.collect::<String>())?)
}

/// A database and its foreign server.
fn database(number: usize) -> String {
    format!("part{number}")
}

/// The number of the database that has a vendor's rows.
fn at(vendor: u64, databases: usize) -> usize {
    (vendor % databases as u64) as usize
}

/// In one transaction; with indices last, and with statistics.
fn fill_database(
    client: &mut Client,
    tables: &[Table],
    vendors: impl Iterator<Item = u64>,
    size: Size,
) -> anyhow::Result<()> {
    let mut transaction = client.transaction()?;
    for vendor in vendors {
        for (table, batch) in tables.iter().zip(size.vendor(vendor).batches()) {
            let name = format!("{}_{vendor}", table.name);
            transaction.batch_execute(&format!("CREATE TABLE {name} ({})", sql_types(&table.columns)))?;
            let mut copy = transaction.copy_in(&format!("COPY {name} FROM STDIN"))?;
            copy.write_all(lines(&batch).as_bytes())?;
            copy.finish()?;
            let index = |index: &schema::Index| format!("CREATE INDEX ON {name} ({});", index.columns);
            let indices = table.indices.iter().map(index).collect::<String>();
            transaction.batch_execute(&format!("ALTER TABLE {name} ADD {};{indices}", table.key))?;
        }
    }
    transaction.commit()?;
    Ok(client.batch_execute("VACUUM ANALYZE")?)
}

/// REAL has four bytes here.
fn sql_types(columns: &str) -> String {
    columns.replace(" REAL ", " DOUBLE PRECISION ")
}

/// Rows as COPY takes them: none of their texts has a character that it would mistake.
fn lines(batch: &Batch) -> String {
    let mut text = String::new();
    let mut rows = batch.cursor();
    while rows.advance() {
        for (value, end) in rows.values().zip(iter::repeat_n('\t', batch.width() - 1).chain(['\n'])) {
            // Writing to a string cannot fail.
            let _ = match value {
                ValueRef::Null => write!(text, "\\N{end}"),
                ValueRef::Integer(integer) => write!(text, "{integer}{end}"),
                ValueRef::Real(real) => write!(text, "{real:?}{end}"),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                    write!(text, "{}{end}", String::from_utf8_lossy(bytes))
                }
            };
        }
    }
    text
}

/// What makes the coordinator of a database: foreign servers, and tables whose partitions are there.
fn partitions(tables: &[Table], port: u16, databases: usize, size: Size) -> String {
    let options = FOREIGN.map(|(name, value)| format!("{name} '{value}'")).join(", ");
    let mut sql = "CREATE EXTENSION postgres_fdw;\n".to_owned();
    for number in 0..databases {
        let name = database(number);
        sql += &format!(
            "CREATE SERVER {name} FOREIGN DATA WRAPPER postgres_fdw \
             OPTIONS (host '127.0.0.1', port '{port}', dbname '{name}', {options});\n\
             CREATE USER MAPPING FOR {USER} SERVER {name} OPTIONS (user '{USER}');\n"
        );
    }
    for Table { name, columns, .. } in tables {
        sql += &format!("CREATE TABLE {name} ({}) PARTITION BY LIST (vendor_id);\n", sql_types(columns));
        for vendor in 1..=size.vendors {
            sql += &format!(
                "CREATE FOREIGN TABLE {name}_{vendor} PARTITION OF {name} FOR VALUES IN ({vendor}) SERVER {};\n",
                database(at(vendor, databases)),
            );
        }
    }
    sql
}
