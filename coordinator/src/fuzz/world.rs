//! A schema, and one text through parse, judge and plan.

use std::time::{Duration, Instant};

use super::nested;
use super::shared::generate::{Scene, scene};
use super::shared::random::Random;
use super::shared::table::Table;
use crate::catalog::{Catalog, DeclaredDistribution, SchemaChange};
use crate::cluster::PLANNER_STACK_BYTES;
use crate::plan::{self, Kind, Template};
use crate::sql::{self, Bounds, Declared, SqlError, Twin, Verdict};

/// What a request may leave to SQLite's compiler: it takes seconds for some texts, and must then be stopped in time.
const COMPILE_TIME_MAX: Duration = Duration::from_millis(300);

/// A schema with a twin.
pub(super) struct World {
    pub(super) scene: Scene,
    catalog: Catalog,
    twin: Twin,
}

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Judged,
    Opaque,
    Refused,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let scene = scene(&mut Random::new(seed));
        let views = scene.statements.iter().map(|sql| SchemaChange { sql: sql.clone(), distribution: None });
        let log: Vec<SchemaChange> = scene.tables.iter().map(change).chain(views).collect();
        let twin = Twin::new(log.iter().map(|change| change.sql.as_str())).expect("a twin");
        let catalog = Catalog::new(log).expect("a catalog");
        World { scene, catalog, twin }
    }

    /// Reads and plans a text. Tells what is wrong with what comes out.
    pub(super) fn check(&self, text: &str) -> Result<Outcome, String> {
        let until = Instant::now() + COMPILE_TIME_MAX;
        self.twin.watch(Some(Box::new(move || Instant::now() >= until)));
        let outcome = self.check_watched(text);
        self.twin.watch(None);
        // What SQLite says of a text that it was interrupted at is not always that.
        if Instant::now() >= until { outcome.or(Ok(Outcome::Refused)) } else { outcome }
    }

    fn check_watched(&self, text: &str) -> Result<Outcome, String> {
        let bounds = Bounds::default();
        let schema = &self.catalog.schema;
        let statement = match sql::prepare(&self.twin, schema, text, &bounds) {
            Ok(statement) => statement,
            Err(SqlError::TooLarge { .. }) if text.len() > bounds.bytes_max => return Ok(Outcome::Refused),
            Err(_) if text.len() <= bounds.bytes_max => return Ok(Outcome::Refused),
            Err(error) => return Err(format!("{} bytes are read: {error}", text.len())),
        };
        let outcome = match &statement.verdict {
            Verdict::Judged(_) => Outcome::Judged,
            Verdict::Opaque(_) => Outcome::Opaque,
        };
        let prepared = plan::prepare(text, statement, schema);
        self.check_fragments(&prepared.best)?;
        self.check_fragments(&prepared.whole)?;
        Ok(outcome)
    }

    /// SQLite accepts every fragment.
    fn check_fragments(&self, template: &Template) -> Result<(), String> {
        let Some(spread) = &template.spread else { return Ok(()) };
        spread.first.iter().try_for_each(|first| self.check_fragments(&first.template))?;
        let semi_joins = spread.parts.iter().filter_map(|part| Some((&part.semi_join.as_ref()?.sql, part.width)));
        let mut fragments = spread.parts.iter().map(|part| (&part.sql, part.width)).chain(semi_joins);
        let checked = fragments.try_for_each(|(sql, width)| self.check_fragment(sql, width));
        // A step may be deeper than the statement, and SQLite's parser leaves out what stands beside a false constant without a look at it.
        // Then the naive plan is run instead.
        let has_otherwise = matches!(spread.kind, Kind::Gather(_)) || !spread.first.is_empty();
        let known = |what: &str| ["tree is too large", "no such function"].iter().any(|known| what.contains(known));
        checked.or_else(|what| if has_otherwise && known(&what) { Ok(()) } else { Err(what) })
    }

    fn check_fragment(&self, sql: &str, width: usize) -> Result<(), String> {
        let sql = &without_table_function(sql);
        match self.twin.describe(sql) {
            Ok(described) if described.columns.len() == width => Ok(()),
            Ok(described) => Err(format!("{} columns instead of {width}: {sql}", described.columns.len())),
            Err(SqlError::Deadline) => Ok(()),
            // The nodes' own functions.
            Err(error) if error.to_string().contains("souk_") => Ok(()),
            Err(error) => Err(format!("a fragment is refused ({error}): {sql}")),
        }
    }
}

/// The fragment with a subquery in place of each table function of the nodes, which the twin has not.
fn without_table_function(sql: &str) -> String {
    const CALL: &str = "\"souk_rows\"(";
    let column = |place: usize| ["i", "r", "n", "t", "b"].map(|affinity| format!("1 AS {affinity}{place}")).join(", ");
    let columns: Vec<String> = (1..=8).map(column).collect();
    let mut parts = sql.split(CALL);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let behind = part.split_once(')').map_or("", |(_, behind)| behind);
        replaced.push_str(&format!("(SELECT {}){behind}", columns.join(", ")));
    }
    replaced
}

fn change(table: &Table) -> SchemaChange {
    let declared = table.shard_key.as_ref().map_or(Declared::Replicated, |key| Declared::ShardKey(key.clone()));
    let distribution = DeclaredDistribution { table: table.name.clone(), declared };
    SchemaChange { sql: table.sql.clone(), distribution: Some(distribution) }
}

/// Runs on a stack of the size that planners have.
fn on_planner_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(PLANNER_STACK_BYTES).spawn(work).expect("a thread");
    thread.join().expect("nothing falls over");
}

#[test]
fn deep_and_wide_statements() {
    on_planner_stack(|| {
        let world = World::new(1);
        for depth in [2, 49, 50, 51, 200, 399, 400, 401, 1000, 2500, 5000, 9999] {
            for text in nested::every(depth) {
                if let Err(what) = world.check(&text) {
                    panic!("depth {depth}, {text:.80}: {what}");
                }
            }
        }
    });
}

#[test]
fn what_is_too_large_is_refused_before_it_is_parsed() {
    on_planner_stack(|| {
        let world = World::new(2);
        for text in nested::every(100_000) {
            let read = sql::prepare(&world.twin, &world.catalog.schema, &text, &Bounds::default());
            assert!(matches!(read, Err(SqlError::TooLarge { .. })), "{text:.80}: {:?}", read.err());
        }
    });
}
