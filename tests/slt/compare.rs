//! The cluster's answer against the plain SQLite's.

use souk_merge::Value;

use crate::printed::{Printer, show};
use crate::record::{Sort, Wanted};
use crate::support::{Answer, Split, same, show_row, split};

/// How two answers relate.
#[derive(Debug, PartialEq)]
pub(crate) enum Likeness {
    Same,
    /// Same rows in another order, where nothing asks for one.
    OrderNotAsked,
    /// Same but for the order of what `group_concat` without ORDER BY puts together.
    Arbitrary,
    /// Printed alike, but not the same values or names.
    Unlike(String),
    Wrong(String),
}

/// What the plain SQLite gives.
pub(crate) struct Expected {
    pub(crate) names: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
    /// As the record prints them.
    pub(crate) printed: Vec<String>,
}

/// Compares by the record's rules, then closer.
pub(crate) fn compare(printer: &Printer, sql: &str, wanted: &Wanted, expected: &Expected, answer: &Answer) -> Likeness {
    let print = |rows: &[Vec<Value>], sort| printer.print(rows, &wanted.types, sort);
    let printed = print(&answer.rows, wanted.sort);
    if printed == expected.printed {
        return closely(expected, answer);
    }
    if wanted.sort == Sort::Nothing
        && !has_order(&split(sql))
        && print(&answer.rows, Sort::Rows) == print(&expected.rows, Sort::Rows)
    {
        return Likeness::OrderNotAsked;
    }
    if is_arbitrary(sql) && elements(&printed, sql) == elements(&expected.printed, sql) {
        return Likeness::Arbitrary;
    }
    Likeness::Wrong(show(&printed))
}

fn has_order(split: &Split) -> bool {
    !split.order.is_empty()
}

/// Beyond what is printed: names, storage classes, and reals but for the last digits of sums.
fn closely(expected: &Expected, answer: &Answer) -> Likeness {
    if answer.names != expected.names {
        return Likeness::Unlike(format!("columns {:?} instead of {:?}", answer.names, expected.names));
    }
    let mut left: Vec<Option<&Vec<Value>>> = expected.rows.iter().map(Some).collect();
    for row in &answer.rows {
        let same_row = |known: &&Vec<Value>| known.iter().zip(row).all(|(a, b)| same(a, b, true));
        match left.iter_mut().find(|known| known.as_ref().is_some_and(same_row)) {
            Some(known) => *known = None,
            None => return Likeness::Unlike(format!("the row {}, which plain SQLite does not give", show_row(row))),
        }
    }
    Likeness::Same
}

/// Whether it calls `group_concat` without an ORDER BY among its arguments.
fn is_arbitrary(sql: &str) -> bool {
    let lower = sql.to_ascii_lowercase();
    let calls = lower.match_indices("group_concat(").chain(lower.match_indices("string_agg("));
    let unordered = |(at, name): (usize, &str)| !arguments(&lower[at + name.len()..]).contains("order by");
    calls.into_iter().any(unordered)
}

/// What stands before the closing parenthesis.
fn arguments(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|char| {
        depth += i32::from(char == '(') - i32::from(char == ')');
        depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}

/// The parts of every value, sorted: it is cut at commas and at every literal of the statement, one of which is the separator.
fn elements(printed: &[String], sql: &str) -> Vec<Vec<String>> {
    let separators: Vec<&str> = sql.split('\'').skip(1).step_by(2).filter(|text| !text.is_empty()).collect();
    let cut = |value: &String| {
        let value = separators.iter().fold(value.clone(), |value, separator| value.replace(separator, ","));
        let mut parts: Vec<String> = value.split(',').map(str::to_owned).collect();
        parts.sort();
        parts
    };
    printed.iter().map(cut).collect()
}
