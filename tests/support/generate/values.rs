//! Numbers, strings and literals.

use souk_merge::Value;

use super::super::expression::{Node, leaf, predicate, value};
use super::super::random::Random;
use super::super::values::{blob, null, real, show, text};
use super::cells::Kind;
use super::{SUBQUERIES_MAX, Writer};

/// One of the keys, as a parameter or as a literal.
pub(super) fn key_literal(random: &mut Random, keys: &[Value]) -> Node {
    let key = random.pick(keys).clone();
    if random.percent(40) { Node::Param(key) } else { leaf(show(&key)) }
}

impl Writer<'_> {
    pub(super) fn literal_key(&mut self, kind: Kind) -> Node {
        if self.random.percent(80) {
            let keys = if kind == Kind::OtherKey { &self.scene.other_keys } else { &self.scene.keys };
            return key_literal(self.random, keys);
        }
        key_literal(self.random, &[Value::Integer(1), text("1"), real(1.0), text("nobody"), text("a"), null()])
    }

    pub(super) fn literal(&mut self) -> Node {
        let all = [
            Value::Integer(0),
            Value::Integer(1),
            Value::Integer(3),
            real(2.5),
            text("a"),
            text("B"),
            text("1"),
            null(),
            blob(b"a"),
        ];
        let value = self.random.pick(&all).clone();
        if self.random.percent(25) { Node::Param(value) } else { leaf(show(&value)) }
    }

    /// Anything.
    pub(super) fn value(&mut self, depth: usize) -> Node {
        match self.random.below(20) {
            0..8 => leaf(self.any_shown_column()),
            8..14 => self.number(depth),
            14..18 => self.string(depth),
            18 if depth > 0 && !self.exact => self.inexact(depth),
            _ => value("({})", vec![self.predicate(depth.saturating_sub(1))]),
        }
    }

    /// What may not be added up: its digits do not end.
    fn inexact(&mut self, depth: usize) -> Node {
        self.fill(&[("({} / 3.0)", "n"), ("round({}, 1)", "n"), ("({} / {})", "nn")], depth - 1)
    }

    /// A number, or what SQLite takes for one; any order adds such numbers up to the same bits.
    pub(super) fn number(&mut self, depth: usize) -> Node {
        if depth == 0 || self.random.percent(25) {
            let column = self.pick_column(&[Kind::Integer, Kind::Real, Kind::Mixed, Kind::Number]);
            return match column {
                Some((column, _)) if self.random.percent(75) => leaf(column),
                _ => self.literal(),
            };
        }
        let depth = depth - 1;
        if self.random.percent(12) && self.subqueries < SUBQUERIES_MAX {
            return self.scalar_number();
        }
        if self.random.percent(12)
            && let Some(json) = self.json_number()
        {
            return json;
        }
        let templates: &[(&str, &str)] = &[
            ("({} + {})", "nn"),
            ("({} - {})", "nn"),
            ("({} * {})", "nn"),
            ("(- {})", "n"),
            ("(+{})", "n"),
            ("(CAST({} AS INTEGER) / 3)", "n"),
            ("(CAST({} AS INTEGER) % 4)", "n"),
            ("abs({})", "n"),
            ("length({})", "v"),
            ("CAST({} AS INTEGER)", "n"),
            ("CAST({} AS NUMERIC)", "n"),
            ("CAST({} AS REAL)", "n"),
            ("CASE WHEN {} THEN {} ELSE {} END", "pnn"),
            ("CASE {} WHEN {} THEN {} END", "vvn"),
            ("CASE {} WHEN {} THEN {} WHEN {} THEN {} ELSE {} END", "vvnvnn"),
            ("coalesce({}, {})", "nn"),
            ("nullif({}, {})", "nn"),
            ("ifnull({}, {})", "nn"),
            ("iif({}, {}, {})", "pnn"),
            ("max({}, {})", "nn"),
            ("min({}, {})", "nn"),
            ("({} & {})", "nn"),
            ("(~ {})", "n"),
            ("instr({}, {})", "ss"),
            ("(CAST({} AS INTEGER) << 2)", "n"),
            ("unicode({})", "s"),
            ("round({})", "n"),
            ("sign({})", "n"),
        ];
        self.fill(templates, depth)
    }

    pub(super) fn string(&mut self, depth: usize) -> Node {
        if depth == 0 || self.random.percent(30) {
            let kinds = [Kind::Text, Kind::NoCase, Kind::RTrim, Kind::Mixed, Kind::Key, Kind::OtherKey];
            return match self.pick_column(&kinds) {
                Some((column, _)) if self.random.percent(75) => leaf(column),
                _ => self.literal(),
            };
        }
        if !self.is_local() && self.random.percent(8) && self.subqueries < SUBQUERIES_MAX {
            return self.scalar_text();
        }
        if self.random.percent(8)
            && let Some((folded, _)) = self.pick_column(&[Kind::Folded])
        {
            return leaf(format!("lower({folded})"));
        }
        if self.random.percent(8)
            && let Some(json) = self.json_text()
        {
            return json;
        }
        let templates: &[(&str, &str)] = &[
            ("({} || {})", "sv"),
            ("upper({})", "s"),
            ("lower({})", "s"),
            ("substr({}, 1, 2)", "s"),
            ("substr({}, -2)", "s"),
            ("replace({}, 'a', 'xy')", "s"),
            ("trim({})", "s"),
            ("ltrim({}, 'aA')", "s"),
            ("hex({})", "v"),
            ("quote({})", "v"),
            ("typeof({})", "v"),
            ("CAST({} AS TEXT)", "v"),
            ("coalesce({}, {})", "ss"),
            ("CASE WHEN {} THEN {} ELSE {} END", "pss"),
            ("CASE {} COLLATE NOCASE WHEN 'A' THEN {} ELSE {} END", "sss"),
            ("printf('%s-%s', {}, {})", "sv"),
            ("concat_ws('+', {}, {})", "sv"),
            ("CAST({} AS BLOB)", "s"),
            ("nullif({}, {} COLLATE RTRIM)", "ss"),
            ("max({} COLLATE NOCASE, {})", "ss"),
            ("({} COLLATE NOCASE)", "s"),
        ];
        self.fill(templates, depth - 1)
    }

    /// A value of one of these templates: `n` stands for a number, `s` for a string, `p` for a predicate, `v` for anything.
    fn fill(&mut self, templates: &[(&str, &str)], depth: usize) -> Node {
        let (template, kinds) = *self.random.pick(templates);
        value(template, self.children(kinds, depth))
    }

    /// As [`Writer::fill`], a predicate.
    pub(super) fn fill_predicate(&mut self, templates: &[(&str, &str)], depth: usize) -> Node {
        let (template, kinds) = *self.random.pick(templates);
        predicate(template, self.children(kinds, depth))
    }

    fn children(&mut self, kinds: &str, depth: usize) -> Vec<Node> {
        let child = |kind| match kind {
            'n' => self.number(depth),
            's' => self.string(depth),
            'p' => self.predicate(depth),
            _ => self.value(depth),
        };
        kinds.chars().map(child).collect()
    }
}
