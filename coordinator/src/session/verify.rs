//! An answer that is held back until the most naive plan has given the same.

use souk_merge::{Batch, Value};
use souk_proto::Reason;
use tokio::time::Instant;

use super::difference::{Difference, difference};
use super::{Answer, Keep, Planned, QueryOptions, QueryRequest, Session, Way, answered};
use crate::error::{Error, Result};
use crate::exec::{Ending, Event, Trace};

/// Why two right answers may differ.
const MAY_DIFFER: &str = "They may both be right where the statement leaves a choice (a LIMIT without a total order, bare columns beside an \
                          aggregate, the order inside of group_concat, the time of day), or where rows were written in between; else one of \
                          them is a fault of souk";

impl Session {
    /// Answers a SELECT twice.
    pub(super) async fn verified(&self, request: QueryRequest) -> Result<Answer> {
        let invalid = |message: &str| Err(Error::new(Reason::InvalidArgument, message));
        if request.options.partial {
            return invalid("a partial answer cannot be verified: leave one of the two out");
        }
        if request.shard_key.is_some() {
            return invalid(
                "a request with a shard key is answered by its shard alone: there is no other way to verify it by",
            );
        }
        let turn = self.cluster.turn().await?;
        let options = request.options;
        let known = self.know(request, Instant::now()).await?;
        if let Some(name) = known.prepared.random {
            let message = format!("`{name}` differs at every call, so that an answer with it cannot be verified");
            return Err(Error::new(Reason::InvalidArgument, message));
        }
        let whole = self.bound(known.clone(), Way::Whole)?;
        let best = self.bound(known, Way::Best)?;
        let (answer, ending) = self.held(&best, options, Keep::at_nodes(best.prepared.repeats)).await?;
        // Read anew: what was kept is to be verified too.
        let (naive, _) = self.held(&whole, options, Keep::Nothing).await.map_err(unverified)?;
        match difference(rows(&answer), rows(&naive)) {
            None => Ok(answered(best.prepared.columns.clone(), answer, ending, best.facts, Some(turn))),
            Some(difference) => Err(failed(best.facts.plan, &difference)),
        }
    }

    /// All rows of a plan, and what is said at their end.
    async fn held(&self, planned: &Planned, options: QueryOptions, keep: Keep) -> Result<(Vec<Batch>, Ending)> {
        let bytes_max = self.cluster.limits.gather_bytes_max;
        let bytes_max = if options.bytes_max == 0 { bytes_max } else { options.bytes_max.min(bytes_max) };
        let options = QueryOptions { bytes_max, ..options };
        let Planned { plan, facts, snapshot, .. } = planned;
        let mut events = self.start(plan.clone(), snapshot, facts.started, options, keep, Trace::default());
        let mut batches = Vec::new();
        while let Some(event) = events.recv().await {
            match event? {
                Event::Rows(batch) => batches.push(batch),
                Event::End(ending) => return Ok((batches, ending)),
            }
        }
        Err(Error::internal("the executor ended without an answer"))
    }
}

fn rows(batches: &[Batch]) -> Vec<Vec<Value>> {
    batches.iter().cloned().flat_map(Batch::into_rows).collect()
}

/// The naive plan failed. When SQLite itself did over the same rows, the answers differ.
fn unverified(error: Error) -> Error {
    match error.reason {
        Reason::SqlRuntime => Error::new(
            Reason::VerifyFailed,
            format!("whole tables give an error instead of an answer: {}", error.message),
        ),
        reason => Error::new(reason, format!("the answer cannot be verified: {}", error.message)),
    }
}

fn failed(plan: &str, difference: &Difference) -> Error {
    let message =
        format!("the answer by `{plan}` is not that of the text over whole tables. {difference}\n{MAY_DIFFER}");
    Error::new(Reason::VerifyFailed, message)
}
