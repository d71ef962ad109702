//! A plan as JSON.

use std::io;

use serde_json::{Value, json};
use souk_proto::v1::{Certificate, ExplainResponse, PlanStep, PlanStepKind, PlanTarget, ShardTime, StepMeasurement};

/// The plan as an object, on one line or `pretty`.
pub(crate) fn plan(response: &ExplainResponse, pretty: bool) -> io::Result<String> {
    let ExplainResponse { text: _, plan, asked, pruned, opaque, root, certificate } = response;
    let plan = json!({
        "plan": plan,
        "asked": asked,
        "pruned": pruned,
        "opaque": if opaque.is_empty() { Value::Null } else { json!(opaque) },
        "root": root.as_ref().map(step),
        "certificate": certificate.as_ref().map(self::certificate),
    });
    Ok(if pretty { serde_json::to_string_pretty(&plan)? } else { serde_json::to_string(&plan)? })
}

fn step(given: &PlanStep) -> Value {
    let PlanStep { kind, title, notes, sql, targets, steps, measured } = given;
    json!({
        "kind": word(*kind),
        "title": title,
        "notes": notes,
        "sql": if sql.is_empty() { Value::Null } else { json!(sql) },
        "targets": targets.iter().map(target).collect::<Vec<_>>(),
        "measured": measured.as_ref().map(measurement),
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
    })
}

/// The kind without what all kinds have in common.
fn word(kind: i32) -> String {
    let kind = PlanStepKind::try_from(kind).unwrap_or_default();
    kind.as_str_name().trim_start_matches("PLAN_STEP_KIND_").to_ascii_lowercase()
}

fn target(target: &PlanTarget) -> Value {
    let PlanTarget { node, shards, first_shards } = target;
    json!({ "node": node, "shards": shards, "first_shards": first_shards })
}

fn measurement(measured: &StepMeasurement) -> Value {
    let StepMeasurement { rows, bytes, elapsed_us, kept, skipped, slowest } = measured;
    let slowest: Vec<_> = slowest.iter().map(shard_time).collect();
    json!({
        "rows": rows, "bytes": bytes, "elapsed_us": elapsed_us, "kept": kept, "skipped": skipped, "slowest": slowest
    })
}

fn shard_time(time: &ShardTime) -> Value {
    let ShardTime { shard, node, elapsed_us, rows } = time;
    json!({ "shard": shard, "node": node, "elapsed_us": elapsed_us, "rows": rows })
}

fn certificate(certificate: &Certificate) -> Value {
    let Certificate { asked, answered, failed, rows, elapsed_us, kept, skipped, .. } = certificate;
    let failed: Vec<u64> = failed.iter().map(|failure| failure.shard).collect();
    json!({
        "asked": asked, "answered": answered, "failed": failed, "rows": rows, "elapsed_us": elapsed_us, "kept": kept,
        "skipped": skipped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_one_object() {
        let measured = StepMeasurement { rows: 2, bytes: 16, elapsed_us: 1500, ..StepMeasurement::default() };
        let finish = PlanStep { kind: PlanStepKind::Finish.into(), measured: Some(measured), ..PlanStep::default() };
        let root = PlanStep {
            kind: PlanStepKind::Scatter.into(),
            title: "why".into(),
            targets: vec![PlanTarget { node: "n1".into(), shards: 9, first_shards: vec![1, 2] }],
            steps: vec![finish],
            ..PlanStep::default()
        };
        let response =
            ExplainResponse { plan: "scatter".into(), asked: 9, root: Some(root), ..ExplainResponse::default() };
        assert_eq!(
            plan(&response, false).unwrap(),
            "{\"plan\":\"scatter\",\"asked\":9,\"pruned\":0,\"opaque\":null,\"root\":{\"kind\":\"scatter\",\"title\":\"why\",\
             \"notes\":[],\"sql\":null,\"targets\":[{\"node\":\"n1\",\"shards\":9,\"first_shards\":[1,2]}],\"measured\":null,\
             \"steps\":[{\"kind\":\"finish\",\"title\":\"\",\"notes\":[],\"sql\":null,\"targets\":[],\"measured\":{\"rows\":2,\
             \"bytes\":16,\"elapsed_us\":1500,\"kept\":0,\"skipped\":0,\"slowest\":[]},\"steps\":[]}]},\"certificate\":null}"
        );
        assert!(plan(&response, true).unwrap().lines().count() > 20);
    }
}
