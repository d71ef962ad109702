//! UPDATE and DELETE: the text itself goes where the rows are that it changes.

use super::whole::moves_parent;
use super::{Changing, Plan, Together};
use crate::commit::Part;
use crate::error::Result;
use crate::exec::ShardStatement;
use crate::session::RowsAt;
use crate::sql::{Distribution, TableInfo};

impl Changing<'_> {
    /// Plans an UPDATE or a DELETE, of which `reads` is a SELECT of everything that it reads from the rows that it changes.
    pub(super) async fn in_place(&self, table: &TableInfo, reads: &str) -> Result<Plan> {
        let facts = self.session.facts(&self.snapshot, reads, &self.parameters, self.deadline).await?;
        let (shards, together) = match (table.distribution, facts.rows_at) {
            (Distribution::Replicated, _) if (facts.reads_sharded || !facts.repeats) && self.are_several() => {
                return Ok(Plan::Whole);
            }
            (Distribution::Replicated, _) => return Ok(Plan::Everywhere(self.itself())),
            // No shard has such a key.
            (Distribution::Sharded { .. }, RowsAt::Nowhere) => return Ok(Plan::Nothing),
            (Distribution::Sharded { .. }, RowsAt::Shards(shards)) => {
                (shards, Together::Sharded { last: None, rowids: None })
            }
            (Distribution::Sharded { .. }, RowsAt::Apart) => return Ok(Plan::Whole),
        };
        if shards.len() > 1 && !facts.repeats {
            return Ok(Plan::Whole);
        }
        let statement = self.itself();
        let part = |shard| Part { shard, statements: vec![statement.clone()] };
        Ok(Plan::Parts { parts: shards.into_iter().map(part).collect(), together })
    }

    /// The text as it was given.
    fn itself(&self) -> ShardStatement {
        let parameters = self.parameters.clone();
        ShardStatement { sql: self.text.to_owned(), rows: None, parameters, expectation: None, number: 0 }
    }

    /// Whether rows may change their shard or their rowid: a row whose key changes goes to another shard, and a rowid is one of a kind over
    /// all shards.
    pub(super) fn moves(&self, table: &TableInfo, columns: &[String]) -> Result<bool> {
        let Some(key) = table.key() else { return Ok(false) };
        let sets = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        let alias = table.rowid_alias.map(|alias| table.columns[alias].name.as_str());
        let is_rowid = |name: &str| sets(name) && table.column(name).is_none();
        let sets_rowid = alias.is_some_and(sets) || ["rowid", "oid", "_rowid_"].into_iter().any(is_rowid);
        let moves = sets(&key.name) || (sets_rowid && self.are_several());
        if moves && table.referenced { Err(moves_parent(table)) } else { Ok(moves) }
    }
}
