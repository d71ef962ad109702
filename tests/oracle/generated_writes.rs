//! Generated statements that change rows leave every table as one SQLite would have it, whatever the number of shards.
//!
//! `SOUK_WRITES` says how many statements, `SOUK_SEED` where to begin: a failure prints what repeats it.

use std::sync::{Mutex, MutexGuard};

use crate::scenes::Scenes;
use crate::setting::setting;
use crate::support::{
    Layout, Oracle, Outcome, Random, StoredRows, Table, Write, WriteScene, changed, replicas_difference, shrink_write,
    stored_rows, write, write_scene,
};
use crate::tally::{Examples, note, show};

const WRITES: u64 = 5_000;
const WRITES_PER_SCENE: u64 = 125;
/// Differences after which a run ends; `SOUK_FAILURES` sets it.
const FAILURES_MAX: u64 = 5;

const LAYOUTS: [Layout; 4] = [Layout::Ring(7), Layout::Own, Layout::Ring(2), Layout::Ring(1)];

/// Refusals that are expected, by what they say.
const KNOWN_REFUSALS: [&str; 2] = ["leave its INTEGER PRIMARY KEY", "changing the shard key or the rowid of rows of"];
/// Other refusals, of a hundred statements.
const REFUSED_MAX: u64 = 2;

/// What became of the statements.
#[derive(Default)]
struct Tally {
    statements: u64,
    /// Those that changed rows.
    with_rows: u64,
    refused: u64,
    /// Those that left a rowid open: souk hands out another than SQLite.
    handed_out: u64,
    too_long: u64,
    refusals: Examples,
    /// Errors that both sides give, in SQLite's words.
    errors: Examples,
    failures: Vec<String>,
}

/// What the threads of a run share.
#[derive(Default)]
struct Run {
    tally: Mutex<Tally>,
}

/// A schema with a cluster and a plain SQLite.
struct Course {
    seed: u64,
    layout: Layout,
    scene: WriteScene,
    oracle: Oracle,
}

impl Tally {
    /// Counts a statement; how it differs when it does.
    fn count(&mut self, write: &Write, outcome: Outcome) -> Option<String> {
        self.statements += 1;
        let sql = write.node.render_with(write.places).0;
        match outcome {
            Outcome::Done(rows) => self.with_rows += u64::from(rows > 0),
            Outcome::Failed(words) => note(&mut self.errors, &words, &sql),
            Outcome::TooLong => self.too_long += 1,
            Outcome::Refused(words) => {
                self.refused += u64::from(!KNOWN_REFUSALS.iter().any(|known| words.contains(known)));
                note(&mut self.refusals, &words, &sql);
            }
            Outcome::Different(what) => return Some(what),
        }
        None
    }

    fn progress(&self) -> String {
        format!("{} statements, {} different", self.statements, self.failures.len())
    }

    fn report(&self) -> String {
        let failed = self.errors.values().map(|(count, _)| count).sum::<u64>();
        let refused = self.refusals.values().map(|(count, _)| count).sum::<u64>();
        let mut lines = vec![format!("{:7} statements, {} changed rows", self.statements, self.with_rows)];
        lines.push(format!("{failed:7} errors on both sides"));
        show(&self.errors, &mut lines);
        lines.push(format!("{:7} too long for SQLite, not asked", self.too_long));
        lines.push(format!("{:7} left a rowid open", self.handed_out));
        lines.push(format!("{refused:7} refused, {} of them for no known reason", self.refused));
        show(&self.refusals, &mut lines);
        lines.push(format!("{:7} different", self.failures.len()));
        lines.join("\n")
    }
}

impl Run {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().expect("no thread panicked")
    }

    /// Statement after statement.
    fn run_course(&self, seed: u64, statements: u64) {
        let mut random = Random::new(seed);
        let mut course = Course::new(seed, &mut random);
        for number in 1..=statements {
            let rows = stored_rows(&course.oracle.plain, &course.scene.scene.tables);
            let write = write(&mut random, &course.scene, &rows);
            let outcome = course.run(number, &write);
            // The tally is locked no longer than it counts.
            let different = self.tally().count(&write, outcome);
            if let Some(what) = different {
                if hands_out(&what) {
                    self.tally().handed_out += 1;
                } else {
                    self.fail(&course, number, &rows, &write, &what);
                }
                course.begin_anew();
            }
        }
        if let Some(what) = replicas_difference(&course.oracle, &course.scene) {
            let failure = format!("{}: replicated rows are not the same\n  {what}", course.replay(statements));
            eprintln!("{failure}\n");
            self.tally().failures.push(failure);
        }
    }

    fn fail(&self, course: &Course, number: u64, rows: &StoredRows, write: &Write, what: &str) {
        let (sql, _) = write.node.render_with(write.places);
        let smaller = shrink_write(course.layout, &course.scene.scene.tables, &course.scene.scene.more(), rows, write);
        let failure = format!("{}: {sql}\n  {what}\nmade smaller: {smaller}", course.replay(number));
        eprintln!("{failure}\n");
        self.tally().failures.push(failure);
    }
}

/// Whether what differs holds a rowid that souk handed out: milliseconds since 2025 and 12 bits, where generated ones are small or at the ends of the range.
fn hands_out(what: &str) -> bool {
    let numbers = what.split(|character: char| !character.is_ascii_digit()).filter_map(|digits| digits.parse().ok());
    numbers.into_iter().any(|number: u64| (1 << 45..1 << 53).contains(&number))
}

impl Course {
    fn new(seed: u64, random: &mut Random) -> Course {
        let layout = LAYOUTS[(seed % LAYOUTS.len() as u64) as usize];
        let scene = write_scene(random);
        let oracle = Oracle::new(&[layout], &scene.scene.tables, &scene.scene.more());
        Course { seed, layout, scene, oracle }
    }

    /// Goes on from the rows that SQLite has.
    fn begin_anew(&mut self) {
        let rows = stored_rows(&self.oracle.plain, &self.scene.scene.tables);
        let with_rows = |table: &Table| Table { rows: rows[&table.name].clone(), ..table.clone() };
        let tables: Vec<Table> = self.scene.scene.tables.iter().map(with_rows).collect();
        self.oracle = Oracle::new(&[self.layout], &tables, &self.scene.scene.more());
    }

    fn run(&self, number: u64, write: &Write) -> Outcome {
        let replay = self.replay(number);
        let run = || changed(&self.oracle, &self.scene.scene.tables, write);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        outcome.unwrap_or_else(|panic| {
            eprintln!("again with {replay}: {}", write.node.render_with(write.places).0);
            std::panic::resume_unwind(panic)
        })
    }

    fn replay(&self, number: u64) -> String {
        format!("SOUK_SEED={} SOUK_WRITES={number}", self.seed)
    }
}

#[test]
fn generated_writes_leave_the_same_rows_on_every_layout() {
    let run = Run::default();
    let scenes = Scenes {
        cases: setting("SOUK_WRITES", WRITES),
        cases_per_scene: WRITES_PER_SCENE,
        first_seed: setting("SOUK_SEED", 1),
    };
    let failures_max = setting("SOUK_FAILURES", FAILURES_MAX) as usize;
    let is_enough = || run.tally().failures.len() >= failures_max;
    scenes.run(|seed, statements| run.run_course(seed, statements), is_enough, || run.tally().progress());
    let tally = run.tally();
    println!("{}", tally.report());
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n\n"));
    assert!(tally.with_rows * 2 > tally.statements, "too few statements change rows");
    assert!(tally.handed_out * 50 <= tally.statements, "too many statements leave a rowid open");
    assert!(tally.refused * 100 <= tally.statements * REFUSED_MAX, "too many statements are refused");
}
