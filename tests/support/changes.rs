//! What a statement that changes rows did in a cluster and in the plain SQLite.

use souk_merge::{Batch, Value};
use souk_proto::{Reason, v1};

use super::cluster::{Cluster, Failure};
use super::generate::{StoredRows, Write, WriteScene};
use super::oracle::Oracle;
use super::plain::{Change, Plain};
use super::table::Table;
use super::values::{none, positional, show_rows};

/// What became of a statement.
#[derive(Debug)]
pub enum Outcome {
    /// Both did the same; so many rows.
    Done(u64),
    /// Both fail, the plain SQLite with these words.
    Failed(String),
    /// souk refuses it, with these words; it is undone in the plain SQLite.
    Refused(String),
    /// SQLite itself does not end in time; it is undone.
    TooLong,
    /// They differ, and how.
    Different(String),
}

/// Reasons that a cluster may have where SQLite fails too.
const REASONS: [Reason; 4] = [Reason::Constraint, Reason::SqlRuntime, Reason::SqlSyntax, Reason::NoSuchTable];

/// Runs the statement on both sides, of which the oracle has one cluster, and compares all tables then.
pub fn changed(oracle: &Oracle, tables: &[Table], write: &Write) -> Outcome {
    let (sql, params) = write.node.render_with(write.places);
    let (plain, (_, cluster)) = (&oracle.plain, &oracle.clusters[0]);
    plain.execute("SAVEPOINT before");
    let Some(expected) = plain.change_in_time(&sql, &params) else {
        undo(plain);
        return Outcome::TooLong;
    };
    let outcome = match (expected, cluster.execute(&sql, &params)) {
        (_, Err(failure)) if is_refusal(&failure) => Outcome::Refused(failure.message),
        (Ok(expected), Ok(got)) => match difference(write, &expected, got) {
            None => Outcome::Done(expected.1),
            Some(what) => Outcome::Different(what),
        },
        (Err(words), Err(failure)) if is_known(&failure) => Outcome::Failed(words),
        (Ok(expected), Err(failure)) => {
            Outcome::Different(format!("fails with {failure:?} where SQLite changes {} rows", expected.1))
        }
        (Err(words), Err(failure)) => Outcome::Different(format!("fails with {failure:?} where SQLite says {words}")),
        (Err(words), Ok(got)) => {
            Outcome::Different(format!("changes {} rows where SQLite says {words}", got.rows_affected))
        }
    };
    match outcome {
        Outcome::Refused(_) => undo(plain),
        // OR ROLLBACK has ended it.
        _ => drop(plain.try_execute("RELEASE before")),
    }
    let compared = first_difference(plain, cluster, tables);
    match (outcome, compared) {
        (Outcome::Different(what), Some(table)) => Outcome::Different(format!("{what}\n  {table}")),
        (outcome @ Outcome::Different(_), None) | (outcome, None) => outcome,
        (outcome, Some(table)) => Outcome::Different(format!("{table}\n  after {outcome:?}")),
    }
}

/// What souk does not support. Of a NULL in an INTEGER PRIMARY KEY it speaks as of a constraint.
fn is_refusal(failure: &Failure) -> bool {
    let is_open_rowid = failure.message.contains("leave its INTEGER PRIMARY KEY");
    failure.reason == Some(Reason::UnsupportedSql) || is_open_rowid
}

fn is_known(failure: &Failure) -> bool {
    failure.reason.is_some_and(|reason| REASONS.contains(&reason))
}

fn undo(plain: &Plain) {
    // OR ROLLBACK has ended it.
    if plain.try_execute("ROLLBACK TO before").is_ok() {
        plain.execute("RELEASE before");
    }
}

/// How what is said of the statement differs.
fn difference(write: &Write, expected: &Change, got: v1::ExecuteResponse) -> Option<String> {
    let (rows, changed, inserted) = expected;
    let returned = got.batch.map_or_else(Vec::new, |batch| Batch::try_from(batch).expect("a batch").into_rows());
    let (names, declared): (Vec<String>, Vec<String>) =
        got.columns.into_iter().map(|column| (column.name, column.declared_type)).unzip();
    if sorted(&returned) != sorted(&rows.rows) {
        let (returned, expected) = (show_rows(&returned), show_rows(&rows.rows));
        return Some(format!("returns\n{returned}\n  where SQLite returns\n{expected}"));
    }
    if names != rows.names {
        return Some(format!("names {names:?} instead of {:?}", rows.names));
    }
    if declared != rows.declared {
        return Some(format!("declared types {declared:?} instead of {:?}", rows.declared));
    }
    if got.rows_affected != *changed {
        return Some(format!("changes {} rows instead of {changed}", got.rows_affected));
    }
    if write.has_last_rowid && got.last_insert_rowid != *inserted {
        return Some(format!("inserts {:?} last instead of {inserted:?}", got.last_insert_rowid));
    }
    None
}

fn sorted(rows: &[Vec<Value>]) -> Vec<String> {
    let mut rows: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

/// How what some shard has of the replicated tables differs, of the shards of these keys.
pub fn replicas_difference(oracle: &Oracle, scene: &WriteScene) -> Option<String> {
    let replicated = scene.scene.tables.iter().filter(|table| table.shard_key.is_none());
    let cases = replicated.flat_map(|table| scene.all_keys().map(move |key| (table, key)));
    let mut differences = cases.flat_map(|(table, key)| {
        let name = &table.name;
        let sql = format!("SELECT DISTINCT {name}.* FROM {name}, t WHERE t.k IS ?1");
        oracle.differences(&sql, &positional([key.clone()]))
    });
    differences.next()
}

/// The first table of which the cluster has other rows.
fn first_difference(plain: &Plain, cluster: &Cluster, tables: &[Table]) -> Option<String> {
    let (sharded, replicated): (Vec<&Table>, Vec<&Table>) = tables.iter().partition(|table| table.shard_key.is_some());
    let differs = [sharded, replicated].into_iter().any(|some| {
        let sql = all_rows(plain, &some);
        let expected = plain.query(&sql, &none()).expect("tables of the scene").rows;
        cluster.query(&sql, &none()).map_or(true, |got| sorted(&got.rows) != sorted(&expected))
    });
    let mut each = tables.iter().filter_map(|table| table_difference(plain, cluster, table));
    differs.then(|| each.next().unwrap_or_else(|| "all tables at once are not each of them".into()))
}

/// All rows of some tables in one answer.
fn all_rows(plain: &Plain, tables: &[&Table]) -> String {
    let names = |table: &&Table| plain.names(&everything(table)).expect("a table of the scene");
    let width = tables.iter().map(|table| names(table).len()).max().unwrap_or(0);
    let one = |(number, table): (usize, &&Table)| {
        let mut outputs = names(table);
        outputs.resize(width, "NULL".into());
        format!("SELECT {number}, {} FROM {}", outputs.join(", "), table.name)
    };
    tables.iter().enumerate().map(one).collect::<Vec<_>>().join(" UNION ALL ")
}

/// All of a table. The rowids of a replicated one are compared too, when it has any.
fn everything(table: &Table) -> String {
    let has_rowid = table.shard_key.is_none() && !table.sql.contains("WITHOUT ROWID");
    format!("SELECT {}* FROM {}", if has_rowid { "rowid, " } else { "" }, table.name)
}

fn table_difference(plain: &Plain, cluster: &Cluster, table: &Table) -> Option<String> {
    let sql = everything(table);
    let expected = plain.query(&sql, &none()).expect("a table of the scene").rows;
    let got = match cluster.query(&sql, &none()) {
        Ok(answer) => answer.rows,
        Err(failure) => return Some(format!("{sql} fails with {failure:?}")),
    };
    let (was, is) = (sorted(&expected), sorted(&got));
    if was == is {
        return None;
    }
    let only = |some: &[Vec<Value>], others: &[String]| {
        let only = some.iter().filter(|row| !others.contains(&format!("{row:?}"))).cloned().collect::<Vec<_>>();
        show_rows(&only)
    };
    let (more, less) = (only(&got, &was), only(&expected, &is));
    Some(format!(
        "{} has {} rows instead of {}: has\n{more}\n  where SQLite has\n{less}",
        table.name,
        got.len(),
        expected.len()
    ))
}

/// The stored columns of all rows of the plain SQLite.
pub fn stored_rows(plain: &Plain, tables: &[Table]) -> StoredRows {
    let rows = |table: &Table| {
        let columns = plain.stored_columns(&table.name).join(", ");
        let sql = format!("SELECT {columns} FROM {}", table.name);
        (table.name.clone(), plain.query(&sql, &none()).expect("a table of the scene").rows)
    };
    tables.iter().map(rows).collect()
}
