//! What groups, and aggregates over it.

use super::super::expression::{Node, form, leaf, list, predicate, value};
use super::scene::*;
use super::{SUBQUERIES_MAX, Source, Writer};

impl Writer<'_> {
    // What groups: values of which equal ones are the same.

    /// A value that equals no other value than itself.
    pub(super) fn clean(&mut self) -> Node {
        match self.random.below(6) {
            0..2 => leaf(self.any_column()),
            2 => self.clean_number(),
            3 => value("upper({})", vec![self.clean_text()]),
            4 => value("CASE WHEN {} THEN 'yes' ELSE 'no' END", vec![self.predicate(1)]),
            _ => value("typeof({})", vec![leaf(self.any_column())]),
        }
    }

    pub(super) fn clean_text(&mut self) -> Node {
        self.pick_column(&[Kind::Text]).map_or(leaf("'a'"), |(column, _)| leaf(column))
    }

    pub(super) fn clean_number(&mut self) -> Node {
        let column = self.pick_column(&[Kind::Integer]).map_or(leaf("1"), |(column, _)| leaf(column));
        match self.random.below(5) {
            0 => value("({} + 1)", vec![column]),
            1 => value("({} % 3)", vec![column]),
            2 => value("coalesce({}, -1)", vec![column]),
            _ => column,
        }
    }

    /// A value of one of three kinds, for the parts of a compound.
    pub(super) fn of_kind(&mut self, kind: usize) -> Node {
        match kind {
            0 => self.clean_number(),
            1 => self.clean_text(),
            _ => value("typeof({})", vec![leaf(self.any_column())]),
        }
    }

    /// What is grouped by, and how to show it so that it does not matter which value stands for the group.
    pub(super) fn group_key(&mut self) -> (Node, Node) {
        let folded = self.pick_column(&[Kind::NoCase, Kind::RTrim]);
        match (self.random.below(4), folded) {
            (0, Some((column, Kind::NoCase))) => (leaf(&column), value("lower({})", vec![leaf(&column)])),
            (0, Some((column, _))) => (leaf(&column), value("rtrim({})", vec![leaf(&column)])),
            _ => {
                let subqueries = std::mem::replace(&mut self.subqueries, SUBQUERIES_MAX);
                let key = self.clean().without_params();
                self.subqueries = subqueries;
                (key.clone(), key)
            }
        }
    }

    pub(super) fn aggregate(&mut self) -> Node {
        let filter = if self.random.percent(20) { vec![form("({})", vec![self.predicate(1)])] } else { vec![] };
        let filter = match filter.is_empty() {
            true => list("", "", 0, vec![]),
            false => form(" FILTER (WHERE {})", filter),
        };
        let (call, argument) = match self.random.below(12) {
            0..2 => ("count(*)", None),
            2 => ("count({})", Some(self.value(1))),
            3 => ("count(DISTINCT {})", Some(leaf(self.any_shown_column()))),
            4..6 => ("sum({})", Some(self.number(2))),
            6 => ("sum(DISTINCT {})", Some(self.clean_number())),
            7 => ("total({})", Some(self.number(1))),
            8 => ("avg({})", Some(self.number(1))),
            9 => ("min({})", Some(self.clean())),
            10 => ("max({})", Some(self.clean())),
            _ => ("lower(max({}))", self.pick_column(&[Kind::NoCase]).map(|(column, _)| leaf(column))),
        };
        match (call, argument) {
            ("lower(max({}))", Some(column)) => value("lower(max({}))", vec![column]),
            ("lower(max({}))", None) | (_, None) => value("count(*){}", vec![filter]),
            (call, Some(argument)) => value(format!("{call}{{}}"), vec![argument, filter]),
        }
    }

    pub(super) fn over_aggregates(&mut self, depth: usize, keys: &[Node]) -> Node {
        if !keys.is_empty() && self.random.percent(20) {
            return self.random.pick(keys).clone();
        }
        if depth == 0 || self.random.percent(60) {
            return self.aggregate();
        }
        let depth = depth - 1;
        let template = *self.random.pick(&[
            "({} + {})",
            "coalesce({}, 0)",
            "({} * 2)",
            "typeof({})",
            "CASE WHEN {} > 1 THEN {} ELSE -1 END",
            "({} || '')",
            "({} IS NULL)",
            "round({}, 2)",
            "({} = {})",
        ]);
        let children = (0..template.matches("{}").count()).map(|_| self.over_aggregates(depth, keys)).collect();
        value(template, children)
    }
}
