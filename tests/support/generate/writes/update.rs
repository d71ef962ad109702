//! UPDATE and DELETE.

use super::super::super::expression::{Node, form, leaf, list};
use super::super::cells::Kind;
use super::super::scene::Relation;
use super::super::scope::Source;
use super::sets::{Collision, Sets};
use super::{Author, Statement};

/// What is tried until an expression of SET reads none of the rows that are changed.
const TRIES_MAX: usize = 8;

/// A FROM clause: what it reads, and the conditions that leave at most one of its rows for each row of the target.
struct SourceOfOne {
    node: Node,
    sources: Vec<Source>,
    conditions: Vec<Node>,
}

impl Author<'_> {
    pub(super) fn delete(&mut self) -> Statement {
        let with = self.with();
        let (alias, named) = self.alias();
        let source = self.source(&named);
        let filter = self.where_over(vec![source], Author::conditions);
        let returning = self.returning(&with, false);
        let head = format!("{{}}DELETE FROM {}{alias}{{}}{{}}", self.table_name());
        Statement { node: form(head, vec![with, filter, returning]), has_last_rowid: true }
    }

    /// A DELETE after which few rows are left.
    pub(super) fn thinned(&mut self) -> Statement {
        let (divisor, rest) = (self.random().between(2, 3), self.random().between(0, 1));
        let condition = match self.random().below(3) {
            0 => format!("id % {divisor} = {rest}"),
            1 => format!("id / 2 % {divisor} = {rest}"),
            _ => format!("n % {divisor} = {rest} OR n IS NULL"),
        };
        let returning = self.returning(&leaf(""), false);
        let head = format!("DELETE FROM {} WHERE {{}}{{}}", self.target.name);
        Statement { node: form(head, vec![leaf(condition), returning]), has_last_rowid: true }
    }

    pub(super) fn update(&mut self) -> Statement {
        let with = self.with();
        let (alias, mut named) = self.alias();
        let has_from = self.percent(22);
        if has_from && named.is_empty() {
            named = self.target.name.to_owned();
        }
        let target = self.source(&named);
        let from = if has_from { self.source_of_one(&target) } else { None };
        let mut sources = vec![target];
        sources.extend(from.iter().flat_map(|from| from.sources.clone()));
        let sets = self.sets_over(&sources, &with, from.is_some());
        let has_one_row = sets.collision == Collision::One || self.percent(8);
        let or = self.or_of_update(&sets, has_one_row);
        let more = from.as_ref().map(|from| from.conditions.clone()).unwrap_or_default();
        let filter = self.where_over(sources, |author| {
            let mut all = more;
            all.extend(if has_one_row { author.one_row() } else { author.conditions() });
            all
        });
        let returning = self.returning(&with, false);
        let head = format!("{{}}UPDATE {or}{}{alias}{{}}{{}}{{}}{{}}", self.table_name());
        let from = list(" FROM ", "", 0, from.map(|from| from.node).into_iter().collect());
        let sets = list(" SET ", ", ", 1, sets.nodes);
        Statement { node: form(head, vec![with, sets, from, filter, returning]), has_last_rowid: true }
    }

    /// How the target is written, and the name that its columns are seen under.
    fn alias(&mut self) -> (String, String) {
        match self.random().below(10) {
            0..5 => (String::new(), self.target.name.to_owned()),
            5 => (" NOT INDEXED".into(), self.target.name.to_owned()),
            6 => (String::new(), String::new()),
            _ => {
                let alias = self.writer.name();
                (format!(" AS {alias}"), alias)
            }
        }
    }

    /// The target's name, sometimes with its schema, and as SQLite reads names.
    pub(super) fn table_name(&mut self) -> String {
        let name = self.target.name;
        match self.random().below(20) {
            0 | 1 => format!("main.{name}"),
            2 => format!("\"{name}\""),
            3 => format!("[{name}]"),
            4 => format!("Main . `{name}`"),
            5 => name.to_ascii_uppercase(),
            6 => format!("/* SET * FROM */ {name}"),
            _ => name.to_owned(),
        }
    }

    /// Assignments. Where a FROM is, SQLite computes all of them before it changes a row.
    fn sets_over(&mut self, sources: &[Source], with: &Node, has_from: bool) -> Sets {
        for _ in 0..TRIES_MAX {
            let sets = self.over(sources.to_vec(), |author| {
                let mut sets = author.sets();
                if sets.nodes.is_empty() {
                    author.plain_sets(&mut sets);
                }
                sets
            });
            let reads = sets.nodes.iter().any(|node| self.reads_target(node, with));
            if !sets.nodes.is_empty() && (has_from || !reads) {
                return self.with_count_of_own(sources, sets);
            }
        }
        let column = self.plain_columns()[0];
        let value = self.any_literal(self.target.kind(column));
        Sets {
            nodes: vec![form(format!("{column} = {{}}"), vec![value])],
            columns: vec![column],
            collision: Collision::Never,
        }
    }

    /// Sometimes `n` becomes a count of rows of the target itself.
    fn with_count_of_own(&mut self, sources: &[Source], mut sets: Sets) -> Sets {
        let may = sets.collision == Collision::Never && !sets.columns.contains(&"n") && self.target.has("n");
        if may && self.percent(8) {
            sets.columns.push("n");
            if let Some(count) = self.over(sources.to_vec(), |author| author.count_of_own(&sets)) {
                sets.nodes.push(form("n = {}", vec![count]));
                // A row that is replaced would not be counted any more.
                sets.collision = Collision::AllOrNone;
            }
        }
        sets
    }

    /// A FROM of which at most one row belongs to each row of the target.
    fn source_of_one(&mut self, target: &Source) -> Option<SourceOfOne> {
        let mut from = SourceOfOne { node: leaf(""), sources: vec![target.clone()], conditions: Vec::new() };
        let count = if self.percent(20) { 2 } else { 1 };
        let mut nodes = Vec::new();
        for _ in 0..count {
            let (text, relation) = self.over(Vec::new(), |author| author.unique_rows())?;
            let alias = self.writer.name();
            let source = Source::new(&relation, &alias);
            from.conditions.extend(self.over(from.sources.clone(), |author| author.tied(&source))?);
            from.sources.push(source);
            nodes.push(form(format!("{{}} AS {alias}"), vec![text]));
        }
        from.sources.remove(0);
        let between = self.pick(&[", ", " JOIN ", " CROSS JOIN "]);
        from.node = list("", between, 1, nodes);
        Some(from)
    }

    /// Rows that columns tell apart.
    fn unique_rows(&mut self) -> Option<(Node, Relation)> {
        if !self.writer.ctes.is_empty() && self.percent(60) {
            let cte = self.pick(&self.writer.ctes.clone());
            return cte.unique.is_some().then(|| (leaf(cte.name.clone()), cte));
        }
        if !self.writer.is_local() && self.percent(40) {
            let (query, relation) = self.writer.relation(1);
            return relation.unique.is_some().then(|| (form("({})", vec![query]), relation));
        }
        let all: Vec<Relation> =
            self.scene.scene.relations.iter().filter(|relation| relation.unique.is_some()).cloned().collect();
        let relation = self.pick(&all);
        let schema = if self.writer.hidden.contains(&relation.name) { "main." } else { "" };
        Some((leaf(format!("{schema}{}", relation.name)), relation))
    }

    /// Equalities with all columns that tell rows of a source apart; on the left, so that its collation compares.
    fn tied(&mut self, source: &Source) -> Option<Vec<Node>> {
        let mut all = Vec::new();
        for name in source.unique.as_ref()? {
            let kind = source.columns.iter().find(|(known, _)| known == name)?.1;
            let other = self.tie(kind)?;
            all.push(form(format!("{} = {{}}", source.column(name)), vec![other]));
        }
        Some(all)
    }

    /// What no two of the values of a kind are equal to.
    fn tie(&mut self, kind: Kind) -> Option<Node> {
        let column = self.writer.pick_column(&[kind]).map(|(column, _)| leaf(column));
        match kind {
            Kind::Integer => Some(match column {
                Some(column) if self.percent(70) => column,
                _ => self.writer.number(1),
            }),
            Kind::Key | Kind::OtherKey if column.is_none() => Some(self.any_literal(kind)),
            Kind::Text | Kind::NoCase if column.is_none() => Some(self.any_literal(kind)),
            Kind::Key | Kind::OtherKey | Kind::Text | Kind::NoCase | Kind::Mixed | Kind::Real => column,
            _ => None,
        }
    }
}
