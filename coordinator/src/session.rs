//! Stage 2: one request from beginning to end. Calls the other stages one after the other.

mod difference;
mod explain;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use souk_merge::{Batch, Value};
use souk_proto::Reason;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::answers::{Kept, Question};
use crate::asked::{asked, bound_needs, pinned};
use crate::catalog::Snapshot;
use crate::cluster::{Cluster, Turn};
use crate::error::{Error, Result};
use crate::exec::{Ending, Event, Facts, Remember, Run, Trace, run};
use crate::plan::{Bindings, Plan, Prepared, ReadSet, Spread, SpreadBindings, Template, bind, stored_rows};
use crate::sql::TableInfo;

pub(crate) use crate::plan::{Measured, RowsAt, Step, StepKind};
pub(crate) use explain::Explanation;

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
    /// Whether the most naive plan must give the same answer.
    pub(crate) verify: bool,
}

/// A running query.
pub(crate) struct Answer {
    /// Name and declared type of each column.
    pub(crate) columns: Vec<(String, Option<String>)>,
    pub(crate) events: mpsc::Receiver<Result<Event>>,
    /// What the certificate will say, but for who failed.
    pub(crate) facts: Facts,
    _turn: Option<Turn>,
}

/// A planned query.
struct Planned {
    plan: Plan,
    facts: Facts,
    prepared: Arc<Prepared>,
    snapshot: Snapshot,
}

/// A statement that is to be bound: what it is, and what was given with it.
#[derive(Clone)]
struct Known {
    snapshot: Snapshot,
    prepared: Arc<Prepared>,
    parameters: Vec<Value>,
    shard_key: Option<Value>,
    started: Instant,
}

/// What is to be known of a SELECT before its rows are changed.
pub(crate) struct SelectFacts {
    pub(crate) rows_at: RowsAt,
    /// Whether it calls neither the clock nor chance.
    pub(crate) repeats: bool,
    /// Whether it reads a sharded table.
    pub(crate) reads_sharded: bool,
    /// Whether the rows of several shards are to be put in order.
    pub(crate) is_merged: bool,
}

/// What may be kept of an answer.
enum Keep {
    Nothing,
    /// What each node gives.
    AtNodes,
    /// That, and the whole.
    Whole(Remember),
}

impl Keep {
    /// What nodes give, if the statement repeats.
    fn at_nodes(repeats: bool) -> Keep {
        if repeats { Keep::AtNodes } else { Keep::Nothing }
    }
}

/// By which template a statement is answered.
enum Way {
    Best,
    Whole,
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

    /// Runs a SELECT, or explains it when it says so.
    pub(crate) async fn query(&self, mut request: QueryRequest) -> Result<Answer> {
        match explain::read(&request.sql)? {
            Some(explain) => {
                let analyze = explain.analyze;
                request.sql = explain.sql.to_owned();
                self.explained(request, analyze).await
            }
            None if request.options.verify => self.verified(request).await,
            None => self.answer(request).await,
        }
    }

    async fn answer(&self, request: QueryRequest) -> Result<Answer> {
        let started = Instant::now();
        let turn = self.cluster.turn().await?;
        let (options, sql, scoped) = (request.options, request.sql.clone(), request.shard_key.is_some());
        let known = self.know(request, started).await?;
        let may_be_kept = known.prepared.repeats && !options.partial && !scoped && self.cluster.answers.share_max() > 0;
        let question = may_be_kept.then(|| Question::new(sql, &known.parameters, &known.snapshot));
        // Before it is bound: what is kept was.
        if let Some(question) = &question
            && let Some(kept) = self.kept(question, started, options).await
        {
            let (ending, facts) =
                (Ending { kept: kept.shards(), ..Ending::default() }, Facts { started, ..kept.facts.clone() });
            return Ok(answered(known.prepared.columns.clone(), kept.batches.clone(), ending, facts, Some(turn)));
        }
        let Planned { plan, facts, prepared, snapshot } = self.bound(known, Way::Best)?;
        let keep = match question.filter(|_| matches!(plan, Plan::Spread(_))) {
            Some(question) => {
                let (cluster, facts) = (Arc::clone(&self.cluster), facts.clone());
                Keep::Whole(Box::new(move |batches, readings| cluster.answers.keep(question, batches, facts, readings)))
            }
            None => Keep::at_nodes(prepared.repeats),
        };
        let events = self.start(plan, &snapshot, started, options, keep, Trace::default());
        Ok(Answer { columns: prepared.columns.clone(), events, facts, _turn: Some(turn) })
    }

    /// What was answered before, if it still holds and is within the request's bounds.
    async fn kept(&self, question: &Question, started: Instant, options: QueryOptions) -> Option<Arc<Kept>> {
        let deadline = started + self.deadline(options.deadline_ms);
        let current = self.cluster.answers.current(question, &self.cluster.nodes);
        let kept = timeout_at(deadline, current).await.ok()??;
        let (rows, bytes) = kept.size();
        let (rows_max, bytes_max) = self.result_bounds(options);
        (rows <= rows_max && bytes <= bytes_max).then_some(kept)
    }

    /// Rows and bytes that an answer may have.
    fn result_bounds(&self, options: QueryOptions) -> (u64, u64) {
        let limits = &self.cluster.limits;
        let or_default = |asked: u64, default: u64| if asked == 0 { default } else { asked.min(default) };
        (or_default(options.rows_max, limits.result_rows_max), or_default(options.bytes_max, limits.result_bytes_max))
    }

    /// Plans a SELECT: text, catalog, facts, plan.
    async fn plan(&self, request: QueryRequest, started: Instant) -> Result<Planned> {
        let known = self.know(request, started).await?;
        self.bound(known, Way::Best)
    }

    async fn know(&self, request: QueryRequest, started: Instant) -> Result<Known> {
        self.cluster.refresh()?;
        let snapshot = self.cluster.snapshot();
        let deadline = started + self.deadline(request.options.deadline_ms);
        let prepared = self.cluster.prepared(&snapshot.catalog, &request.sql, deadline).await?;
        let parameters = order_parameters(&prepared.parameters, request.parameters)?;
        Ok(Known { snapshot, prepared, parameters, shard_key: request.shard_key, started })
    }

    fn bound(&self, known: Known, way: Way) -> Result<Planned> {
        let Known { snapshot, prepared, parameters, shard_key, started } = known;
        let plan = match way {
            Way::Best => self.best(&prepared, parameters, shard_key, &snapshot)?,
            Way::Whole => {
                let bindings = self.bindings(&prepared.whole, parameters, shard_key, &snapshot)?;
                bind(&prepared.whole, bindings, &snapshot.topology)?
            }
        };
        let all = snapshot.topology.shard_count();
        let shards = plan.shard_count(all);
        let facts = Facts {
            plan: plan.name(),
            asked: shards as u32,
            pruned: (all - shards) as u32,
            schema_version: snapshot.catalog.version,
            topology_epoch: snapshot.topology.epoch,
            started,
        };
        Ok(Planned { plan, facts, prepared, snapshot })
    }

    /// The plan of the best template; with the most naive one behind it when a step may fail where the statement would not.
    fn best(
        &self,
        prepared: &Prepared,
        parameters: Vec<Value>,
        shard_key: Option<Value>,
        snapshot: &Snapshot,
    ) -> Result<Plan> {
        let bindings = self.bindings(&prepared.best, parameters.clone(), shard_key, snapshot)?;
        let asked = bindings.asked.clone();
        let plan = bind(&prepared.best, bindings, &snapshot.topology)?;
        if !plan.runs_ahead() {
            return Ok(plan);
        }
        let mut bindings = self.bindings(&prepared.whole, parameters, None, snapshot)?;
        if let Some(spread) = &mut bindings.spread {
            spread.asked = asked;
        }
        Ok(plan.or_else(bind(&prepared.whole, bindings, &snapshot.topology)?))
    }

    /// Starts a plan within the limits; nodes may answer with what they keep when told so.
    fn start(
        &self,
        plan: Plan,
        snapshot: &Snapshot,
        started: Instant,
        options: QueryOptions,
        keep: Keep,
        trace: Trace,
    ) -> mpsc::Receiver<Result<Event>> {
        let limits = &self.cluster.limits;
        let (rows_max, bytes_max) = self.result_bounds(options);
        let (keep, remember) = match keep {
            Keep::Nothing => (false, None),
            Keep::AtNodes => (true, None),
            Keep::Whole(remember) => (true, Some((self.cluster.answers.share_max(), remember))),
        };
        run(
            plan,
            Run {
                nodes: Arc::clone(&self.cluster.nodes),
                twins: Arc::clone(&snapshot.catalog.twins),
                scratches: Arc::clone(&snapshot.catalog.scratches),
                schema_version: snapshot.catalog.version,
                deadline: started + self.deadline(options.deadline_ms),
                partial: options.partial,
                keep,
                rows_max,
                bytes_max,
                merge_bytes_max: limits.merge_bytes_max,
                gather_bytes_max: limits.gather_bytes_max,
                gather_rows_max: limits.gather_rows_max,
                trace,
                remember,
            },
        )
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
        let needs = spread.parts.iter().map(|part| bound_needs(&part.needs, parameters, evaluator));
        let needs = needs.collect::<Result<_>>()?;
        Ok(SpreadBindings { asked, limit, offset, now, first, needs })
    }

    /// What is to be known of a SELECT before its rows are changed. It is given parameters by number, and may have fewer.
    pub(crate) async fn facts(
        &self,
        snapshot: &Snapshot,
        sql: &str,
        parameters: &[Value],
        deadline: Instant,
    ) -> Result<SelectFacts> {
        let prepared = self.cluster.prepared(&snapshot.catalog, sql, deadline).await?;
        let given = parameters.iter().take(prepared.parameters.len()).cloned().collect();
        let plan = self.best(&prepared, given, None, snapshot)?;
        Ok(SelectFacts {
            rows_at: plan.rows_at(parameters.len()),
            repeats: prepared.repeats,
            is_merged: plan.is_merged(),
            reads_sharded: matches!(prepared.best.reads, ReadSet::Sharded { .. }),
        })
    }

    /// The rows of a SELECT that is given parameters by number, and may have fewer; as many bytes as may be gathered.
    pub(crate) async fn read_all(
        &self,
        snapshot: &Snapshot,
        sql: &str,
        parameters: &[Value],
        deadline: Instant,
    ) -> Result<Vec<Batch>> {
        let prepared = self.cluster.prepared(&snapshot.catalog, sql, deadline).await?;
        let given = parameters.iter().take(prepared.parameters.len()).cloned().collect();
        let plan = self.best(&prepared, given, None, snapshot)?;
        self.read_plan(plan, snapshot, deadline, self.cluster.limits.gather_bytes_max).await
    }

    /// All rows of a table as they are stored.
    pub(crate) async fn stored_rows(
        &self,
        snapshot: &Snapshot,
        table: &TableInfo,
        deadline: Instant,
        bytes_max: u64,
    ) -> Result<Vec<Batch>> {
        let template = stored_rows(table);
        let bindings = self.bindings(&template, Vec::new(), None, snapshot)?;
        let plan = bind(&template, bindings, &snapshot.topology)?;
        self.read_plan(plan, snapshot, deadline, bytes_max.max(1)).await
    }

    async fn read_plan(
        &self,
        plan: Plan,
        snapshot: &Snapshot,
        deadline: Instant,
        bytes_max: u64,
    ) -> Result<Vec<Batch>> {
        let started = Instant::now();
        let deadline_ms = deadline.saturating_duration_since(started).as_millis();
        let deadline_ms = u32::try_from(deadline_ms).unwrap_or(u32::MAX).max(1);
        let options = QueryOptions { deadline_ms, bytes_max, ..QueryOptions::default() };
        let mut events = self.start(plan, snapshot, started, options, Keep::Nothing, Trace::default());
        let mut batches = Vec::new();
        while let Some(event) = events.recv().await {
            match event? {
                Event::Rows(batch) => batches.push(batch),
                Event::End(_) => return Ok(batches),
            }
        }
        Err(Error::internal("the executor ended without an answer"))
    }

    /// How much time a request has that asks for so much; 0 takes the default.
    pub(crate) fn deadline(&self, asked_ms: u32) -> Duration {
        let limits = &self.cluster.limits;
        let ms = if asked_ms == 0 { limits.deadline_ms_default } else { asked_ms };
        Duration::from_millis(ms.min(limits.deadline_ms_max).into())
    }
}

/// An answer that is there already.
fn answered(
    columns: Vec<(String, Option<String>)>,
    batches: Vec<Batch>,
    ending: Ending,
    facts: Facts,
    turn: Option<Turn>,
) -> Answer {
    let (sender, events) = mpsc::channel(batches.len() + 1);
    for event in batches.into_iter().map(Event::Rows).chain([Event::End(ending)]) {
        // There is room for all of them.
        let _ = sender.try_send(Ok(event));
    }
    Answer { columns, events, facts, _turn: turn }
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
