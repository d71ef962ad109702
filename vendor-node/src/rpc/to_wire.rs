//! What the node gives to messages.

use souk_merge::Batch;
use souk_proto::v1;

use crate::{
    commits::State,
    error::{Failure, Fault},
    fragment::{ShardTime, Summary},
    node::{Description, ShardOutcome},
    shard::{Done, Inserted, Intent, Vote},
};

pub(crate) fn description(description: Description) -> v1::DescribeResponse {
    let Description {
        node,
        compile_options,
        schema_version,
        shards,
        shards_open,
        memory_bytes,
        kept_bytes,
        page_cache_bytes,
        shards_at_schema,
        shards_tried,
    } = description;
    v1::DescribeResponse {
        node,
        sqlite_version: rusqlite::version().to_owned(),
        compile_options,
        schema_version,
        shards,
        shards_open: count(shards_open),
        memory_bytes,
        kept_bytes,
        page_cache_bytes,
        shards_at_schema: u32::try_from(shards_at_schema).unwrap_or(u32::MAX),
        shards_tried: u32::try_from(shards_tried).unwrap_or(u32::MAX),
    }
}

pub(crate) fn batch(batch: Batch) -> v1::RunFragmentResponse {
    part(v1::run_fragment_response::Part::Batch(batch.into()))
}

pub(crate) fn summary(node: &str, summary: Summary, last: Option<Batch>) -> v1::RunFragmentResponse {
    let Summary { answered, kept, skipped, failed, state, slowest } = summary;
    let slowest = slowest.into_iter().map(|time| shard_time(node, time)).collect();
    let (answered, kept, skipped) = (count(answered), count(kept), count(skipped));
    let summary = v1::FragmentSummary {
        answered,
        failed: failures(node, failed),
        slowest,
        kept,
        skipped,
        state: state.map(shards_state),
        last: last.map(v1::Batch::from),
    };
    part(v1::run_fragment_response::Part::Summary(summary))
}

fn shards_state(State { start, all, sum }: State) -> v1::ShardsState {
    v1::ShardsState { start, node_commits: all, commits: sum }
}

fn shard_time(node: &str, time: ShardTime) -> v1::ShardTime {
    let ShardTime { shard, elapsed, rows } = time;
    let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    v1::ShardTime { shard, node: node.to_owned(), elapsed_us, rows }
}

fn part(part: v1::run_fragment_response::Part) -> v1::RunFragmentResponse {
    v1::RunFragmentResponse { part: Some(part) }
}

pub(crate) fn failures(node: &str, failures: Vec<Failure>) -> Vec<v1::ShardFailure> {
    failures.into_iter().map(|Failure { shard, fault }| failure(node, shard, fault)).collect()
}

fn failure(node: &str, shard: u64, fault: Fault) -> v1::ShardFailure {
    v1::ShardFailure { shard, node: node.to_owned(), reason: fault.reason.to_string(), message: fault.message }
}

pub(crate) fn insertions(node: &str, outcomes: Vec<ShardOutcome>) -> v1::InsertRowsResponse {
    let mut response = v1::InsertRowsResponse::default();
    for ShardOutcome { shard, outcome } in outcomes {
        match outcome {
            Ok(Inserted { rows, rejected }) => {
                response.inserted += rows;
                response.rejected.extend(rejected.into_iter().map(|rejected| v1::RejectedInsert {
                    shard,
                    table: count(rejected.table),
                    row: count(rejected.row),
                    reason: rejected.fault.reason.to_string(),
                    message: rejected.fault.message,
                }));
            }
            Err(fault) => response.failed.push(failure(node, shard, fault)),
        }
    }
    response
}

pub(crate) fn written(outcomes: Vec<Done>) -> v1::WriteResponse {
    let outcome = |Done { rows_affected, last_insert_rowid, rows }: Done| v1::StatementOutcome {
        rows_affected,
        last_insert_rowid,
        rows: rows.map(v1::Batch::from),
    };
    v1::WriteResponse { outcomes: outcomes.into_iter().map(outcome).collect() }
}

pub(crate) fn votes(node: &str, votes: Vec<Result<Vote, Failure>>) -> v1::PrepareResponse {
    let vote = |vote| {
        let kind = match vote {
            Ok(Vote::Prepared(outcomes)) => v1::vote::Kind::Prepared(written(outcomes)),
            Ok(Vote::Nothing(outcomes)) => v1::vote::Kind::Nothing(written(outcomes)),
            Err(Failure { shard, fault }) => v1::vote::Kind::Refused(failure(node, shard, fault)),
        };
        v1::Vote { kind: Some(kind) }
    };
    v1::PrepareResponse { votes: votes.into_iter().map(vote).collect() }
}

pub(crate) fn fences(fences: Vec<(u64, Intent)>) -> v1::ListFencesResponse {
    let fence = |(shard, intent): (u64, Intent)| v1::Fence {
        shard,
        transaction: intent.name.to_vec(),
        age_ms: u64::try_from(intent.since.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    v1::ListFencesResponse { fences: fences.into_iter().map(fence).collect() }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
