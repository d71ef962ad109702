//! Seeded schemas, rows and queries.
//!
//! Queries keep to what has one right answer: where SQLite itself may choose (which of several equal values stands for a group), the
//! choice is folded away.
//!
//! - `scene`: tables and rows.
//! - `expressions`: what stands in a query.
//! - `groups`: what groups, and aggregates.

#[path = "generate/expressions.rs"]
mod expressions;
#[path = "generate/groups.rs"]
mod groups;
#[path = "generate/scene.rs"]
mod scene;

use self::scene::*;
pub use self::scene::{Scene, scene};
use souk_merge::Value;

use super::expression::{Node, form, leaf, list, predicate, value};
use super::random::Random;

/// Subqueries of one query.
const SUBQUERIES_MAX: usize = 3;

/// A table in a FROM clause, as queries see it.
#[derive(Clone)]
struct Source {
    alias: String,
    columns: Vec<(String, Kind)>,
    sharded: bool,
}

impl Source {
    fn new(alias: &str, columns: &[(&str, Kind)], sharded: bool) -> Source {
        let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        Source { alias: alias.to_owned(), columns, sharded }
    }

    fn column(&self, name: &str) -> String {
        format!("{}.{name}", self.alias)
    }
}

/// Writes one query.
struct Writer<'a> {
    random: &'a mut Random,
    scene: &'a Scene,
    sources: Vec<Source>,
    /// Subqueries so far: names, and a bound.
    subqueries: usize,
}

/// A query over the scene.
pub fn case(random: &mut Random, scene: &Scene) -> Node {
    let mut writer = Writer { random, scene, sources: Vec::new(), subqueries: 0 };
    match writer.random.below(100) {
        0..35 => writer.rows(),
        35..45 => writer.distinct(),
        45..60 => writer.totals(),
        60..80 => writer.groups(),
        80..87 => writer.windows(),
        87..94 => writer.compound(),
        _ => writer.with(),
    }
}

impl Writer<'_> {
    // Shapes.

    fn rows(&mut self) -> Node {
        let from = self.from();
        let outputs = self.outputs(|writer| writer.value(3));
        let order = self.order(outputs.len(), Writer::order_value);
        self.select("SELECT ", outputs, from, vec![], order)
    }

    fn distinct(&mut self) -> Node {
        let from = self.from();
        let count = 1 + self.random.below(3);
        let outputs: Vec<Node> = (0..count).map(|_| self.clean()).collect();
        let count = outputs.len();
        let order = self.order(count, |writer| leaf((writer.random.below(count) + 1).to_string()));
        self.select("SELECT DISTINCT ", outputs, from, vec![], order)
    }

    fn totals(&mut self) -> Node {
        let from = self.from();
        let outputs = self.outputs(|writer| writer.over_aggregates(2, &[]));
        let tail = if self.random.percent(20) { vec![self.having(&[])] } else { vec![] };
        self.select("SELECT ", outputs, from, tail, vec![])
    }

    fn groups(&mut self) -> Node {
        let from = self.from();
        let keys: Vec<(Node, Node)> = (0..1 + self.random.below(2)).map(|_| self.group_key()).collect();
        let shown: Vec<Node> = keys.iter().map(|(_, shown)| shown.clone()).collect();
        let mut outputs = shown.clone();
        outputs.extend(self.outputs(|writer| writer.over_aggregates(2, &shown)));
        let plain = keys.iter().zip(1..).all(|((key, shown), _)| key.render().0 == shown.render().0);
        let by_place = plain && self.random.percent(25);
        let group = keys
            .iter()
            .enumerate()
            .map(|(index, (key, _))| if by_place { leaf((index + 1).to_string()) } else { key.clone() });
        let mut tail = vec![list(" GROUP BY ", ", ", 1, group.collect())];
        if self.random.percent(40) {
            tail.push(self.having(&shown));
        }
        let order = self.order(outputs.len(), |writer| writer.over_aggregates(1, &shown));
        self.select("SELECT ", outputs, from, tail, order)
    }

    fn windows(&mut self) -> Node {
        let from = self.from();
        let key = self.key_column();
        let ids: Vec<String> = self
            .sources
            .iter()
            .filter(|source| source.columns.iter().any(|(name, _)| name == "id"))
            .map(|source| source.column("id"))
            .collect();
        let ids = if ids.is_empty() { "1".to_owned() } else { ids.join(", ") };
        let mut outputs = self.outputs(|writer| writer.value(1));
        let frame = *self.random.pick(&["", " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING", " RANGE UNBOUNDED PRECEDING"]);
        let over = match self.random.below(3) {
            0 => format!("(PARTITION BY {key})"),
            1 => format!("(PARTITION BY {key} ORDER BY {ids}{frame})"),
            _ => format!("(PARTITION BY {key}, {} ORDER BY {ids} DESC)", self.any_column()),
        };
        let call = *self.random.pick(&["count(*)", "sum({})", "min({})", "max({})", "total({})", "count({})"]);
        let ranked = ["row_number()", "rank()", "lag({})", "first_value({})", "lead({}, 2)"];
        let call = if over.contains("ORDER BY") && self.random.percent(50) { *self.random.pick(&ranked) } else { call };
        let arguments = if call.contains("{}") { vec![self.clean_number()] } else { vec![] };
        outputs.push(form(format!("{call} OVER {over}"), arguments));
        let order = self.order(outputs.len(), Writer::order_value);
        self.select("SELECT ", outputs, from, vec![], order)
    }

    fn compound(&mut self) -> Node {
        let op =
            *self.random.pick(&[" UNION ALL ", " UNION ALL ", " UNION ALL ", " UNION ", " EXCEPT ", " INTERSECT "]);
        let kinds: Vec<usize> = (0..1 + self.random.below(3)).map(|_| self.random.below(3)).collect();
        let arms: Vec<Node> = (0..2 + self.random.below(2))
            .map(|_| {
                self.sources.clear();
                let from = self.from();
                let mut outputs = if op == " UNION ALL " { vec![] } else { vec![leaf(self.key_column())] };
                outputs.extend(kinds.iter().map(|kind| self.of_kind(*kind)));
                self.select_alone("SELECT ", outputs, from, vec![])
            })
            .collect();
        let columns = kinds.len();
        let order = self.order(columns, |writer| leaf((writer.random.below(columns) + 1).to_string()));
        let limit = self.limit();
        form("{}{}{}", vec![list("", op, 1, arms), list(" ORDER BY ", ", ", 0, order), limit])
    }

    fn with(&mut self) -> Node {
        self.sources = vec![Source::new("a", T, true)];
        let outputs =
            vec![leaf("a.k AS k"), leaf("a.id AS id"), form("{} AS n", vec![self.clean_number()]), leaf("a.s AS s")];
        let body = self.select_alone("SELECT ", outputs, leaf("t AS a"), vec![]);
        let columns = [("k", Kind::Key), ("id", Kind::Integer), ("n", Kind::Integer), ("s", Kind::Text)];
        self.sources = vec![Source::new("w", &columns, true)];
        let mut from = vec![leaf("w")];
        if self.random.percent(40) {
            self.sources.push(Source::new("b", U, true));
            from.push(form(" JOIN u AS b ON b.k = w.k{}", vec![self.more_on()]));
        }
        let from = list("", "", 1, from);
        let query = if self.random.percent(50) {
            let outputs = self.outputs(|writer| writer.value(2));
            let order = self.order(outputs.len(), Writer::order_value);
            self.select("SELECT ", outputs, from, vec![], order)
        } else {
            let outputs = self.outputs(|writer| writer.over_aggregates(1, &[]));
            self.select("SELECT ", outputs, from, vec![], vec![])
        };
        form("WITH w AS ({}) {}", vec![body, query])
    }

    // Clauses.

    fn select(
        &mut self,
        verb: &'static str,
        outputs: Vec<Node>,
        from: Node,
        tail: Vec<Node>,
        order: Vec<Node>,
    ) -> Node {
        let alone = self.select_alone(verb, outputs, from, tail);
        let limit = self.limit();
        form("{}{}{}", vec![alone, list(" ORDER BY ", ", ", 0, order), limit])
    }

    fn select_alone(&mut self, verb: &'static str, outputs: Vec<Node>, from: Node, tail: Vec<Node>) -> Node {
        let filters = [0, 0, 0, 1, 1, 1, 2][self.random.below(7)];
        let mut filters: Vec<Node> = (0..filters).map(|_| self.filter()).collect();
        if self.random.percent(4) {
            filters.push(self.membership());
        }
        let tail = list("", "", 0, tail);
        form("{} FROM {}{}{}", vec![list(verb, ", ", 1, outputs), from, list(" WHERE ", " AND ", 0, filters), tail])
    }

    /// A condition that lets some rows through more often than not.
    fn filter(&mut self) -> Node {
        let any = self.predicate(3);
        match self.random.percent(60) {
            true => form("({} OR {})", vec![any, self.predicate(1)]),
            false => form("({})", vec![any]),
        }
    }

    fn outputs(&mut self, make: impl Fn(&mut Self) -> Node) -> Vec<Node> {
        (0..1 + self.random.below(4)).map(|_| make(self)).collect()
    }

    /// Sets `sources` and gives the FROM clause over them.
    fn from(&mut self) -> Node {
        let (t, u, r) = (Source::new("a", T, true), Source::new("b", U, true), Source::new("c", R, false));
        let left = if self.random.percent(30) { " LEFT JOIN" } else { " JOIN" };
        match self.random.below(12) {
            0..4 => {
                self.sources = vec![t];
                leaf("t AS a")
            }
            4 => {
                self.sources = vec![u];
                leaf("u AS b")
            }
            5 | 6 => {
                self.sources = vec![t, u];
                let on = self.more_on();
                list("", "", 1, vec![leaf("t AS a"), form(format!("{left} u AS b ON a.k = b.k{{}}"), vec![on])])
            }
            7 => {
                self.sources = vec![t, u];
                leaf(format!("t AS a{left} u AS b USING (k)"))
            }
            8 => {
                self.sources = vec![t, r];
                let on = self.more_on();
                list("", "", 1, vec![leaf("t AS a"), form(format!("{left} r AS c ON a.n = c.n{{}}"), vec![on])])
            }
            9 => {
                self.sources = vec![t, u];
                let second = form(format!("{left} u AS b ON b.k = a.k{{}}"), vec![self.more_on()]);
                self.sources.push(r);
                list("", "", 1, vec![leaf("t AS a"), second, leaf(" JOIN r AS c ON c.n = a.n")])
            }
            10 => self.derived_rows(),
            _ => self.derived_groups(),
        }
    }

    fn derived_rows(&mut self) -> Node {
        self.sources = vec![Source::new("a", T, true)];
        let outputs =
            vec![leaf("a.k AS k"), form("{} AS n", vec![self.clean_number()]), leaf("a.s AS s"), leaf("a.m AS m")];
        let inner = self.select_alone("SELECT ", outputs, leaf("t AS a"), vec![]);
        let columns = [("k", Kind::Key), ("n", Kind::Integer), ("s", Kind::Text), ("m", Kind::Mixed)];
        self.sources = vec![Source::new("e", &columns, true)];
        form("({}) AS e", vec![inner])
    }

    fn derived_groups(&mut self) -> Node {
        self.sources = vec![Source::new("a", T, true)];
        let outputs = vec![leaf("a.k AS k"), leaf("count(*) AS n"), form("sum({}) AS x", vec![self.clean_number()])];
        let inner = self.select_alone("SELECT ", outputs, leaf("t AS a"), vec![leaf(" GROUP BY a.k")]);
        let columns = [("k", Kind::Key), ("n", Kind::Integer), ("x", Kind::Integer)];
        self.sources = vec![Source::new("e", &columns, true)];
        let mut items = vec![form("({}) AS e", vec![inner])];
        if self.random.percent(40) {
            self.sources.push(Source::new("b", U, true));
            items.push(leaf(" JOIN u AS b ON b.k = e.k"));
        }
        list("", "", 1, items)
    }

    /// A further condition of an ON clause.
    fn more_on(&mut self) -> Node {
        let items = if self.random.percent(35) { vec![form("({})", vec![self.predicate(1)])] } else { vec![] };
        list(" AND ", " AND ", 0, items)
    }

    fn order(&mut self, outputs: usize, make: impl Fn(&mut Self) -> Node) -> Vec<Node> {
        let terms = [0, 0, 1, 1, 2, 3][self.random.below(6)];
        (0..terms)
            .map(|_| {
                let key = if self.random.percent(40) {
                    leaf((self.random.below(outputs) + 1).to_string())
                } else {
                    make(self)
                };
                let collate =
                    *self.random.pick(&["", "", "", "", " COLLATE NOCASE", " COLLATE RTRIM", " COLLATE BINARY"]);
                let direction = *self.random.pick(&["", "", " ASC", " DESC", " DESC"]);
                let nulls = *self.random.pick(&["", "", "", " NULLS FIRST", " NULLS LAST"]);
                form(format!("{{}}{collate}{direction}{nulls}"), vec![key])
            })
            .collect()
    }

    fn limit(&mut self) -> Node {
        if self.random.percent(45) {
            return list(" LIMIT ", "", 0, vec![]);
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
        let limit = number(self, &[0, 1, 2, 3, 5, 10, 10, 100, -1]);
        let offset = if self.random.percent(60) { vec![number(self, &[0, 1, 1, 2, 3, 5, 30, -1])] } else { vec![] };
        list(" LIMIT ", "", 0, vec![limit, list(" OFFSET ", "", 0, offset)])
    }

    fn having(&mut self, keys: &[Node]) -> Node {
        let over = |writer: &mut Self| writer.over_aggregates(1, keys);
        let template = *self.random.pick(&["{} > {}", "{} IS NOT {}", "{} <= {}", "{} = {} OR {} IS NULL"]);
        let children = (0..template.matches("{}").count()).map(|_| over(self)).collect();
        list(" HAVING ", " AND ", 0, vec![predicate(template, children)])
    }
}
