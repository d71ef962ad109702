//! What becomes of shards' rows without souk: the merge that each query needs, by hand.

use std::{collections::BTreeMap, ops::ControlFlow};

use anyhow::bail;
use souk_merge::{Batch, Collation, SortKey, Top, Value, ValueRef};

use crate::queries::Merge;

/// The answer of some of the shards.
pub(crate) enum Partial {
    /// Rows as they came.
    Rows(Vec<Batch>),
    /// The first rows of an order; none before the first row tells how wide they are.
    Top { key: SortKey, limit: u64, top: Option<Top> },
    /// Rows by their first columns; the others are sums.
    Sums { keys: usize, average: Option<(usize, usize)>, groups: BTreeMap<Vec<u8>, Vec<Value>> },
    /// Integers; sorted and each once after [`Partial::settle`].
    Distinct(Vec<i64>),
}

impl Partial {
    /// That of no shard.
    pub(crate) fn new(merge: Merge) -> Partial {
        match merge {
            Merge::OneShard | Merge::Concatenate | Merge::None => Partial::Rows(Vec::new()),
            Merge::Top { column, descending, limit } => {
                let key = SortKey { column, descending, nulls_last: descending, collation: Collation::Binary };
                Partial::Top { key, limit, top: None }
            }
            Merge::Add { keys, average } => Partial::Sums { keys, average, groups: BTreeMap::new() },
            Merge::CountDistinct => Partial::Distinct(Vec::new()),
        }
    }

    /// Takes a row of a shard; says whether the shard has to go on.
    pub(crate) fn take(&mut self, shard: u32, row: &[ValueRef<'_>]) -> anyhow::Result<ControlFlow<()>> {
        match self {
            Partial::Rows(batches) => push(batches, row),
            Partial::Top { key, limit, top } => {
                let top = top.get_or_insert_with(|| Top::new(vec![*key], *limit, row.len()));
                if !top.offer(shard, |column| row[column]) {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Partial::Sums { keys, groups, .. } => add(groups, *keys, row)?,
            Partial::Distinct(integers) => match row[0] {
                ValueRef::Integer(integer) => integers.push(integer),
                other => bail!("{other:?} is no integer"),
            },
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Does what can be done before other shards are known.
    pub(crate) fn settle(&mut self) {
        if let Partial::Distinct(integers) = self {
            integers.sort();
            integers.dedup();
        }
    }

    /// Takes the answer of other shards over.
    pub(crate) fn merge(&mut self, other: Partial) -> anyhow::Result<()> {
        match (self, other) {
            (Partial::Rows(batches), Partial::Rows(others)) => batches.extend(others),
            (Partial::Top { top, .. }, Partial::Top { top: Some(other), .. }) => match top {
                Some(top) => top.merge(other),
                None => *top = Some(other),
            },
            (Partial::Top { .. }, Partial::Top { top: None, .. }) => {}
            (Partial::Sums { keys, groups, .. }, Partial::Sums { groups: others, .. }) => {
                for row in others.into_values() {
                    let row: Vec<ValueRef<'_>> = row.iter().map(Value::as_ref).collect();
                    add(groups, *keys, &row)?;
                }
            }
            (Partial::Distinct(integers), Partial::Distinct(others)) => integers.extend(others),
            _ => bail!("answers of different queries"),
        }
        Ok(())
    }

    /// The answer.
    pub(crate) fn finish(mut self) -> anyhow::Result<Vec<Batch>> {
        self.settle();
        Ok(match self {
            Partial::Rows(batches) => batches,
            Partial::Top { top, .. } => top.map(Top::into_batch).into_iter().collect(),
            Partial::Sums { average, groups, .. } => vec![sums(groups, average)?],
            Partial::Distinct(integers) => {
                let mut batch = Batch::new(1);
                batch.push_row([ValueRef::Integer(integers.len() as i64)]);
                vec![batch]
            }
        })
    }
}

fn push(batches: &mut Vec<Batch>, row: &[ValueRef<'_>]) {
    if batches.is_empty() {
        batches.push(Batch::new(row.len()));
    }
    if let Some(batch) = batches.last_mut() {
        batch.push_row(row.iter().copied());
    }
}

fn add(groups: &mut BTreeMap<Vec<u8>, Vec<Value>>, keys: usize, row: &[ValueRef<'_>]) -> anyhow::Result<()> {
    let key = match &row[..keys] {
        [] => b"".as_slice(),
        [ValueRef::Text(text)] => text,
        other => bail!("{other:?} is not one text"),
    };
    match groups.get_mut(key) {
        Some(sums) => add_row(&mut sums[keys..], &row[keys..]),
        None => {
            groups.insert(key.to_vec(), row.iter().copied().map(ValueRef::to_owned).collect());
            Ok(())
        }
    }
}

fn add_row(sums: &mut [Value], row: &[ValueRef<'_>]) -> anyhow::Result<()> {
    for (sum, value) in sums.iter_mut().zip(row) {
        match (sum, value) {
            (Value::Integer(sum), ValueRef::Integer(value)) => *sum += value,
            (Value::Real(sum), ValueRef::Real(value)) => *sum += value,
            (_, ValueRef::Null) => {}
            (sum @ Value::Null, value) => *sum = (*value).to_owned(),
            (sum, value) => bail!("{sum:?} and {value:?} cannot be added"),
        }
    }
    Ok(())
}

fn sums(groups: BTreeMap<Vec<u8>, Vec<Value>>, average: Option<(usize, usize)>) -> anyhow::Result<Batch> {
    let mut batch = Batch::new(groups.values().next().map_or(0, Vec::len));
    for mut row in groups.into_values() {
        if let Some((sum, count)) = average {
            row[sum] = Value::Real(real(&row[sum])? / real(&row[count])?);
        }
        batch.push_row(row.iter().map(Value::as_ref));
    }
    Ok(batch)
}

fn real(value: &Value) -> anyhow::Result<f64> {
    match value {
        Value::Integer(integer) => Ok(*integer as f64),
        Value::Real(real) => Ok(*real),
        other => bail!("{other:?} is no number"),
    }
}
