//! UPDATE and DELETE: the text itself goes where the rows are that it changes.

use souk_proto::Reason;

use super::{Changing, Plan, Together};
use crate::commit::Part;
use crate::error::Result;
use crate::exec::ShardStatement;
use crate::session::RowsAt;
use crate::sql::{Distribution, TableInfo};

impl Changing<'_> {
    /// Plans an UPDATE or a DELETE, of which `reads` is a SELECT of everything that it reads from the rows that it changes. `by_order`: shards with the same
    /// rows may do it otherwise, since each has a plan of its own, and the order in which rows come decides which of several are meant, or are in the way.
    pub(super) async fn in_place(&self, table: &TableInfo, reads: &str, by_order: bool) -> Result<Plan> {
        let facts = match self.session.facts(&self.snapshot, reads, &self.parameters, self.deadline).await {
            // SQLite has accepted the statement: it is the SELECT that means something else, a name of RETURNING for one.
            Err(error) if matches!(error.reason, Reason::SqlSyntax | Reason::NoSuchTable) => return Ok(Plan::Whole),
            facts => facts?,
        };
        let (shards, together) = match (table.distribution, facts.rows_at) {
            (Distribution::Replicated, _)
                if self.are_several() && (facts.reads_sharded || !facts.repeats || by_order) =>
            {
                return Ok(Plan::Whole);
            }
            (Distribution::Replicated, _) => {
                return Ok(Plan::Everywhere { statement: self.itself(), repeats: facts.repeats });
            }
            // No shard has such a key.
            (Distribution::Sharded { .. }, RowsAt::Nowhere) => return Ok(Plan::Nothing),
            (Distribution::Sharded { .. }, RowsAt::Shards(shards)) => (shards, Together::OF_ROWS),
            (Distribution::Sharded { .. }, RowsAt::Apart) => return Ok(Plan::Whole),
        };
        if shards.len() > 1 && !facts.repeats {
            return Ok(Plan::Whole);
        }
        let statement = self.itself();
        let part = |shard| Part { shard, statements: vec![statement.clone()] };
        Ok(Plan::Parts { parts: shards.into_iter().map(part).collect(), together, repeats: facts.repeats })
    }

    /// The text as it was given.
    pub(super) fn itself(&self) -> ShardStatement {
        ShardStatement::once(self.text.to_owned(), self.parameters.clone())
    }

    /// Whether rows may change their shard or their rowid: a row whose key changes goes to another shard, and a rowid is one of a kind over
    /// all shards.
    pub(super) fn moves(&self, table: &TableInfo, columns: &[String]) -> bool {
        let Some(key) = table.key() else { return false };
        let sets = |name: &str| columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        let alias = table.rowid_alias.map(|alias| table.columns[alias].name.as_str());
        let is_rowid = |name: &str| sets(name) && table.column(name).is_none();
        let sets_rowid = alias.is_some_and(sets) || ["rowid", "oid", "_rowid_"].into_iter().any(is_rowid);
        sets(&key.name) || (sets_rowid && self.are_several())
    }
}
