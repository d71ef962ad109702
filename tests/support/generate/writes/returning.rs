//! What a statement gives back.

use super::super::super::expression::{Node, form, leaf, list};
use super::super::SUBQUERIES_MAX;
use super::Author;
use super::switches::{RETURNING_BESIDE_FROM_NAMES_COLUMNS_ALONE, RETURNING_NAMES_THE_TABLE_BEHIND_ITS_ALIAS};

/// Texts that are tried until one does not read what the statement changes.
const TRIES_MAX: usize = 6;

/// What RETURNING may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Returns {
    /// Rows that come in order may be read while they come.
    pub(super) in_order: bool,
    /// Columns may stand without the table.
    pub(super) bare: bool,
    /// Columns may stand behind the table.
    pub(super) named: bool,
}

impl Returns {
    pub(super) fn of_insert(in_order: bool) -> Returns {
        Returns { in_order, bare: true, named: true }
    }

    /// Of an UPDATE or a DELETE.
    pub(super) fn of_change(has_alias: bool, has_from: bool) -> Returns {
        Returns {
            in_order: false,
            bare: !has_from || RETURNING_BESIDE_FROM_NAMES_COLUMNS_ALONE,
            named: !has_alias || RETURNING_NAMES_THE_TABLE_BEHIND_ITS_ALIAS,
        }
    }
}

impl Author<'_> {
    /// A RETURNING clause, sometimes.
    pub(super) fn returning(&mut self, with: &Node, returns: Returns) -> Node {
        if !self.percent(40) {
            return list("", "", 0, vec![]);
        }
        for _ in 0..TRIES_MAX {
            let node = self.try_returning(returns);
            if returns.in_order || !self.reads_target(&node, with) {
                return node;
            }
        }
        leaf(" RETURNING *")
    }

    fn try_returning(&mut self, returns: Returns) -> Node {
        if self.percent(25) {
            return leaf(" RETURNING *");
        }
        let alias = match (returns.bare, returns.named) {
            (true, true) => self.pick(&["", self.target.name]),
            (true, false) => "",
            (false, true) => self.target.name,
            (false, false) => return leaf(" RETURNING *"),
        };
        let sources = vec![self.source(alias)];
        let count = 1 + self.random().below(3);
        let outputs: Vec<Node> = self.over(sources, |author| (0..count).map(|_| author.returned()).collect());
        list(" RETURNING ", ", ", 0, outputs)
    }

    fn returned(&mut self) -> Node {
        let subqueries = self.writer.subqueries;
        if !self.percent(35) {
            self.writer.subqueries = SUBQUERIES_MAX;
        }
        let depth = self.random().below(3);
        let value = self.writer.value(depth);
        self.writer.subqueries = subqueries;
        match self.random().below(4) {
            0 => form("{} AS given", vec![value]),
            _ => value,
        }
    }
}
