//! A statement that changes rows, on both sides.

use souk_merge::{Batch, Value};
use souk_proto::Reason;

use crate::support::{Oracle, Params, show_rows};

/// Runs a statement on both sides; they agree in what they say, or both fail. Then every table is the same.
pub(crate) fn change(oracle: &Oracle, sql: &str, params: &Params) {
    changed(oracle, sql, params, true, ["SELECT * FROM products", "SELECT * FROM sales", "SELECT * FROM categories"]);
}

/// The same, with the queries that show every table. Rowids that are no INTEGER PRIMARY KEY are numbers of their shard, and are not compared.
pub(crate) fn changed<const N: usize>(
    oracle: &Oracle,
    sql: &str,
    params: &Params,
    compares_rowid: bool,
    every: [&str; N],
) {
    let expected = oracle.plain.change(sql, params);
    for (layout, cluster) in &oracle.clusters {
        let got = cluster.execute(sql, params);
        match (&expected, got) {
            (Ok((rows, changed, inserted)), Ok(response)) => {
                let returned =
                    response.batch.map_or_else(Vec::new, |batch| Batch::try_from(batch).expect("a batch").into_rows());
                let sorted = |rows: &[Vec<Value>]| {
                    let mut rows: Vec<String> = rows.iter().map(|row| show_rows(std::slice::from_ref(row))).collect();
                    rows.sort();
                    rows
                };
                assert_eq!(sorted(&returned), sorted(&rows.rows), "{layout:?} {sql}: what it returns");
                let names: Vec<_> = response.columns.into_iter().map(|column| column.name).collect();
                assert_eq!(names, rows.names, "{layout:?} {sql}: the columns that it returns");
                assert_eq!(response.rows_affected, *changed, "{layout:?} {sql}: rows affected");
                if compares_rowid {
                    assert_eq!(response.last_insert_rowid, *inserted, "{layout:?} {sql}: the last rowid");
                }
            }
            (Err(_), Err(failure)) => {
                let reasons = [Reason::Constraint, Reason::SqlRuntime, Reason::SqlSyntax, Reason::NoSuchTable];
                assert!(
                    failure.reason.is_some_and(|reason| reasons.contains(&reason)),
                    "{layout:?} {sql}: {failure:?}"
                );
            }
            (expected, got) => panic!("{layout:?} {sql}: {got:?} where SQLite says {expected:?}"),
        }
    }
    oracle.exact(every);
}
