//! The steps at which something can fail, by name. `source.rs` holds the list against the sources.

/// Whose step it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Node,
    Coordinator,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) name: &'static str,
    pub(crate) of: Of,
    /// Whether an error can be returned there; else the process can only end.
    pub(crate) errs: bool,
    /// What must fail before, so that the step is reached: a case, as in `case.rs`.
    pub(crate) behind: Option<&'static str>,
}

const fn point(of: Of, name: &'static str) -> Point {
    Point { name, of, errs: true, behind: None }
}

impl Point {
    const fn crashes_only(self) -> Point {
        Point { errs: false, ..self }
    }

    const fn behind(self, case: &'static str) -> Point {
        Point { behind: Some(case), ..self }
    }
}

/// Leaves a commit for the sweeper to tell.
const UNTOLD: &str = "coordinator/decided:crash:first";

/// Leaves shards waiting for a decision that was never made.
const UNDECIDED: &str = "coordinator/decision-uncommitted:error:first";

use Of::{Coordinator, Node};

pub(crate) const POINTS: &[Point] = &[
    // A shard prepares.
    point(Node, "prepare-begun"),
    point(Node, "prepare-tried"),
    point(Node, "intent-begun"),
    point(Node, "intent-committed"),
    point(Node, "votes-unsent"),
    // It is told.
    point(Node, "word-heard"),
    point(Node, "apply-uncommitted"),
    point(Node, "apply-committed"),
    point(Node, "release-begun"),
    point(Node, "release-committed"),
    point(Node, "word-unanswered").crashes_only(),
    // It writes, alone.
    point(Node, "write-begun"),
    point(Node, "write-committed"),
    point(Node, "write-unanswered").crashes_only(),
    // Whatever it commits.
    point(Node, "commit-refused"),
    point(Node, "fences-asked").crashes_only(),
    // A transaction, at the coordinator.
    point(Coordinator, "shards-unasked"),
    point(Coordinator, "prepare-unsent"),
    point(Coordinator, "votes-unheard"),
    point(Coordinator, "votes-counted"),
    point(Coordinator, "commit-unwished"),
    point(Coordinator, "decided").crashes_only(),
    point(Coordinator, "word-unsent"),
    point(Coordinator, "word-unconfirmed"),
    point(Coordinator, "told").crashes_only(),
    point(Coordinator, "outcome-untold").crashes_only(),
    // Its ledger.
    point(Coordinator, "decision-uncommitted"),
    point(Coordinator, "decision-committed"),
    point(Coordinator, "finish-unnoted"),
    point(Coordinator, "request-unread"),
    // A write to one shard.
    point(Coordinator, "write-unsent"),
    point(Coordinator, "write-unheard"),
    // Its sweeper.
    point(Coordinator, "fences-unheard"),
    point(Coordinator, "sweep-untold").behind(UNTOLD),
    point(Coordinator, "sweep-told").behind(UNTOLD),
    point(Coordinator, "sweep-unasked").behind(UNDECIDED),
    point(Coordinator, "sweep-decided").behind(UNDECIDED),
    point(Coordinator, "sweep-released").crashes_only().behind(UNDECIDED),
];

pub(crate) fn find(name: &str) -> Option<&'static Point> {
    POINTS.iter().find(|point| point.name == name)
}
