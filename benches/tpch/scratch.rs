//! What a query brings into scratches at the coordinator, as its measured plan says.

use souk_proto::v1::{PlanStep, PlanStepKind};

/// Rows and bytes of their values.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Brought {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// All loads of a plan, and those of the subqueries that it answers first.
pub(crate) fn brought(step: &PlanStep) -> Brought {
    let own = step.measured.as_ref().filter(|_| step.kind() == PlanStepKind::Load);
    let own = own.map_or_else(Brought::default, |measured| Brought { rows: measured.rows, bytes: measured.bytes });
    step.steps
        .iter()
        .map(brought)
        .fold(own, |sum, more| Brought { rows: sum.rows + more.rows, bytes: sum.bytes + more.bytes })
}
