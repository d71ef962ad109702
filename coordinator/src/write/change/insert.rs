//! INSERT: its rows are computed first, as those of any query, and go to the shards of their keys.

use std::collections::{BTreeMap, BTreeSet};

use souk_merge::{Batch, Value};

use super::taken::{Rows, Taken};
use super::{Changing, Plan, Together, ends_otherwise};
use crate::commit::Part;
use crate::error::{Error, Result};
use crate::exec::ShardStatement;
use crate::session::RowsAt;
use crate::sql::{Clause, Distribution, Insert, TableInfo, quote};
use crate::write::router::{keys, target};
use crate::write::rowids::{Numbered, with_rowids};
use crate::write::shards;

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
    /// Plans an INSERT, whose rows are computed for that.
    pub(super) async fn insert(&self, table: &TableInfo, insert: &Insert) -> Result<Plan> {
        let or = insert.or.as_deref();
        let clauses = || [&insert.upsert, &insert.returning].into_iter().flatten();
        let moves = self.moves(table, &insert.sets);
        let is_own =
            !moves && !ends_otherwise(or) && !self.replaces(table, or) && !clauses().any(|clause| clause.has_query);
        let Some(source) = insert.source.as_ref().filter(|_| is_own) else {
            return self.whole_insert(table, insert);
        };
        let columns = columns(table, insert);
        self.check_columns(table, &columns)?;
        if let Some(plan) = self.insert_in_place(table, insert).await? {
            return Ok(plan);
        }
        let rows = if insert.given.is_empty() { self.rows(source).await? } else { Some(self.given(&insert.given)?) };
        let Some(rows) = rows else { return Ok(Plan::Nothing) };
        let (columns, rows) = self.with_defaults(table, columns, rows)?;
        let Numbered { columns, rows, handed, all_new } = self.numbered(table, columns, rows).await?;
        self.handed.lock().extend(handed);
        let is_unrepeated = clauses().any(|clause| clause.mentions(&UNREPEATED));
        if is_unrepeated && table.key().is_none() && self.are_several() {
            return Ok(Plan::Whole);
        }
        match table.distribution {
            Distribution::Replicated => Ok(Plan::Everywhere {
                statement: self.insert_statement(table, insert, &columns, rows),
                repeats: !is_unrepeated,
            }),
            Distribution::Sharded { .. } => {
                let Some((parts, together)) = self.by_shard(table, insert, &columns, rows, all_new).await? else {
                    return Ok(Plan::Whole);
                };
                if parts.len() > 1 && is_unrepeated {
                    return Ok(Plan::Whole);
                }
                Ok(Plan::Parts { parts, together, repeats: !is_unrepeated })
            }
        }
    }

    async fn numbered(&self, table: &TableInfo, columns: Vec<String>, rows: Batch) -> Result<Numbered> {
        with_rowids(self.cluster, &self.writing, self.deadline, table, columns, rows).await
    }

    /// An INSERT whose rows are read from the shard that they go to, since their key is a parameter or a literal: its text goes there, as that of an UPDATE does. None
    /// when it is another one.
    async fn insert_in_place(&self, table: &TableInfo, insert: &Insert) -> Result<Option<Plan>> {
        let columns = columns(table, insert);
        let Some(key) = table.key() else { return Ok(None) };
        let place = columns.iter().position(|column| column.eq_ignore_ascii_case(&key.name));
        let constant = place.and_then(|place| insert.selected.get(place)?.as_deref());
        // Rowids that are open are handed out here.
        let is_own = table.rowid_alias.is_none() && insert.selected.len() == columns.len();
        let (true, Some(source), Some(constant)) = (is_own, &insert.source, constant) else { return Ok(None) };
        let value = match constant.strip_prefix('?') {
            Some(number) => number.parse().ok().and_then(|number: usize| self.parameters.get(number - 1)).cloned(),
            None => Some(self.cluster.evaluator.value(constant, &[])?),
        };
        let mut row = Batch::new(1);
        row.push_row([value.unwrap_or_default().as_ref()]);
        let keys = keys(&self.cluster.evaluator, table, std::slice::from_ref(&key.name), &row)?;
        let owner = keys.first().and_then(|key| self.snapshot.topology.owner_of_bytes(key));
        let facts = self.session.facts(&self.snapshot, source, &self.parameters, self.deadline).await?;
        let shard = match facts.rows_at {
            RowsAt::Shards(shards) if shards.len() == 1 && owner == shards.first().copied() => shards[0],
            _ => return Ok(None),
        };
        let clauses = || [&insert.upsert, &insert.returning].into_iter().flatten();
        let takes_defaults = columns.len() < table.columns.iter().filter(|column| !column.generated).count();
        let repeats = facts.repeats && !takes_defaults && !clauses().any(|clause| clause.mentions(&UNREPEATED));
        let part = Part { shard, statements: vec![self.itself()] };
        let together = Together::Sharded { last: Some(0), order: Vec::new(), rowids: None };
        Ok(Some(Plan::Parts { parts: vec![part], together, repeats }))
    }

    /// An INSERT that is run over the whole table.
    fn whole_insert(&self, table: &TableInfo, insert: &Insert) -> Result<Plan> {
        let columns = if insert.source.is_some() { columns(table, insert) } else { Vec::new() };
        self.check_columns(table, &columns)?;
        Ok(Plan::Whole)
    }

    /// Refuses columns that rows cannot be given. The shard key may be left out: it has a default, be it NULL.
    fn check_columns(&self, table: &TableInfo, columns: &[String]) -> Result<()> {
        let key = table.key().filter(|key| !columns.iter().any(|column| column.eq_ignore_ascii_case(&key.name)));
        let all: Vec<String> = columns.iter().cloned().chain(key.map(|key| key.name.clone())).collect();
        target(&self.snapshot, &table.name, &all).map(drop)
    }

    /// Whether the shard that the rows of an INSERT go to reads them by itself, after what was done there before.
    pub(in crate::write) async fn reads_in_place(&self, insert: &Insert) -> Result<bool> {
        Ok(self.insert_in_place(self.table(&insert.table)?, insert).await?.is_some())
    }

    /// The tables that the rows of an INSERT are read from, in lower case.
    pub(in crate::write) async fn reads_of(&self, insert: &Insert) -> Result<BTreeSet<String>> {
        let Some(source) = insert.source.as_ref().filter(|_| insert.given.is_empty()) else {
            return Ok(BTreeSet::new());
        };
        let prepared = self.cluster.prepared(&self.snapshot.catalog, source, self.deadline).await?;
        Ok(prepared.tables())
    }

    /// The rows of an INSERT whose values are parameters.
    fn given(&self, rows: &[Vec<usize>]) -> Result<Batch> {
        let mut all = Batch::new(rows.first().map_or(0, Vec::len));
        for row in rows {
            let values = row.iter().map(|number| number.checked_sub(1).and_then(|place| self.parameters.get(place)));
            let values = values.collect::<Option<Vec<&Value>>>();
            let values = values.ok_or_else(|| Error::internal("a statement has a parameter that it has not"))?;
            all.push_row(values.into_iter().map(Value::as_ref));
        }
        Ok(all)
    }

    /// The rows of an INSERT; none when there is none.
    async fn rows(&self, source: &str) -> Result<Option<Batch>> {
        let batches = self.session.read_all(&self.snapshot, source, &self.parameters, self.deadline).await?;
        let mut batches = batches.into_iter().filter(|batch| !batch.is_empty());
        let Some(mut all) = batches.next() else { return Ok(None) };
        batches.for_each(|batch| all.append(&batch));
        Ok(Some(all))
    }

    /// The parts of the shards that rows go to; a key that has no shard yet gets one. None when rows of other shards would become others.
    async fn by_shard(
        &self,
        table: &TableInfo,
        insert: &Insert,
        columns: &[String],
        rows: Batch,
        all_new: bool,
    ) -> Result<Option<(Vec<Part>, Together)>> {
        let keys = keys(&self.cluster.evaluator, table, columns, &rows)?;
        let rows = match self.without_taken(Rows { table, insert, columns, keys: &keys, all_new }, rows).await? {
            Taken::Left(rows) => rows,
            Taken::Changes => return Ok(None),
        };
        let kept: Vec<&[u8]> = rows.places.iter().map(|place| keys[*place].as_slice()).collect();
        shards::house(self.cluster, rows.places.iter().map(|place| &keys[*place]), &mut None).await?;
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
        let may_leave_out = insert.or.is_some() || insert.upsert.is_some();
        let order =
            if may_leave_out && by_shard.len() > 1 { self.ids(table, columns, &rows.batch)? } else { Vec::new() };
        let part =
            |(shard, rows)| Part { shard, statements: vec![self.insert_statement(table, insert, columns, rows)] };
        let alias = table.rowid_alias.map(|alias| table.columns[alias].name.as_str());
        let column = alias.and_then(|alias| columns.iter().position(|column| column.eq_ignore_ascii_case(alias)));
        let rowids = column.map(|column| (table.name.to_ascii_lowercase(), column));
        Ok(Some((by_shard.into_iter().map(part).collect(), Together::Sharded { last, order, rowids })))
    }

    /// The INTEGER PRIMARY KEY of each row, as it is stored; none for a table that has no such column.
    pub(super) fn ids(&self, table: &TableInfo, columns: &[String], rows: &Batch) -> Result<Vec<Value>> {
        let Some(alias) = table.rowid_alias.map(|alias| &table.columns[alias]) else { return Ok(Vec::new()) };
        let Some(place) = columns.iter().position(|column| column.eq_ignore_ascii_case(&alias.name)) else {
            return Ok(Vec::new());
        };
        let mut ids = Vec::with_capacity(rows.rows());
        let mut cursor = rows.cursor();
        while cursor.advance() {
            ids.push(self.cluster.evaluator.stored(cursor.value(place).to_owned(), alias.affinity)?);
        }
        Ok(ids)
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
        ShardStatement {
            parameters: self.parameters[..used].to_vec(),
            defers_foreign_keys: table.refers_to_itself,
            ..ShardStatement::of_rows(sql, rows)
        }
    }
}

/// The columns that rows are given for. The rowid is called as its column, where it has one.
fn columns(table: &TableInfo, insert: &Insert) -> Vec<String> {
    let alias = table.rowid_alias.map(|alias| &table.columns[alias].name);
    let is_rowid = |name: &str| ["rowid", "_rowid_", "oid"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let column = |name: &String| match (table.column(name), alias) {
        (None, Some(alias)) if is_rowid(name) => alias.clone(),
        _ => name.clone(),
    };
    if !insert.columns.is_empty() {
        return insert.columns.iter().map(column).collect();
    }
    let columns = table.columns.iter().filter(|column| !column.generated && !column.hidden);
    columns.map(|column| column.name.clone()).collect()
}
