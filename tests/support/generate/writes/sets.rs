//! What rows become.

use souk_merge::Value;

use super::super::super::expression::{Node, form, leaf, value};
use super::super::super::values::show;
use super::super::cells::Kind;
use super::Author;
use super::target::Identity;

/// What SET does to the values that tell rows apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collision {
    /// Rows get in nobody's way.
    Never,
    /// Whether rows get in each other's way does not depend on which is changed first; which of them does.
    AllOrNone,
    /// Only one row may be changed.
    One,
}

/// The assignments of a SET.
pub(super) struct Sets {
    pub(super) nodes: Vec<Node>,
    pub(super) columns: Vec<&'static str>,
    pub(super) collision: Collision,
}

impl Sets {
    pub(super) fn empty() -> Sets {
        Sets { nodes: Vec::new(), columns: Vec::new(), collision: Collision::Never }
    }

    fn add(&mut self, column: &'static str, value: Node) {
        self.add_as(column, column, value);
    }

    /// As [`Sets::add`], by another name that the column has.
    fn add_as(&mut self, column: &'static str, name: &str, value: Node) {
        self.nodes.push(form(format!("{name} = {{}}"), vec![value]));
        self.columns.push(column);
    }
}

impl Author<'_> {
    /// Assignments; some of them change what tells rows apart, or where they are.
    pub(super) fn sets(&mut self) -> Sets {
        let mut sets = Sets::empty();
        match self.random().below(100) {
            0..9 => self.move_rows(&mut sets),
            9..16 => self.shift(&mut sets),
            16..27 => self.exchange(&mut sets),
            27..33 if !self.target.second.is_empty() => self.exchange_second(&mut sets),
            _ => {}
        }
        if sets.nodes.is_empty() || self.percent(60) {
            self.plain_sets(&mut sets);
        }
        sets
    }

    /// Columns that tell nothing apart.
    pub(super) fn plain_columns(&self) -> Vec<&'static str> {
        let is_plain =
            |name: &&str| !self.target.unique.contains(name) && self.target.key().is_none_or(|(key, _)| key != *name);
        self.target.columns.iter().map(|(name, _)| *name).filter(is_plain).collect()
    }

    pub(super) fn plain_sets(&mut self, sets: &mut Sets) {
        let mut left = self.plain_columns();
        left.retain(|name| !sets.columns.contains(name));
        if left.len() >= 2 && self.percent(20) {
            let first = left.swap_remove(self.writer.random.below(left.len()));
            let second = left.swap_remove(self.writer.random.below(left.len()));
            self.row_of_values(sets, first, second);
            return;
        }
        for _ in 0..1 + self.random().below(3) {
            if left.is_empty() {
                return;
            }
            let column = left.swap_remove(self.writer.random.below(left.len()));
            let value = self.plain_value(column);
            sets.add(column, value);
        }
    }

    /// What a column may become.
    fn plain_value(&mut self, column: &'static str) -> Node {
        if self.target.reference.as_ref().is_some_and(|reference| reference.column == column) {
            let parent = self.any_parent();
            return self.literal(parent);
        }
        if self.target.columns.iter().any(|(name, _)| *name == column) && column == "n" && self.percent(25) {
            let by = self.pick(&["+ 1", "+ 40", "- 7", "* 2 % 90"]);
            return leaf(format!("{} {by}", self.column("n")));
        }
        self.expression(self.target.kind(column))
    }

    /// The id of a parent, of a parent of the same key where that matters; NULL, or an id that nobody has.
    pub(super) fn any_parent(&mut self) -> Value {
        let Some(reference) = self.target.reference.as_ref() else { return Value::Null };
        let rows = &self.rows[reference.parent];
        let place = if reference.parent == "pr" { 0 } else { 1 };
        match self.random().below(10) {
            0..2 => Value::Null,
            2 => Value::Integer(77_777),
            _ if rows.is_empty() => Value::Null,
            _ => self.writer.random.pick(rows)[place].clone(),
        }
    }

    /// `(a, b) = (..., ...)`, or a query of one row.
    fn row_of_values(&mut self, sets: &mut Sets, first: &'static str, second: &'static str) {
        let row = if self.percent(50) {
            let values = vec![self.plain_value(first), self.plain_value(second)];
            form("({}, {})", values)
        } else {
            self.writer.subqueries += 1;
            let kinds = [self.target.kind(first), self.target.kind(second)];
            self.row_of_one(kinds)
        };
        sets.nodes.push(form(format!("({first}, {second}) = {{}}"), vec![row]));
        sets.columns.extend([first, second]);
    }

    /// A query of two values: folded out of some rows.
    fn row_of_one(&mut self, kinds: [Kind; 2]) -> Node {
        self.writer.scopes.push(Vec::new());
        let from = self.writer.from(0);
        let outputs = kinds.map(|kind| self.folded(kind)).into();
        let select = self.writer.select_alone("SELECT ", outputs, from, vec![]);
        self.writer.scopes.pop();
        form("({})", vec![select])
    }

    /// One value out of all rows.
    pub(super) fn folded(&mut self, kind: Kind) -> Node {
        match kind {
            Kind::Integer if self.percent(40) => leaf("count(*)"),
            Kind::Integer => {
                let number = self.writer.only_own(|writer| writer.clean_number());
                value("max({} % 50)", vec![number])
            }
            Kind::Real => value("(count({}) / 4.0)", vec![self.writer.only_own(|writer| writer.clean())]),
            Kind::Text | Kind::NoCase | Kind::RTrim => {
                value("substr(min({}), 1, 6)", vec![self.writer.only_own(|writer| writer.clean_text())])
            }
            kind => {
                let (few, many) = (self.any_literal(kind), self.any_literal(kind));
                value("CASE WHEN count(*) < 5 THEN {} ELSE {} END", vec![few, many])
            }
        }
    }

    /// Of a parent most statements leave alone what its children name.
    fn keeps_identity(&mut self) -> bool {
        !self.target.children.is_empty() && self.percent(75)
    }

    /// Rows get another shard key.
    fn move_rows(&mut self, sets: &mut Sets) {
        let Some((key, kind)) = self.target.key() else { return };
        if self.keeps_identity() {
            return;
        }
        let is_unique = self.target.unique.contains(&key) || self.target.second.contains(&key);
        let value = match (is_unique, self.random().below(3)) {
            (true, _) | (_, 0) => self.any_literal(kind),
            (_, 1) => {
                let (from, to) = (self.any_literal(kind), self.any_literal(kind));
                let column = self.column(key);
                value(format!("CASE {column} WHEN {{}} THEN {{}} ELSE {column} END"), vec![from, to])
            }
            _ => self.expression(kind),
        };
        sets.add(key, value);
        if is_unique {
            sets.collision = Collision::AllOrNone;
            if self.target.has("c") && self.target.unique.contains(&"c") && self.percent(40) {
                self.shift(sets);
            }
        }
    }

    /// All rows get values that tell them apart and that no row has.
    fn shift(&mut self, sets: &mut Sets) {
        if self.keeps_identity() {
            return;
        }
        let last = *self.target.unique.last().expect("a column that tells rows apart");
        let (column, number) = (self.column(last), self.beyond());
        let value = match self.target.kind(last) {
            Kind::Integer => leaf(format!("{column} + {number}")),
            _ => {
                let mark = self.mark();
                leaf(format!("{column} || '{mark}'"))
            }
        };
        let name = self.name_of(last);
        sets.add_as(last, name, value);
    }

    /// A name of a column: an `id` that is the rowid has several.
    pub(super) fn name_of(&mut self, column: &'static str) -> &'static str {
        match column == "id" && self.has_rowid() && self.percent(8) {
            true => self.pick(&["rowid", "_rowid_", "oid"]),
            false => column,
        }
    }

    /// What no text of the target ends in.
    pub(super) fn mark(&mut self) -> String {
        let texts: Vec<String> = self.own_rows().iter().flatten().map(show).collect();
        let is_free = |mark: &String| !texts.iter().any(|text| text.contains(mark));
        (0..).map(|number| format!("~{number}")).find(is_free).expect("there is always another number")
    }

    /// One row gets what another row has, or what none has.
    fn exchange(&mut self, sets: &mut Sets) {
        if self.keeps_identity() {
            return;
        }
        let other = self.any_row();
        let fresh = self.percent(40);
        for name in self.target.unique {
            if self.target.unique.len() > 1 && self.percent(40) {
                continue;
            }
            let kind = self.target.kind(name);
            let value = match &other {
                Some(row) if !fresh => row[self.target.place(name)].clone(),
                _ if kind == Kind::Integer => Value::Integer(self.beyond() + 3),
                _ => self.any_value(kind),
            };
            let literal = self.literal(value);
            let as_named = self.name_of(name);
            sets.add_as(name, as_named, literal);
            sets.collision = Collision::One;
        }
    }

    /// One row gets a text that another has, or that none has.
    fn exchange_second(&mut self, sets: &mut Sets) {
        let value = match self.any_row().filter(|_| self.percent(50)) {
            Some(row) => row[self.target.place("s")].clone(),
            None => self.any_value(Kind::Text),
        };
        let literal = self.literal(value);
        sets.add("s", literal);
        sets.collision = Collision::One;
    }

    /// A count of rows of the target by columns that the statement leaves as they are.
    pub(super) fn count_of_own(&mut self, sets: &Sets) -> Option<Node> {
        let is_left = |name: &&str| !sets.columns.contains(name);
        let left: Vec<&str> = self.target.columns.iter().map(|(name, _)| *name).filter(is_left).collect();
        if left.is_empty() {
            return None;
        }
        let (by, alias) = (self.pick(&left), self.writer.name());
        let compare = self.pick(&["=", "<", "IS"]);
        Some(leaf(format!(
            "(SELECT count(*) FROM {} AS {alias} WHERE {alias}.{by} {compare} {})",
            self.target.name,
            self.column(by)
        )))
    }

    /// The verb's OR: what becomes of a row that breaks a rule.
    pub(super) fn or_of_update(&mut self, sets: &Sets, has_one_row: bool) -> &'static str {
        // Rows may be alike in what a second UNIQUE names: which of them stays depends on their order.
        let may_be_alike = self.target.second.iter().any(|name| sets.columns.contains(name));
        let all: &[&str] = match (sets.collision, has_one_row) {
            _ if may_be_alike => &["", "", "OR ABORT ", "OR ROLLBACK "],
            (_, true) => &["", "", "OR IGNORE ", "OR REPLACE ", "OR FAIL ", "OR ABORT ", "OR ROLLBACK "],
            (Collision::Never, _) => &["", "", "", "", "OR IGNORE ", "OR REPLACE ", "OR ROLLBACK "],
            _ => &["", "", "OR ABORT ", "OR ROLLBACK "],
        };
        self.pick(all)
    }

    pub(super) fn has_rowid(&self) -> bool {
        self.target.identity == Identity::Rowid
    }
}
