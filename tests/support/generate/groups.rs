//! What groups, and aggregates over it.

use super::super::expression::{Node, form, leaf, list, predicate, value};
use super::cells::Kind;
use super::scope::Source;
use super::{SUBQUERIES_MAX, Writer};

/// What is grouped by, and how to show it so that it does not matter which value stands for the group.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) by: Node,
    pub(super) shown: Node,
    pub(super) kind: Kind,
}

impl Key {
    pub(super) fn is_shown_plainly(&self) -> bool {
        self.by.render().0 == self.shown.render().0
    }
}

impl Writer<'_> {
    // What groups: values of which equal ones are the same.

    /// A value that equals no other value than itself.
    pub(super) fn clean(&mut self) -> Node {
        match self.random.below(6) {
            0..2 => leaf(self.any_clean_column()),
            2 => self.clean_number(),
            3 => value("upper({})", vec![self.clean_text()]),
            4 => value("CASE WHEN {} THEN 'yes' ELSE 'no' END", vec![self.predicate(1)]),
            _ => value("typeof({})", vec![leaf(self.any_clean_column())]),
        }
    }

    pub(super) fn clean_text(&mut self) -> Node {
        self.pick_column(&[Kind::Text]).map_or(leaf("'a'"), |(column, _)| leaf(column))
    }

    pub(super) fn clean_number(&mut self) -> Node {
        let column = self.pick_column(&[Kind::Integer]).map_or(leaf("abs(1)"), |(column, _)| leaf(column));
        match self.random.below(5) {
            0 => value("({} + 1)", vec![column]),
            1 => value("({} % 3)", vec![column]),
            2 => value("coalesce({}, -1)", vec![column]),
            _ => column,
        }
    }

    pub(super) fn group_key(&mut self) -> Key {
        let folded = self.pick_column(&[Kind::NoCase, Kind::RTrim]);
        match (self.random.below(8), folded) {
            (0 | 1, Some((column, kind))) => {
                let shown = if kind == Kind::NoCase { "lower({})" } else { "rtrim({})" };
                Key { by: leaf(&column), shown: value(shown, vec![leaf(&column)]), kind: Kind::Any }
            }
            (2, _) => {
                let text = self.clean_text();
                let by = value("{} COLLATE NOCASE", vec![text.clone()]);
                Key { by, shown: value("lower({})", vec![text]), kind: Kind::Any }
            }
            (3 | 4, _) => match self.pick_column(&Kind::CLEAN) {
                Some((column, kind)) => Key { by: leaf(&column), shown: leaf(column), kind },
                None => Key { by: leaf("'x'"), shown: leaf("'x'"), kind: Kind::Any },
            },
            _ => {
                let subqueries = std::mem::replace(&mut self.subqueries, SUBQUERIES_MAX);
                let key = self.clean().without_params();
                self.subqueries = subqueries;
                Key { by: key.clone(), shown: key, kind: Kind::Any }
            }
        }
    }

    /// ` FILTER (WHERE ...)`, mostly nothing.
    pub(super) fn aggregate_filter(&mut self) -> Node {
        if !self.random.percent(20) {
            return list("", "", 0, vec![]);
        }
        let condition = form("({})", vec![self.only_own(|writer| writer.predicate(1))]);
        form("{}", vec![list(" FILTER (WHERE ", " AND ", 0, vec![form("{})", vec![condition])])])
    }

    pub(super) fn aggregate(&mut self) -> Node {
        if !self.is_local() && self.random.percent(15) && self.unique().is_some() {
            return self.only_own(Writer::concatenation);
        }
        let (call, argument) = match self.random.below(12) {
            0..2 => ("count(*)", None),
            2 => ("count({})", Some(self.only_own(|writer| writer.value(1)))),
            3 => ("count(DISTINCT {})", Some(leaf(self.only_own(Writer::any_shown_column)))),
            4..6 => ("sum({})", Some(self.summed(|writer| writer.number(2)))),
            6 => ("sum(DISTINCT {})", Some(self.only_own(Writer::clean_number))),
            7 => ("total({})", Some(self.summed(|writer| writer.number(1)))),
            8 => ("avg({})", Some(self.summed(|writer| writer.number(1)))),
            9 => ("min({})", Some(self.only_own(Writer::clean))),
            10 => ("max({})", Some(self.only_own(Writer::clean))),
            _ => return self.folded_extreme(),
        };
        let filter = self.aggregate_filter();
        match argument {
            None => value(format!("{call}{{}}"), vec![filter]),
            Some(argument) => value(format!("{call}{{}}"), vec![argument, filter]),
        }
    }

    /// The extreme under a collation, shown so that any of its equals may stand for it.
    fn folded_extreme(&mut self) -> Node {
        let column = self.only_own(|writer| writer.pick_column(&[Kind::NoCase, Kind::RTrim, Kind::Text]));
        match column {
            Some((column, Kind::NoCase)) => value("lower(max({}))", vec![leaf(column)]),
            Some((column, Kind::RTrim)) => value("rtrim(min({}))", vec![leaf(column)]),
            Some((column, _)) => value("lower(max({} COLLATE NOCASE))", vec![leaf(column)]),
            None => leaf("count(*)"),
        }
    }

    /// An aggregate whose value lists the rows, in an order to the end.
    pub(super) fn concatenation(&mut self) -> Node {
        let total = self.unique().unwrap_or_default();
        let descending = *self.random.pick(&["", " DESC"]);
        let order = match total.is_empty() {
            true => String::new(),
            false => format!(" ORDER BY {}{descending}", total.join(", ")),
        };
        let call = match self.random.below(6) {
            0 => form(format!("group_concat({{}}, '/'{order})"), vec![self.string(1)]),
            1 => form(format!("string_agg({{}}, ','{order})"), vec![leaf(self.any_shown_column())]),
            2 => form(format!("group_concat({{}}{order})"), vec![leaf(self.any_shown_column())]),
            3 => {
                let column = self.pick_column(&[Kind::Integer, Kind::Text, Kind::Real, Kind::NoCase]);
                leaf(format!("json_group_array({}{order})", column.map_or("1".into(), |(column, _)| column)))
            }
            4 => {
                let column = self.pick_column(&[Kind::Text, Kind::Integer]);
                let column = column.map_or("1".into(), |(column, _)| column);
                // Which of several equal texts stands for them nobody may ask.
                let label = total.iter().find(|column| self.kind_of(column) != Kind::Folded);
                let label = label.cloned().unwrap_or("'k'".into());
                leaf(format!("json_group_object(CAST({label} AS TEXT), {column}{order})"))
            }
            _ => {
                let text = self.pick_column(&[Kind::Text, Kind::Integer]).map_or("1".into(), |(column, _)| column);
                leaf(format!("group_concat(DISTINCT {text} ORDER BY {text})"))
            }
        };
        let filter = self.aggregate_filter();
        value("{}{}", vec![call, filter])
    }

    pub(super) fn over_aggregates(&mut self, depth: usize, keys: &[Key]) -> Node {
        if !keys.is_empty() && self.random.percent(20) {
            return self.random.pick(keys).shown.clone();
        }
        if !self.is_local() && self.random.percent(5) && self.subqueries < SUBQUERIES_MAX {
            return self.over_keys(keys, Writer::scalar_number);
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
            "({} IN (1, 2, 'a'))",
            "({} BETWEEN 1 AND {})",
            "iif({} > 2, 'many', {})",
        ]);
        let children = (0..template.matches("{}").count()).map(|_| self.over_aggregates(depth, keys)).collect();
        value(template, children)
    }

    /// Writes what sees of the SELECT's columns only those that are the same in a whole group.
    pub(super) fn over_keys<T>(&mut self, keys: &[Key], write: impl FnOnce(&mut Self) -> T) -> T {
        let known: Vec<(String, Kind)> =
            keys.iter().filter(|key| key.kind.is_clean()).map(|key| (key.by.render().0, key.kind)).collect();
        let mut sources = Vec::new();
        for source in self.own() {
            let of_source = |(column, kind): &(String, Kind)| {
                let name = column.strip_prefix(&format!("{}.", source.alias))?;
                source.has(name).then(|| (name.to_owned(), *kind))
            };
            let columns: Vec<(String, Kind)> = known.iter().filter_map(of_source).collect();
            if !columns.is_empty() && !source.alias.is_empty() {
                sources.push(Source { columns, unique: None, has_rowid: false, ..source.clone() });
            }
        }
        self.over(sources, write)
    }

    pub(super) fn having(&mut self, keys: &[Key]) -> Node {
        let templates = ["{} > {}", "{} IS NOT {}", "{} <= {}", "{} = {} OR {} IS NULL", "{} NOT IN (1, 'a')"];
        let template = *self.random.pick(&templates);
        let children = (0..template.matches("{}").count()).map(|_| self.over_aggregates(1, keys)).collect();
        list(" HAVING ", " AND ", 0, vec![predicate(template, children)])
    }
}
