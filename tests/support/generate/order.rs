//! ORDER BY and LIMIT.

use souk_merge::Value;

use super::super::expression::{Node, form, leaf, list, value};
use super::Writer;

impl Writer<'_> {
    /// The terms of an ORDER BY over so many outputs.
    pub(super) fn order(&mut self, outputs: usize, make: impl Fn(&mut Self) -> Node) -> Vec<Node> {
        let terms = [0, 0, 1, 1, 2, 3][self.random.below(6)];
        (0..terms)
            .map(|_| {
                let key = if outputs > 0 && self.random.percent(40) {
                    leaf((self.random.below(outputs) + 1).to_string())
                } else {
                    make(self)
                };
                self.term(key)
            })
            .collect()
    }

    /// The terms of an ORDER BY that can only name outputs, each at most once.
    pub(super) fn order_by_place(&mut self, outputs: usize) -> Vec<Node> {
        let mut places: Vec<usize> = (1..=outputs).collect();
        let terms = [0, 0, 1, 1, 2, 3][self.random.below(6)].min(outputs);
        (0..terms)
            .map(|_| {
                let place = places.swap_remove(self.random.below(places.len()));
                self.term(leaf(place.to_string()))
            })
            .collect()
    }

    fn term(&mut self, key: Node) -> Node {
        let collate = *self.random.pick(&["", "", "", "", " COLLATE NOCASE", " COLLATE RTRIM", " COLLATE BINARY"]);
        let direction = *self.random.pick(&["", "", " ASC", " DESC", " DESC"]);
        let nulls = *self.random.pick(&["", "", "", " NULLS FIRST", " NULLS LAST"]);
        form(format!("{{}}{collate}{direction}{nulls}"), vec![key])
    }

    pub(super) fn order_value(&mut self) -> Node {
        match self.random.below(8) {
            0 | 1 => value("({} + 0)", vec![self.number(1)]),
            2 | 3 => value("upper({})", vec![self.string(1)]),
            4 if !self.is_local() => value("({} * 1)", vec![self.scalar_number()]),
            // In parentheses it is never taken for the name of an output.
            _ => leaf(format!("({})", self.any_shown_column())),
        }
    }

    /// An ORDER BY after which no rows tie; none when rows may be the same.
    pub(super) fn total_order(&mut self) -> Option<Node> {
        let total = self.unique()?;
        let mut terms = Vec::new();
        if self.random.percent(60) {
            let column = self.only_own(Writer::any_shown_column);
            let direction = *self.random.pick(&["", " DESC", " COLLATE NOCASE", " NULLS LAST"]);
            terms.push(leaf(format!("{column}{direction}")));
        }
        match total.is_empty() {
            true => terms.push(leaf("1")),
            false => terms.push(leaf(total.join(", "))),
        }
        Some(list(" ORDER BY ", ", ", terms.len(), terms))
    }

    pub(super) fn limit(&mut self) -> Node {
        if self.random.percent(45) {
            return list(" LIMIT ", "", 0, vec![]);
        }
        if !self.is_local() && self.random.percent(5) {
            return leaf(*self.random.pick(&[
                " LIMIT (SELECT count(*) FROM main.r)",
                " LIMIT (SELECT max(n) + 1 FROM main.t) OFFSET (SELECT count(*) FROM main.q)",
                " LIMIT 'x'",
            ]));
        }
        let number = |writer: &mut Self, numbers: &[i64]| {
            let number = *writer.random.pick(numbers);
            match writer.random.below(4) {
                0 => Node::Param(Value::Integer(number)),
                1 => leaf(format!("({number} + 1)")),
                2 => leaf(format!("'{number}'")),
                _ => leaf(number.to_string()),
            }
        };
        let limit = number(self, &[0, 1, 2, 3, 5, 5, 10, 10, 100, 100, -2]);
        let offset = if self.random.percent(40) { vec![number(self, &[0, 1, 1, 2, 3, 5, -1])] } else { vec![] };
        list(" LIMIT ", "", 0, vec![limit, list(" OFFSET ", "", 0, offset)])
    }
}
