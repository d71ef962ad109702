//! ON CONFLICT.

use souk_merge::Value;

use super::super::super::expression::{Node, form, leaf, list};
use super::super::cells::Kind;
use super::super::scope::Source;
use super::Author;

impl Author<'_> {
    /// One ON CONFLICT clause or two.
    pub(super) fn upsert(&mut self, alias: Option<&str>) -> Node {
        let mut clauses = Vec::new();
        if self.percent(15) {
            clauses.push(self.clause(true, alias));
        }
        let has_target = self.percent(65);
        clauses.push(self.clause(has_target, alias));
        list("", "", 1, clauses)
    }

    fn clause(&mut self, has_target: bool, alias: Option<&str>) -> Node {
        let second = !self.target.second.is_empty() && self.percent(40);
        let on = match has_target {
            true if second => format!(" ON CONFLICT ({})", self.target.second.join(", ")),
            true => format!(" ON CONFLICT ({})", self.target.unique.join(", ")),
            false => " ON CONFLICT".to_owned(),
        };
        if self.percent(30) {
            return leaf(format!("{on} DO NOTHING"));
        }
        let named = if self.percent(30) { "" } else { alias.unwrap_or(self.target.name) };
        let excluded = Source { has_rowid: false, ..self.source("excluded") };
        let sources = vec![self.source(named), excluded];
        let (sets, filter) = self.over(sources, |author| {
            let sets = author.upserted();
            let filter = if author.percent(35) { vec![author.writer.filter()] } else { vec![] };
            (sets, filter)
        });
        let filter = list(" WHERE ", " AND ", 0, filter);
        form(format!("{on} DO UPDATE{{}}{{}}"), vec![list(" SET ", ", ", 1, sets), filter])
    }

    fn upserted(&mut self) -> Vec<Node> {
        let mut sets = super::sets::Sets::empty();
        self.plain_sets(&mut sets);
        let mut nodes = sets.nodes;
        if self.percent(30) {
            let left: Vec<&'static str> =
                self.plain_columns().into_iter().filter(|name| !sets.columns.contains(name)).collect();
            nodes.extend(left.first().map(|name| leaf(format!("{name} = excluded.{name}"))));
        }
        if let Some((key, kind)) = self.target.key()
            && self.target.children.is_empty()
            && self.percent(8)
        {
            nodes.push(form(format!("{key} = {{}}"), vec![self.any_literal(kind)]));
        }
        if self.target.unique == ["id"] && self.target.children.is_empty() && self.percent(6) {
            let id = Value::Integer(self.beyond() + 1000);
            nodes.push(form("id = {}", vec![self.literal(id)]));
        }
        if !self.target.second.is_empty() && self.percent(10) {
            nodes.push(form("s = {}", vec![self.any_literal(Kind::Text)]));
        }
        nodes
    }
}
