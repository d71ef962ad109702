//! Queries that stand for rows: derived tables and WITH tables.

use super::super::expression::{Node, form, leaf, list};
use super::Writer;
use super::cells::Kind;
use super::groups::Key;
use super::scene::{Place, Relation};

/// The outputs of a query that stands for rows.
#[derive(Default)]
pub(super) struct Outputs {
    nodes: Vec<Node>,
    columns: Vec<(String, Kind)>,
}

impl Outputs {
    /// Adds an output under this name, or one like it.
    pub(super) fn add(&mut self, name: &str, kind: Kind, node: Node) -> String {
        let name = name.rsplit('.').next().unwrap_or(name);
        let taken = |name: &str| self.columns.iter().any(|(known, _)| known == name);
        let name = match taken(name) {
            false => name.to_owned(),
            true => format!("{name}{}", self.columns.len() + 1),
        };
        self.nodes.push(form(format!("{{}} AS {name}"), vec![node]));
        self.columns.push((name.clone(), kind));
        name
    }
}

impl Writer<'_> {
    /// A query with names for its columns.
    pub(super) fn relation(&mut self, depth: usize) -> (Node, Relation) {
        self.nested(|writer| match writer.random.below(20) {
            0..8 => writer.relation_of_rows(depth),
            8..12 => writer.relation_of_groups(depth),
            12 | 13 => writer.relation_of_distinct(depth),
            14 => writer.relation_of_one(depth),
            15 | 16 => writer.relation_of_windows(depth),
            17 => writer.relation_of_folded(),
            18 if depth > 0 => {
                let known = writer.ctes.len();
                let with = writer.with_clause(1, depth - 1);
                let (query, relation) = match writer.random.percent(60) {
                    true => writer.relation_of_rows(depth - 1),
                    false => writer.relation_of_groups(depth - 1),
                };
                writer.ctes.truncate(known);
                (form("{}{}", vec![with, query]), relation)
            }
            _ => writer.relation_of_compound(depth),
        })
    }

    /// Columns, with those that tell rows apart more often than not.
    fn plain_outputs(&mut self) -> (Outputs, Option<Vec<String>>) {
        let mut outputs = Outputs::default();
        let unique = self.unique().filter(|_| self.random.percent(70));
        let unique = unique.map(|unique| {
            let add = |column: &String| outputs.add(column, self.kind_of(column), leaf(column));
            unique.iter().map(add).collect::<Vec<String>>()
        });
        for _ in 0..1 + self.random.below(3) {
            if self.random.percent(70) {
                if let Some((column, kind)) = self.pick_column(&Kind::SHOWN) {
                    outputs.add(&column, kind, leaf(&column));
                }
            } else if self.random.percent(60) {
                let number = self.summed(|writer| writer.number(1));
                outputs.add("e", Kind::Number, number);
            } else {
                let string = self.string(1);
                outputs.add("f", Kind::Any, string);
            }
        }
        if outputs.nodes.is_empty() {
            outputs.add("one", Kind::Integer, leaf("1"));
        }
        (outputs, unique)
    }

    pub(super) fn composed(
        outputs: Outputs,
        unique: Option<Vec<String>>,
        rows: usize,
        query: Node,
    ) -> (Node, Relation) {
        let relation = Relation {
            name: String::new(),
            columns: outputs.columns,
            unique,
            place: Place::Composed,
            rows,
            has_rowid: false,
        };
        (query, relation)
    }

    pub(super) fn relation_of_rows(&mut self, depth: usize) -> (Node, Relation) {
        let from = self.from(depth);
        let (outputs, unique) = self.plain_outputs();
        let order = self.total_order();
        let rows = self.own().iter().map(|source| source.rows.max(1)).product::<usize>().min(60);
        let select = self.select_alone("SELECT ", outputs.nodes.clone(), from, vec![]);
        match order {
            Some(order) if self.random.percent(25) => {
                let (limit, offset) = (self.random.between(1, 12), self.random.between(0, 4));
                let offset = if offset == 0 { String::new() } else { format!(" OFFSET {offset}") };
                let limited = form(format!("{{}}{{}} LIMIT {limit}{offset}"), vec![select, order]);
                Self::composed(outputs, unique, limit as usize, limited)
            }
            // An order that nothing depends on.
            Some(order) if self.random.percent(10) => {
                Self::composed(outputs, unique, rows, form("{}{}", vec![select, order]))
            }
            _ => Self::composed(outputs, unique, rows, select),
        }
    }

    fn relation_of_groups(&mut self, depth: usize) -> (Node, Relation) {
        let from = self.from(depth);
        let keys: Vec<Key> = (0..1 + self.random.below(2)).map(|_| self.group_key()).collect();
        let mut outputs = Outputs::default();
        let mut unique = Vec::new();
        for key in &keys {
            let name = match key.kind {
                Kind::Any => "g".to_owned(),
                _ => key.by.render().0,
            };
            unique.push(outputs.add(&name, key.kind, key.shown.clone()));
        }
        outputs.add("many", Kind::Integer, leaf("count(*)"));
        if self.random.percent(60) {
            let number = self.summed(|writer| writer.number(1));
            outputs.add("total", Kind::Number, form("sum({})", vec![number]));
        }
        if self.random.percent(40) {
            let any = self.over_aggregates(1, &keys);
            outputs.add("agg", Kind::Any, any);
        }
        let by = keys.iter().map(|key| key.by.clone()).collect();
        let mut tail = vec![list(" GROUP BY ", ", ", keys.len(), by)];
        if self.random.percent(20) {
            tail.push(self.having(&keys));
        }
        let select = self.select_alone("SELECT ", outputs.nodes.clone(), from, tail);
        // Two keys that fold may look alike in the end.
        let unique = keys.iter().all(|key| key.kind != Kind::Any).then_some(unique);
        Self::composed(outputs, unique, 12, select)
    }

    fn relation_of_distinct(&mut self, depth: usize) -> (Node, Relation) {
        let from = self.from(depth);
        let mut outputs = Outputs::default();
        for _ in 0..1 + self.random.below(2) {
            match self.pick_column(&Kind::CLEAN) {
                Some((column, kind)) => outputs.add(&column, kind, leaf(&column)),
                None => outputs.add("one", Kind::Integer, leaf("1")),
            };
        }
        let unique = outputs.columns.iter().map(|(name, _)| name.clone()).collect();
        let select = self.select_alone("SELECT DISTINCT ", outputs.nodes.clone(), from, vec![]);
        Self::composed(outputs, Some(unique), 15, select)
    }

    /// Aggregates over everything.
    fn relation_of_one(&mut self, depth: usize) -> (Node, Relation) {
        let from = self.from(depth);
        let mut outputs = Outputs::default();
        outputs.add("many", Kind::Integer, leaf("count(*)"));
        let number = self.summed(|writer| writer.number(1));
        outputs.add("total", Kind::Number, form("sum({})", vec![number]));
        let any = self.over_aggregates(1, &[]);
        outputs.add("agg", Kind::Any, any);
        let select = self.select_alone("SELECT ", outputs.nodes.clone(), from, vec![]);
        Self::composed(outputs, Some(vec![]), 1, select)
    }

    fn relation_of_windows(&mut self, depth: usize) -> (Node, Relation) {
        let from = self.from(depth);
        let (mut outputs, unique) = self.plain_outputs();
        let count = 1 + self.random.below(2);
        let (calls, window) = self.window_calls(count, None);
        for call in calls {
            outputs.add("w", Kind::Any, call);
        }
        let select = self.select_alone("SELECT ", outputs.nodes.clone(), from, vec![window]);
        Self::composed(outputs, unique, 30, select)
    }

    /// Texts that NOCASE folds: which of several equal ones stands for them nobody may ask.
    fn relation_of_folded(&mut self) -> (Node, Relation) {
        let mut outputs = Outputs::default();
        outputs.add("c", Kind::Folded, leaf("c"));
        let mut arm = |verb: &'static str| {
            self.over(Vec::new(), |writer| {
                let from = writer.from(0);
                let column = writer.only_own(|writer| writer.pick_column(&[Kind::NoCase]));
                let output = match column {
                    Some((column, _)) => leaf(format!("{column} AS c")),
                    None => leaf("'x' COLLATE NOCASE AS c"),
                };
                writer.select_alone(verb, vec![output], from, vec![])
            })
        };
        let query = match arm("SELECT DISTINCT ") {
            first if matches!(first, Node::Form { .. }) => {
                let second = arm("SELECT ");
                list("", " UNION ", 1, vec![first, second])
            }
            first => first,
        };
        Self::composed(outputs, Some(vec!["c".into()]), 8, query)
    }
}
