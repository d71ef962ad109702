//! The answer of the plain SQLite, with the rows that tie: an answer is right when each of its rows stands where an ORDER BY
//! allows it, and where nothing orders, anywhere.

use souk_merge::Value;

use super::plain::{Plain, Rows};
use super::split::{Split, Term, split};
use super::values::{Params, same, show_row, show_rows};

/// What the plain SQLite answers.
pub struct Expected {
    pub answer: Result<Rows, String>,
    /// All rows before LIMIT and OFFSET, sorted, each with the number of its tie group.
    ranked: Vec<(i64, Vec<Value>)>,
    /// Rows that OFFSET skips.
    skipped: usize,
    /// Sums of reals may differ in their last digits.
    tolerant: bool,
}

impl Expected {
    pub fn of(plain: &Plain, sql: &str, params: &Params) -> Expected {
        Expected::of_answer(plain.query(sql, params), plain, sql, params)
    }

    /// What is expected beside this answer of the plain SQLite.
    pub fn of_answer(answer: Result<Rows, String>, plain: &Plain, sql: &str, params: &Params) -> Expected {
        let lower = sql.to_ascii_lowercase();
        let tolerant = ["sum(", "avg(", "total("].iter().any(|call| lower.contains(call));
        let parts = split(sql);
        let (ranked, skipped) = match &answer {
            Ok(rows) if parts.tail.is_empty() && parts.order.is_empty() => {
                (rows.rows.iter().map(|row| (1, row.clone())).collect(), 0)
            }
            Ok(_) => (ranked(plain, &parts, params), skipped(plain, &parts.tail, params)),
            Err(_) => (Vec::new(), 0),
        };
        let expected = Expected { answer, ranked, skipped, tolerant };
        if let Ok(rows) = &expected.answer
            && let Err(why) = expected.check(&rows.rows)
        {
            panic!("the test ranks the rows of `{sql}` in another order than SQLite: {why}");
        }
        expected
    }

    /// What is wrong with these rows.
    pub fn check(&self, rows: &[Vec<Value>]) -> Result<(), String> {
        let wanted = match &self.answer {
            Ok(wanted) => &wanted.rows,
            Err(error) => return Err(format!("SQLite fails with `{error}`")),
        };
        if rows.len() != wanted.len() {
            return Err(format!("{} rows instead of {}", rows.len(), wanted.len()));
        }
        let mut left: Vec<Option<&(i64, Vec<Value>)>> = self.ranked.iter().map(Some).collect();
        for (place, row) in rows.iter().enumerate() {
            let rank = self.ranked[self.skipped + place].0;
            let first = self.ranked.partition_point(|(other, _)| *other < rank);
            let group = left[first..].iter_mut().take_while(|slot| slot.is_none_or(|(other, _)| *other == rank));
            let fits = |slot: &&mut Option<&(i64, Vec<Value>)>| {
                slot.is_some_and(|(other, known)| *other == rank && self.same_row(known, row))
            };
            match group.into_iter().find(fits) {
                Some(slot) => *slot = None,
                None => return Err(format!("row {} is {}, which SQLite has not there", place + 1, show_row(row))),
            }
        }
        Ok(())
    }

    fn same_row(&self, a: &[Value], b: &[Value]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, self.tolerant))
    }

    pub fn show(&self) -> String {
        match &self.answer {
            Ok(rows) => format!("{} rows\n{}", rows.rows.len(), show_rows(&rows.rows)),
            Err(error) => format!("error: {error}"),
        }
    }
}

/// All rows, sorted and ranked by SQLite itself.
fn ranked(plain: &Plain, parts: &Split, params: &Params) -> Vec<(i64, Vec<Value>)> {
    let get = |sql: &str| {
        plain.query(sql, params).unwrap_or_else(|error| panic!("the test cannot rank with `{sql}`: {error}"))
    };
    if parts.order.is_empty() {
        return get(&parts.base).rows.into_iter().map(|row| (1, row)).collect();
    }
    let names = plain.names(&parts.base).expect("it was prepared before");
    let mut hidden = Vec::new();
    let terms: Vec<String> = parts.order.iter().map(|term| ranking_term(term, &names, &mut hidden)).collect();
    assert!(!parts.is_compound || hidden.is_empty(), "a compound is sorted by its columns: {hidden:?}");
    let (before, after) = parts.base.split_at(parts.outputs_end);
    let hidden_outputs: String = hidden.iter().map(|expr| format!(", {expr} ")).collect();
    let columns: Vec<String> = (1..=names.len() + hidden.len()).map(|place| format!("c{place}")).collect();
    let sql = format!(
        "WITH ranked_rows({}) AS ({before}{hidden_outputs}{after}) \
         SELECT dense_rank() OVER (ORDER BY {}), {} FROM ranked_rows ORDER BY 1",
        columns.join(", "),
        terms.join(", "),
        columns[..names.len()].join(", ")
    );
    let split_rank = |mut row: Vec<Value>| match row.remove(0) {
        Value::Integer(rank) => (rank, row),
        other => panic!("a rank is an integer, not {other:?}"),
    };
    get(&sql).rows.into_iter().map(split_rank).collect()
}

/// The term over the columns of the ranked rows.
fn ranking_term(term: &Term, names: &[String], hidden: &mut Vec<String>) -> String {
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (bare, collate) = match term.expr.to_ascii_uppercase().rfind(" COLLATE ") {
        Some(place) if is_word(&term.expr[place + " COLLATE ".len()..]) => term.expr.split_at(place),
        _ => (term.expr.as_str(), ""),
    };
    let unquoted = bare.trim_matches('"');
    let by_place = bare.parse::<usize>().ok();
    let by_name = || names.iter().position(|name| name.eq_ignore_ascii_case(unquoted)).map(|index| index + 1);
    let place = by_place.or_else(by_name).unwrap_or_else(|| {
        hidden.push(bare.to_owned());
        names.len() + hidden.len()
    });
    format!("c{place}{collate} {}", term.direction)
}

/// What OFFSET skips, as SQLite evaluates it.
fn skipped(plain: &Plain, tail: &str, params: &Params) -> usize {
    if tail.is_empty() {
        return 0;
    }
    // The place of the first row among enough numbered ones.
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i FROM n";
    match plain.query(&format!("{numbers} {tail}"), params) {
        Ok(rows) => match rows.rows.first().map(|row| &row[0]) {
            Some(Value::Integer(first)) => usize::try_from(*first).expect("numbers from 0"),
            _ => 0,
        },
        Err(error) => panic!("the test cannot evaluate `{tail}`: {error}"),
    }
}
