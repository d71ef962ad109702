//! The tables that the schema log makes, each with how its rows lie over the shards.

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use souk_merge::Collation;

use crate::sql::{Affinity, ColumnInfo, Declared, Distribution, TableInfo, quote};

/// The column that shards a table which does not say how its rows lie.
const DEFAULT_KEY: &str = "vendor_id";

/// How a table's rows lie, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeclaredDistribution {
    pub(crate) table: String,
    pub(crate) declared: Declared,
}

/// Why a schema cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeclareError {
    #[error(
        "table `{table}` has no column `{DEFAULT_KEY}` to shard it by: end the statement with SHARD KEY (column), or with REPLICATED to keep every row on every shard"
    )]
    Undeclared { table: String },
    #[error("table `{table}` has no column `{column}` to be its shard key")]
    NoKeyColumn { table: String, column: String },
    #[error("column `{column}` of `{table}` cannot be a shard key: {why}")]
    BadKey { table: String, column: String, why: &'static str },
    #[error(
        "a UNIQUE or PRIMARY KEY of `{table}` leaves out the shard key `{key}`, so no shard can enforce it: add the key to it, or use an INTEGER PRIMARY KEY"
    )]
    UniqueWithoutKey { table: String, key: String },
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// The tables that a script makes, each with its distribution, checked.
pub(crate) fn table_infos<'a>(
    script: impl IntoIterator<Item = &'a str>,
    declared: &[DeclaredDistribution],
) -> Result<Vec<TableInfo>, DeclareError> {
    let connection = Connection::open_in_memory()?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    for sql in script {
        connection.execute_batch(sql)?;
    }
    let mut tables = Vec::new();
    let mut list = connection.prepare(
        "SELECT name, wr, strict FROM pragma_table_list \
         WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?;
    let mut rows = list.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        tables.push(table_info(&connection, name, row.get(1)?, row.get(2)?, declared)?);
    }
    Ok(tables)
}

fn table_info(
    connection: &Connection,
    name: String,
    without_rowid: bool,
    strict: bool,
    declared: &[DeclaredDistribution],
) -> Result<TableInfo, DeclareError> {
    let columns = columns(connection, &name, strict)?;
    let distribution = distribution(&name, &columns, declared)?;
    let rowid_alias = if without_rowid { None } else { rowid_alias(connection, &name, &columns)? };
    let (referenced, refers_to_itself) = referenced(connection, &name)?;
    let parents = parents(connection, &name)?;
    let referenced_columns = referenced_columns(connection, &name)?;
    let has_insert_triggers = has_insert_triggers(connection, &name)?;
    let table = TableInfo {
        name,
        columns,
        distribution,
        rowid_alias,
        without_rowid,
        strict,
        parents,
        referenced,
        referenced_columns,
        refers_to_itself,
        has_insert_triggers,
    };
    check_uniqueness(connection, &table)?;
    Ok(table)
}

fn columns(connection: &Connection, table: &str, strict: bool) -> Result<Vec<ColumnInfo>, DeclareError> {
    let mut statement = connection.prepare(
        "SELECT name, type, \"notnull\", pk, hidden, EXISTS (
           SELECT 1 FROM pragma_index_list(?1) AS i, pragma_index_info(i.name) AS c
           WHERE i.origin <> 'c' AND c.name = x.name COLLATE NOCASE), dflt_value
         FROM pragma_table_xinfo(?1) AS x",
    )?;
    let mut rows = statement.query([table])?;
    let mut columns = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let declared_type: String = row.get(1)?;
        let (_, collation, ..) = connection.column_metadata(Some("main"), table, name.as_str())?;
        let hidden: i64 = row.get(4)?;
        let affinity = match strict && declared_type.eq_ignore_ascii_case("ANY") {
            true => Affinity::Blob,
            false => Affinity::of_declared(&declared_type),
        };
        columns.push(ColumnInfo {
            collation: collation.and_then(|name| Collation::by_name(&name.to_string_lossy())),
            name,
            declared_type,
            affinity,
            not_null: row.get(2)?,
            primary_key: row.get(3)?,
            unique: row.get(5)?,
            default: row.get(6)?,
            hidden: hidden == 1,
            generated: hidden >= 2,
        });
    }
    Ok(columns)
}

fn distribution(
    table: &str,
    columns: &[ColumnInfo],
    declared: &[DeclaredDistribution],
) -> Result<Distribution, DeclareError> {
    let declared = declared.iter().rev().find(|known| known.table.eq_ignore_ascii_case(table));
    let column = match declared.map(|known| &known.declared) {
        Some(Declared::Replicated) => return Ok(Distribution::Replicated),
        Some(Declared::ShardKey(column)) => column,
        None => return Err(DeclareError::Undeclared { table: table.to_owned() }),
    };
    let key = columns.iter().position(|known| known.name.eq_ignore_ascii_case(column));
    let key = key.ok_or_else(|| DeclareError::NoKeyColumn { table: table.to_owned(), column: column.clone() })?;
    let bad = |why| Err(DeclareError::BadKey { table: table.to_owned(), column: column.clone(), why });
    if columns[key].collation != Some(Collation::Binary) {
        return bad("values that its collation calls equal would live on different shards; give it COLLATE BINARY");
    }
    if columns[key].generated {
        return bad("its value is computed by the shard, which is too late to choose one");
    }
    Ok(Distribution::Sharded { key })
}

/// What a table without an option of its own is: sharded by `vendor_id` when it has one.
pub(crate) fn default_distribution(script: &[&str], table: &str) -> Result<Declared, DeclareError> {
    let connection = Connection::open_in_memory()?;
    for sql in script {
        connection.execute_batch(sql)?;
    }
    let columns = columns(&connection, table, false)?;
    match columns.into_iter().find(|column| column.name.eq_ignore_ascii_case(DEFAULT_KEY)) {
        Some(column) => Ok(Declared::ShardKey(column.name)),
        None => Err(DeclareError::Undeclared { table: table.to_owned() }),
    }
}

/// An INTEGER PRIMARY KEY is the rowid by another name when SQLite makes no index for it.
fn rowid_alias(connection: &Connection, table: &str, columns: &[ColumnInfo]) -> Result<Option<usize>, DeclareError> {
    let mut keys = columns.iter().enumerate().filter(|(_, column)| column.primary_key > 0);
    let (Some((index, key)), None) = (keys.next(), keys.next()) else { return Ok(None) };
    let indexed: bool =
        connection
            .query_row("SELECT count(*) FROM pragma_index_list(?1) WHERE origin = 'pk'", [table], |row| row.get(0))?;
    Ok((key.declared_type.eq_ignore_ascii_case("INTEGER") && !indexed).then_some(index))
}

/// Whether SQLite makes programs beside that of an INSERT: those of its triggers. One of which it makes none names what is not there.
fn has_insert_triggers(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let insert = connection.prepare(&format!("EXPLAIN INSERT INTO {} DEFAULT VALUES", quote(table)));
    let Ok(mut insert) = insert else { return Ok(true) };
    let opcodes: Vec<String> = insert.query_map([], |row| row.get(1))?.collect::<rusqlite::Result<_>>()?;
    Ok(opcodes.iter().any(|opcode| opcode == "Program"))
}

fn parents(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let named = "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list(?1)";
    connection.prepare(named)?.query_map([table], |row| row.get(0))?.collect()
}

/// Whether foreign keys name a table, and whether one of its own does.
fn referenced(connection: &Connection, table: &str) -> rusqlite::Result<(bool, bool)> {
    let named = "SELECT count(*), coalesce(max(t.name = ?1), 0) FROM pragma_table_list AS t, pragma_foreign_key_list(t.name) AS f
         WHERE t.schema = 'main' AND f.\"table\" = ?1 COLLATE NOCASE";
    connection.query_row(named, [table], |row| Ok((row.get::<_, i64>(0)? > 0, row.get(1)?)))
}

/// The columns that foreign keys name of a table.
fn referenced_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Option<String>>> {
    let named = "SELECT DISTINCT f.\"to\" FROM pragma_table_list AS t, pragma_foreign_key_list(t.name) AS f
         WHERE t.schema = 'main' AND f.\"table\" = ?1 COLLATE NOCASE";
    connection.prepare(named)?.query_map([table], |row| row.get(0))?.collect()
}

fn check_uniqueness(connection: &Connection, table: &TableInfo) -> Result<(), DeclareError> {
    let Some(key) = table.key() else { return Ok(()) };
    let without_key: bool = connection.query_row(
        "SELECT count(*) FROM pragma_index_list(?1) AS i WHERE i.\"unique\" \
         AND NOT EXISTS (SELECT 1 FROM pragma_index_info(i.name) AS c WHERE c.name = ?2)",
        [&table.name, &key.name],
        |row| row.get(0),
    )?;
    match without_key {
        true => Err(DeclareError::UniqueWithoutKey { table: table.name.clone(), key: key.name.clone() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infos(sql: &str, declared: Declared) -> Result<Vec<TableInfo>, DeclareError> {
        table_infos([sql], &[DeclaredDistribution { table: "t".into(), declared }])
    }

    #[test]
    fn uniqueness_that_no_shard_can_enforce_is_refused() {
        let key = || Declared::ShardKey("k".into());
        assert!(matches!(infos("CREATE TABLE t(k, a UNIQUE)", key()), Err(DeclareError::UniqueWithoutKey { .. })));
        assert!(matches!(
            infos("CREATE TABLE t(k, a TEXT PRIMARY KEY)", key()),
            Err(DeclareError::UniqueWithoutKey { .. })
        ));
        assert!(infos("CREATE TABLE t(k, a, UNIQUE (a, k))", key()).is_ok());
        assert!(infos("CREATE TABLE t(k, a INTEGER PRIMARY KEY)", key()).is_ok());
        assert!(infos("CREATE TABLE t(k, a UNIQUE)", Declared::Replicated).is_ok());
    }

    #[test]
    fn triggers_of_an_insert_are_known() {
        let fires = |event: &str| {
            let trigger = format!("CREATE TRIGGER x {event} ON t BEGIN SELECT 1; END");
            let declared = [DeclaredDistribution { table: "t".into(), declared: Declared::Replicated }];
            table_infos(["CREATE TABLE t(a REFERENCES t ON DELETE CASCADE)", &trigger], &declared).expect("a table")[0]
                .has_insert_triggers
        };
        assert!(fires("AFTER INSERT") && fires("BEFORE INSERT"));
        assert!(!fires("AFTER UPDATE OF a") && !fires("DELETE"));
    }

    #[test]
    fn a_key_that_folds_is_refused() {
        let error = infos("CREATE TABLE t(k TEXT COLLATE NOCASE)", Declared::ShardKey("k".into()));
        assert!(matches!(error, Err(DeclareError::BadKey { .. })));
    }

    #[test]
    fn the_rowid_by_another_name_is_found() {
        let alias = |sql| infos(sql, Declared::Replicated).expect("a table")[0].rowid_alias;
        assert_eq!(alias("CREATE TABLE t(k, a INTEGER PRIMARY KEY)"), Some(1));
        assert_eq!(alias("CREATE TABLE t(k, a INTEGER PRIMARY KEY DESC)"), None);
        assert_eq!(alias("CREATE TABLE t(k, a INT PRIMARY KEY)"), None);
    }
}
