//! Seeded schemas, rows and queries.
//!
//! Queries keep to what has one right answer: where SQLite itself may choose (which of several equal values stands for a group), the
//! choice is folded away.

use souk_merge::Value;

use super::expression::{Node, form, leaf, list, predicate, value};
use super::oracle::Table;
use super::random::Random;
use super::values::{blob, null, real, text};

/// Tables with rows, and what queries need to know of them.
pub struct Scene {
    pub tables: Vec<Table>,
    keys: Vec<Value>,
}

/// Subqueries of one query.
const SUBQUERIES_MAX: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Key,
    Integer,
    Real,
    Text,
    NoCase,
    RTrim,
    Json,
    Mixed,
}

const T: &[(&str, Kind)] = &[
    ("k", Kind::Key),
    ("id", Kind::Integer),
    ("n", Kind::Integer),
    ("x", Kind::Real),
    ("s", Kind::Text),
    ("c", Kind::NoCase),
    ("d", Kind::RTrim),
    ("j", Kind::Json),
    ("m", Kind::Mixed),
];
const U: &[(&str, Kind)] = &[
    ("k", Kind::Key),
    ("id", Kind::Integer),
    ("n", Kind::Integer),
    ("x", Kind::Real),
    ("s", Kind::Text),
    ("m", Kind::Mixed),
];
const R: &[(&str, Kind)] = &[("id", Kind::Integer), ("n", Kind::Integer), ("s", Kind::Text), ("c", Kind::NoCase)];

fn declared(kind: Kind, key: &str) -> &str {
    match kind {
        Kind::Key => key,
        Kind::Integer => "INTEGER",
        Kind::Real => "REAL",
        Kind::Text | Kind::Json => "TEXT",
        Kind::NoCase => "TEXT COLLATE NOCASE",
        Kind::RTrim => "TEXT COLLATE RTRIM",
        Kind::Mixed => "",
    }
}

/// A schema with its rows.
pub fn scene(random: &mut Random) -> Scene {
    let key_type = *random.pick(&["TEXT", "INTEGER", "", "BLOB", "NUMERIC", "VARCHAR(10)"]);
    let keys = keys(random, key_type);
    let sizes = *random.pick(&[
        (30, 25, 5),
        (40, 5, 6),
        (12, 12, 3),
        (1, 10, 4),
        (25, 0, 3),
        (50, 20, 5),
        (30, 30, 6),
        (20, 20, 5),
    ]);
    let shape = |name: &str, columns: &[(&str, Kind)]| {
        let columns = columns.iter().map(|(column, kind)| match *column {
            "id" => "id INTEGER PRIMARY KEY".to_owned(),
            column => format!("{column} {}", declared(*kind, key_type)).trim_end().to_owned(),
        });
        format!("CREATE TABLE {name}({})", columns.collect::<Vec<_>>().join(", "))
    };
    let mut table = |name: &str, columns: &[(&str, Kind)], count: usize| {
        let mut rows: Vec<Vec<Value>> = (0..count).map(|index| row(random, columns, &keys, index)).collect();
        // Rows of one shard need not come in the order of their ids.
        for index in (1..rows.len()).rev() {
            rows.swap(index, random.below(index + 1));
        }
        let shard_key = (name != "r").then(|| "k".to_owned());
        Table { name: name.to_owned(), sql: shape(name, columns), shard_key, rows }
    };
    let tables = vec![table("t", T, sizes.0), table("u", U, sizes.1), table("r", R, sizes.2)];
    Scene { tables, keys }
}

/// A few keys of what the type stores as distinct values; often NULL among them.
fn keys(random: &mut Random, key_type: &str) -> Vec<Value> {
    let mut keys: Vec<Value> = match key_type {
        "INTEGER" | "NUMERIC" => [0, 1, 2, 7, -3, i64::MAX, i64::MIN].map(Value::Integer).into(),
        "TEXT" | "VARCHAR(10)" => ["a", "b", "A", "", "a ", "1", "1.0", "süß"].map(text).into(),
        _ => vec![
            text("a"),
            Value::Integer(1),
            text("1"),
            real(1.5),
            blob(b"a"),
            blob(b""),
            text(""),
            Value::Integer(-1),
        ],
    };
    keys.truncate(1 + random.below(keys.len()));
    if random.percent(60) {
        keys.push(null());
    }
    keys
}

fn row(random: &mut Random, columns: &[(&str, Kind)], keys: &[Value], index: usize) -> Vec<Value> {
    columns
        .iter()
        .map(|(name, kind)| match (*name, *kind) {
            ("id", _) => Value::Integer(index as i64 + 1),
            (_, Kind::Key) => random.pick(keys).clone(),
            (_, kind) if random.percent(12) => {
                if kind == Kind::Json {
                    text("{}")
                } else {
                    null()
                }
            }
            (_, kind) => cell(random, kind),
        })
        .collect()
}

fn cell(random: &mut Random, kind: Kind) -> Value {
    match kind {
        Kind::Key => unreachable!("keys come from their list"),
        Kind::Integer => Value::Integer(random.between(-3, 9)),
        // Multiples of a quarter: their sums are exact in any order.
        Kind::Real => real(random.between(-40, 90) as f64 / 4.0),
        Kind::Text => one_of(random, &["a", "B", "b", "ab", "Abc", "a_b", "50%", "", "é", "É", "12", "1e1", "o'x"]),
        Kind::NoCase => one_of(random, &["a", "A", "b", "AB", "ab", "aB", "z", "é", "É"]),
        Kind::RTrim => one_of(random, &["a", "a ", "a  ", "b", " b", "", " ", "ab"]),
        Kind::Json => one_of(
            random,
            &[
                r#"{"a":1,"b":"x"}"#,
                r#"{"a":2.5,"b":null,"l":[1,2,3]}"#,
                r#"{"b":"y","l":[]}"#,
                r#"[1,"two",null]"#,
                "7",
                "null",
            ],
        ),
        // No integer beside a real of the same value, which a group would have to choose between.
        Kind::Mixed => match random.below(5) {
            0 => Value::Integer(random.between(-2, 5)),
            1 => real(random.between(-3, 6) as f64 + 0.5),
            2 => one_of(random, &["a", "A", "1", "2x", "-1.5"]),
            3 => blob(random.pick::<&[u8]>(&[b"a", b"1", b"", b"\xff\x00"])),
            _ => null(),
        },
    }
}

fn one_of(random: &mut Random, texts: &[&str]) -> Value {
    let picked: &&str = random.pick(texts);
    text(picked)
}

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
        if self.random.percent(60) {
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
        let offset = if self.random.percent(40) { vec![number(self, &[0, 0, 1, 1, 2, 5, 30, -1])] } else { vec![] };
        list(" LIMIT ", "", 0, vec![limit, list(" OFFSET ", "", 0, offset)])
    }

    fn having(&mut self, keys: &[Node]) -> Node {
        let over = |writer: &mut Self| writer.over_aggregates(1, keys);
        let template = *self.random.pick(&["{} > {}", "{} IS NOT {}", "{} <= {}", "{} = {} OR {} IS NULL"]);
        let children = (0..template.matches("{}").count()).map(|_| over(self)).collect();
        list(" HAVING ", " AND ", 0, vec![predicate(template, children)])
    }

    // Columns.

    fn pick_column(&mut self, wanted: &[Kind]) -> Option<(String, Kind)> {
        let all: Vec<(String, Kind)> = self
            .sources
            .iter()
            .flat_map(|source| source.columns.iter().map(|(name, kind)| (source.column(name), *kind)))
            .filter(|(_, kind)| wanted.contains(kind))
            .collect();
        (!all.is_empty()).then(|| self.random.pick(&all).clone())
    }

    fn any_column(&mut self) -> String {
        let all = [Kind::Key, Kind::Integer, Kind::Real, Kind::Text, Kind::Mixed];
        self.pick_column(&all).map_or("1".into(), |(column, _)| column)
    }

    /// The key of a source that no outer join fills with NULLs: the first.
    fn key_column(&mut self) -> String {
        self.sources[0].column("k")
    }

    // Values.

    fn literal_key(&mut self) -> Node {
        let key = self.random.pick(&self.scene.keys).clone();
        let other =
            self.random.pick(&[Value::Integer(1), text("1"), real(1.0), text("nobody"), text("a"), null()]).clone();
        let key = if self.random.percent(80) { key } else { other };
        if self.random.percent(40) { Node::Param(key) } else { leaf(super::values::show(&key)) }
    }

    fn literal(&mut self) -> Node {
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
        if self.random.percent(25) { Node::Param(value) } else { leaf(super::values::show(&value)) }
    }

    /// Anything.
    fn value(&mut self, depth: usize) -> Node {
        match self.random.below(10) {
            0..4 => leaf(self.any_shown_column()),
            4..7 => self.number(depth),
            7..9 => self.string(depth),
            _ => value("({})", vec![self.predicate(depth.saturating_sub(1))]),
        }
    }

    fn any_shown_column(&mut self) -> String {
        let all =
            [Kind::Key, Kind::Integer, Kind::Real, Kind::Text, Kind::NoCase, Kind::RTrim, Kind::Json, Kind::Mixed];
        self.pick_column(&all).map_or("1".into(), |(column, _)| column)
    }

    fn order_value(&mut self) -> Node {
        match self.random.below(4) {
            0 => value("({} + 0)", vec![self.number(1)]),
            1 => value("upper({})", vec![self.string(1)]),
            _ => leaf(self.any_shown_column()),
        }
    }

    fn number(&mut self, depth: usize) -> Node {
        if depth == 0 || self.random.percent(25) {
            let column = self.pick_column(&[Kind::Integer, Kind::Real, Kind::Mixed]);
            return match column {
                Some((column, _)) if self.random.percent(75) => leaf(column),
                _ => self.literal(),
            };
        }
        let depth = depth - 1;
        if self.random.percent(12) && self.subqueries < SUBQUERIES_MAX {
            return self.scalar_subquery();
        }
        if self.random.percent(12)
            && let Some((json, _)) = self.pick_column(&[Kind::Json])
        {
            let template = *self.random.pick(&[
                "json_extract(J, '$.a')",
                "(J ->> '$.b')",
                "(J -> '$.l')",
                "json_array_length(J, '$.l')",
                "json_type(J)",
                "(J ->> 0)",
            ]);
            return leaf(template.replace('J', &json));
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
            ("CAST({} AS INTEGER)", "v"),
            ("CAST({} AS REAL)", "n"),
            ("CASE WHEN {} THEN {} ELSE {} END", "pnn"),
            ("CASE {} WHEN {} THEN {} END", "vvn"),
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
            ("round({}, 1)", "n"),
            ("sign({})", "n"),
        ];
        self.fill(templates, depth, true)
    }

    fn string(&mut self, depth: usize) -> Node {
        if depth == 0 || self.random.percent(30) {
            let column = self.pick_column(&[Kind::Text, Kind::NoCase, Kind::RTrim, Kind::Mixed, Kind::Key]);
            return match column {
                Some((column, _)) if self.random.percent(75) => leaf(column),
                _ => self.literal(),
            };
        }
        let templates: &[(&str, &str)] = &[
            ("({} || {})", "sv"),
            ("upper({})", "s"),
            ("lower({})", "s"),
            ("substr({}, 1, 2)", "s"),
            ("replace({}, 'a', 'xy')", "s"),
            ("trim({})", "s"),
            ("hex({})", "v"),
            ("quote({})", "v"),
            ("typeof({})", "v"),
            ("CAST({} AS TEXT)", "v"),
            ("coalesce({}, {})", "ss"),
            ("CASE WHEN {} THEN {} ELSE {} END", "pss"),
            ("printf('%s-%s', {}, {})", "sv"),
            ("CAST({} AS BLOB)", "s"),
        ];
        self.fill(templates, depth - 1, true)
    }

    fn fill(&mut self, templates: &[(&str, &str)], depth: usize, is_value: bool) -> Node {
        let (template, kinds) = *self.random.pick(templates);
        let children = kinds
            .chars()
            .map(|kind| match kind {
                'n' => self.number(depth),
                's' => self.string(depth),
                'p' => self.predicate(depth),
                'k' => self.literal_key(),
                _ => self.value(depth),
            })
            .collect();
        if is_value { value(template, children) } else { predicate(template, children) }
    }

    fn predicate(&mut self, depth: usize) -> Node {
        if self.random.percent(14) {
            let key = self.key_column();
            let templates: &[(&str, &str)] = &[
                ("K = {}", "k"),
                ("K IN ({}, {})", "kk"),
                ("K IS {}", "k"),
                ("K IS NULL", ""),
                ("{} = K", "k"),
                ("K <> {}", "k"),
                ("K > {}", "k"),
                ("K IN ()", ""),
                ("NOT K = {}", "k"),
                ("K = {} OR K = {}", "kk"),
                ("K NOT IN ({})", "k"),
                ("K BETWEEN {} AND {}", "kk"),
            ];
            let (template, kinds) = *self.random.pick(templates);
            return self.fill(&[(&template.replace('K', &key), kinds)], depth, false);
        }
        if depth > 0 && self.random.percent(15) && self.subqueries < SUBQUERIES_MAX {
            return self.subquery_predicate();
        }
        let templates: &[(&str, &str)] = &[
            ("{} = {}", "vv"),
            ("{} < {}", "nn"),
            ("{} >= {}", "ss"),
            ("{} <> {}", "vv"),
            ("{} IS {}", "vv"),
            ("{} IS NOT {}", "vv"),
            ("{} IS DISTINCT FROM {}", "vv"),
            ("{} IS NOT DISTINCT FROM {}", "vv"),
            ("{} IS NULL", "v"),
            ("{} NOTNULL", "v"),
            ("{} BETWEEN {} AND {}", "nnn"),
            ("{} NOT BETWEEN {} AND {}", "vvv"),
            ("{} IN ({}, {}, 1, 'a')", "vvv"),
            ("{} NOT IN ({}, 2)", "vv"),
            ("{} LIKE 'a%'", "s"),
            ("{} NOT LIKE '%b'", "s"),
            ("{} LIKE 'a!_b' ESCAPE '!'", "s"),
            ("{} GLOB '[a-m]*'", "s"),
            ("{} = {} COLLATE NOCASE", "ss"),
            ("{} COLLATE RTRIM IN ('a', 'b ')", "s"),
            ("({}, {}) = ({}, {})", "vnvn"),
            ("({}, {}) < ({}, {})", "nnnn"),
            ("{}", "n"),
        ];
        let joined: &[(&str, &str)] = &[
            ("({} AND {})", "pp"),
            ("({} OR {})", "pp"),
            ("NOT ({})", "p"),
            ("({}) IS TRUE", "p"),
            ("({}) IS NOT FALSE", "p"),
        ];
        if depth > 0 && self.random.percent(35) {
            self.fill(joined, depth - 1, false)
        } else {
            self.fill(templates, depth.saturating_sub(1), false)
        }
    }

    // Subqueries, tied to the row by its key or over replicated tables alone.

    fn inner_alias(&mut self) -> String {
        self.subqueries += 1;
        format!("q{}", self.subqueries)
    }

    fn tied(&mut self) -> (String, String, Node) {
        let (alias, key) = (self.inner_alias(), self.key_column());
        let (table, columns) = *self.random.pick(&[("u", U), ("t", T)]);
        let outer = std::mem::replace(&mut self.sources, vec![Source::new(&alias, columns, true)]);
        // It sees the outer row too.
        self.sources.extend(outer.iter().cloned());
        let more = if self.random.percent(60) { vec![form("({})", vec![self.predicate(1)])] } else { vec![] };
        self.sources = outer;
        (alias.clone(), format!("{table} AS {alias} WHERE {alias}.k = {key}"), list(" AND ", " AND ", 0, more))
    }

    fn scalar_subquery(&mut self) -> Node {
        if self.random.percent(30) {
            let alias = self.inner_alias();
            let template = *self.random.pick(&[
                "(SELECT max(Q.n) FROM r AS Q)",
                "(SELECT count(*) FROM r AS Q WHERE Q.n >= {})",
                "(SELECT avg(Q.n) FROM r AS Q)",
            ]);
            let template = template.replace('Q', &alias);
            let children = if template.contains("{}") { vec![self.number(0)] } else { vec![] };
            return value(template, children);
        }
        let (alias, from, more) = self.tied();
        let output =
            *self.random.pick(&["count(*)", "max(Q.n)", "sum(Q.x)", "min(Q.s)", "total(Q.n)", "count(DISTINCT Q.s)"]);
        value(format!("(SELECT {} FROM {from}{{}})", output.replace('Q', &alias)), vec![more])
    }

    /// Of keys in keys: exact shard by shard as a condition of its own, and nowhere else.
    fn membership(&mut self) -> Node {
        let (alias, key, more) = (self.inner_alias(), self.key_column(), self.random.between(0, 5));
        leaf(format!("{key} IN (SELECT {alias}.k FROM u AS {alias} WHERE {alias}.n > {more})"))
    }

    fn subquery_predicate(&mut self) -> Node {
        let alias = self.inner_alias();
        match self.random.below(4) {
            0 => predicate(format!("{{}} IN (SELECT {alias}.n FROM r AS {alias})"), vec![self.number(0)]),
            1 => predicate(format!("EXISTS (SELECT 1 FROM r AS {alias} WHERE {alias}.s = {{}})"), vec![self.string(0)]),
            _ => {
                let not = *self.random.pick(&["", "NOT "]);
                let (alias, from, more) = self.tied();
                if self.random.percent(50) {
                    predicate(format!("{not}EXISTS (SELECT * FROM {from}{{}})"), vec![more])
                } else {
                    predicate(format!("{{}} {not}IN (SELECT {alias}.n FROM {from}{{}})"), vec![self.number(0), more])
                }
            }
        }
    }

    // What groups: values of which equal ones are the same.

    /// A value that equals no other value than itself.
    fn clean(&mut self) -> Node {
        match self.random.below(6) {
            0..2 => leaf(self.any_column()),
            2 => self.clean_number(),
            3 => value("upper({})", vec![self.clean_text()]),
            4 => value("CASE WHEN {} THEN 'yes' ELSE 'no' END", vec![self.predicate(1)]),
            _ => value("typeof({})", vec![leaf(self.any_column())]),
        }
    }

    fn clean_text(&mut self) -> Node {
        self.pick_column(&[Kind::Text]).map_or(leaf("'a'"), |(column, _)| leaf(column))
    }

    fn clean_number(&mut self) -> Node {
        let column = self.pick_column(&[Kind::Integer]).map_or(leaf("1"), |(column, _)| leaf(column));
        match self.random.below(5) {
            0 => value("({} + 1)", vec![column]),
            1 => value("({} % 3)", vec![column]),
            2 => value("coalesce({}, -1)", vec![column]),
            _ => column,
        }
    }

    /// A value of one of three kinds, for the parts of a compound.
    fn of_kind(&mut self, kind: usize) -> Node {
        match kind {
            0 => self.clean_number(),
            1 => self.clean_text(),
            _ => value("typeof({})", vec![leaf(self.any_column())]),
        }
    }

    /// What is grouped by, and how to show it so that it does not matter which value stands for the group.
    fn group_key(&mut self) -> (Node, Node) {
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

    fn aggregate(&mut self) -> Node {
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

    fn over_aggregates(&mut self, depth: usize, keys: &[Node]) -> Node {
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
