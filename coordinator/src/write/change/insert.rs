//! INSERT: its rows are computed first, as those of any query, and go to the shards of their keys.

use std::collections::BTreeMap;

use souk_merge::Batch;
use souk_proto::Reason;

use super::taken::Rows;
use super::{Changing, NOT_REPEATED, Together, refuse_ending, unsupported};
use crate::commit::Part;
use crate::error::{Error, Result};
use crate::exec::ShardStatement;
use crate::settings::PlacementPolicy;
use crate::sql::{Clause, Distribution, Insert, TableInfo, quote};
use crate::write::router::{Routed, route, target};
use crate::write::{Executed, shards};

/// What gives another value at another time, or each time.
const UNREPEATED: [&str; 13] = [
    "CURRENT_TIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "RANDOM",
    "RANDOMBLOB",
    "DATE",
    "TIME",
    "DATETIME",
    "JULIANDAY",
    "STRFTIME",
    "UNIXEPOCH",
    "TIMEDIFF",
    "CHANGES",
];

impl Changing<'_> {
    pub(super) async fn insert(&self, insert: Insert) -> Result<Executed> {
        refuse_ending(insert.or.as_deref())?;
        let table = self.table(&insert.table)?;
        let Some(source) = &insert.source else {
            return Err(unsupported(format!(
                "INSERT INTO `{}` DEFAULT VALUES is not supported; name its columns",
                table.name
            )));
        };
        self.refuse_moves(table, &insert.sets)?;
        self.refuse_replace(table, insert.or.as_deref())?;
        let clauses = || [&insert.upsert, &insert.returning].into_iter().flatten();
        if clauses().any(|clause| clause.has_query) {
            return Err(unsupported("a subquery in ON CONFLICT or RETURNING is not supported yet"));
        }
        let columns = columns(table, &insert);
        target(&self.snapshot, &table.name, &columns)?;
        let Some(rows) = self.rows(source).await? else { return Ok(self.nothing()) };
        let (columns, rows) = self.with_defaults(table, columns, rows)?;
        let is_unrepeated = clauses().any(|clause| clause.mentions(&UNREPEATED));
        if is_unrepeated && table.key().is_none() && self.snapshot.topology.shard_count() > 1 {
            return Err(unsupported(NOT_REPEATED));
        }
        match table.distribution {
            Distribution::Replicated => {
                self.run_everywhere(self.insert_statement(table, &insert, &columns, rows)).await
            }
            Distribution::Sharded { .. } => {
                let (parts, together) = self.by_shard(table, &insert, &columns, rows).await?;
                if parts.len() > 1 && is_unrepeated {
                    return Err(unsupported(NOT_REPEATED));
                }
                self.run(parts, together).await
            }
        }
    }

    /// The rows of an INSERT; none when there is none.
    async fn rows(&self, source: &str) -> Result<Option<Batch>> {
        let batches = self.session.read_all(&self.snapshot, source, &self.parameters, self.deadline).await?;
        let mut batches = batches.into_iter().filter(|batch| !batch.is_empty());
        let Some(mut all) = batches.next() else { return Ok(None) };
        batches.for_each(|batch| all.append(&batch));
        Ok(Some(all))
    }

    /// The parts of the shards that rows go to; a key that has no shard yet gets one.
    async fn by_shard(
        &self,
        table: &TableInfo,
        insert: &Insert,
        columns: &[String],
        rows: Batch,
    ) -> Result<(Vec<Part>, Together)> {
        let keys = self.keys(table, columns, &rows)?;
        let rows = self.without_taken(Rows { table, insert, columns, keys: &keys }, rows).await?;
        let kept: Vec<&[u8]> = rows.places.iter().map(|place| keys[*place].as_slice()).collect();
        let topology = self.cluster.snapshot().topology;
        let mut homeless: Vec<Vec<u8>> = Vec::new();
        homeless.extend(kept.iter().filter(|key| topology.owner_of_bytes(key).is_none()).map(|key| key.to_vec()));
        if self.cluster.policy == PlacementPolicy::Own && !homeless.is_empty() {
            homeless.sort_unstable();
            homeless.dedup();
            shards::pin_keys(self.cluster, &homeless).await?;
        }
        let topology = self.cluster.snapshot().topology;
        let mut by_shard: BTreeMap<u64, Batch> = BTreeMap::new();
        let mut last = None;
        let mut cursor = rows.batch.cursor();
        for key in kept {
            cursor.advance();
            let shard = topology.owner_of_bytes(key);
            let shard = shard.ok_or_else(|| Error::internal("a key that was just given a shard has none"))?;
            by_shard.entry(shard).or_insert_with(|| Batch::new(columns.len())).push_row(cursor.values());
            last = Some(shard);
        }
        let last = by_shard.keys().position(|shard| Some(*shard) == last);
        let part =
            |(shard, rows)| Part { shard, statements: vec![self.insert_statement(table, insert, columns, rows)] };
        Ok((by_shard.into_iter().map(part).collect(), Together::Sharded { last }))
    }

    /// The canonical key of each row.
    fn keys(&self, table: &TableInfo, columns: &[String], rows: &Batch) -> Result<Vec<Vec<u8>>> {
        let keys = match route(table, columns, rows.clone(), 0, &self.cluster.evaluator)? {
            Routed::Everywhere(_) => return Err(Error::internal("the rows of a sharded table go everywhere")),
            Routed::ByKey { refused, .. } if !refused.is_empty() => {
                let (_, message) = refused.into_iter().next().unwrap_or_default();
                return Err(Error::new(Reason::Constraint, message));
            }
            Routed::ByKey { keys, .. } => keys,
        };
        let mut by_row = vec![Vec::new(); rows.rows()];
        for (key, routed) in keys {
            for number in routed.numbers {
                by_row[number as usize].clone_from(&key);
            }
        }
        Ok(by_row)
    }

    /// The statement that inserts one row, to be run for each.
    fn insert_statement(&self, table: &TableInfo, insert: &Insert, columns: &[String], rows: Batch) -> ShardStatement {
        let width = columns.len();
        let or = insert.or.as_ref().map(|or| format!(" OR {or}")).unwrap_or_default();
        let alias = insert.alias.as_ref().map(|alias| format!(" AS {}", quote(alias))).unwrap_or_default();
        let names: Vec<String> = columns.iter().map(|column| quote(column)).collect();
        let places: Vec<String> = (1..=width).map(|place| format!("?{place}")).collect();
        let clauses = [&insert.upsert, &insert.returning].into_iter().flatten();
        let behind: Vec<String> = clauses.clone().map(|clause| clause.print(width)).collect();
        let used = clauses.map(Clause::parameters).max().unwrap_or(0);
        let sql = format!(
            "INSERT{or} INTO main.{}{alias}({}) VALUES ({}) {}",
            quote(&table.name),
            names.join(","),
            places.join(","),
            behind.join(" ")
        );
        ShardStatement { sql, rows: Some(rows), parameters: self.parameters[..used].to_vec() }
    }
}

fn columns(table: &TableInfo, insert: &Insert) -> Vec<String> {
    if !insert.columns.is_empty() {
        return insert.columns.clone();
    }
    let columns = table.columns.iter().filter(|column| !column.generated && !column.hidden);
    columns.map(|column| column.name.clone()).collect()
}
