//! One file: both sides run its statements that change rows, and its queries are asked of both. The plain SQLite alone runs those that change the schema: the
//! cluster gets what has come of them.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use souk_proto::Reason;
use souk_proto::v1::ExplainResponse;

use crate::arguments::Settings;
use crate::compare::{Expected, Likeness, compare};
use crate::gathered::alone_in_from;
use crate::placement::{Placed, Placement, Template};
use crate::printed::{Printer, fit, show};
use crate::record::{Kind, Record, Wanted, files, read};
use crate::reference::State;
use crate::report::{Failure, FailureKind, Note, Place, Reading, Report};
use crate::support::{Answer, Plain, Random, none};

/// Queries of the shared files in a run that names no path, and of one file at most.
const SAMPLE: usize = 600;
const SAMPLE_OF_FILE: usize = 15;

/// A file to run.
pub(crate) struct Job {
    path: PathBuf,
    records: Result<Vec<Record>, String>,
    placement: Placement,
    /// Numbers of the records that are queries and are to be run; none runs all.
    picked: Option<BTreeSet<usize>>,
}

impl Job {
    fn new(path: PathBuf, placement: Placement) -> Job {
        Job { records: read(&path), path, placement, picked: None }
    }

    fn queries(&self) -> usize {
        match (&self.picked, &self.records) {
            (Some(picked), _) => picked.len(),
            (None, Ok(records)) => records.iter().filter(|record| record.is_query()).count(),
            (None, Err(_)) => 0,
        }
    }

    fn is_picked(&self, number: usize) -> bool {
        self.picked.as_ref().is_none_or(|picked| picked.contains(&number))
    }
}

/// The files that are asked for, or those of the repository, the largest first.
pub(crate) fn jobs(settings: &Settings) -> Vec<Job> {
    let mut jobs = if settings.paths.is_empty() { own_jobs(settings) } else { asked_jobs(settings) };
    jobs.sort_by_key(|job| std::cmp::Reverse(job.queries()));
    jobs
}

fn asked_jobs(settings: &Settings) -> Vec<Job> {
    let jobs = found(&settings.paths).into_iter().map(|path| Job::new(path, settings.placement)).collect();
    match settings.sample {
        None => jobs,
        Some(queries) => sampled(jobs, queries, usize::MAX, settings.seed),
    }
}

/// The files of the repository under every placement, and a part of those beside it, the placements in turn.
fn own_jobs(settings: &Settings) -> Vec<Job> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = found(&[root.join("tests/slt/data")]);
    let every = |path: PathBuf| Placement::ALL.map(|placement| Job::new(path.clone(), placement));
    let mut jobs: Vec<Job> = own.into_iter().flat_map(every).collect();
    let shared = root.join("../shared/slt/test");
    if !shared.is_dir() {
        println!("SKIPPED: no ../shared/slt");
        return jobs;
    }
    let placements = Placement::ALL.into_iter().cycle();
    let shared = found(&[shared]).into_iter().zip(placements).map(|(path, placement)| Job::new(path, placement));
    let (queries, of_file) = settings.sample.map_or((SAMPLE, SAMPLE_OF_FILE), |queries| (queries, usize::MAX));
    jobs.extend(sampled(shared.collect(), queries, of_file, settings.seed));
    jobs
}

fn found(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in paths {
        if let Err(error) = files(path, &mut all) {
            println!("{error}");
        }
    }
    all
}

/// Files in random order until they have enough queries, with some of the queries of each.
fn sampled(mut jobs: Vec<Job>, queries: usize, of_file: usize, seed: u64) -> Vec<Job> {
    let mut random = Random::new(seed);
    let mut left = queries;
    let mut sample = Vec::new();
    while left > 0 && !jobs.is_empty() {
        let mut job = jobs.swap_remove(random.below(jobs.len()));
        let mut numbers: Vec<usize> = match &job.records {
            Ok(records) => (0..records.len()).filter(|number| records[*number].is_query()).collect(),
            Err(_) => Vec::new(),
        };
        while numbers.len() > of_file.min(left) {
            numbers.swap_remove(random.below(numbers.len()));
        }
        left -= numbers.len();
        job.picked = Some(numbers.into_iter().collect());
        sample.push(job);
    }
    sample
}

/// Runs a file from the top on an empty database.
pub(crate) fn run_file(job: &Job, template: &Template) -> Report {
    let mut run = Run {
        job,
        template,
        plain: Plain::new(),
        printer: Printer::new(),
        placed: None,
        changed: true,
        follows: false,
        parted: None,
        report: Report::default(),
    };
    match &job.records {
        Ok(records) => records.iter().enumerate().for_each(|(number, record)| run.record(number, record)),
        Err(error) => run.unread(error),
    }
    run.report
}

struct Run<'a> {
    job: &'a Job,
    template: &'a Template,
    plain: Plain,
    printer: Printer,
    /// The cluster with the state that it was given; why there is none.
    placed: Option<(State, Result<Placed, String>)>,
    /// A statement was run since the state was read.
    changed: bool,
    /// The cluster has run the same ones.
    follows: bool,
    /// A table whose rows are others on the two sides.
    parted: Option<String>,
    report: Report,
}

impl Run<'_> {
    fn record(&mut self, number: usize, record: &Record) {
        match &record.kind {
            Kind::Statement { succeeds } => self.statement(record, *succeeds),
            Kind::Query(wanted) if self.job.is_picked(number) => self.query(record, wanted),
            Kind::Query(_) => {}
        }
    }

    fn statement(&mut self, record: &Record, succeeds: bool) {
        let follows = changes_rows(&record.sql) && self.follow();
        self.changed = true;
        let done = self.plain.change(&record.sql, &none());
        if follows {
            self.follows = self.write(record, done.as_ref().ok().map(|(_, rows, _)| *rows));
        } else {
            self.follows = false;
        }
        let fails = match (done, succeeds) {
            (Ok(_), true) | (Err(_), false) => {
                self.report.statements += 1;
                return;
            }
            (Err(error), true) => error,
            (Ok(_), false) => "it succeeds".to_owned(),
        };
        let expected = if succeeds { "success" } else { "an error" };
        self.fail(record, FailureKind::Statement, expected.to_owned(), fails);
    }

    /// Whether the cluster has what the plain SQLite has, so that it can run the next statement. Not where it lacks a UNIQUE index.
    fn follow(&mut self) -> bool {
        if !(self.follows && self.changed) {
            self.place();
        }
        self.placed
            .as_ref()
            .is_some_and(|(state, placed)| placed.is_ok() && !state.tables.iter().any(|table| table.loosened))
    }

    /// Has the cluster run a statement that changed so many rows of the plain SQLite, or failed there; whether it did the same.
    fn write(&mut self, record: &Record, expected: Option<u64>) -> bool {
        let Some((_, Ok(placed))) = &self.placed else { return false };
        match (guarded(|| placed.cluster.execute(&record.sql, &none())), expected) {
            (Ok(Ok(done)), Some(rows)) if done.rows_affected == rows => {
                self.report.writes += 1;
                true
            }
            (Ok(Err(failure)), _) if failure.reason == Some(Reason::UnsupportedSql) => {
                self.report.refused(&failure.message);
                false
            }
            (Ok(Err(_)), None) => {
                self.report.writes += 1;
                true
            }
            (got, expected) => {
                let expected = expected.map_or("an error".to_owned(), |rows| format!("{rows} rows changed"));
                let got = got.map(|got| got.map(|done| done.rows_affected));
                self.fail(record, FailureKind::Statement, expected, format!("{got:?}"));
                false
            }
        }
    }

    fn query(&mut self, record: &Record, wanted: &Wanted) {
        let expected = match self.expected(record, wanted) {
            Ok(expected) => expected,
            Err((expected, got)) => return self.fail(record, FailureKind::Reference, expected, got),
        };
        self.place();
        if let Some(table) = self.parted.take() {
            let got = format!("the rows of `{table}` are others, after statements that both sides have run");
            self.fail(record, FailureKind::Statement, "the same rows".to_owned(), got);
        }
        let Some((_, Ok(placed))) = &self.placed else {
            let why = self.placed.as_ref().and_then(|(_, placed)| placed.as_ref().err().cloned()).unwrap_or_default();
            return self.fail(record, FailureKind::Setup, show(&expected.printed), why);
        };
        let answer = guarded(|| placed.cluster.query(&record.sql, &none()));
        let explained = guarded(|| placed.cluster.explain(&record.sql, &none()));
        self.explained(record, explained.ok().and_then(Result::ok));
        match answer {
            Err(panic) => self.fail(record, FailureKind::Panic, show(&expected.printed), panic),
            Ok(Err(refusal)) if refusal.reason == Some(Reason::UnsupportedSql) => {
                self.report.refused(&refusal.message);
                self.fail(record, FailureKind::Refused, show(&expected.printed), refusal.message);
            }
            Ok(Err(refusal)) => {
                let got = format!("{:?}: {}", refusal.reason, refusal.message);
                self.fail(record, FailureKind::Error, show(&expected.printed), got);
            }
            Ok(Ok(answer)) => self.answer(record, wanted, &expected, &answer),
        }
    }

    /// Counts how the query is read and planned.
    fn explained(&mut self, record: &Record, explained: Option<ExplainResponse>) {
        let Some(explained) = explained else { return self.report.reading(Reading::Unknown) };
        self.report.reading(if explained.opaque.is_empty() { Reading::Judged } else { Reading::Opaque });
        if explained.plan == "gather" {
            let reason = explained.root.map(|root| root.title).unwrap_or_default();
            let note = Note { place: self.place_of(record), sql: record.sql.clone() };
            self.report.gathered.note(&reason, self.is_one_sharded_table(&record.sql), note);
        }
    }

    fn is_one_sharded_table(&self, sql: &str) -> bool {
        let tables = self.placed.iter().flat_map(|(state, _)| &state.tables);
        let mut sharded = tables.filter(|table| table.key.is_some());
        alone_in_from(sql).is_some_and(|name| sharded.any(|table| table.name.eq_ignore_ascii_case(&name)))
    }

    fn answer(&mut self, record: &Record, wanted: &Wanted, expected: &Expected, answer: &Answer) {
        self.report.planned(&answer.certificate.plan);
        match compare(&self.printer, &record.sql, wanted, expected, answer) {
            Likeness::Same => self.report.same += 1,
            Likeness::OrderNotAsked => self.report.order_not_asked += 1,
            Likeness::Arbitrary => {
                let note = Note { place: self.place_of(record), sql: record.sql.clone() };
                self.report.arbitrary.push(note);
            }
            Likeness::Unlike(got) => self.fail(record, FailureKind::Unlike, show(&expected.printed), got),
            Likeness::Wrong(got) => self.fail(record, FailureKind::Wrong, show(&expected.printed), got),
        }
    }

    /// What the plain SQLite gives, which must be what the file says; else what is expected and what comes.
    fn expected(&self, record: &Record, wanted: &Wanted) -> Result<Expected, (String, String)> {
        let rows = self.plain.query(&record.sql, &none()).map_err(|error| ("rows".to_owned(), error))?;
        if rows.names.len() != wanted.types.len() {
            return Err((format!("{} columns", wanted.types.len()), format!("{} columns", rows.names.len())));
        }
        let printed = self.printer.print(&rows.rows, &wanted.types, wanted.sort);
        fit(wanted, &printed).map_err(|file| (file, show(&printed)))?;
        Ok(Expected { names: rows.names, rows: rows.rows, printed })
    }

    /// Gives the cluster what the plain SQLite holds: a new one when schema or rows are other than they were.
    fn place(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let state = State::of(&self.plain);
        if std::mem::take(&mut self.follows)
            && let Some((known, Ok(placed))) = &mut self.placed
        {
            self.parted = state.tables.iter().find(|table| !placed.has(table)).map(|table| table.name.clone());
            if self.parted.is_none() {
                *known = state;
                return;
            }
        }
        if self.placed.as_ref().is_some_and(|(known, _)| *known == state) {
            return;
        }
        self.placed = None;
        self.report.placed(&self.job.path, &state);
        let placed = guarded(|| self.template.place(self.job.placement, &state)).and_then(|placed| placed);
        self.placed = Some((state, placed));
    }

    fn fail(&mut self, record: &Record, kind: FailureKind, expected: String, got: String) {
        let place = self.place_of(record);
        self.report.failures.push(Failure { kind, place, sql: record.sql.clone(), expected, got });
    }

    fn unread(&mut self, error: &str) {
        let file = Record { line: 0, sql: String::new(), kind: Kind::Statement { succeeds: true } };
        self.fail(&file, FailureKind::File, "a file with records".to_owned(), error.to_owned());
    }

    fn place_of(&self, record: &Record) -> Place {
        Place { path: self.job.path.clone(), line: record.line, placement: self.job.placement }
    }
}

/// Whether a statement changes rows, by its first word.
fn changes_rows(sql: &str) -> bool {
    let word = sql.split_whitespace().next().unwrap_or_default();
    ["INSERT", "REPLACE", "UPDATE", "DELETE"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// A check inside that fails is this file's failure alone.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}
