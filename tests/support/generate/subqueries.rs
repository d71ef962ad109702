//! Subqueries in expressions.

use super::super::expression::{Node, form, leaf, predicate, value};
use super::Writer;
use super::cells::Kind;

impl Writer<'_> {
    /// How deep what a subquery reads may nest.
    fn begin(&mut self) -> usize {
        self.subqueries += 1;
        usize::from(self.random.percent(20))
    }

    /// A subquery with one number.
    pub(super) fn scalar_number(&mut self) -> Node {
        if self.is_local() {
            return self.local_scalar();
        }
        let depth = self.begin();
        self.nested(|writer| {
            let from = writer.from(depth);
            if writer.random.percent(25)
                && let Some(kinds) = writer.pick_own(&[Kind::Integer, Kind::Real, Kind::Number])
            {
                return writer.first_of(leaf(kinds), from);
            }
            let output = match writer.random.below(7) {
                0 | 1 => leaf("count(*)"),
                2 => form("sum({})", vec![writer.summed(|writer| writer.number(1))]),
                3 => form("max({})", vec![writer.only_own(Writer::clean_number)]),
                4 => form("min({})", vec![writer.only_own(Writer::clean_number)]),
                5 => form("total({})", vec![writer.summed(|writer| writer.number(1))]),
                _ => form("count(DISTINCT {})", vec![writer.only_own(Writer::clean)]),
            };
            let select = writer.select_alone("SELECT ", vec![output], from, vec![]);
            value("({})", vec![select])
        })
    }

    /// A subquery with one text.
    pub(super) fn scalar_text(&mut self) -> Node {
        let depth = self.begin();
        self.nested(|writer| {
            let from = writer.from(depth);
            let output = match writer.random.below(3) {
                0 => form("max({})", vec![writer.only_own(Writer::clean_text)]),
                1 if writer.unique().is_some() => writer.only_own(Writer::concatenation),
                _ => {
                    let column = writer.pick_own(&[Kind::Text, Kind::NoCase, Kind::RTrim, Kind::Mixed]);
                    return writer.first_of(column.map_or(leaf("'a'"), leaf), from);
                }
            };
            let select = writer.select_alone("SELECT ", vec![output], from, vec![]);
            value("({})", vec![select])
        })
    }

    fn pick_own(&mut self, kinds: &[Kind]) -> Option<String> {
        self.only_own(|writer| writer.pick_column(kinds)).map(|(column, _)| column)
    }

    /// The first of some rows, which an order to the end tells.
    fn first_of(&mut self, output: Node, from: super::from::Clause) -> Node {
        let order = self.total_order();
        let select = self.select_alone("SELECT ", vec![output], from, vec![]);
        match order {
            Some(order) => {
                let offset = *self.random.pick(&["", "", " OFFSET 1", " OFFSET 2"]);
                value(format!("({{}}{{}} LIMIT 1{offset})"), vec![select, order])
            }
            None => value("(SELECT count(*) FROM ({}))", vec![select]),
        }
    }

    pub(super) fn subquery_predicate(&mut self) -> Node {
        if self.is_local() {
            return self.local_subquery_predicate();
        }
        let depth = self.begin();
        let not = *self.random.pick(&["", "", "NOT "]);
        match self.random.below(8) {
            0..3 => {
                let exists = self.nested(|writer| {
                    let from = writer.from(depth);
                    let output = *writer.random.pick(&["1", "*", "NULL"]);
                    let select = writer.select_alone("SELECT ", vec![leaf(output)], from, vec![]);
                    let limit = *writer.random.pick(&["", "", "", " LIMIT 1", " LIMIT 2 OFFSET 3", " LIMIT 0"]);
                    form(format!("{{}}{limit}"), vec![select])
                });
                predicate(format!("{not}EXISTS ({{}})"), vec![exists])
            }
            3 | 4 => {
                let (members, _) = self.column_query(depth, &[Kind::Integer, Kind::Number]);
                predicate(format!("{{}} {not}IN ({{}})"), vec![self.number(0), members])
            }
            5 => {
                let (members, _) = self.column_query(depth, &[Kind::Text, Kind::NoCase, Kind::Mixed]);
                let collate = *self.random.pick(&["", "", " COLLATE NOCASE"]);
                predicate(format!("{{}}{collate} {not}IN ({{}})"), vec![self.string(0), members])
            }
            6 if self.random.percent(30) => self.row_of_one(depth),
            6 => {
                let pairs = self.nested(|writer| {
                    let from = writer.from(depth);
                    let outputs = vec![writer.number(0), writer.string(0)];
                    writer.select_alone("SELECT ", outputs, from, vec![])
                });
                let (number, string) = (self.number(0), self.string(0));
                predicate(format!("({{}}, {{}}) {not}IN ({{}})"), vec![number, string, pairs])
            }
            _ => {
                let key = self.key_column();
                let (members, found) = self.column_query(depth, &[Kind::Key, Kind::OtherKey]);
                match key {
                    Some(key) if found => predicate(format!("{key} {not}IN ({{}})"), vec![members]),
                    _ => predicate(format!("{{}} {not}IN ({{}})"), vec![self.value(0), members]),
                }
            }
        }
    }

    /// A row compared with the first row of a subquery.
    fn row_of_one(&mut self, depth: usize) -> Node {
        let row = self.nested(|writer| {
            let from = writer.from(depth);
            let order = writer.total_order();
            let outputs = vec![writer.number(0), writer.string(0)];
            let select = writer.select_alone("SELECT ", outputs, from, vec![]);
            order.map(|order| form("{}{} LIMIT 1", vec![select, order]))
        });
        let compare = *self.random.pick(&["=", "<", ">=", "IS", "IS NOT"]);
        match row {
            Some(row) => predicate(format!("({{}}, {{}}) {compare} ({{}})"), vec![self.number(0), self.string(0), row]),
            None => self.predicate(0),
        }
    }

    /// A query with one column, of one of these kinds when there is one.
    fn column_query(&mut self, depth: usize, kinds: &[Kind]) -> (Node, bool) {
        self.nested(|writer| {
            let from = writer.from(depth);
            let column = writer.pick_own(kinds);
            let found = column.is_some();
            let output = column.map_or_else(|| writer.value(1), leaf);
            let order = writer.total_order();
            // Of texts that are equal by another collation than that of the comparison, DISTINCT keeps whichever comes first.
            let distinct = found && kinds.iter().all(|kind| kind.is_clean());
            let verb =
                *writer.random.pick(&["SELECT ", "SELECT ", if distinct { "SELECT DISTINCT " } else { "SELECT " }]);
            let select = writer.select_alone(verb, vec![output], from, vec![]);
            let limited = match order {
                Some(order) if verb == "SELECT " && writer.random.percent(20) => {
                    let (limit, offset) = (writer.random.between(1, 6), writer.random.between(0, 3));
                    form(format!("{{}}{{}} LIMIT {limit} OFFSET {offset}"), vec![select, order])
                }
                _ => select,
            };
            (limited, found)
        })
    }
}
