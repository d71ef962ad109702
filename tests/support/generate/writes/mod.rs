//! Statements that change rows.
//!
//! They keep to what has one right outcome: an expression of SET or RETURNING does not read rows that the statement changes, in whatever
//! order; rows that may be in each other's way come in an order that the statement gives, or at most one is changed, or all fail.
//!
//! - `schema`, `target`: the tables.
//! - `values`: what columns may hold.
//! - `conditions`: which rows are changed.
//! - `sets`: what they become.
//! - `update`, `insert`, `upsert`: whole statements, DELETE among the first.
//! - `returning`: what is given back.
//! - `broken`: statements that SQLite refuses.

mod broken;
mod conditions;
mod insert;
mod returning;
mod schema;
mod sets;
mod target;
mod triggers;
mod update;
mod upsert;
mod values;

use std::collections::BTreeMap;

use souk_merge::Value;

use super::super::expression::{Node, Places, list};
use super::super::random::Random;
use super::scope::Source;
use super::{Mode, Writer};

pub use self::schema::{WriteScene, write_scene};
use self::target::{Identity, Target};

/// The stored columns of all rows, by table.
pub type StoredRows = BTreeMap<String, Vec<Vec<Value>>>;

/// Rows of a table from which on most of its statements make it smaller.
const ROWS_MANY: usize = 60;
/// Rows of a table up to which most of its statements make it larger.
const ROWS_FEW: usize = 5;

/// A statement that changes rows.
#[derive(Debug, Clone)]
pub struct Write {
    pub node: Node,
    pub places: Places,
    /// The table that it changes.
    pub table: String,
    /// Whether the last rowid that it inserts is the same everywhere.
    pub has_last_rowid: bool,
}

/// A statement that changes rows of the scene, which are these now.
pub fn write(random: &mut Random, scene: &WriteScene, rows: &StoredRows) -> Write {
    let target = scene.pick_target(random);
    let places = match random.below(5) {
        0 => Places::Positional,
        1 => Places::Named(*random.pick(&[':', '@', '$'])),
        _ => Places::Numbered,
    };
    let count = rows[target.name].len();
    let mut author = Author { writer: Writer::new(random, &scene.scene), scene, rows, target };
    let statement = match author.writer.random.below(100) {
        _ if count > ROWS_MANY && author.writer.random.percent(80) => author.thinned(),
        _ if count < ROWS_FEW && author.writer.random.percent(60) => author.insert(),
        0..40 => author.insert(),
        40..78 => author.update(),
        78..97 => author.delete(),
        _ => author.broken(),
    };
    // Elsewhere rowids are numbers of their shard.
    let has_rowid = target.identity == Identity::Rowid || target.key().is_none();
    let has_last_rowid = statement.has_last_rowid && has_rowid;
    Write { node: statement.node, places, table: target.name.to_owned(), has_last_rowid }
}

/// A statement, and whether the last rowid that it inserts is the same everywhere.
struct Statement {
    node: Node,
    has_last_rowid: bool,
}

/// Writes one statement.
struct Author<'a> {
    writer: Writer<'a>,
    scene: &'a WriteScene,
    rows: &'a StoredRows,
    target: &'a Target,
}

impl WriteScene {
    /// All keys that most tables may have.
    pub fn all_keys(&self) -> impl Iterator<Item = &Value> {
        self.scene.keys.iter().chain(&self.new_keys)
    }

    fn pick_target(&self, random: &mut Random) -> &Target {
        let weight = |target: &Target| match target.name {
            "t" => 5,
            "u" | "l" | "p" => 3,
            "r" | "q" => 2,
            _ => 1,
        };
        let mut left = random.below(self.targets.iter().map(weight).sum());
        for target in &self.targets {
            if left < weight(target) {
                return target;
            }
            left -= weight(target);
        }
        unreachable!("less than all weights")
    }
}

impl<'a> Author<'a> {
    fn random(&mut self) -> &mut Random {
        self.writer.random
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.writer.random.percent(chance)
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        self.writer.random.pick(items).clone()
    }

    /// The rows of the target.
    fn own_rows(&self) -> &'a [Vec<Value>] {
        &self.rows[self.target.name]
    }

    /// Writes what sees these sources alone.
    fn over<T>(&mut self, sources: Vec<Source>, write: impl FnOnce(&mut Self) -> T) -> T {
        let hidden = std::mem::replace(&mut self.writer.scopes, vec![sources]);
        let written = write(self);
        self.writer.scopes = hidden;
        written
    }

    /// The target's columns, under a name or under none.
    fn source(&self, alias: &str) -> Source {
        Source {
            alias: alias.to_owned(),
            columns: self.target.all_columns(),
            unique: None,
            rows: self.own_rows().len(),
            has_rowid: self.target.identity == Identity::Rowid,
        }
    }

    /// A WITH clause before the statement, sometimes. Its tables are in sight from now on.
    fn with(&mut self) -> Node {
        let wanted = self.percent(12) && !self.writer.is_local();
        let with = if wanted { vec![self.over(Vec::new(), |author| author.writer.with_clause(1, 1))] } else { vec![] };
        list("", "", 0, with)
    }

    /// A number that no `id` of the target comes near, so that ids which are moved by it meet none.
    fn beyond(&self) -> i64 {
        let ids = self.ids();
        ids.iter().max().copied().unwrap_or(0).max(0) - ids.iter().min().copied().unwrap_or(0).min(0) + 1
    }

    fn ids(&self) -> Vec<i64> {
        let place = self.target.place("id");
        let id = |row: &Vec<Value>| match row[place] {
            Value::Integer(id) => Some(id),
            _ => None,
        };
        self.own_rows().iter().filter_map(id).collect()
    }

    /// Whether a text reads rows of the target, or of tables that change with it.
    fn reads_target(&self, node: &Node, with: &Node) -> bool {
        let (text, with) = (node.render().0, with.render().0);
        let mut readers: Vec<String> = self.target.readers().iter().map(|name| (*name).to_owned()).collect();
        if readers.iter().any(|name| mentions(&with, name)) {
            readers.extend(self.writer.ctes.iter().map(|cte| cte.name.clone()));
        }
        readers.iter().any(|name| mentions(&text, name))
    }
}

/// Whether a text names a table otherwise than in front of a column.
fn mentions(text: &str, table: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    text.match_indices(table).any(|(start, _)| {
        let end = start + table.len();
        let begins = start == 0 || !is_part(bytes[start - 1]);
        let ends = bytes.get(end).is_none_or(|byte| !is_part(*byte) && *byte != b'.');
        begins && ends
    })
}
