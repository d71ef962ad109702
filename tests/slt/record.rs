//! A file of statements and queries, record by record.

use std::path::{Path, PathBuf};

/// A statement or a query.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    /// Of its first line, from 1.
    pub(crate) line: usize,
    pub(crate) sql: String,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Statement { succeeds: bool },
    Query(Wanted),
}

/// What a query should give.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// A letter for each column: I, R or T.
    pub(crate) types: Vec<u8>,
    pub(crate) sort: Sort,
    /// The lines of the file; none where it leaves the result to the plain SQLite.
    pub(crate) lines: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Nothing,
    Rows,
    Values,
}

impl Record {
    pub(crate) fn is_query(&self) -> bool {
        matches!(self.kind, Kind::Query(_))
    }
}

/// The records that concern SQLite.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&text).map_err(|why| format!("{}:{why}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Record>, String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut records = Vec::new();
    let mut at = 0;
    let mut skipped = false;
    while at < lines.len() {
        let words: Vec<&str> = lines[at].split_whitespace().collect();
        match words.as_slice() {
            [] => at += 1,
            [first, ..] if first.starts_with('#') => at += 1,
            ["hash-threshold", ..] => at += 1,
            ["skipif", engine, ..] => (skipped, at) = (skipped || *engine == "sqlite", at + 1),
            ["onlyif", engine, ..] => (skipped, at) = (skipped || *engine != "sqlite", at + 1),
            ["halt", ..] if skipped => (skipped, at) = (false, at + 1),
            ["halt", ..] => break,
            _ => {
                let end = (at..lines.len()).find(|line| lines[*line].is_empty()).unwrap_or(lines.len());
                let record = record(&words, at + 1, &lines[at + 1..end])?;
                if !std::mem::take(&mut skipped) {
                    records.push(record);
                }
                at = end;
            }
        }
    }
    Ok(records)
}

fn record(head: &[&str], line: usize, lines: &[&str]) -> Result<Record, String> {
    let kind = match head {
        ["statement", "ok"] => Kind::Statement { succeeds: true },
        ["statement", "error"] => Kind::Statement { succeeds: false },
        ["query", types, rest @ ..] => {
            let sort = match rest {
                [] | ["nosort", ..] => Sort::Nothing,
                ["rowsort", ..] => Sort::Rows,
                ["valuesort", ..] => Sort::Values,
                [other, ..] => return Err(format!("{line}: no sorting is called `{other}`")),
            };
            let values = lines.iter().position(|line| *line == "----");
            let values = values.map(|at| lines[at + 1..].iter().map(|line| (*line).to_owned()).collect());
            Kind::Query(Wanted { types: types.bytes().collect(), sort, lines: values })
        }
        other => return Err(format!("{line}: no record begins with `{}`", other.join(" "))),
    };
    let sql: Vec<&str> = lines.iter().copied().take_while(|line| *line != "----").collect();
    Ok(Record { line, sql: sql.join("\n"), kind })
}

/// All files with records at a path, in order.
pub(crate) fn files(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(failed)?;
    entries.sort();
    entries.retain(|entry| entry.is_dir() || entry.extension().is_some_and(|extension| extension == "test"));
    entries.iter().try_for_each(|entry| files(entry, found))
}
