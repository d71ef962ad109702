//! Seeded schemas, rows and queries.
//!
//! Queries keep to what has one right answer: where SQLite itself may choose (which of several equal values stands for a group, which
//! of several rows a LIMIT keeps), the choice is folded away or ordered to the end.
//!
//! - `cells`, `table`, `scene`: columns, tables, and the schema with its rows.
//! - `scope`: the rows that an expression sees.
//! - `values`, `predicates`, `json`, `subqueries`: what stands in a query.
//! - `groups`, `windows`: aggregates, and what groups; window functions.
//! - `from`, `local`: FROM clauses, of every kind and of the kinds that shards answer by themselves.
//! - `relation`, `compound`, `with`: queries that stand for rows.
//! - `shapes`, `order`: whole queries.
//! - `partition`: queries over all rows, and over parts of them.
//! - `writes`: statements that change rows.

mod cells;
mod compound;
mod from;
mod groups;
mod json;
mod local;
mod order;
mod partition;
mod predicates;
mod relation;
mod scene;
mod scope;
mod shapes;
mod subqueries;
mod table;
mod values;
mod windows;
mod with;
mod writes;

pub use self::partition::{Partition, Recombined, partition};
pub use self::scene::{Scene, scene};
pub use self::writes::{StoredRows, Write, WriteScene, write, write_scene};

use self::scene::Relation;
use self::scope::Source;
use super::expression::Node;
use super::random::Random;

/// Subqueries of one query.
const SUBQUERIES_MAX: usize = 3;

/// Writes one query.
struct Writer<'a> {
    random: &'a mut Random,
    scene: &'a Scene,
    mode: Mode,
    /// What each SELECT reads, the innermost last.
    scopes: Vec<Vec<Source>>,
    /// WITH tables in sight.
    ctes: Vec<Relation>,
    /// Names of WITH tables: a table of the same name needs its schema before it.
    hidden: Vec<String>,
    /// Names given so far.
    names: usize,
    /// Subqueries so far.
    subqueries: usize,
    /// Whether a column of an outer SELECT is out of bounds here, as in the argument of an aggregate.
    only_own: bool,
    /// Whether numbers must be such that any order adds them up to the same bits.
    exact: bool,
}

/// What a query keeps to.
#[derive(Clone)]
enum Mode {
    /// What shards answer by themselves.
    Local,
    /// Anything, over the rows of one shard key.
    Pinned(Node),
    Free,
}

/// A query over the scene.
pub fn case(random: &mut Random, scene: &Scene) -> Node {
    Writer::new(random, scene).query()
}

impl Writer<'_> {
    fn new<'a>(random: &'a mut Random, scene: &'a Scene) -> Writer<'a> {
        let mode = match random.below(20) {
            0..8 => Mode::Local,
            8..10 => Mode::Pinned(values::key_literal(random, &scene.keys)),
            _ => Mode::Free,
        };
        Writer {
            random,
            scene,
            mode,
            scopes: vec![Vec::new()],
            ctes: Vec::new(),
            hidden: Vec::new(),
            names: 0,
            subqueries: 0,
            only_own: false,
            exact: false,
        }
    }

    fn is_local(&self) -> bool {
        matches!(self.mode, Mode::Local)
    }
}
