//! Which shards can hold a matching row: pins and scopes against the topology.

use std::collections::BTreeSet;

use souk_merge::Value;
use souk_proto::Reason;

use crate::analyze::{Constant, Need, Pin, Test};
use crate::catalog::{Snapshot, Topology, ring_key};
use crate::error::{Error, Result};
use crate::plan::{Asked, BoundNeed, ReadSet, Scope, ShardedTable, Template};
use crate::sql::{Affinity, Evaluator};

/// Values that a node compares a shard's statistics with, for one column.
const NEED_VALUES_MAX: usize = 100;

/// The shards that a statement must ask, with these parameters and this explicit key.
pub(crate) fn asked(
    template: &Template,
    parameters: &[Value],
    shard_key: Option<Value>,
    snapshot: &Snapshot,
    evaluator: &Evaluator,
) -> Result<Asked> {
    let ReadSet::Sharded { tables, pin, .. } = &template.reads else { return Ok(Asked::All) };
    let topology = &snapshot.topology;
    match shard_key {
        Some(key) => scoped(key, tables, snapshot, evaluator),
        None => pinned(pin, parameters, topology, evaluator),
    }
}

/// The shards of the keys that a pin leaves.
pub(crate) fn pinned(pin: &Pin, parameters: &[Value], topology: &Topology, evaluator: &Evaluator) -> Result<Asked> {
    Ok(match pinned_keys(pin, parameters, evaluator)? {
        None => Asked::All,
        Some(keys) => {
            let shards: BTreeSet<u64> = keys.iter().filter_map(|key| topology.owner_of_bytes(key)).collect();
            Asked::Shards(shards.into_iter().collect())
        }
    })
}

/// The canonical keys that a pin leaves; none for any key.
fn pinned_keys(pin: &Pin, parameters: &[Value], evaluator: &Evaluator) -> Result<Option<BTreeSet<Vec<u8>>>> {
    match pin {
        Pin::All => Ok(None),
        Pin::Keys { constants, affinity, nulls } => {
            let mut keys = BTreeSet::new();
            for constant in constants {
                let value = value_of(constant, parameters, evaluator)?.unwrap_or_default();
                if *nulls || value != Value::Null {
                    let stored = evaluator.stored(value, *affinity)?;
                    keys.insert(ring_key(stored.as_ref()).canonical_bytes());
                }
            }
            Ok(Some(keys))
        }
        Pin::Both(a, b) => {
            let (a, b) = (pinned_keys(a, parameters, evaluator)?, pinned_keys(b, parameters, evaluator)?);
            Ok(match (a, b) {
                (Some(a), Some(b)) => Some(a.intersection(&b).cloned().collect()),
                (a, b) => a.or(b),
            })
        }
        Pin::Either(a, b) => {
            let (a, b) = (pinned_keys(a, parameters, evaluator)?, pinned_keys(b, parameters, evaluator)?);
            Ok(a.zip(b).map(|(a, b)| a.union(&b).cloned().collect()))
        }
    }
}

/// The value of a constant; none of a parameter that is not the user's.
fn value_of(constant: &Constant, parameters: &[Value], evaluator: &Evaluator) -> Result<Option<Value>> {
    Ok(match constant {
        Constant::Parameter(number) => parameters.get(number - 1).cloned(),
        Constant::Literal(sql) => Some(evaluator.value(sql, &[])?),
    })
}

/// What a shard must hold to give any row, with these parameters. What says too little to be worth its way is left out.
pub(crate) fn bound_needs(needs: &[Need], parameters: &[Value], evaluator: &Evaluator) -> Result<Vec<BoundNeed>> {
    let bound = needs.iter().map(|need| bound_need(need, parameters, evaluator));
    Ok(bound.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

fn bound_need(need: &Need, parameters: &[Value], evaluator: &Evaluator) -> Result<Option<BoundNeed>> {
    let Need { column, affinity, test, of_lead } = need;
    let compared = |constant: &Constant| match value_of(constant, parameters, evaluator)? {
        Some(value) => Ok::<_, Error>(Some(evaluator.stored(value, *affinity)?)),
        None => Ok(None),
    };
    let test = match test {
        Test::Among(constants) if constants.len() > NEED_VALUES_MAX => None,
        Test::Among(constants) => {
            let values = constants.iter().map(compared).collect::<Result<Option<Vec<Value>>>>()?;
            values.map(|values| Test::Among(values.into_iter().filter(|value| *value != Value::Null).collect()))
        }
        Test::AtLeast(bound) => compared(bound)?.map(Test::AtLeast),
        Test::AtMost(bound) => compared(bound)?.map(Test::AtMost),
    };
    Ok(test.map(|test| BoundNeed { column: column.clone(), test, of_lead: *of_lead }))
}

/// The shard of an explicit key. On a shard of its own the text needs no fence.
fn scoped(key: Value, tables: &[ShardedTable], snapshot: &Snapshot, evaluator: &Evaluator) -> Result<Asked> {
    let topology = &snapshot.topology;
    let affinities: Vec<Affinity> = tables.iter().map(|table| table.affinity).collect();
    let owners = affinities.iter().map(|affinity| owner(&key, *affinity, topology, evaluator));
    let owners: BTreeSet<Option<u64>> = owners.collect::<Result<_>>()?;
    let mut owners = owners.into_iter();
    let (Some(shard), None) = (owners.next(), owners.next()) else {
        let message = "this shard key lives on several shards, because the tables' key columns convert it differently";
        return Err(Error::new(Reason::InvalidArgument, message));
    };
    let own = shard.is_some_and(|shard| topology.is_own(shard));
    // A fence is for every sharded table of the schema: a view may lead to any of them.
    let all = snapshot.catalog.schema.tables().into_iter().filter_map(|table| table.sharded());
    let scope = if own { None } else { Some(Scope { key, tables: all.collect() }) };
    Ok(Asked::Scope { shard, scope })
}

fn owner(key: &Value, affinity: Affinity, topology: &Topology, evaluator: &Evaluator) -> Result<Option<u64>> {
    Ok(topology.owner(&evaluator.stored(key.clone(), affinity)?))
}
