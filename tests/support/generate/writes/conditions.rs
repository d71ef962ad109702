//! Which rows are changed.

use souk_merge::Value;

use super::super::super::expression::{Node, form, leaf, list, predicate};
use super::super::Mode;
use super::super::scope::Source;
use super::Author;

impl Author<'_> {
    /// The conditions of a WHERE over the target, whose columns are seen as those of the first source.
    pub(super) fn conditions(&mut self) -> Vec<Node> {
        let mut all = match self.random().below(20) {
            0 => vec![],
            1..5 => vec![self.key_condition()],
            5..9 => vec![self.key_condition(), self.writer.filter()],
            9..12 => vec![self.id_condition()],
            12 => vec![self.id_condition(), self.writer.filter()],
            _ => vec![self.writer.filter()],
        };
        if let (Mode::Pinned(key), Some((name, _))) = (self.writer.mode.clone(), self.target.key()) {
            all.insert(0, form(format!("{} = {{}}", self.column(name)), vec![key]));
        }
        all
    }

    /// A column of the target.
    pub(super) fn column(&self, name: &str) -> String {
        self.writer.own()[0].column(name)
    }

    fn key_condition(&mut self) -> Node {
        let Some((name, kind)) = self.target.key() else { return self.id_condition() };
        let key = self.column(name);
        let mut literal = || {
            let key = self.any_key(kind);
            let key = self.as_given(kind, key);
            self.literal(key)
        };
        let nodes: Vec<Node> = (0..3).map(|_| literal()).collect();
        let [first, second, third] = nodes.try_into().expect("three of them");
        match self.random().below(12) {
            0..6 => predicate(format!("{key} = {{}}"), vec![first]),
            6..8 => predicate(format!("{key} IN ({{}}, {{}}, {{}})"), vec![first, second, third]),
            8 => predicate(format!("{key} IS {{}}"), vec![first]),
            9 => leaf(format!("{key} IS NULL")),
            10 => predicate(format!("({key} = {{}} OR {key} = {{}})"), vec![first, second]),
            _ => predicate(format!("{key} <> {{}}"), vec![first]),
        }
    }

    fn id_condition(&mut self) -> Node {
        let id = self.column("id");
        let ids: Vec<Value> = (0..3).map(|_| Value::Integer(self.any_id())).collect();
        let [first, second, third] = ids.try_into().expect("three of them");
        let (first, second, third) = (self.literal(first), self.literal(second), self.literal(third));
        let (divisor, rest) = (self.random().between(2, 4), self.random().between(0, 2));
        match self.random().below(6) {
            0 | 1 => predicate(format!("{id} = {{}}"), vec![first]),
            2 => predicate(format!("{id} IN ({{}}, {{}}, {{}})"), vec![first, second, third]),
            3 => predicate(format!("{id} >= {{}}"), vec![first]),
            4 => predicate(format!("{id} BETWEEN {{}} AND {{}}"), vec![first, second]),
            _ => leaf(format!("{id} % {divisor} = {rest}")),
        }
    }

    /// An id that is there, mostly.
    pub(super) fn any_id(&mut self) -> i64 {
        let ids = self.ids();
        match ids.is_empty() || self.percent(15) {
            true => self.random().between(0, 50),
            false => self.pick(&ids),
        }
    }

    /// Conditions that at most one row meets.
    pub(super) fn one_row(&mut self) -> Vec<Node> {
        let row = self.any_row();
        let conditions: Vec<Node> = self
            .target
            .unique
            .iter()
            .map(|name| {
                let value = row.as_ref().map(|row| row[self.target.place(name)].clone());
                let value = value.unwrap_or_else(|| self.any_value(self.target.kind(name)));
                let literal = self.literal(value);
                form(format!("{} = {{}}", self.column(name)), vec![literal])
            })
            .collect();
        let mut all = vec![list("", " AND ", conditions.len(), conditions)];
        if self.percent(20) {
            all.push(self.writer.filter());
        }
        all
    }

    /// A row of the target.
    pub(super) fn any_row(&mut self) -> Option<Vec<Value>> {
        let rows = self.own_rows();
        if rows.is_empty() { None } else { Some(self.writer.random.pick(rows).clone()) }
    }

    /// `WHERE ...` over some sources, the target first.
    pub(super) fn where_over(&mut self, sources: Vec<Source>, conditions: impl FnOnce(&mut Self) -> Vec<Node>) -> Node {
        let conditions = self.over(sources, conditions);
        list(" WHERE ", " AND ", 0, conditions)
    }
}
