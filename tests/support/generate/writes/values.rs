//! What the columns of a table may hold: values that keep to what queries rely on, as sums of reals that are exact in any order.

use souk_merge::Value;

use super::super::super::expression::{Node, leaf, value};
use super::super::super::values::{real, show, text};
use super::super::Writer;
use super::super::cells::{Kind, cell};
use super::Author;
use super::target::word;

impl Author<'_> {
    /// A value, as a parameter or as a literal.
    pub(super) fn literal(&mut self, value: Value) -> Node {
        if self.percent(30) { Node::Param(value) } else { leaf(show(&value)) }
    }

    /// A key that rows may have.
    pub(super) fn any_key(&mut self, kind: Kind) -> Value {
        let (keys, new) = match kind {
            Kind::OtherKey => (&self.scene.scene.other_keys, &self.scene.other_new_keys),
            _ => (&self.scene.scene.keys, &self.scene.new_keys),
        };
        let all = if self.writer.random.percent(8) { new } else { keys };
        self.writer.random.pick(all).clone()
    }

    /// A value for a column of this kind.
    pub(super) fn any_value(&mut self, kind: Kind) -> Value {
        match kind {
            Kind::Key | Kind::OtherKey => self.any_key(kind),
            Kind::NoCase if self.percent(80) => word(self.random()),
            kind => cell(self.random(), kind),
        }
    }

    pub(super) fn any_literal(&mut self, kind: Kind) -> Node {
        let value = self.any_value(kind);
        let value = self.as_given(kind, value);
        self.literal(value)
    }

    /// A key, sometimes as something else that its column makes an integer.
    pub(super) fn as_given(&mut self, kind: Kind, value: Value) -> Value {
        let [of_most, of_p] = self.scene.has_integer_keys;
        let is_integer = (kind == Kind::Key && of_most) || (kind == Kind::OtherKey && of_p);
        match (value, is_integer && self.percent(8)) {
            (Value::Integer(key), true) if key.abs_diff(0) < 1000 => match self.percent(50) {
                true => text(&key.to_string()),
                false => real(key as f64),
            },
            (value, _) => value,
        }
    }

    /// An expression for a column of this kind, over the sources in sight.
    pub(super) fn expression(&mut self, kind: Kind) -> Node {
        if self.percent(25) {
            return self.any_literal(kind);
        }
        if self.percent(25)
            && let Some((column, _)) = self.writer.pick_column(&[kind])
        {
            return leaf(column);
        }
        let depth = 1 + self.random().below(2);
        match kind {
            Kind::Integer => value("(CAST({} AS INTEGER) % 60)", vec![self.writer.number(depth)]),
            Kind::Real => value("(CAST({} AS INTEGER) % 200 / 4.0)", vec![self.writer.number(depth)]),
            Kind::Text | Kind::NoCase | Kind::RTrim => {
                value("substr(CAST({} AS TEXT), 1, 6)", vec![self.writer.string(depth)])
            }
            kind => {
                let (first, second) = (self.any_literal(kind), self.column_or_literal(kind));
                value("CASE WHEN {} THEN {} ELSE {} END", vec![self.writer.predicate(depth), first, second])
            }
        }
    }

    fn column_or_literal(&mut self, kind: Kind) -> Node {
        match self.writer.only_own(|writer: &mut Writer<'_>| writer.pick_column(&[kind])) {
            Some((column, _)) => leaf(column),
            None => self.any_literal(kind),
        }
    }
}
