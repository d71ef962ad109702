//! Predicates.

use super::super::expression::{Node, form, list, predicate};
use super::cells::Kind;
use super::{SUBQUERIES_MAX, Writer};

const COMPARISONS: &[(&str, &str)] = &[
    ("{} = {}", "vv"),
    ("{} == {}", "nn"),
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
    ("{} COLLATE NOCASE BETWEEN {} AND {}", "sss"),
    ("{} IN ({}, {}, 1, 'a')", "vvv"),
    ("{} NOT IN ({}, 2)", "vv"),
    ("{} NOT IN ({}, NULL)", "vn"),
    ("{} LIKE 'a%'", "s"),
    ("{} NOT LIKE '%b'", "s"),
    ("{} LIKE {}", "ss"),
    ("{} LIKE 'a!_b' ESCAPE '!'", "s"),
    ("{} LIKE {} ESCAPE '\\'", "ss"),
    ("{} GLOB '[a-m]*'", "s"),
    ("{} NOT GLOB {}", "ss"),
    ("{} = {} COLLATE NOCASE", "ss"),
    ("{} COLLATE RTRIM < {}", "ss"),
    ("{} COLLATE RTRIM IN ('a', 'b ')", "s"),
    ("({}, {}) = ({}, {})", "vnvn"),
    ("({}, {}) < ({}, {})", "nnnn"),
    ("({}, {}) >= ({}, {})", "snsn"),
    ("({}, {}) IS ({}, {})", "vvvv"),
    ("({}, {}) BETWEEN ({}, 0) AND ({}, 'z')", "nsnn"),
    ("({}, {}) IN (VALUES (1, 'a'), (2, 'b'), (NULL, 'a'))", "ns"),
    ("{}", "n"),
];

const JOINED: &[(&str, &str)] = &[
    ("({} AND {})", "pp"),
    ("({} OR {})", "pp"),
    ("NOT ({})", "p"),
    ("({}) IS TRUE", "p"),
    ("({}) IS NOT FALSE", "p"),
    ("({}) IS NULL", "p"),
    ("({}) = ({})", "pp"),
];

const OF_KEYS: &[(&str, usize)] = &[
    ("K = {}", 1),
    ("K IN ({}, {})", 2),
    ("K IS {}", 1),
    ("K IS NULL", 0),
    ("{} = K", 1),
    ("K <> {}", 1),
    ("K > {}", 1),
    ("K IN ()", 0),
    ("NOT K = {}", 1),
    ("K = {} OR K = {}", 2),
    ("K NOT IN ({})", 1),
    ("K BETWEEN {} AND {}", 2),
];

impl Writer<'_> {
    pub(super) fn predicate(&mut self, depth: usize) -> Node {
        if self.random.percent(14)
            && let Some(of_key) = self.of_key()
        {
            return of_key;
        }
        if depth > 0 && self.random.percent(15) && self.subqueries < SUBQUERIES_MAX {
            return self.subquery_predicate();
        }
        if depth > 0 && self.random.percent(35) {
            self.fill_predicate(JOINED, depth - 1)
        } else {
            self.fill_predicate(COMPARISONS, depth.saturating_sub(1))
        }
    }

    fn of_key(&mut self) -> Option<Node> {
        let key = self.key_column()?;
        let (_, kind) = self
            .own()
            .iter()
            .flat_map(|source| &source.columns)
            .find(|(_, kind)| matches!(kind, Kind::Key | Kind::OtherKey))?
            .clone();
        let (template, literals) = *self.random.pick(OF_KEYS);
        let literals = (0..literals).map(|_| self.literal_key(kind)).collect();
        Some(predicate(template.replace('K', &key), literals))
    }

    /// A condition that lets some rows through more often than not.
    pub(super) fn filter(&mut self) -> Node {
        let any = self.predicate(3);
        match self.random.percent(60) {
            true => form("({} OR {})", vec![any, self.predicate(1)]),
            false => form("({})", vec![any]),
        }
    }

    /// A further condition of an ON clause.
    pub(super) fn more_on(&mut self) -> Node {
        let items = if self.random.percent(35) { vec![form("({})", vec![self.predicate(1)])] } else { vec![] };
        list(" AND ", " AND ", 0, items)
    }
}
