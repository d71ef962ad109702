//! What shards answer by themselves: joins by key, subqueries that are tied to the row by its key or over replicated tables alone.

use super::super::expression::{Node, form, leaf, list, predicate, value};
use super::Writer;
use super::cells::Kind;
use super::from::Clause;
use super::scope::Source;

impl Writer<'_> {
    pub(super) fn table(&self, name: &str, alias: &str) -> Source {
        let relation = self.scene.relations.iter().find(|relation| relation.name == name);
        Source::new(relation.expect("a table of the scene"), alias)
    }

    fn set_sources(&mut self, sources: Vec<Source>) {
        let place = self.scopes.len() - 1;
        self.scopes[place] = sources;
    }

    /// Sets the sources and gives the FROM clause over them.
    pub(super) fn local_from(&mut self) -> Clause {
        if let Some(cte) = self.ctes.last().cloned() {
            return self.local_with(Source::new(&cte, "w"));
        }
        let (a, b, c) = (self.name(), self.name(), self.name());
        let (t, u, r) = (self.table("t", &a), self.table("u", &b), self.table("r", &c));
        let left = if self.random.percent(30) { " LEFT JOIN" } else { " JOIN" };
        let items = match self.random.below(12) {
            0..4 => {
                self.set_sources(vec![t]);
                vec![leaf(format!("t AS {a}"))]
            }
            4 => {
                self.set_sources(vec![u]);
                vec![leaf(format!("u AS {b}"))]
            }
            5 | 6 => {
                self.set_sources(vec![t, u]);
                let on = self.more_on();
                vec![leaf(format!("t AS {a}")), form(format!("{left} u AS {b} ON {a}.k = {b}.k{{}}"), vec![on])]
            }
            7 => {
                self.set_sources(vec![t, u]);
                vec![leaf(format!("t AS {a}{left} u AS {b} USING (k)"))]
            }
            8 => {
                self.set_sources(vec![t, r]);
                let on = self.more_on();
                vec![leaf(format!("t AS {a}")), form(format!("{left} r AS {c} ON {a}.n = {c}.n{{}}"), vec![on])]
            }
            9 => {
                self.set_sources(vec![t.clone(), u.clone()]);
                let second = form(format!("{left} u AS {b} ON {b}.k = {a}.k{{}}"), vec![self.more_on()]);
                self.set_sources(vec![t, u, r]);
                vec![leaf(format!("t AS {a}")), second, leaf(format!(" JOIN r AS {c} ON {c}.n = {a}.n"))]
            }
            10 => self.derived_rows(t),
            _ => self.derived_groups(t),
        };
        Clause { node: list("", "", 1, items), pins: vec![] }
    }

    /// The WITH table, sometimes beside `u`.
    fn local_with(&mut self, cte: Source) -> Clause {
        let name = cte.alias.clone();
        let mut items = vec![leaf(name.clone())];
        self.set_sources(vec![cte.clone()]);
        if self.random.percent(40) {
            let b = self.name();
            self.set_sources(vec![cte, self.table("u", &b)]);
            items.push(form(format!(" JOIN u AS {b} ON {b}.k = {name}.k{{}}"), vec![self.more_on()]));
        }
        Clause { node: list("", "", 1, items), pins: vec![] }
    }

    fn derived(&mut self, columns: &[(&str, Kind)], unique: Option<&[&str]>) -> Source {
        Source {
            alias: self.name(),
            columns: columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
            unique: unique.map(|unique| unique.iter().map(|name| (*name).to_owned()).collect()),
            rows: 20,
            has_rowid: false,
        }
    }

    fn derived_rows(&mut self, t: Source) -> Vec<Node> {
        let a = t.alias.clone();
        let inner = self.nested(|writer| {
            writer.set_sources(vec![t]);
            let n = form("{} AS n", vec![writer.clean_number()]);
            let outputs =
                vec![leaf(format!("{a}.k AS k")), n, leaf(format!("{a}.s AS s")), leaf(format!("{a}.m AS m"))];
            writer.select_alone("SELECT ", outputs, Clause::of(leaf(format!("t AS {a}"))), vec![])
        });
        let columns = [("k", Kind::Key), ("n", Kind::Integer), ("s", Kind::Text), ("m", Kind::Mixed)];
        let source = self.derived(&columns, None);
        let alias = source.alias.clone();
        self.set_sources(vec![source]);
        vec![form(format!("({{}}) AS {alias}"), vec![inner])]
    }

    fn derived_groups(&mut self, t: Source) -> Vec<Node> {
        let a = t.alias.clone();
        let inner = self.nested(|writer| {
            writer.set_sources(vec![t]);
            let x = form("sum({}) AS x", vec![writer.clean_number()]);
            let outputs = vec![leaf(format!("{a}.k AS k")), leaf("count(*) AS n"), x];
            let group = leaf(format!(" GROUP BY {a}.k"));
            writer.select_alone("SELECT ", outputs, Clause::of(leaf(format!("t AS {a}"))), vec![group])
        });
        let columns = [("k", Kind::Key), ("n", Kind::Integer), ("x", Kind::Integer)];
        let source = self.derived(&columns, Some(&["k"]));
        let alias = source.alias.clone();
        let mut items = vec![form(format!("({{}}) AS {alias}"), vec![inner])];
        let mut sources = vec![source];
        if self.random.percent(40) {
            let b = self.name();
            sources.push(self.table("u", &b));
            items.push(leaf(format!(" JOIN u AS {b} ON {b}.k = {alias}.k")));
        }
        self.set_sources(sources);
        items
    }

    /// A subquery's FROM and WHERE, tied to the row by its key; and the alias.
    fn tied(&mut self, key: &str) -> (String, String, Node) {
        self.subqueries += 1;
        let alias = self.name();
        let table = *self.random.pick(&["u", "t"]);
        let source = self.table(table, &alias);
        let more = self.nested(|writer| {
            writer.set_sources(vec![source]);
            if writer.random.percent(60) { vec![form("({})", vec![writer.predicate(1)])] } else { vec![] }
        });
        let from = format!("{table} AS {alias} WHERE {alias}.k = {key}");
        (alias, from, list(" AND ", " AND ", 0, more))
    }

    pub(super) fn local_scalar(&mut self) -> Node {
        let key = self.key_column().filter(|_| self.random.percent(70));
        let Some(key) = key else {
            self.subqueries += 1;
            let alias = self.name();
            let template = *self.random.pick(&[
                "(SELECT max(Q.n) FROM r AS Q)",
                "(SELECT count(*) FROM r AS Q WHERE Q.n >= {})",
                "(SELECT sum(Q.n) FROM r AS Q)",
            ]);
            let template = template.replace('Q', &alias);
            let children = if template.contains("{}") { vec![self.number(0)] } else { vec![] };
            return value(template, children);
        };
        let (alias, from, more) = self.tied(&key);
        let output =
            *self.random.pick(&["count(*)", "max(Q.n)", "sum(Q.x)", "min(Q.s)", "total(Q.n)", "count(DISTINCT Q.s)"]);
        value(format!("(SELECT {} FROM {from}{{}})", output.replace('Q', &alias)), vec![more])
    }

    /// Of keys in keys: exact shard by shard as a condition of its own, and nowhere else.
    pub(super) fn membership(&mut self) -> Option<Node> {
        let key = self.key_column()?;
        let (alias, more) = (self.name(), self.random.between(0, 5));
        Some(leaf(format!("{key} IN (SELECT {alias}.k FROM u AS {alias} WHERE {alias}.n > {more})")))
    }

    pub(super) fn local_subquery_predicate(&mut self) -> Node {
        let key = self.key_column().filter(|_| self.random.percent(50));
        let Some(key) = key else {
            self.subqueries += 1;
            let alias = self.name();
            return match self.random.percent(50) {
                true => predicate(format!("{{}} IN (SELECT {alias}.n FROM r AS {alias})"), vec![self.number(0)]),
                false => predicate(
                    format!("EXISTS (SELECT 1 FROM r AS {alias} WHERE {alias}.s = {{}})"),
                    vec![self.string(0)],
                ),
            };
        };
        let not = *self.random.pick(&["", "NOT "]);
        let (alias, from, more) = self.tied(&key);
        if self.random.percent(50) {
            predicate(format!("{not}EXISTS (SELECT * FROM {from}{{}})"), vec![more])
        } else {
            predicate(format!("{{}} {not}IN (SELECT {alias}.n FROM {from}{{}})"), vec![self.number(0), more])
        }
    }
}
