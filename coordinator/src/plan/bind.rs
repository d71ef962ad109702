//! From a template, its parameters and the topology to a plan.

use souk_merge::{MergeSpec, Value};

use super::{
    BoundFinish, BoundPart, Extra, FinishStep, LimitTerms, Part, PartMerge, Plan, ReadSet, RunsOn, Scatter, Scope,
    Template,
};
use crate::catalog::{Target, Topology};

/// What is known when a statement is asked.
pub(crate) struct Bindings {
    /// The user's parameters, one for each of the statement.
    pub(crate) parameters: Vec<Value>,
    pub(crate) asked: Asked,
    /// LIMIT and OFFSET, evaluated; none where the statement has none.
    pub(crate) limit: Option<i64>,
    pub(crate) offset: Option<i64>,
    /// The present in UTC as `YYYY-MM-DD HH:MM:SS.SSS`; empty when the template does not read the clock.
    pub(crate) now: String,
}

/// Which shards can hold a matching row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    All,
    /// Sorted. None at all is possible: a key that lives nowhere.
    Shards(Vec<u64>),
    /// The statement is scoped to a key on this shard; none when the key lives nowhere.
    Scope {
        shard: Option<u64>,
        scope: Option<Scope>,
    },
}

/// Why a template cannot be bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BindError {
    /// It reads several shards, and how to combine them exactly is not known.
    #[error(
        "this query over several shards is not supported: {0}; name one shard key, in the WHERE clause or with the request"
    )]
    Unsupported(String),
    /// The topology gives a shard to no node.
    #[error("shard {0} has no node in the topology")]
    NoNode(u64),
}

/// The plan of a template for these bindings.
pub(crate) fn bind(template: &Template, bindings: Bindings, topology: &Topology) -> Result<Plan, BindError> {
    let (shards, replicated) = match (&template.reads, &bindings.asked) {
        (ReadSet::Nothing, _) => return Ok(local(template, bindings)),
        (_, Asked::Scope { shard, scope }) => {
            let shard = shard.or_else(|| topology.any_shard());
            return match shard {
                Some(shard) => route(template, shard, scope.clone(), bindings.parameters, topology),
                None => Ok(local(template, bindings)),
            };
        }
        (ReadSet::Replicated, _) => (Vec::new(), true),
        (ReadSet::Sharded { replicated, .. }, Asked::All) => (topology.shards(), *replicated),
        (ReadSet::Sharded { replicated, .. }, Asked::Shards(shards)) => (shards.clone(), *replicated),
    };
    match (shards.as_slice(), replicated, topology.any_shard()) {
        ([shard], ..) => route(template, *shard, None, bindings.parameters, topology),
        // No sharded row can match: any shard gives the answer, and without replicated tables an empty database does too.
        ([], true, Some(shard)) => route(template, shard, None, bindings.parameters, topology),
        ([], ..) => Ok(local(template, bindings)),
        _ => match &template.scatter {
            Ok(scatter) => bind_scatter(scatter, &shards, bindings, topology),
            Err(reason) => Err(BindError::Unsupported(reason.clone())),
        },
    }
}

fn local(template: &Template, bindings: Bindings) -> Plan {
    Plan::Local { sql: template.text.clone(), parameters: bindings.parameters }
}

fn route(
    template: &Template,
    shard: u64,
    scope: Option<Scope>,
    parameters: Vec<Value>,
    topology: &Topology,
) -> Result<Plan, BindError> {
    let node = topology.node_of(shard).ok_or(BindError::NoNode(shard))?.to_owned();
    let target = Target { node, shards: vec![shard] };
    Ok(Plan::Route { target, sql: template.text.clone(), parameters, scope })
}

fn bind_scatter(scatter: &Scatter, shards: &[u64], bindings: Bindings, topology: &Topology) -> Result<Plan, BindError> {
    let Window { offset, limit, fetch } = Window::of(&bindings);
    let all = topology.targets(shards).map_err(BindError::NoNode)?;
    let first = topology.targets(&shards[..1]).map_err(BindError::NoNode)?;
    let parts = scatter.parts.iter().map(|part| bind_part(part, &all, &first, fetch)).collect();
    let finish = match &scatter.finish {
        FinishStep::Stream { visible, limit: terms } => {
            let limit = terms.as_ref().and(limit);
            BoundFinish::Stream { visible: *visible, offset, limit }
        }
        FinishStep::Scratch { sql, tables } => BoundFinish::Scratch { sql: sql.clone(), tables: tables.clone() },
    };
    let extras: Vec<Value> = scatter.extras.iter().map(|extra| extra_value(extra, &bindings, fetch)).collect();
    let parameters = bindings.parameters.into_iter().chain(extras).collect();
    Ok(Plan::Scatter { parts, parameters, finish })
}

fn bind_part(part: &Part, all: &[Target], first: &[Target], fetch: Option<u64>) -> BoundPart {
    let merge = match &part.merge {
        PartMerge::Rows { order, limited } => {
            MergeSpec::Rows { order: order.clone(), limit: if *limited { fetch } else { None } }
        }
        PartMerge::Groups { keys, states } => MergeSpec::Groups { keys: keys.clone(), states: states.clone() },
    };
    let targets = match part.runs_on {
        RunsOn::Shards => all.to_vec(),
        RunsOn::AnyOne => first.to_vec(),
    };
    BoundPart { sql: part.sql.clone(), width: part.width, merge, targets }
}

/// Which rows of the merged ones are wanted.
struct Window {
    offset: u64,
    limit: Option<u64>,
    /// How many rows of the front that takes; none for all.
    fetch: Option<u64>,
}

impl Window {
    /// A negative LIMIT means all rows, a negative OFFSET none to skip, as in SQLite.
    fn of(bindings: &Bindings) -> Window {
        let offset = bindings.offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
        let limit = bindings.limit.and_then(|limit| u64::try_from(limit).ok());
        let fetch = limit.and_then(|limit| limit.checked_add(offset));
        Window { offset, limit, fetch }
    }
}

fn extra_value(extra: &Extra, bindings: &Bindings, fetch: Option<u64>) -> Value {
    match extra {
        Extra::Fetch => Value::Integer(fetch.and_then(|fetch| i64::try_from(fetch).ok()).unwrap_or(-1)),
        Extra::Current("CURRENT_DATE") => Value::text(&bindings.now[..10]),
        Extra::Current("CURRENT_TIME") => Value::text(&bindings.now[11..19]),
        Extra::Current(_) => Value::text(&bindings.now[..19]),
        Extra::Now => Value::text(&bindings.now),
        Extra::NowOr(number) => match bindings.parameters.get(number - 1) {
            Some(Value::Text(text)) if text.eq_ignore_ascii_case(b"now") => Value::text(&bindings.now),
            Some(value) => value.clone(),
            None => Value::Null,
        },
    }
}

impl Template {
    /// Whether the present must be known before binding.
    pub(crate) fn reads_the_clock(&self) -> bool {
        let of_time = |extra: &Extra| !matches!(extra, Extra::Fetch);
        self.scatter.as_ref().is_ok_and(|scatter| scatter.extras.iter().any(of_time))
    }

    /// The terms of LIMIT and OFFSET that must be evaluated before binding.
    pub(crate) fn limit_terms(&self) -> Option<&LimitTerms> {
        match &self.scatter {
            Ok(Scatter { finish: FinishStep::Stream { limit, .. }, .. }) => limit.as_ref(),
            Ok(_) | Err(_) => None,
        }
    }
}
