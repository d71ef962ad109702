//! What became of all files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::gathered::Gathered;
use crate::placement::Placement;
use crate::reference::{State, Table};

/// Notes and reasons that are shown.
const SHOWN_MAX: usize = 40;

/// Counts and failures.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Statements that did what the file says.
    pub(crate) statements: usize,
    /// Of these, those that changed rows of the cluster alike.
    pub(crate) writes: usize,
    /// Queries answered as the file says.
    pub(crate) same: usize,
    /// As `same`, but for an order that nothing asks for.
    pub(crate) order_not_asked: usize,
    /// Answered but for an order that SQLite calls arbitrary.
    pub(crate) arbitrary: Vec<Note>,
    pub(crate) failures: Vec<Failure>,
    files: usize,
    /// Times that a cluster was given schema and rows.
    placements: usize,
    /// Tables that are not sharded as they are declared.
    replicated: BTreeSet<String>,
    loosened: BTreeSet<String>,
    plans: BTreeMap<String, usize>,
    readings: BTreeMap<Reading, usize>,
    refusals: BTreeMap<String, usize>,
    pub(crate) gathered: Gathered,
}

/// Where a record is, and where its rows were.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) line: usize,
    pub(crate) placement: Placement,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({})", self.path.display(), self.line, self.placement)
    }
}

/// A query to be looked at.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    pub(crate) place: Place,
    pub(crate) sql: String,
}

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) place: Place,
    pub(crate) sql: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

/// Whose failure it is, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FailureKind {
    /// Another answer than the file's.
    Wrong,
    /// Printed alike, but other values or names than plain SQLite's.
    Unlike,
    /// A broken promise of an answer's form.
    Panic,
    /// An error where there is an answer.
    Error,
    /// Schema or rows that the cluster does not take.
    Setup,
    /// A statement that plain SQLite takes otherwise than the file says.
    Statement,
    /// A query that plain SQLite answers otherwise than the file says.
    Reference,
    /// A file that cannot be read.
    File,
    /// Refused by name.
    Refused,
}

/// Whether a text was read as SQLite reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reading {
    Judged,
    Opaque,
    /// The coordinator cannot explain it.
    Unknown,
}

impl Report {
    pub(crate) fn passed(&self) -> usize {
        self.same + self.order_not_asked
    }

    pub(crate) fn failed(&self) -> usize {
        self.failures.len()
    }

    pub(crate) fn planned(&mut self, plan: &str) {
        *self.plans.entry(plan.to_owned()).or_default() += 1;
    }

    pub(crate) fn reading(&mut self, reading: Reading) {
        *self.readings.entry(reading).or_default() += 1;
    }

    pub(crate) fn refused(&mut self, message: &str) {
        *self.refusals.entry(kind_of(message)).or_default() += 1;
    }

    /// A cluster is given this state.
    pub(crate) fn placed(&mut self, path: &Path, state: &State) {
        self.placements += 1;
        let named = |table: &Table| format!("{} of {}", table.name, path.display());
        self.replicated.extend(state.tables.iter().filter(|table| table.key.is_none()).map(named));
        self.loosened.extend(state.tables.iter().filter(|table| table.loosened).map(named));
    }

    pub(crate) fn add(&mut self, other: Report) {
        let Report {
            statements,
            writes,
            same,
            order_not_asked,
            arbitrary,
            failures,
            files,
            placements,
            replicated,
            loosened,
            plans,
            readings,
            refusals,
            gathered,
        } = other;
        self.statements += statements;
        self.writes += writes;
        self.same += same;
        self.order_not_asked += order_not_asked;
        self.arbitrary.extend(arbitrary);
        self.failures.extend(failures);
        self.files += files.max(1);
        self.placements += placements;
        self.replicated.extend(replicated);
        self.loosened.extend(loosened);
        plans.into_iter().for_each(|(plan, count)| *self.plans.entry(plan).or_default() += count);
        readings.into_iter().for_each(|(reading, count)| *self.readings.entry(reading).or_default() += count);
        self.gathered.add(gathered);
        refusals.into_iter().for_each(|(reason, count)| *self.refusals.entry(reason).or_default() += count);
    }

    /// The same report whatever thread was first.
    pub(crate) fn sort(&mut self) {
        self.arbitrary.sort();
        self.failures.sort();
        self.gathered.sort();
    }

    /// For people, with at most so many failures, and examples of what was gathered.
    pub(crate) fn show(&self, failures: usize, examples: usize) -> String {
        let mut text = String::new();
        let shown: Result<(), std::fmt::Error> = (|| {
            self.show_failures(&mut text, failures)?;
            self.show_notes(&mut text)?;
            self.gathered.show(&mut text, examples)?;
            self.show_counts(&mut text)?;
            self.show_arbitrary(&mut text)
        })();
        shown.map_or_else(|error| error.to_string(), |()| text)
    }

    fn show_failures(&self, text: &mut String, most: usize) -> std::fmt::Result {
        for Failure { kind, place, sql, expected, got } in self.failures.iter().take(most) {
            writeln!(
                text,
                "{kind:?} {place}\n  {}\n  expected: {expected}\n  got: {}\n",
                cut(sql, 1000),
                cut(got, 1000)
            )?;
        }
        let more = self.failures.len().saturating_sub(most);
        if more > 0 { writeln!(text, "... and {more} more failures\n") } else { Ok(()) }
    }

    fn show_notes(&self, text: &mut String) -> std::fmt::Result {
        for (tables, what) in [
            (&self.replicated, "that no column can shard, and so are replicated"),
            (
                &self.loosened,
                "whose UNIQUE indexes have no column in common, and so are indexes of the cluster without the word",
            ),
        ] {
            if let Some(first) = tables.first() {
                writeln!(text, "{} tables {what}, the first being {first}", tables.len())?;
            }
        }
        Ok(())
    }

    /// Neither passed nor failed.
    fn show_arbitrary(&self, text: &mut String) -> std::fmt::Result {
        if !self.arbitrary.is_empty() {
            writeln!(
                text,
                "{} queries that neither pass nor fail: SQLite calls the order of what they put together arbitrary, and it is another:",
                self.arbitrary.len()
            )?;
            for Note { place, sql } in &self.arbitrary {
                writeln!(text, "  {place} {}", cut(sql, 200))?;
            }
        }
        Ok(())
    }

    fn show_counts(&self, text: &mut String) -> std::fmt::Result {
        let queries: usize = self.readings.values().sum();
        let mut row = |name: &str, count: usize| {
            let share = 100.0 * count as f64 / queries.max(1) as f64;
            writeln!(text, "  {name:<50} {count:>7} {share:>7.2} %")
        };
        row("queries asked of the cluster", queries)?;
        for (plan, name) in [("route", "routed"), ("scatter", "scattered"), ("gather", "gathered")] {
            row(name, self.plans.get(plan).copied().unwrap_or_default())?;
        }
        for (reading, name) in [
            (Reading::Judged, "passed by the judge"),
            (Reading::Opaque, "judged opaque"),
            (Reading::Unknown, "not explained"),
        ] {
            row(name, self.readings.get(&reading).copied().unwrap_or_default())?;
        }
        row("order not asked for, and another", self.order_not_asked)?;
        row("order that SQLite calls arbitrary, and another", self.arbitrary.len())?;
        row("refused", self.refusals.values().sum())?;
        let mut refusals: Vec<_> = self.refusals.iter().collect();
        refusals.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in refusals.iter().take(SHOWN_MAX) {
            writeln!(text, "    {count:>7}  {reason}")?;
        }
        let mut kinds: BTreeMap<FailureKind, usize> = BTreeMap::new();
        self.failures.iter().for_each(|failure| *kinds.entry(failure.kind).or_default() += 1);
        for (kind, count) in kinds {
            writeln!(text, "  failed, {kind:?}: {count}")?;
        }
        let Report { files, statements, writes, placements, .. } = self;
        writeln!(
            text,
            "{files} files, {statements} statements as they should be, {writes} of them run by clusters too, {placements} clusters with rows"
        )
    }
}

/// A refusal without the names in it.
pub(crate) fn kind_of(message: &str) -> String {
    let message = message.trim_start_matches("this query over several shards is not supported: ");
    let message = message.split("; name one shard key").next().unwrap_or(message);
    let mut kind = String::new();
    for (index, part) in message.split(['`', '"', '\'']).enumerate() {
        kind.push_str(if index % 2 == 0 { part } else { "_" });
    }
    let digits = |char: char| if char.is_ascii_digit() { '9' } else { char };
    cut(&kind.chars().map(digits).collect::<String>(), 160)
}

pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most { text.to_owned() } else { text.chars().take(most).chain("...".chars()).collect() }
}
