//! Answers and plans to messages.

use std::time::Duration;

use souk_proto::v1;

use crate::exec::{Ending, Facts, ShardFailure};
use crate::session::{Explanation, Measured, Step, StepKind};
use crate::write::Executed;

pub(super) fn certificate(facts: &Facts, ending: Ending, rows: u64) -> v1::Certificate {
    let Ending { failed, kept, skipped, readings: _ } = ending;
    let failed: Vec<_> = failed.into_iter().map(failure).collect();
    v1::Certificate {
        plan: facts.plan.to_owned(),
        asked: facts.asked,
        answered: facts.asked - failed.len() as u32,
        pruned: facts.pruned,
        failed,
        rows,
        schema_version: facts.schema_version,
        topology_epoch: facts.topology_epoch,
        elapsed_us: micros(facts.started.elapsed()),
        kept,
        skipped,
    }
}

fn failure(failure: ShardFailure) -> v1::ShardFailure {
    v1::ShardFailure {
        shard: failure.shard,
        node: failure.node,
        reason: failure.reason.as_str().to_owned(),
        message: failure.message,
    }
}

pub(super) fn executed(executed: Executed, format: v1::RowFormat) -> v1::ExecuteResponse {
    let Executed { rows_affected, last_insert_rowid, columns, rows, schema_version, shards } = executed;
    let (batch, rows) = match format {
        v1::RowFormat::Unspecified => (rows.map(v1::Batch::from), None),
        v1::RowFormat::Rows => (None, rows.map(v1::Rows::from)),
    };
    let columns = columns.into_iter().map(column).collect();
    v1::ExecuteResponse { rows_affected, schema_version, shards, last_insert_rowid, columns, batch, rows }
}

/// One column of an answer.
pub(super) fn column((name, declared): (String, Option<String>)) -> v1::ColumnDescription {
    v1::ColumnDescription { name, declared_type: declared.unwrap_or_default() }
}

pub(super) fn explanation(explanation: Explanation) -> v1::ExplainResponse {
    let Explanation { root, opaque, facts, ran } = explanation;
    v1::ExplainResponse {
        text: root.to_string().trim_end().to_owned(),
        plan: facts.plan.to_owned(),
        asked: facts.asked,
        pruned: facts.pruned,
        opaque: opaque.unwrap_or_default(),
        root: Some(step(root)),
        certificate: ran.map(|run| certificate(&facts, run.ending, run.rows)),
    }
}

fn step(given: Step) -> v1::PlanStep {
    let Step { kind, title, notes, sql, targets, measured, steps } = given;
    /// Shards of each node that are named.
    const NAMED: usize = 3;
    let targets = targets.into_iter().map(|target| v1::PlanTarget {
        node: target.node,
        shards: target.shards.len() as u32,
        first_shards: target.shards.iter().copied().take(NAMED).collect(),
    });
    v1::PlanStep {
        kind: step_kind(kind).into(),
        title,
        notes,
        sql: sql.unwrap_or_default(),
        targets: targets.collect(),
        steps: steps.into_iter().map(step).collect(),
        measured: measured.map(measurement),
    }
}

fn step_kind(kind: StepKind) -> v1::PlanStepKind {
    match kind {
        StepKind::Local => v1::PlanStepKind::Local,
        StepKind::Route => v1::PlanStepKind::Route,
        StepKind::Scatter => v1::PlanStepKind::Scatter,
        StepKind::Gather => v1::PlanStepKind::Gather,
        StepKind::First => v1::PlanStepKind::First,
        StepKind::Fragment => v1::PlanStepKind::Fragment,
        StepKind::Merge => v1::PlanStepKind::Merge,
        StepKind::Load => v1::PlanStepKind::Load,
        StepKind::Finish => v1::PlanStepKind::Finish,
        StepKind::Otherwise => v1::PlanStepKind::Otherwise,
    }
}

fn measurement(measured: Measured) -> v1::StepMeasurement {
    let Measured { rows, bytes, elapsed, kept, skipped, slowest } = measured;
    let slowest = slowest.into_iter().map(|time| v1::ShardTime {
        shard: time.shard,
        node: time.node,
        elapsed_us: micros(time.elapsed),
        rows: time.rows,
    });
    v1::StepMeasurement { rows, bytes, elapsed_us: micros(elapsed), slowest: slowest.collect(), kept, skipped }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
