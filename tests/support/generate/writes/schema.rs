//! Tables that statements change: of every kind that has a rule of its own.

use souk_merge::Value;

use super::super::super::plain::Plain;
use super::super::super::random::Random;
use super::super::super::table::Table;
use super::super::super::values::{real, show, text};
use super::super::cells::{Kind, keys};
use super::super::scene::{Place, Relation, Scene, views};
use super::target::{Identity, Reference, Target};
use super::triggers::Triggers;

/// The schema with its rows, and what statements need to know of each table.
pub struct WriteScene {
    pub scene: Scene,
    pub(super) targets: Vec<Target>,
    /// Whether the keys of most tables, and those of `p`, are integers, whatever a statement gives for one.
    pub(super) has_integer_keys: [bool; 2],
    /// Keys that no row has at first.
    pub(super) new_keys: Vec<Value>,
    pub(super) other_new_keys: Vec<Value>,
}

const T: &[(&str, Kind)] = &[
    ("k", Kind::Key),
    ("id", Kind::Integer),
    ("n", Kind::Integer),
    ("x", Kind::Real),
    ("s", Kind::Text),
    ("c", Kind::NoCase),
    ("d", Kind::RTrim),
    ("j", Kind::Json),
    ("m", Kind::Mixed),
];
const U: &[(&str, Kind)] = &[
    ("k", Kind::Key),
    ("id", Kind::Integer),
    ("n", Kind::Integer),
    ("x", Kind::Real),
    ("s", Kind::Text),
    ("m", Kind::Mixed),
    ("c", Kind::NoCase),
];
const P: &[(&str, Kind)] =
    &[("v", Kind::OtherKey), ("id", Kind::Integer), ("n", Kind::Integer), ("s", Kind::Text), ("c", Kind::NoCase)];
const L: &[(&str, Kind)] =
    &[("c", Kind::NoCase), ("n", Kind::Integer), ("k", Kind::Key), ("m", Kind::Mixed), ("id", Kind::Integer)];
const R: &[(&str, Kind)] = &[("id", Kind::Integer), ("n", Kind::Integer), ("s", Kind::Text), ("c", Kind::NoCase)];
const Q: &[(&str, Kind)] = &[("id", Kind::Integer), ("n", Kind::Integer), ("s", Kind::Text), ("x", Kind::Real)];
/// A parent and its children on the same shard.
const PS: &[(&str, Kind)] = &[("k", Kind::Key), ("id", Kind::Integer), ("n", Kind::Integer), ("s", Kind::Text)];
const CS: &[(&str, Kind)] = &[("k", Kind::Key), ("id", Kind::Integer), ("pid", Kind::Integer), ("n", Kind::Integer)];
/// A parent that every shard has, and its children.
const PR: &[(&str, Kind)] = &[("id", Kind::Integer), ("n", Kind::Integer), ("s", Kind::Text)];
const CR: &[(&str, Kind)] = &[("k", Kind::Key), ("id", Kind::Integer), ("rid", Kind::Integer), ("n", Kind::Integer)];

const INDEXES: [&str; 6] = [
    "CREATE INDEX t_n ON t(n)",
    "CREATE INDEX t_c ON t(c, id DESC)",
    "CREATE INDEX u_s ON u(s COLLATE NOCASE)",
    "CREATE UNIQUE INDEX t_k ON t(k, id)",
    "CREATE INDEX p_e ON p(n + 1) WHERE s IS NOT NULL",
    "CREATE INDEX cs_p ON cs(k, pid)",
];

/// A schema with its rows.
pub fn write_scene(random: &mut Random) -> WriteScene {
    let key_type = *random.pick(&["TEXT", "INTEGER", "", "BLOB", "NUMERIC", "VARCHAR(10)"]);
    let other_type = *random.pick(&["REAL", "INTEGER", "TEXT"]);
    let nullable = random.percent(60);
    let (keys_of_t, keys_of_p) = (keys(random, key_type, nullable), keys(random, other_type, nullable));
    let mut targets =
        vec![parent_on_shard(random), child_on_shard(random), parent_everywhere(), child_of_everywhere(random)];
    let styles = styles(random);
    for (place, (name, columns)) in [("t", T), ("u", U), ("p", P), ("l", L)].into_iter().enumerate() {
        let mut target = sharded(random, name, columns, styles[place]);
        let keys = if name == "p" { &keys_of_p } else { &keys_of_t };
        target.key_default = random.percent(20).then(|| show(random.pick(keys)));
        targets.push(target);
    }
    targets.push(Target::new("r", R, Identity::Rowid).with_extras(random));
    let identity = *random.pick(&[Identity::Unique, Identity::WithoutRowid, Identity::Rowid]);
    targets.push(Target::new("q", Q, identity).with_extras(random));
    let mut scene = Scene {
        tables: Vec::new(),
        statements: Vec::new(),
        relations: targets.iter().map(Target::relation).collect(),
        keys: keys_of_t,
        other_keys: keys_of_p,
    };
    let plain = Plain::new();
    for target in &targets {
        let declared = if target.name == "p" { other_type } else { key_type };
        let sql = target.sql(declared);
        plain.execute(&sql);
        let rows = target.first_rows(random, &scene, &plain);
        let shard_key = target.key().map(|(name, _)| name.to_owned());
        let table = Table { name: target.name.to_owned(), sql, shard_key, rows };
        scene.tables.push(table);
    }
    for (mut view, sql) in views(&scene.relations) {
        // Their ids may be the same.
        view.unique = view.unique.filter(|_| view.name == "v2");
        scene.relations.push(view);
        scene.statements.push(sql);
    }
    let Triggers { tables, statements } = Triggers::new(random, &targets, key_type);
    scene.tables.extend(tables);
    scene.statements.extend(statements);
    scene.statements.extend(INDEXES.iter().filter(|_| random.percent(30)).map(|sql| (*sql).to_owned()));
    let has_integer_keys = [key_type, other_type].map(|declared| matches!(declared, "INTEGER" | "NUMERIC"));
    WriteScene { scene, targets, has_integer_keys, new_keys: new_keys(key_type), other_new_keys: new_keys(other_type) }
}

/// How `t`, `u`, `p` and `l` tell their rows apart: ids of `t` are always its rowids.
fn styles(random: &mut Random) -> [(Identity, bool); 4] {
    let mut rest = [(Identity::Unique, false), (Identity::WithoutRowid, false), (Identity::Rowid, true)];
    let mut first = (Identity::Rowid, false);
    for index in (1..rest.len()).rev() {
        rest.swap(index, random.below(index + 1));
    }
    if random.percent(30) {
        first.1 = true;
    }
    [first, rest[0], rest[1], rest[2]]
}

fn sharded(
    random: &mut Random,
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    (identity, strict): (Identity, bool),
) -> Target {
    Target { strict, ..Target::new(name, columns, identity) }.with_extras(random)
}

fn parent_on_shard(random: &mut Random) -> Target {
    let identity = *random.pick(&[Identity::Unique, Identity::WithoutRowid]);
    Target { children: &["cs"], ..Target::new("ps", PS, identity) }
}

fn child_on_shard(random: &mut Random) -> Target {
    let on_delete = *random.pick(&["CASCADE", "CASCADE", "NO ACTION", "RESTRICT"]);
    let clause = format!("FOREIGN KEY (k, pid) REFERENCES ps(k, id) ON DELETE {on_delete}");
    let reference = Reference { column: "pid", parent: "ps", clause };
    Target { reference: Some(reference), ..Target::new("cs", CS, Identity::Rowid) }
}

fn parent_everywhere() -> Target {
    Target { children: &["cr"], ..Target::new("pr", PR, Identity::Rowid) }
}

fn child_of_everywhere(random: &mut Random) -> Target {
    let on_delete = *random.pick(&["SET NULL", "SET NULL", "CASCADE", "NO ACTION", "RESTRICT"]);
    let on_update = *random.pick(&["CASCADE", "SET NULL", "NO ACTION"]);
    let clause = format!("FOREIGN KEY (rid) REFERENCES pr(id) ON DELETE {on_delete} ON UPDATE {on_update}");
    let reference = Reference { column: "rid", parent: "pr", clause };
    Target { reference: Some(reference), ..Target::new("cr", CR, Identity::Rowid) }
}

fn new_keys(key_type: &str) -> Vec<Value> {
    match key_type {
        "INTEGER" | "NUMERIC" => [41, 42, 43].map(Value::Integer).into(),
        "REAL" => [41.5, 42.5].map(real).into(),
        _ => ["new", "New", "newer"].map(text).into(),
    }
}

impl Target {
    /// The table as queries see it.
    fn relation(&self) -> Relation {
        let place = match self.key() {
            Some((_, Kind::Key)) => Place::Sharded,
            Some(_) => Place::ShardedOtherwise,
            None => Place::Replicated,
        };
        Relation {
            name: self.name.to_owned(),
            columns: self.all_columns(),
            unique: self.is_total().then(|| self.unique.iter().map(|name| (*name).to_owned()).collect()),
            place,
            rows: self.rows(),
            has_rowid: self.identity == Identity::Rowid,
        }
    }
}
