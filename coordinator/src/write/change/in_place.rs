//! UPDATE and DELETE: the text itself goes where the rows are that it changes.

use super::{Changing, Together, unsupported};
use crate::commit::Part;
use crate::error::Result;
use crate::exec::ShardStatement;
use crate::plan::{BoundFinish, BoundSpread, Kind, Plan, ReadSet};
use crate::sql::{Distribution, TableInfo};
use crate::write::Executed;

impl Changing<'_> {
    /// Runs an UPDATE or a DELETE, of which `reads` is a SELECT of everything that it reads from the rows that it changes.
    pub(super) async fn in_place(&self, table: &TableInfo, reads: &str) -> Result<Executed> {
        let prepared = self.session.prepared(&self.snapshot, reads, self.deadline).await?;
        let plan = self.session.plan_of(&prepared, &self.snapshot, &self.parameters)?;
        let (shards, together) = match (table.distribution, plan) {
            (Distribution::Replicated, _) => {
                if matches!(prepared.best.reads, ReadSet::Sharded { .. }) && self.snapshot.topology.shard_count() > 1 {
                    return Err(unsupported(format!(
                        "changing `{}`, which every shard has, by what the rows of a sharded table say is not supported yet",
                        table.name
                    )));
                }
                (self.snapshot.topology.shards(), Together::Replicated)
            }
            // No shard has such a key.
            (Distribution::Sharded { .. }, Plan::Local { .. }) => return Ok(self.nothing()),
            (Distribution::Sharded { .. }, Plan::Route { target, .. }) => {
                (target.shards.to_vec(), Together::Sharded { last: None })
            }
            (Distribution::Sharded { .. }, Plan::Spread(spread)) => {
                let shards = row_by_row(&spread, self.parameters.len()).ok_or_else(|| {
                    unsupported(format!(
                        "changing `{}` by what rows of other shards say is not supported yet; ask for them first",
                        table.name
                    ))
                })?;
                (shards, Together::Sharded { last: None })
            }
        };
        if shards.len() > 1 && !prepared.repeats {
            return Err(unsupported(
                "the clock or chance in a statement for several shards is not supported yet; bind a value",
            ));
        }
        let statement = ShardStatement { sql: self.text.to_owned(), rows: None, parameters: self.parameters.clone() };
        let part = |shard| Part { shard, statements: vec![statement.clone()] };
        self.run(shards.into_iter().map(part).collect(), together).await
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

/// The shards of a SELECT whose rows lie shard by shard: each of them can be told to change its own. None when a shard would have to
/// know of others' rows.
fn row_by_row(spread: &BoundSpread, parameters: usize) -> Option<Vec<u64>> {
    let BoundSpread { kind, first, parts, parameters: bound, finish, otherwise: _ } = spread;
    let all_rows = matches!(finish, BoundFinish::Stream { offset: 0, limit: None, .. });
    let [part] = parts.as_slice() else { return None };
    // What the coordinator adds is known to it alone.
    if *kind != Kind::Scatter || !first.is_empty() || !all_rows || bound.len() > parameters {
        return None;
    }
    Some(part.targets.iter().flat_map(|target| target.shards.iter().copied()).collect())
}
