//! Stage 2: one request from beginning to end. Calls the other stages one after the other.

use std::sync::Arc;
use std::time::Duration;

use souk_merge::Value;
use souk_proto::Reason;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::asked::{asked, pinned};
use crate::catalog::Snapshot;
use crate::cluster::{Cluster, Turn};
use crate::error::{Error, Result};
use crate::exec::{Event, Run, run};
use crate::plan::{Bindings, Plan, Prepared, Spread, SpreadBindings, Template, bind};

/// A SELECT as a client asks it.
#[derive(Debug, Default)]
pub(crate) struct QueryRequest {
    pub(crate) sql: String,
    /// Each with its name, which is empty for a positional one.
    pub(crate) parameters: Vec<(String, Value)>,
    pub(crate) shard_key: Option<Value>,
    pub(crate) options: QueryOptions,
}

/// What a request may ask beyond the defaults; 0 takes the default.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct QueryOptions {
    pub(crate) deadline_ms: u32,
    pub(crate) rows_max: u64,
    pub(crate) bytes_max: u64,
    /// Whether shards may be missing from the answer.
    pub(crate) partial: bool,
    /// Whether to answer by the most naive plan.
    pub(crate) whole: bool,
}

/// A running query.
pub(crate) struct Answer {
    /// Name and declared type of each column.
    pub(crate) columns: Vec<(String, Option<String>)>,
    pub(crate) events: mpsc::Receiver<Result<Event>>,
    /// What the certificate will say, but for who failed.
    pub(crate) facts: Facts,
    _turn: Turn,
}

/// What is known of an answer before it is there.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) plan: &'static str,
    pub(crate) asked: u32,
    pub(crate) pruned: u32,
    pub(crate) schema_version: u64,
    pub(crate) topology_epoch: u64,
    pub(crate) started: Instant,
}

/// A planned query.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) facts: Facts,
    prepared: Arc<Prepared>,
    snapshot: Snapshot,
}

/// Handles requests.
#[derive(Clone)]
pub(crate) struct Session {
    cluster: Arc<Cluster>,
}

impl Session {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Session {
        Session { cluster }
    }

    /// Runs a SELECT.
    pub(crate) async fn query(&self, request: QueryRequest) -> Result<Answer> {
        let started = Instant::now();
        let deadline = started + self.deadline(request.options.deadline_ms);
        let turn = self.cluster.turn().await?;
        let options = request.options;
        let planned = self.plan(request, started).await?;
        let limits = &self.cluster.limits;
        let or_default = |asked: u64, default: u64| if asked == 0 { default } else { asked.min(default) };
        let events = run(
            planned.plan,
            Run {
                nodes: Arc::clone(&self.cluster.nodes),
                twins: Arc::clone(&planned.snapshot.catalog.twins),
                scratches: Arc::clone(&planned.snapshot.catalog.scratches),
                schema_version: planned.snapshot.catalog.version,
                deadline,
                partial: options.partial,
                rows_max: or_default(options.rows_max, limits.result_rows_max),
                bytes_max: or_default(options.bytes_max, limits.result_bytes_max),
                merge_bytes_max: limits.merge_bytes_max,
                gather_bytes_max: limits.gather_bytes_max,
                gather_rows_max: limits.gather_rows_max,
            },
        );
        Ok(Answer { columns: planned.prepared.columns.clone(), events, facts: planned.facts, _turn: turn })
    }

    /// Plans a SELECT: text, catalog, facts, plan.
    pub(crate) async fn plan(&self, request: QueryRequest, started: Instant) -> Result<Planned> {
        let snapshot = self.cluster.snapshot();
        let prepared = self.cluster.prepared(&snapshot.catalog, &request.sql).await?;
        let parameters = order_parameters(&prepared.parameters, request.parameters)?;
        let template = if request.options.whole { &prepared.whole } else { &prepared.best };
        let bindings = self.bindings(template, parameters, request.shard_key, &snapshot)?;
        let plan = bind(template, bindings, &snapshot.topology)?;
        let shards = plan.shards().len();
        let facts = Facts {
            plan: plan.name(),
            asked: shards as u32,
            pruned: (snapshot.topology.shard_count() - shards) as u32,
            schema_version: snapshot.catalog.version,
            topology_epoch: snapshot.topology.epoch,
            started,
        };
        Ok(Planned { plan, facts, prepared, snapshot })
    }

    fn bindings(
        &self,
        template: &Template,
        parameters: Vec<Value>,
        shard_key: Option<Value>,
        snapshot: &Snapshot,
    ) -> Result<Bindings> {
        let asked = asked(template, &parameters, shard_key, snapshot, &self.cluster.evaluator)?;
        let known = template.spread.as_ref().map(|spread| self.spread_bindings(spread, &parameters, snapshot));
        Ok(Bindings { spread: known.transpose()?, parameters, asked })
    }

    fn spread_bindings(&self, spread: &Spread, parameters: &[Value], snapshot: &Snapshot) -> Result<SpreadBindings> {
        let evaluator = &self.cluster.evaluator;
        let (mut limit, mut offset) = (None, None);
        if let Some(terms) = spread.limit_terms() {
            let evaluate =
                |term: &Option<String>| term.as_ref().map(|sql| evaluator.limit(sql, parameters)).transpose();
            (limit, offset) = (evaluate(&terms.limit)?, evaluate(&terms.offset)?);
        }
        let now = if spread.reads_the_clock() { evaluator.now()? } else { String::new() };
        let asked = pinned(&spread.pin, parameters, &snapshot.topology, evaluator)?;
        let first =
            spread.first.iter().map(|first| self.bindings(&first.template, parameters.to_vec(), None, snapshot));
        let first = first.collect::<Result<_>>()?;
        Ok(SpreadBindings { asked, limit, offset, now, first })
    }

    fn deadline(&self, asked_ms: u32) -> Duration {
        let limits = &self.cluster.limits;
        let ms = if asked_ms == 0 { limits.deadline_ms_default } else { asked_ms };
        Duration::from_millis(ms.min(limits.deadline_ms_max).into())
    }
}

/// The parameters by number: positional ones in order, named ones by name, and none too few or too many.
pub(crate) fn order_parameters(names: &[Option<String>], given: Vec<(String, Value)>) -> Result<Vec<Value>> {
    let wrong = |message: String| Err(Error::new(Reason::InvalidArgument, message));
    let mut values: Vec<Option<Value>> = vec![None; names.len()];
    let mut position = 0;
    for (name, value) in given {
        let index = if name.is_empty() {
            position += 1;
            position - 1
        } else {
            match names.iter().position(|known| known.as_deref() == Some(name.as_str())) {
                Some(index) => index,
                None => {
                    return wrong(format!("the statement has no parameter `{name}`; write names with their prefix"));
                }
            }
        };
        match values.get_mut(index) {
            Some(place @ None) => *place = Some(value),
            Some(Some(_)) => return wrong(format!("parameter {} is given twice", index + 1)),
            None => return wrong(format!("the statement has {} parameters; more are given", names.len())),
        }
    }
    let missing = values.iter().position(Option::is_none);
    if let Some(index) = missing {
        let name = names[index].as_deref().map(|name| format!(" (`{name}`)")).unwrap_or_default();
        return wrong(format!("parameter {}{name} is not given; bind NULL where nothing is meant", index + 1));
    }
    Ok(values.into_iter().flatten().collect())
}
