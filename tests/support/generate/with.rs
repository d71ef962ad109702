//! WITH clauses, recursive ones too.

use super::super::expression::{Node, form, leaf, list};
use super::Mode;
use super::Writer;
use super::cells::Kind;
use super::relation::Outputs;
use super::scene::{Place, Relation};

impl Writer<'_> {
    /// `WITH ...`, with a space behind. Its tables are in sight from now on.
    pub(super) fn with_clause(&mut self, count: usize, depth: usize) -> Node {
        let mut recursive = self.random.percent(15);
        let tables: Vec<Node> = (0..count)
            .map(|place| {
                let (node, is_recursive) = self.with_table(depth, place == 0);
                recursive |= is_recursive;
                node
            })
            .collect();
        let verb = if recursive { "WITH RECURSIVE " } else { "WITH " };
        form("{} ", vec![list(verb, ", ", 1, tables)])
    }

    fn with_table(&mut self, depth: usize, first: bool) -> (Node, bool) {
        let name = self.with_name(first);
        self.hidden.push(name.clone());
        if self.random.percent(25) {
            let (query, mut relation) = self.recursive(&name);
            relation.name = name.clone();
            self.ctes.push(relation);
            return (query, true);
        }
        let (query, mut relation) = self.relation(depth);
        let hint = *self.random.pick(&["", "", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
        let names = match self.random.percent(30) {
            true => self.renamed(&mut relation),
            false => String::new(),
        };
        relation.name = name.clone();
        self.ctes.push(relation);
        (form(format!("{name}{names} AS {hint}({{}})"), vec![query]), false)
    }

    /// A new name; sometimes that of a table, which it hides, even from the WITH tables before it.
    fn with_name(&mut self, first: bool) -> String {
        let name = *self.random.pick(&["r", "q"]);
        if first && self.random.percent(8) && !self.hidden.iter().any(|hidden| hidden == name) {
            return name.to_owned();
        }
        let name = self.name();
        format!("w_{name}")
    }

    /// Gives the columns new names, and the list of them.
    fn renamed(&mut self, relation: &mut Relation) -> String {
        let new = |place: usize| format!("z{}", place + 1);
        let unique = relation.unique.take().map(|unique| {
            let place = |name: &String| relation.columns.iter().position(|(known, _)| known == name);
            unique.iter().filter_map(place).map(new).collect()
        });
        relation.unique = unique;
        for (place, column) in relation.columns.iter_mut().enumerate() {
            column.0 = new(place);
        }
        let names: Vec<&str> = relation.columns.iter().map(|(name, _)| name.as_str()).collect();
        format!("({})", names.join(", "))
    }

    fn recursive(&mut self, name: &str) -> (Node, Relation) {
        let composed = |columns: &[(&str, Kind)], unique: Option<&[&str]>, rows| Relation {
            name: String::new(),
            columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
            unique: unique.map(|unique| unique.iter().map(|name| (*name).to_owned()).collect()),
            place: Place::Composed,
            rows,
            has_rowid: false,
        };
        match self.random.below(if matches!(self.mode, Mode::Free) { 6 } else { 3 }) {
            0 => {
                let first =
                    *self.random.pick(&["SELECT 1", "VALUES (0)", "VALUES (1), (2)", "SELECT -1 UNION SELECT 3"]);
                let last = self.random.between(3, 9);
                let limit = *self.random.pick(&["", "", " LIMIT 5", " LIMIT 3 OFFSET 1"]);
                let text =
                    format!("{name}(i) AS ({first} UNION SELECT i + 1 FROM {name} WHERE i < {last} ORDER BY 1{limit})");
                (leaf(text), composed(&[("i", Kind::Integer)], Some(&["i"]), 6))
            }
            1 => {
                let text = format!(
                    "{name}(i, f, g) AS (VALUES (1, 0, 1) UNION ALL SELECT i + 1, g, f + g FROM {name} WHERE i < 8)"
                );
                (
                    leaf(text),
                    composed(&[("i", Kind::Integer), ("f", Kind::Integer), ("g", Kind::Integer)], Some(&["i"]), 8),
                )
            }
            2 => {
                let text = format!(
                    "{name}(i, s) AS (SELECT 1, 'a' UNION ALL SELECT i + 1, s || i FROM {name} WHERE length(s) < 5)"
                );
                (leaf(text), composed(&[("i", Kind::Integer), ("s", Kind::Text)], Some(&["i"]), 5))
            }
            3 => {
                // From a seed of the rows through the rows, a few steps.
                let (table, other) =
                    (*self.random.pick(&["t", "u", "p", "v1"]), *self.random.pick(&["t", "u", "r", "p"]));
                let union = *self.random.pick(&["UNION", "UNION"]);
                let text = format!(
                    "{name}(id, n) AS (SELECT id, 0 FROM main.{table} WHERE id < 4 {union} \
                     SELECT b.id, {name}.n + 1 FROM {name} JOIN main.{other} AS b ON b.n = {name}.id WHERE {name}.n < 3)"
                );
                (leaf(text), composed(&[("id", Kind::Integer), ("n", Kind::Integer)], Some(&["id", "n"]), 20))
            }
            4 => {
                let first = *self.random.pick(&["(SELECT min(n) FROM main.t)", "(SELECT count(*) FROM main.u)", "-2"]);
                let text = format!(
                    "{name}(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM {name} WHERE i < (SELECT max(n) FROM main.t))"
                );
                (leaf(text), composed(&[("i", Kind::Integer)], Some(&["i"]), 12))
            }
            _ => {
                let text = format!(
                    "{name}(id, many) AS (SELECT id, 1 FROM main.r UNION SELECT b.id, 2 FROM {name} AS a, main.t AS b \
                     WHERE b.n = a.id AND a.many < 2 AND EXISTS (SELECT 1 FROM main.u WHERE u.n = b.n) ORDER BY 1, 2 LIMIT 20)"
                );
                (leaf(text), composed(&[("id", Kind::Integer), ("many", Kind::Integer)], Some(&["id", "many"]), 20))
            }
        }
    }

    /// `WITH w AS (rows of t with their key)`, which shards answer by themselves.
    pub(super) fn local_with_clause(&mut self) -> Node {
        let a = self.name();
        let t = self.table("t", &a);
        let mut outputs = Outputs::default();
        let body = self.over(vec![t], |writer| {
            let n = writer.clean_number();
            outputs.add("k", Kind::Key, leaf("1"));
            outputs.add("id", Kind::Integer, leaf("1"));
            outputs.add("n", Kind::Integer, leaf("1"));
            outputs.add("s", Kind::Text, leaf("1"));
            let nodes = vec![
                leaf(format!("{a}.k AS k")),
                leaf(format!("{a}.id AS id")),
                form("{} AS n", vec![n]),
                leaf(format!("{a}.s AS s")),
            ];
            writer.select_alone("SELECT ", nodes, super::from::Clause::of(leaf(format!("t AS {a}"))), vec![])
        });
        let (_, mut relation) = Self::composed(outputs, Some(vec!["id".into()]), 30, leaf(""));
        relation.name = "w".into();
        self.ctes.push(relation);
        form("WITH w AS ({}) ", vec![body])
    }
}
