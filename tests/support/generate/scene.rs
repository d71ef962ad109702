//! Seeded schemas and rows.

use souk_merge::Value;

use super::super::random::Random;
use super::super::table::Table;
use super::cells::{Kind, keys};
use super::table::{Design, Style};

/// Tables with rows, and what queries need to know of them.
pub struct Scene {
    pub tables: Vec<Table>,
    /// Views and indexes.
    pub statements: Vec<String>,
    pub(super) relations: Vec<Relation>,
    pub(super) keys: Vec<Value>,
    pub(super) other_keys: Vec<Value>,
}

/// A table, a view or a WITH table, as queries see it.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    pub(super) name: String,
    pub(super) columns: Vec<(String, Kind)>,
    /// Columns that tell its rows apart; none when rows may be the same.
    pub(super) unique: Option<Vec<String>>,
    pub(super) place: Place,
    /// About how many rows it has.
    pub(super) rows: usize,
    pub(super) has_rowid: bool,
}

/// Where a relation's rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// By a column of [`Kind::Key`].
    Sharded,
    /// By a column of [`Kind::OtherKey`].
    ShardedOtherwise,
    Replicated,
    /// Wherever a query finds them.
    Composed,
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
];
const P: &[(&str, Kind)] =
    &[("v", Kind::OtherKey), ("id", Kind::Integer), ("n", Kind::Integer), ("s", Kind::Text), ("c", Kind::NoCase)];
const R: &[(&str, Kind)] = &[("id", Kind::Integer), ("n", Kind::Integer), ("s", Kind::Text), ("c", Kind::NoCase)];
const Q: &[(&str, Kind)] = &[("id", Kind::Integer), ("n", Kind::Integer), ("s", Kind::Text), ("x", Kind::Real)];

/// Rows of `t`, `u` and `r`.
const SIZES: [(usize, usize, usize); 8] =
    [(30, 25, 5), (40, 5, 6), (12, 12, 3), (1, 10, 4), (25, 0, 3), (36, 20, 5), (24, 24, 6), (20, 20, 5)];

const INDEXES: [&str; 6] = [
    "CREATE INDEX t_n ON t(n)",
    "CREATE INDEX t_c ON t(c, id DESC)",
    "CREATE INDEX u_s ON u(s COLLATE NOCASE)",
    "CREATE UNIQUE INDEX u_k ON u(k, id)",
    "CREATE INDEX p_e ON p(n + 1) WHERE s IS NOT NULL",
    "CREATE INDEX r_s ON r(s)",
];

impl Scene {
    /// Statements beside those that make the tables.
    pub fn more(&self) -> Vec<&str> {
        self.statements.iter().map(String::as_str).collect()
    }
}

/// A schema with its rows.
pub fn scene(random: &mut Random) -> Scene {
    let key_type = *random.pick(&["TEXT", "INTEGER", "", "BLOB", "NUMERIC", "VARCHAR(10)"]);
    let other_type = *random.pick(&["REAL", "INTEGER", "TEXT"]);
    let style = |random: &mut Random| *random.pick(&Style::ALL);
    let styles = [style(random), style(random), style(random), style(random), style(random)];
    let has_no_null = |at: usize| styles[at] == Style::WithoutRowid;
    let keys_of_t = keys(random, key_type, !has_no_null(0) && !has_no_null(1));
    let keys_of_p = keys(random, other_type, !has_no_null(2));
    let sizes = *random.pick(&SIZES);
    let design = |at: usize, name, columns, key, rows| Design { name, style: styles[at], columns, key, rows };
    let by_key = Some(("k", key_type, keys_of_t.as_slice()));
    let designs = [
        design(0, "t", T, by_key, sizes.0),
        design(1, "u", U, by_key, sizes.1),
        design(2, "p", P, Some(("v", other_type, keys_of_p.as_slice())), 4 + random.below(10)),
        design(3, "r", R, None, sizes.2),
        design(4, "q", Q, None, random.below(5)),
    ];
    let tables: Vec<Table> = designs.iter().map(|design| design.table(random)).collect();
    let mut relations: Vec<Relation> = designs.iter().map(relation).collect();
    let mut statements: Vec<String> = Vec::new();
    for (view, sql) in views(&relations) {
        relations.push(view);
        statements.push(sql);
    }
    statements.extend(INDEXES.iter().filter(|_| random.percent(30)).map(|sql| (*sql).to_owned()));
    Scene { tables, statements, relations, keys: keys_of_t, other_keys: keys_of_p }
}

fn relation(design: &Design<'_>) -> Relation {
    let place = match design.columns[0].1 {
        Kind::Key => Place::Sharded,
        Kind::OtherKey => Place::ShardedOtherwise,
        _ => Place::Replicated,
    };
    Relation {
        name: design.name.to_owned(),
        columns: design.visible_columns(),
        unique: Some(vec!["id".into()]),
        place,
        rows: design.rows,
        has_rowid: design.style.has_rowid_alias(),
    }
}

/// Views: rows, groups, and a join.
pub(super) fn views(tables: &[Relation]) -> Vec<(Relation, String)> {
    let rows = |name: &str| tables.iter().find(|table| table.name == name).map_or(0, |table| table.rows);
    let view = |name: &str, columns: &[(&str, Kind)], unique: &[&str], rows: usize| Relation {
        name: name.to_owned(),
        columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
        unique: Some(unique.iter().map(|name| (*name).to_owned()).collect()),
        place: Place::Composed,
        rows,
        has_rowid: false,
    };
    let chosen = view(
        "v1",
        &[("k", Kind::Key), ("id", Kind::Integer), ("c", Kind::NoCase), ("e", Kind::Number)],
        &["id"],
        rows("t"),
    );
    let groups = view("v2", &[("n", Kind::Integer), ("many", Kind::Integer), ("x", Kind::Number)], &["n"], 13);
    let joined =
        view("v3", &[("a", Kind::Integer), ("b", Kind::Integer), ("s", Kind::Text)], &["a", "b"], rows("r") * 2);
    vec![
        (chosen, "CREATE VIEW v1 AS SELECT k, id, c, n * 2 AS e FROM t WHERE n IS NOT 3".into()),
        (groups, "CREATE VIEW v2(n, many, x) AS SELECT n, count(*), sum(x) FROM u GROUP BY n".into()),
        (joined, "CREATE VIEW v3 AS SELECT r.id AS a, p.id AS b, p.s FROM r LEFT JOIN p ON p.n = r.n".into()),
    ]
}
