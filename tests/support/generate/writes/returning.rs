//! What a statement gives back.

use super::super::super::expression::{Node, form, leaf, list};
use super::super::SUBQUERIES_MAX;
use super::Author;

/// Texts that are tried until one does not read what the statement changes.
const TRIES_MAX: usize = 6;

impl Author<'_> {
    /// A RETURNING clause, sometimes. One of rows that change in an order may read what changes.
    pub(super) fn returning(&mut self, with: &Node, in_order: bool) -> Node {
        if !self.percent(40) {
            return list("", "", 0, vec![]);
        }
        for _ in 0..TRIES_MAX {
            let node = self.try_returning();
            if in_order || !self.reads_target(&node, with) {
                return node;
            }
        }
        leaf(" RETURNING *")
    }

    fn try_returning(&mut self) -> Node {
        if self.percent(25) {
            return leaf(" RETURNING *");
        }
        let alias = self.pick(&["", self.target.name]);
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
