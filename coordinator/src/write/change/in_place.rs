//! UPDATE and DELETE: the text itself goes where the rows are that it changes.

use super::{Changing, NOT_REPEATED, Together, unsupported};
use crate::commit::Part;
use crate::error::Result;
use crate::exec::ShardStatement;
use crate::session::RowsAt;
use crate::sql::{Distribution, TableInfo};
use crate::write::Executed;

impl Changing<'_> {
    /// Runs an UPDATE or a DELETE, of which `reads` is a SELECT of everything that it reads from the rows that it changes.
    pub(super) async fn in_place(&self, table: &TableInfo, reads: &str) -> Result<Executed> {
        let facts = self.session.facts(&self.snapshot, reads, &self.parameters, self.deadline).await?;
        let (shards, together) = match (table.distribution, facts.rows_at) {
            (Distribution::Replicated, _) if facts.reads_sharded && self.snapshot.topology.shard_count() > 1 => {
                return Err(unsupported(format!(
                    "changing `{}`, which every shard has, by what the rows of a sharded table say is not supported yet",
                    table.name
                )));
            }
            (Distribution::Replicated, _) if !facts.repeats && self.snapshot.topology.shard_count() > 1 => {
                return Err(unsupported(NOT_REPEATED));
            }
            (Distribution::Replicated, _) => return self.run_everywhere(self.itself()).await,
            // No shard has such a key.
            (Distribution::Sharded { .. }, RowsAt::Nowhere) => return Ok(self.nothing()),
            (Distribution::Sharded { .. }, RowsAt::Shards(shards)) => (shards, Together::Sharded { last: None }),
            (Distribution::Sharded { .. }, RowsAt::Apart) => {
                return Err(unsupported(format!(
                    "changing `{}` by what rows of other shards say is not supported yet; ask for them first",
                    table.name
                )));
            }
        };
        if shards.len() > 1 && !facts.repeats {
            return Err(unsupported(NOT_REPEATED));
        }
        let statement = self.itself();
        let part = |shard| Part { shard, statements: vec![statement.clone()] };
        self.run(shards.into_iter().map(part).collect(), together).await
    }

    /// The text as it was given.
    fn itself(&self) -> ShardStatement {
        ShardStatement { sql: self.text.to_owned(), rows: None, parameters: self.parameters.clone() }
    }

    /// A row whose key changes goes to another shard, and a rowid is one of a kind over all shards.
    pub(super) fn refuse_moves(&self, table: &TableInfo, columns: &[String]) -> Result<()> {
        let Some(key) = table.key() else { return Ok(()) };
        let sets = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        if sets(&key.name) {
            return Err(unsupported(format!(
                "changing the shard key `{}` of `{}` is not supported yet; delete the row and insert it anew",
                key.name, table.name
            )));
        }
        let alias = table.rowid_alias.map(|alias| table.columns[alias].name.as_str());
        let is_rowid = |name: &str| sets(name) && table.column(name).is_none();
        let sets_rowid = alias.is_some_and(sets) || ["rowid", "oid", "_rowid_"].into_iter().any(is_rowid);
        if sets_rowid && self.snapshot.topology.shard_count() > 1 {
            return Err(unsupported(format!(
                "changing the rowid of `{}`, which must be one of a kind over all shards, is not supported yet",
                table.name
            )));
        }
        Ok(())
    }
}
