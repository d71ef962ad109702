//! From a template, its parameters and the topology to a plan.

use souk_merge::{MergeSpec, Value};

use super::{
    BoundFinish, BoundFirst, BoundNeed, BoundPart, BoundSpread, Extra, FinishStep, LimitTerms, Part, PartLimit,
    PartMerge, Plan, ReadSet, RunsOn, Scope, Spread, Template,
};
use crate::catalog::{Target, Topology};

/// What is known when a statement is asked.
pub(crate) struct Bindings {
    /// The user's parameters, one for each of the statement.
    pub(crate) parameters: Vec<Value>,
    pub(crate) asked: Asked,
    /// For its spread; none when it has none.
    pub(crate) spread: Option<SpreadBindings>,
}

/// What is known for a spread.
pub(crate) struct SpreadBindings {
    pub(crate) asked: Asked,
    /// LIMIT and OFFSET, evaluated; none where the statement has none.
    pub(crate) limit: Option<i64>,
    pub(crate) offset: Option<i64>,
    /// The present in UTC as `YYYY-MM-DD HH:MM:SS.SSS`; empty when the spread does not read the clock.
    pub(crate) now: String,
    /// Of each subquery that is answered first.
    pub(crate) first: Vec<Bindings>,
    /// Of each part.
    pub(crate) needs: Vec<Vec<BoundNeed>>,
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
    #[error("reading the schema beside the rows of one shard key is not supported: ask for one or the other")]
    SchemaInScope,
    /// The template was made without what its own tables call for.
    #[error("the statement has no plan for several shards")]
    NoSpread,
    /// The topology gives a shard to no node.
    #[error("shard {0} has no node in the topology")]
    NoNode(u64),
}

/// The plan of a template for these bindings.
pub(crate) fn bind(template: &Template, bindings: Bindings, topology: &Topology) -> Result<Plan, BindError> {
    let (shards, replicated) = match (&template.reads, &bindings.asked) {
        (ReadSet::Nothing, _) => return Ok(local(template, bindings, "nothing that it reads is stored")),
        (_, Asked::Scope { .. }) if template.reads_schema => return Err(BindError::SchemaInScope),
        (_, Asked::Scope { shard, scope }) => {
            let shard = shard.or_else(|| topology.any_shard());
            return match shard {
                Some(shard) => {
                    let why = "the request names the shard key whose rows are seen";
                    route(template, shard, scope.clone(), bindings.parameters, topology, why)
                }
                None => Ok(local(template, bindings, NO_SHARD)),
            };
        }
        (ReadSet::Replicated, _) => (Few::None, true),
        (ReadSet::Sharded { replicated, .. }, asked) => (asked.few(topology), *replicated),
    };
    let must_spread = template.reads_schema && topology.any_shard().is_some();
    match (shards, replicated, topology.any_shard()) {
        (Few::One(shard), ..) if !must_spread => {
            let why = match topology.shard_count() {
                1 => "there is only one shard",
                _ => "its conditions leave one shard",
            };
            route(template, shard, None, bindings.parameters, topology, why)
        }
        // No sharded row can match: any shard gives the answer, and without replicated tables an empty database does too.
        (Few::None, true, Some(shard)) if !must_spread => {
            let why = match template.reads {
                ReadSet::Replicated => "it reads replicated tables alone, which any shard has",
                ReadSet::Nothing | ReadSet::Sharded { .. } => {
                    "no shard can hold a matching row; any shard has the replicated tables"
                }
            };
            route(template, shard, None, bindings.parameters, topology, why)
        }
        (Few::None, _, Some(_)) if !must_spread => Ok(local(template, bindings, "no shard can hold a matching row")),
        (Few::None, _, None) if !must_spread => Ok(local(template, bindings, NO_SHARD)),
        _ => match (&template.spread, bindings.spread) {
            (Some(spread), Some(known)) => bind_spread(spread, bindings.parameters, known, topology),
            _ => Err(BindError::NoSpread),
        },
    }
}

/// How many shards are asked, when they are few.
enum Few {
    None,
    One(u64),
    Several,
}

impl Asked {
    fn few(&self, topology: &Topology) -> Few {
        let several = match self {
            Asked::All => topology.shard_count() > 1,
            Asked::Shards(shards) => shards.len() > 1,
            Asked::Scope { .. } => false,
        };
        let first = match self {
            Asked::All => topology.any_shard(),
            Asked::Shards(shards) => shards.first().copied(),
            Asked::Scope { shard, .. } => *shard,
        };
        match first {
            _ if several => Few::Several,
            Some(shard) => Few::One(shard),
            None => Few::None,
        }
    }

    /// The shards by node.
    fn targets(&self, topology: &Topology) -> Result<Vec<Target>, BindError> {
        let shards = match self {
            Asked::All => return Ok(topology.all().to_vec()),
            Asked::Shards(shards) => shards.as_slice(),
            Asked::Scope { shard, .. } => shard.as_slice(),
        };
        topology.targets(shards).map_err(BindError::NoNode)
    }
}

/// Why an empty database gives the answer.
const NO_SHARD: &str = "there is no shard yet";

fn local(template: &Template, bindings: Bindings, why: &'static str) -> Plan {
    Plan::Local { sql: template.text.clone(), parameters: bindings.parameters, why }
}

fn route(
    template: &Template,
    shard: u64,
    scope: Option<Scope>,
    parameters: Vec<Value>,
    topology: &Topology,
    why: &'static str,
) -> Result<Plan, BindError> {
    let node = topology.node_of(shard).ok_or(BindError::NoNode(shard))?.to_owned();
    let target = Target { node, shards: [shard].into() };
    Ok(Plan::Route { target, sql: template.text.clone(), parameters, scope, why })
}

fn bind_spread(
    spread: &Spread,
    parameters: Vec<Value>,
    known: SpreadBindings,
    topology: &Topology,
) -> Result<Plan, BindError> {
    let Window { offset, limit, fetch } = Window::of(&known);
    let all = known.asked.targets(topology)?;
    let one: Vec<u64> = topology.any_shard().into_iter().collect();
    let one = topology.targets(&one).map_err(BindError::NoNode)?;
    let parts = spread.parts.iter().zip(known.needs);
    let parts = parts.map(|(part, needs)| bind_part(part, needs, &all, &one, fetch)).collect();
    let finish = match &spread.finish {
        FinishStep::Stream { visible, limit: terms } => {
            let limit = terms.as_ref().and(limit);
            BoundFinish::Stream { visible: *visible, offset, limit }
        }
        FinishStep::Scratch { sql, tables } => BoundFinish::Scratch { sql: sql.clone(), tables: tables.clone() },
    };
    let extras: Vec<Value> =
        spread.extras.iter().map(|extra| extra_value(extra, &parameters, &known.now, fetch)).collect();
    let parameter_of = |place| spread.extras.iter().position(|extra| *extra == Extra::First(place));
    let mut first = Vec::new();
    for (place, (of, known)) in spread.first.iter().zip(known.first).enumerate() {
        // A subquery that no fragment mentions any more needs no answer.
        if let Some(extra) = parameter_of(place) {
            let plan = bind(&of.template, known, topology)?;
            first.push(BoundFirst { plan, width: of.width, parameter: parameters.len() + extra });
        }
    }
    let parameters = parameters.into_iter().chain(extras).collect();
    let kind = spread.kind.clone();
    Ok(Plan::Spread(Box::new(BoundSpread { kind, first, parts, parameters, finish, otherwise: None })))
}

fn bind_part(part: &Part, needs: Vec<BoundNeed>, all: &[Target], one: &[Target], fetch: Option<u64>) -> BoundPart {
    let merge = match &part.merge {
        PartMerge::Rows { order, limit } => {
            let limit = match limit {
                PartLimit::None => None,
                PartLimit::Fetch => fetch,
                PartLimit::First(rows) => Some(*rows),
            };
            MergeSpec::Rows { order: order.clone(), limit }
        }
        PartMerge::Groups { keys, states } => MergeSpec::Groups { keys: keys.clone(), states: states.clone() },
    };
    let targets = match part.runs_on {
        RunsOn::Shards => all.to_vec(),
        RunsOn::AnyOne => one.to_vec(),
    };
    BoundPart {
        sql: part.sql.clone(),
        width: part.width,
        merge,
        targets,
        needs,
        lead: part.lead.clone(),
        semi_join: part.semi_join.clone(),
    }
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
    fn of(bindings: &SpreadBindings) -> Window {
        let offset = bindings.offset.and_then(|offset| u64::try_from(offset).ok()).unwrap_or(0);
        let limit = bindings.limit.and_then(|limit| u64::try_from(limit).ok());
        let fetch = limit.and_then(|limit| limit.checked_add(offset));
        Window { offset, limit, fetch }
    }
}

fn extra_value(extra: &Extra, parameters: &[Value], now: &str, fetch: Option<u64>) -> Value {
    match extra {
        Extra::Fetch => Value::Integer(fetch.and_then(|fetch| i64::try_from(fetch).ok()).unwrap_or(-1)),
        // Known only when the subquery has been answered.
        Extra::First(_) => Value::Null,
        Extra::Current("CURRENT_DATE") => Value::text(&now[..10]),
        Extra::Current("CURRENT_TIME") => Value::text(&now[11..19]),
        Extra::Current(_) => Value::text(&now[..19]),
        Extra::Now => Value::text(now),
        Extra::NowOr(number) => match parameters.get(number - 1) {
            Some(Value::Text(text)) if text.eq_ignore_ascii_case(b"now") => Value::text(now),
            Some(value) => value.clone(),
            None => Value::Null,
        },
    }
}

impl Spread {
    /// Whether the present must be known before binding.
    pub(crate) fn reads_the_clock(&self) -> bool {
        self.extras.iter().any(|extra| !matches!(extra, Extra::Fetch | Extra::First(_)))
    }

    /// The terms of LIMIT and OFFSET that must be evaluated before binding.
    pub(crate) fn limit_terms(&self) -> Option<&LimitTerms> {
        match &self.finish {
            FinishStep::Stream { limit, .. } => limit.as_ref(),
            FinishStep::Scratch { .. } => None,
        }
    }
}
