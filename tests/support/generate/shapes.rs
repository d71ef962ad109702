//! Whole queries.

use super::super::expression::{Node, form, leaf, list};
use super::Writer;
use super::from::Clause;
use super::groups::Key;

impl Writer<'_> {
    pub(super) fn query(&mut self) -> Node {
        let with = match (self.is_local(), self.random.below(100)) {
            (true, 0..7) => Some(self.local_with_clause()),
            (false, 0..22) => {
                let count = [1, 1, 1, 2, 3][self.random.below(5)];
                Some(self.with_clause(count, 1))
            }
            _ => None,
        };
        let query = self.shape();
        match with {
            Some(with) => form("{}{}", vec![with, query]),
            None => query,
        }
    }

    fn shape(&mut self) -> Node {
        match self.random.below(100) {
            0..28 => self.rows(),
            28..38 => self.distinct(),
            38..52 => self.totals(),
            52..70 => self.groups(),
            70..83 => self.windows(),
            83..95 if self.ctes.is_empty() || !self.is_local() => self.compound_query(),
            95..97 if !self.is_local() => self.whole_groups(),
            97 if !self.is_local() => self.extreme(),
            98 if !self.is_local() => self.without_from(),
            _ => self.rows(),
        }
    }

    /// How deep a FROM clause may nest.
    fn depth(&mut self) -> usize {
        [1, 1, 1, 2][self.random.below(4)]
    }

    fn rows(&mut self) -> Node {
        let depth = self.depth();
        let from = self.from(depth);
        if self.random.percent(6) && !self.has_folded_column() {
            let order = self.order(0, Writer::order_value);
            let first = if self.random.percent(50) { self.own().first() } else { None };
            let star = first.map_or("*".into(), |source| format!("{}.*", source.alias));
            return self.select("SELECT ", vec![leaf(star)], from, vec![], order);
        }
        let outputs = self.outputs(|writer| writer.value(3));
        let order = self.order(outputs.len(), Writer::order_value);
        self.select("SELECT ", outputs, from, vec![], order)
    }

    fn distinct(&mut self) -> Node {
        let depth = self.depth();
        let from = self.from(depth);
        let count = 1 + self.random.below(3);
        let outputs: Vec<Node> = (0..count).map(|_| self.clean()).collect();
        let order = self.order_by_place(count);
        self.select("SELECT DISTINCT ", outputs, from, vec![], order)
    }

    fn totals(&mut self) -> Node {
        let depth = self.depth();
        let from = self.from(depth);
        let mut outputs = self.outputs(|writer| writer.over_aggregates(2, &[]));
        let mut tail = Vec::new();
        if self.random.percent(20) {
            outputs.push(leaf("count(*)"));
            tail.push(self.having(&[]));
        }
        self.select("SELECT ", outputs, from, tail, vec![])
    }

    fn groups(&mut self) -> Node {
        let depth = self.depth();
        let from = self.from(depth);
        let keys: Vec<Key> = (0..1 + self.random.below(2)).map(|_| self.group_key()).collect();
        let mut outputs: Vec<Node> = keys.iter().map(|key| key.shown.clone()).collect();
        outputs.extend(self.outputs(|writer| writer.over_aggregates(2, &keys)));
        let by_place = keys.iter().all(Key::is_shown_plainly) && self.random.percent(25);
        let by =
            keys.iter().zip(1..).map(|(key, place)| if by_place { leaf(format!("{place}")) } else { key.by.clone() });
        let mut tail = vec![list(" GROUP BY ", ", ", keys.len(), by.collect())];
        if self.random.percent(40) {
            tail.push(self.having(&keys));
        }
        if !self.is_local() && self.random.percent(15) {
            let over = *self.random.pick(&[
                "rank() OVER (ORDER BY {})",
                "sum({}) OVER ()",
                "max({}) OVER (ORDER BY count(*))",
            ]);
            outputs.push(form(over, vec![leaf("count(*)")]));
        }
        let order = self.order(outputs.len(), |writer| writer.over_aggregates(1, &keys));
        self.select("SELECT ", outputs, from, tail, order)
    }

    /// Groups of one row each, so that columns beside the keys have one value.
    fn whole_groups(&mut self) -> Node {
        let from = self.from(1);
        let Some(total) = self.unique().filter(|total| !total.is_empty()) else {
            let outputs = self.outputs(|writer| writer.value(2));
            return self.select("SELECT ", outputs, from, vec![], vec![]);
        };
        let mut outputs = self.outputs(|writer| writer.value(2));
        outputs.push(leaf("count(*)"));
        let tail = vec![leaf(format!(" GROUP BY {}", total.join(", ")))];
        let order = self.order(outputs.len(), Writer::order_value);
        self.select("SELECT ", outputs, from, tail, order)
    }

    /// Columns beside the extreme of what only one row has.
    fn extreme(&mut self) -> Node {
        let table = *self.random.pick(&["t", "u", "p"]);
        let alias = self.name();
        let source = self.table(table, &alias);
        let place = self.scopes.len() - 1;
        self.scopes[place] = vec![source];
        let from = Clause::of(leaf(format!("{table} AS {alias}")));
        let call = *self.random.pick(&["max", "min"]);
        let mut outputs = vec![leaf(format!("{call}({alias}.id)"))];
        outputs.extend(self.outputs(|writer| leaf(writer.any_shown_column())));
        let tail = match self.random.percent(50) {
            true => vec![],
            false => {
                let column = self.any_clean_column();
                vec![leaf(format!(" GROUP BY {column}"))]
            }
        };
        self.select("SELECT ", outputs, from, tail, vec![])
    }

    fn without_from(&mut self) -> Node {
        match self.random.below(3) {
            0 => leaf("VALUES (1, 'a'), (NULL, x'00'), (2.5, 'é')"),
            1 => form("SELECT {}, {}", vec![self.scalar_number(), self.subquery_predicate()]),
            _ => form("SELECT {} WHERE {}", vec![self.number(3), self.predicate(2)]),
        }
    }

    fn windows(&mut self) -> Node {
        let depth = self.depth();
        let from = self.from(depth);
        let mut outputs = self.outputs(|writer| writer.value(1));
        let key = if self.is_local() { self.key_column() } else { None };
        let count = 1 + self.random.below(2);
        let (calls, window) = self.window_calls(count, key.as_deref());
        outputs.extend(calls);
        let order = self.order(outputs.len(), Writer::order_value);
        self.select("SELECT ", outputs, from, vec![window], order)
    }

    fn compound_query(&mut self) -> Node {
        let (query, columns) = self.compound();
        let order = self.order_by_place(columns);
        let limit = self.limit();
        form("{}{}{}", vec![query, list(" ORDER BY ", ", ", 0, order), limit])
    }

    // Clauses.

    fn select(
        &mut self,
        verb: &'static str,
        outputs: Vec<Node>,
        from: Clause,
        tail: Vec<Node>,
        order: Vec<Node>,
    ) -> Node {
        let alone = self.select_alone(verb, outputs, from, tail);
        let limit = self.limit();
        form("{}{}{}", vec![alone, list(" ORDER BY ", ", ", 0, order), limit])
    }

    pub(super) fn select_alone(
        &mut self,
        verb: &'static str,
        outputs: Vec<Node>,
        from: Clause,
        tail: Vec<Node>,
    ) -> Node {
        let filters = [0, 0, 0, 0, 1, 1, 1, 2][self.random.below(8)];
        let mut filters: Vec<Node> = (0..filters).map(|_| self.filter()).collect();
        if self.random.percent(4) && self.scopes.len() == 1 {
            filters.extend(self.membership());
        }
        let pins = list(" WHERE ", " AND ", from.pins.len(), from.pins);
        let pinned = matches!(&pins, Node::List { items, .. } if !items.is_empty());
        let filters = list(if pinned { " AND " } else { " WHERE " }, " AND ", 0, filters);
        let tail = list("", "", 0, tail);
        form("{} FROM {}{}{}{}", vec![list(verb, ", ", 1, outputs), from.node, pins, filters, tail])
    }

    fn outputs(&mut self, make: impl Fn(&mut Self) -> Node) -> Vec<Node> {
        (0..1 + self.random.below(4)).map(|_| make(self)).collect()
    }
}
