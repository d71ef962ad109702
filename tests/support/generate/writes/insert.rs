//! INSERT and REPLACE.

use souk_merge::Value;

use super::super::super::expression::{Node, form, leaf, list, value};
use super::super::super::values::{real, text};
use super::super::SUBQUERIES_MAX;
use super::super::cells::Kind;
use super::super::from::Clause;
use super::{Author, Statement};

/// Rows that a query gives at most.
const ROWS_MAX: usize = 15;

/// What becomes of rows that are in the way.
struct Conflict {
    verb: &'static str,
    has_upsert: bool,
}

/// What a new row has of others.
struct Likeness {
    /// A row that it is like in what tells rows apart.
    existing: Option<Vec<Value>>,
    /// A row that it is like in what tells rows apart too.
    second: Option<Vec<Value>>,
    /// A row on a shard that it is a child of.
    parent: Option<Vec<Value>>,
}

/// The rows of an INSERT.
struct Rows {
    node: Node,
    in_order: bool,
}

impl Author<'_> {
    pub(super) fn insert(&mut self) -> Statement {
        let with = self.with();
        let conflict = self.conflict();
        let alias = if self.percent(15) { Some(self.writer.name()) } else { None };
        let columns = self.given_columns();
        let Rows { node, in_order } = self.rows(&columns, &conflict);
        let upsert = if conflict.has_upsert { vec![self.upsert(alias.as_deref())] } else { vec![] };
        let returning = self.returning(&with, in_order);
        let names: Vec<&str> = columns.iter().map(|name| self.name_of(name)).collect();
        let listed = if columns.is_empty() { String::new() } else { format!("({})", names.join(", ")) };
        let alias = alias.map(|alias| format!(" AS {alias}")).unwrap_or_default();
        let head = format!("{{}}{} INTO {}{alias}{listed} {{}}{{}}{{}}", conflict.verb, self.table_name());
        let upsert = list("", "", 0, upsert);
        Statement { node: form(head, vec![with, node, upsert, returning]), has_last_rowid: in_order }
    }

    fn conflict(&mut self) -> Conflict {
        let verb = match self.random().below(100) {
            0..10 => "INSERT OR IGNORE",
            10..16 => "INSERT OR REPLACE",
            16..20 => "REPLACE",
            20..25 => "INSERT OR FAIL",
            25..27 => "INSERT OR ABORT",
            27..29 => "INSERT OR ROLLBACK",
            _ => "INSERT",
        };
        Conflict { verb, has_upsert: self.percent(if verb == "INSERT" { 35 } else { 6 }) }
    }

    /// The columns that are given; none when they are all of them, in order.
    fn given_columns(&mut self) -> Vec<&'static str> {
        if self.percent(30) {
            return Vec::new();
        }
        let key = self.target.key().map(|(name, _)| name);
        let mut left: Vec<&'static str> = self.target.columns.iter().map(|(name, _)| *name).collect();
        let needs_id = self.has_rowid() && key.is_some();
        left.retain(|name| match *name {
            // What is left open is handed out, and no number of SQLite's.
            "id" if needs_id => true,
            name if Some(name) == key => self.writer.random.percent(95),
            name if self.target.unique.contains(&name) => self.writer.random.percent(85),
            _ => self.writer.random.percent(70),
        });
        let mut columns = Vec::new();
        while !left.is_empty() {
            columns.push(left.swap_remove(self.writer.random.below(left.len())));
        }
        columns
    }

    fn rows(&mut self, columns: &[&'static str], conflict: &Conflict) -> Rows {
        let all: Vec<&'static str> = match columns.is_empty() {
            true => self.target.columns.iter().map(|(name, _)| *name).collect(),
            false => columns.to_vec(),
        };
        let is_plain = matches!(conflict.verb, "INSERT" | "INSERT OR ABORT");
        let collides = conflict.has_upsert || !is_plain;
        match self.random().below(100) {
            0..3 if columns.is_empty()
                && !conflict.has_upsert
                && !(self.has_rowid() && self.target.key().is_some()) =>
            {
                Rows { node: leaf("DEFAULT VALUES"), in_order: true }
            }
            0..65 => self.values(&all, collides),
            _ => self.query(&all, collides),
        }
    }

    // VALUES.

    fn values(&mut self, columns: &[&'static str], collides: bool) -> Rows {
        let count = match self.random().below(10) {
            0..4 => 1,
            4..9 => 2 + self.random().below(6),
            _ if self.percent(8) => 101 + self.random().below(20),
            _ => 10 + self.random().below(15),
        };
        let mut next = self.next_id();
        let rows: Vec<Node> = (0..count)
            .map(|_| {
                next += self.random().between(1, 2);
                let existing = if self.percent(if collides { 40 } else { 3 }) { self.any_row() } else { None };
                let second = if self.percent(if collides { 25 } else { 2 }) { self.any_row() } else { None };
                let likeness = Likeness { existing, second, parent: self.parent_row() };
                let values = columns.iter().map(|name| self.given(name, next, &likeness)).collect();
                if self.percent(3) {
                    next -= 1;
                }
                form("({})", vec![list("", ", ", columns.len(), values)])
            })
            .collect();
        let all = list("VALUES ", ", ", 1, rows);
        let may_be_unordered = !collides && columns.contains(&"id") && self.target.key().is_some();
        match may_be_unordered && self.percent(10) {
            true => Rows { node: form("SELECT * FROM ({})", vec![all]), in_order: false },
            false => Rows { node: all, in_order: true },
        }
    }

    /// An id that no row has, nor any above it.
    fn next_id(&self) -> i64 {
        self.ids().into_iter().max().unwrap_or(0).max(0) + 1
    }

    /// A parent that is on a shard, for most children of such.
    fn parent_row(&mut self) -> Option<Vec<Value>> {
        let parent = self.target.reference.as_ref()?.parent;
        let rows = &self.rows[parent];
        (parent == "ps" && !rows.is_empty() && self.percent(85)).then(|| self.writer.random.pick(rows).clone())
    }

    /// The value of one column of a new row.
    fn given(&mut self, name: &'static str, id: i64, likeness: &Likeness) -> Node {
        if let Some(row) = likeness.existing.as_ref().filter(|_| self.target.unique.contains(&name)) {
            return self.literal(row[self.target.place(name)].clone());
        }
        if let Some(row) = likeness.second.as_ref().filter(|_| self.target.second.contains(&name)) {
            return self.literal(row[self.target.place(name)].clone());
        }
        match (&likeness.parent, name) {
            (Some(parent), "k") => return self.literal(parent[0].clone()),
            (Some(parent), "pid") => return self.literal(parent[1].clone()),
            _ => {}
        }
        let kind = self.target.kind(name);
        if name == "id" {
            return self.given_id(id);
        }
        if self.target.reference.as_ref().is_some_and(|reference| reference.column == name) {
            let parent = self.any_parent();
            return self.literal(parent);
        }
        let tells_apart = self.target.unique.contains(&name) || self.target.second.contains(&name);
        if matches!(kind, Kind::NoCase | Kind::Text) && tells_apart && self.percent(60) {
            return self.literal(text(&format!("w{id}")));
        }
        if self.percent(15) {
            return self.over(Vec::new(), |author| author.expression(kind));
        }
        self.any_literal(kind)
    }

    fn given_id(&mut self, id: i64) -> Node {
        let is_open = self.target.key().is_none() || !self.has_rowid();
        match self.random().below(100) {
            0..3 => self.literal(text(&id.to_string())),
            3..6 => self.literal(real(id as f64)),
            6..9 => leaf(format!("{} + 1", id - 1)),
            9..13 => leaf(format!("(SELECT coalesce(max(id), 0) + 1 FROM {})", self.qualified())),
            13..23 if is_open => self.literal(Value::Null),
            13 if self.percent(30) => self.literal(Value::Null),
            14 => self.literal(text("no number")),
            _ => self.literal(Value::Integer(id)),
        }
    }

    /// The target, even where a WITH table has its name.
    fn qualified(&self) -> String {
        format!("main.{}", self.target.name)
    }

    // Queries.

    fn query(&mut self, columns: &[&'static str], collides: bool) -> Rows {
        let depth = usize::from(self.percent(40));
        self.over(Vec::new(), |author| {
            let from = author.writer.from(depth);
            match author.writer.total_order() {
                Some(order) if author.percent(85) => author.query_of_rows(columns, collides, from, order),
                _ => author.query_of_one(columns, from),
            }
        })
    }

    /// Aggregates over all rows.
    fn query_of_one(&mut self, columns: &[&'static str], from: Clause) -> Rows {
        let next = self.next_id();
        let outputs = columns
            .iter()
            .map(|name| match (*name, self.target.kind(name)) {
                ("id", _) => leaf(format!("{next} + count(*)")),
                (_, kind @ (Kind::Key | Kind::OtherKey)) => self.any_literal(kind),
                (name, _) if self.is_reference(name) => leaf("NULL"),
                (_, kind) => self.folded(kind),
            })
            .collect();
        let filtered = self.filtered(outputs, from);
        Rows { node: filtered, in_order: true }
    }

    fn is_reference(&self, name: &str) -> bool {
        self.target.reference.as_ref().is_some_and(|reference| reference.column == name)
    }

    /// A SELECT with a WHERE: without one an ON behind it would belong to a join.
    fn filtered(&mut self, outputs: Vec<Node>, from: Clause) -> Node {
        let mut conditions = from.pins;
        if self.percent(60) {
            conditions.push(self.writer.filter());
        }
        if conditions.is_empty() {
            conditions.push(leaf("true"));
        }
        let conditions = list(" WHERE ", " AND ", 1, conditions);
        form("{} FROM {}{}", vec![list("SELECT ", ", ", outputs.len(), outputs), from.node, conditions])
    }

    fn query_of_rows(&mut self, columns: &[&'static str], collides: bool, from: Clause, order: Node) -> Rows {
        let outputs = columns.iter().map(|name| self.output(name, collides)).collect();
        let product: usize = self.writer.own().iter().map(|source| source.rows.max(1)).product();
        let select = self.filtered(outputs, from);
        let has_id = columns.contains(&"id") || !self.has_rowid();
        let may_be_unordered = !collides && has_id && self.target.key().is_some() && product <= 40;
        if may_be_unordered && self.percent(25) {
            return Rows { node: select, in_order: false };
        }
        let limit = 1 + self.random().below(ROWS_MAX);
        Rows { node: form(format!("{{}}{{}} LIMIT {limit}"), vec![select, order]), in_order: true }
    }

    /// The column of a new row out of the rows in sight, which columns tell apart.
    fn output(&mut self, name: &'static str, collides: bool) -> Node {
        let kind = self.target.kind(name);
        let is_unique = self.target.unique.contains(&name) || self.target.second.contains(&name);
        if self.is_reference(name) {
            let parent = self.any_parent();
            return self.literal(parent);
        }
        if is_unique && kind == Kind::Integer {
            return self.output_id(collides);
        }
        if is_unique && matches!(kind, Kind::NoCase | Kind::Text) && self.percent(if collides { 50 } else { 85 }) {
            let mark = self.mark();
            return match self.numbered() {
                Some(number) => value(format!("'w{mark}' || {{}}"), vec![number]),
                None => leaf(format!("'w{mark}'")),
            };
        }
        let before = std::mem::replace(&mut self.writer.subqueries, SUBQUERIES_MAX);
        if self.percent(25) {
            self.writer.subqueries = before;
        }
        let output = match self.writer.only_own(|writer| writer.pick_column(&[kind])) {
            Some((column, _)) if self.percent(50) => leaf(column),
            _ => self.expression(kind),
        };
        self.writer.subqueries = before.max(self.writer.subqueries.min(SUBQUERIES_MAX));
        output
    }

    fn output_id(&mut self, collides: bool) -> Node {
        let next = self.next_id();
        if collides && self.percent(50) {
            let column = self.writer.only_own(|writer| writer.pick_column(&[Kind::Integer]));
            return column.map_or(leaf("1"), |(column, _)| leaf(column));
        }
        match self.numbered() {
            Some(number) => value(format!("{next} + {{}}"), vec![number]),
            None => leaf(next.to_string()),
        }
    }

    /// The place of a row among all.
    fn numbered(&mut self) -> Option<Node> {
        let total = self.writer.unique()?;
        (!total.is_empty()).then(|| leaf(format!("row_number() OVER (ORDER BY {})", total.join(", "))))
    }
}
