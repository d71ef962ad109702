//! The rowids of a sharded table are one of a kind over all shards. A shard knows its own; of those that an INSERT gives, others are
//! asked. (Two statements that give the same rowid to two shards at the same time are not kept from each other.)

use std::collections::HashMap;

use souk_merge::{Batch, Value};
use souk_proto::Reason;

use super::Changing;
use crate::error::{Error, Result};
use crate::settings::PlacementPolicy;
use crate::sql::{ColumnInfo, Insert, TableInfo, quote};

/// Rowids that are looked for at once.
const IDS_AT_ONCE: usize = 100;

/// Rows on their way to the shards of their keys.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) table: &'a TableInfo,
    pub(super) insert: &'a Insert,
    pub(super) columns: &'a [String],
    /// The canonical key of each row.
    pub(super) keys: &'a [Vec<u8>],
    /// Their rowids were just handed out.
    pub(super) all_new: bool,
}

/// The rows that are left.
pub(super) struct Left {
    pub(super) batch: Batch,
    /// Which they were before.
    pub(super) places: Vec<usize>,
}

/// What is found of rows that are to come.
pub(super) enum Taken {
    /// These come; of the others the rowid is taken.
    Left(Left),
    /// Rows of other shards become others, or go.
    Changes,
}

/// What becomes of a row whose rowid is taken.
enum Conflict {
    Fails,
    LeavesOut,
    /// It, or the row that is there, becomes another.
    Changes,
}

impl Changing<'_> {
    /// The rows whose rowids neither another shard has nor a row before them: what is on their own shard is the shard's to judge.
    pub(super) async fn without_taken(&self, to: Rows<'_>, rows: Batch) -> Result<Taken> {
        let all = |batch: Batch| Taken::Left(Left { places: (0..batch.rows()).collect(), batch });
        let Some(alias) = to.table.rowid_alias.map(|alias| &to.table.columns[alias]) else { return Ok(all(rows)) };
        // Where keys get shards of their own there may be others in a moment.
        let is_alone = self.snapshot.topology.shard_count() == 1 && self.cluster.policy != PlacementPolicy::Own;
        if is_alone || to.all_new {
            return Ok(all(rows));
        }
        let ids = self.ids(to.table, to.columns, &rows)?;
        let (taken, by_own) = self.taken(&to, alias, &ids).await?;
        if !taken.contains(&true) {
            return Ok(all(rows));
        }
        match to.conflict() {
            Conflict::Fails => {
                let message = format!("UNIQUE constraint failed: {}.{}", to.table.name, alias.name);
                Err(Error::new(Reason::Constraint, message))
            }
            // Whether a row that comes before is left out itself, its shard says.
            Conflict::LeavesOut if by_own => Ok(Taken::Changes),
            Conflict::Changes => Ok(Taken::Changes),
            Conflict::LeavesOut => {
                let mut left = Left { batch: Batch::new(rows.width()), places: Vec::new() };
                let mut cursor = rows.cursor();
                for (place, taken) in taken.iter().enumerate() {
                    cursor.advance();
                    if !taken {
                        left.batch.push_row(cursor.values());
                        left.places.push(place);
                    }
                }
                Ok(Taken::Left(left))
            }
        }
    }

    /// Of each row, whether a row of another shard has its rowid, be it there or among those before it; and whether any is among those before.
    async fn taken(&self, to: &Rows<'_>, alias: &ColumnInfo, ids: &[Value]) -> Result<(Vec<bool>, bool)> {
        let topology = &self.snapshot.topology;
        let Some(key) = to.table.key() else { return Ok((vec![false; ids.len()], false)) };
        // The shard, or the key that has none yet, by rowid.
        let mut owners: HashMap<i64, Vec<Option<u64>>> = HashMap::new();
        for some in ids.chunks(IDS_AT_ONCE) {
            let places: Vec<String> = (1..=some.len()).map(|place| format!("?{place}")).collect();
            let (table, alias, key) = (quote(&to.table.name), quote(&alias.name), quote(&key.name));
            let sql = format!("SELECT {key}, {alias} FROM main.{table} WHERE {alias} IN ({})", places.join(","));
            let found = self.session.read_all(&self.snapshot, &sql, some, self.deadline).await?;
            for row in found.into_iter().flat_map(Batch::into_rows) {
                if let Value::Integer(id) = row[1] {
                    owners.entry(id).or_default().push(topology.owner(&row[0]));
                }
            }
        }
        let mut given: HashMap<i64, &[u8]> = HashMap::new();
        let (mut taken, mut by_own) = (Vec::with_capacity(ids.len()), false);
        for (id, key) in ids.iter().zip(to.keys) {
            let Value::Integer(id) = id else {
                taken.push(false);
                continue;
            };
            let own = topology.owner_of_bytes(key);
            let is_others = |owner: &Option<u64>| own.is_none() || *owner != own;
            let before = *given.entry(*id).or_insert(key);
            let goes_elsewhere = before != key.as_slice() && (own.is_none() || topology.owner_of_bytes(before) != own);
            by_own |= goes_elsewhere;
            taken.push(owners.get(id).is_some_and(|owners| owners.iter().any(is_others)) || goes_elsewhere);
        }
        Ok((taken, by_own))
    }
}

impl Rows<'_> {
    fn conflict(&self) -> Conflict {
        let upsert = self.insert.upsert.as_ref().map(|upsert| upsert.print(0).to_ascii_uppercase());
        match (self.insert.or.as_deref(), upsert.as_deref()) {
            (_, Some(upsert)) if upsert.split_whitespace().eq(["ON", "CONFLICT", "DO", "NOTHING"]) => {
                Conflict::LeavesOut
            }
            (_, Some(_)) | (Some("REPLACE"), None) => Conflict::Changes,
            (Some("IGNORE"), None) => Conflict::LeavesOut,
            (_, None) => Conflict::Fails,
        }
    }
}
