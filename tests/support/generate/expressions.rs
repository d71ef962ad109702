//! Columns, literals, values, predicates and subqueries.

use souk_merge::Value;

use super::super::expression::{Node, form, leaf, list, predicate, value};
use super::super::values::{blob, null, real, show, text};
use super::scene::*;
use super::{SUBQUERIES_MAX, Source, Writer};

impl Writer<'_> {
    // Columns.

    pub(super) fn pick_column(&mut self, wanted: &[Kind]) -> Option<(String, Kind)> {
        let all: Vec<(String, Kind)> = self
            .sources
            .iter()
            .flat_map(|source| source.columns.iter().map(|(name, kind)| (source.column(name), *kind)))
            .filter(|(_, kind)| wanted.contains(kind))
            .collect();
        (!all.is_empty()).then(|| self.random.pick(&all).clone())
    }

    pub(super) fn any_column(&mut self) -> String {
        let all = [Kind::Key, Kind::Integer, Kind::Real, Kind::Text, Kind::Mixed];
        self.pick_column(&all).map_or("1".into(), |(column, _)| column)
    }

    /// The key of a source that no outer join fills with NULLs: the first.
    pub(super) fn key_column(&mut self) -> String {
        self.sources[0].column("k")
    }

    // Values.

    pub(super) fn literal_key(&mut self) -> Node {
        let key = self.random.pick(&self.scene.keys).clone();
        let other =
            self.random.pick(&[Value::Integer(1), text("1"), real(1.0), text("nobody"), text("a"), null()]).clone();
        let key = if self.random.percent(80) { key } else { other };
        if self.random.percent(40) { Node::Param(key) } else { leaf(show(&key)) }
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
        match self.random.below(10) {
            0..4 => leaf(self.any_shown_column()),
            4..7 => self.number(depth),
            7..9 => self.string(depth),
            _ => value("({})", vec![self.predicate(depth.saturating_sub(1))]),
        }
    }

    pub(super) fn any_shown_column(&mut self) -> String {
        let all =
            [Kind::Key, Kind::Integer, Kind::Real, Kind::Text, Kind::NoCase, Kind::RTrim, Kind::Json, Kind::Mixed];
        self.pick_column(&all).map_or("1".into(), |(column, _)| column)
    }

    pub(super) fn order_value(&mut self) -> Node {
        match self.random.below(4) {
            0 => value("({} + 0)", vec![self.number(1)]),
            1 => value("upper({})", vec![self.string(1)]),
            _ => leaf(self.any_shown_column()),
        }
    }

    pub(super) fn number(&mut self, depth: usize) -> Node {
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

    pub(super) fn string(&mut self, depth: usize) -> Node {
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

    pub(super) fn fill(&mut self, templates: &[(&str, &str)], depth: usize, is_value: bool) -> Node {
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

    pub(super) fn predicate(&mut self, depth: usize) -> Node {
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

    pub(super) fn inner_alias(&mut self) -> String {
        self.subqueries += 1;
        format!("q{}", self.subqueries)
    }

    pub(super) fn tied(&mut self) -> (String, String, Node) {
        let (alias, key) = (self.inner_alias(), self.key_column());
        let (table, columns) = *self.random.pick(&[("u", U), ("t", T)]);
        let outer = std::mem::replace(&mut self.sources, vec![Source::new(&alias, columns, true)]);
        // It sees the outer row too.
        self.sources.extend(outer.iter().cloned());
        let more = if self.random.percent(60) { vec![form("({})", vec![self.predicate(1)])] } else { vec![] };
        self.sources = outer;
        (alias.clone(), format!("{table} AS {alias} WHERE {alias}.k = {key}"), list(" AND ", " AND ", 0, more))
    }

    pub(super) fn scalar_subquery(&mut self) -> Node {
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
    pub(super) fn membership(&mut self) -> Node {
        let (alias, key, more) = (self.inner_alias(), self.key_column(), self.random.between(0, 5));
        leaf(format!("{key} IN (SELECT {alias}.k FROM u AS {alias} WHERE {alias}.n > {more})"))
    }

    pub(super) fn subquery_predicate(&mut self) -> Node {
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
}
