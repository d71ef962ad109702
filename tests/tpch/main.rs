//! TPC-H at scale 0.01 with suppliers for vendors: each of the 22 queries, on several layouts, gives what one plain SQLite with the same
//! rows gives.

#[path = "../support/mod.rs"]
mod support;

mod queries;
mod tables;

use std::time::{Duration, Instant};

use queries::{QUERIES, Query};
use souk_merge::Value;
use support::{Answer, Layout, Oracle, Table, show_row};
use tables::{INDICES, TABLES};

const SCALE: f64 = 0.01;
const LAYOUTS: [Layout; 2] = [Layout::Ring(2), Layout::Ring(7)];

/// How a query was answered, and how long that took.
struct Line {
    query: &'static Query,
    rows: usize,
    /// The plan and its time on each layout.
    souk: Vec<(String, Duration)>,
    sqlite: Duration,
}

#[test]
fn every_query_gives_what_one_sqlite_gives() {
    let started = Instant::now();
    let tables: Vec<Table> = TABLES.iter().map(filled).collect();
    let oracle = Oracle::new(&LAYOUTS, &tables, &INDICES);
    println!("loaded in {:.1?}", started.elapsed());
    let mut wrong = Vec::new();
    let lines: Vec<Line> = QUERIES.iter().map(|query| ask(&oracle, query, &mut wrong)).collect();
    show(&lines);
    assert!(wrong.is_empty(), "{} answers are wrong\n\n{}", wrong.len(), wrong.join("\n\n"));
}

fn filled(table: &tables::Table) -> Table {
    Table {
        name: table.name.to_owned(),
        sql: table.sql.to_owned(),
        shard_key: table.shard_key.map(str::to_owned),
        rows: (table.rows)(SCALE).collect(),
    }
}

/// Asks one SQLite and every layout; what differs goes to `wrong`.
fn ask(oracle: &Oracle, query: &'static Query, wrong: &mut Vec<String>) -> Line {
    let parameters = query.parameters(SCALE);
    let started = Instant::now();
    let expected = oracle.plain.query(query.sql, &parameters).unwrap_or_else(|error| panic!("{}: {error}", query.name));
    let sqlite = started.elapsed();
    let mut souk = Vec::new();
    for (layout, cluster) in &oracle.clusters {
        let started = Instant::now();
        let answer = cluster.query(query.sql, &parameters);
        let elapsed = started.elapsed();
        let difference = match &answer {
            Ok(answer) => difference((&expected.names, &expected.declared), &expected.rows, answer),
            Err(failure) => Some(format!("{failure:?}")),
        };
        wrong.extend(difference.map(|what| format!("{} on {layout:?}: {what}", query.name)));
        souk.push((answer.map_or_else(|_| "-".to_owned(), |answer| answer.certificate.plan), elapsed));
    }
    Line { query, rows: expected.rows.len(), souk, sqlite }
}

/// The same names, types and rows in the same order: at this scale no ORDER BY of the 22 leaves rows that tie, and every sum is exact.
fn difference(columns: (&Vec<String>, &Vec<String>), rows: &[Vec<Value>], answer: &Answer) -> Option<String> {
    if columns != (&answer.names, &answer.declared) {
        return Some(format!("columns {:?} {:?} instead of {columns:?}", answer.names, answer.declared));
    }
    if rows.len() != answer.rows.len() {
        return Some(format!("{} rows instead of {}", answer.rows.len(), rows.len()));
    }
    let place = (0..rows.len()).find(|&place| rows[place] != answer.rows[place])?;
    let (row, right) = (show_row(&answer.rows[place]), show_row(&rows[place]));
    Some(format!("row {} is {row}\n  instead of {right}", place + 1))
}

fn show(lines: &[Line]) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    print!("{:<42} {:>5} {:>9}", "query", "rows", "SQLite ms");
    LAYOUTS.iter().for_each(|layout| print!("  {:>18}", format!("{layout:?}, ms")));
    println!();
    for line in lines {
        let name = format!("{} {}", line.query.name, line.query.title());
        print!("{name:<42} {:>5} {:>9.1}", line.rows, ms(line.sqlite));
        line.souk.iter().for_each(|(plan, time)| print!("  {plan:>8} {:>9.1}", ms(*time)));
        println!();
    }
}
