//! A plan as a tree of steps, and the tree as text.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::super::Measured;
use crate::catalog::Target;

/// Nodes, and shards of each, that are named.
const NODES_NAMED: usize = 4;
const SHARDS_NAMED: usize = 3;

/// A step of a plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    /// In a few words: the reason, the order, the table.
    pub(crate) title: String,
    /// More, each a line.
    pub(crate) notes: Vec<String>,
    /// What is run.
    pub(crate) sql: Option<String>,
    /// Where it is run.
    pub(crate) targets: Vec<Target>,
    pub(crate) measured: Option<Measured>,
    /// What it consists of, in order.
    pub(crate) steps: Vec<Step>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepKind {
    /// A plan that asks no shard.
    Local,
    /// A plan that asks one.
    Route,
    /// A plan whose partials combine.
    Scatter,
    /// A plan that fetches rows and finishes over them.
    Gather,
    /// A subquery is answered before; its step is a plan.
    First,
    /// Shards run a statement.
    Fragment,
    /// What shards give becomes one.
    Merge,
    /// Merged rows go into a table of the scratch.
    Load,
    /// The rows of the answer come out.
    Finish,
    /// A plan was run because a step had failed.
    Otherwise,
}

impl Step {
    pub(super) fn new(kind: StepKind, title: impl Into<String>) -> Step {
        let title = title.into();
        Step { kind, title, notes: Vec::new(), sql: None, targets: Vec::new(), measured: None, steps: Vec::new() }
    }

    pub(super) fn sql(self, sql: &str) -> Step {
        Step { sql: Some(sql.to_owned()), ..self }
    }

    pub(super) fn on(self, targets: &[Target]) -> Step {
        Step { targets: targets.to_vec(), ..self }
    }

    pub(super) fn measured(self, measured: Option<&Measured>) -> Step {
        Step { measured: measured.cloned(), ..self }
    }

    fn write(&self, depth: usize, f: &mut Formatter<'_>) -> fmt::Result {
        let indent = "  ".repeat(depth);
        write!(f, "{indent}{}", self.kind)?;
        if !self.targets.is_empty() {
            write!(f, " {}", Targets(&self.targets))?;
        }
        if !self.title.is_empty() {
            write!(f, ": {}", self.title)?;
        }
        if let Some(measured) = &self.measured {
            write!(f, " [{} rows, {} bytes, {}", measured.rows, measured.bytes, Ms(measured.elapsed))?;
            let spared = [("kept", measured.kept), ("skipped", measured.skipped)];
            spared
                .iter()
                .filter(|(_, shards)| *shards > 0)
                .try_for_each(|(word, shards)| write!(f, ", {word} {shards}"))?;
            write!(f, "]")?;
        }
        writeln!(f)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{indent}  {note}"))?;
        if let Some(sql) = &self.sql {
            writeln!(f, "{indent}  sql: {}", sql.trim().replace('\n', &format!("\n{indent}       ")))?;
        }
        for time in self.measured.iter().flat_map(|measured| &measured.slowest) {
            let shard = format!("shard {} of {}", time.shard, time.node);
            writeln!(f, "{indent}  slow: {shard} [{} rows, {}]", time.rows, Ms(time.elapsed))?;
        }
        self.steps.iter().try_for_each(|step| step.write(depth + 1, f))
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.write(0, f)
    }
}

impl Display for StepKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StepKind::Local => "local",
            StepKind::Route => "route",
            StepKind::Scatter => "scatter",
            StepKind::Gather => "gather",
            StepKind::First => "first",
            StepKind::Fragment => "fragment",
            StepKind::Merge => "merge",
            StepKind::Load => "load",
            StepKind::Finish => "finish",
            StepKind::Otherwise => "otherwise",
        })
    }
}

/// A time in milliseconds.
pub(super) struct Ms(pub(super) Duration);

impl Display for Ms {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ms", self.0.as_secs_f64() * 1000.0)
    }
}

struct Targets<'a>(&'a [Target]);

impl Display for Targets<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let [Target { node, shards }] = self.0
            && let [shard] = **shards
        {
            return write!(f, "on shard {shard} of {node}");
        }
        let shards: usize = self.0.iter().map(|target| target.shards.len()).sum();
        let named: Vec<String> = self.0.iter().take(NODES_NAMED).map(some_shards).collect();
        write!(f, "on {shards} shards ({}", named.join("; "))?;
        match self.0.len().saturating_sub(NODES_NAMED) {
            0 => f.write_str(")"),
            more => write!(f, "; and {more} nodes more)"),
        }
    }
}

fn some_shards(target: &Target) -> String {
    let named: Vec<String> = target.shards.iter().take(SHARDS_NAMED).map(u64::to_string).collect();
    let more = match target.shards.len().saturating_sub(SHARDS_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}: {}{more}", target.node, named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(nodes: usize, shards: u64) -> String {
        let node = |index| Target { node: format!("n{index}"), shards: (1..=shards).collect() };
        Targets(&(1..=nodes).map(node).collect::<Vec<_>>()).to_string()
    }

    #[test]
    fn few_shards_are_named_and_many_are_counted() {
        assert_eq!(targets(1, 1), "on shard 1 of n1");
        assert_eq!(targets(2, 2), "on 4 shards (n1: 1, 2; n2: 1, 2)");
        assert_eq!(targets(1, 5), "on 5 shards (n1: 1, 2, 3 and 2 more)");
        assert_eq!(targets(6, 1), "on 6 shards (n1: 1; n2: 1; n3: 1; n4: 1; and 2 nodes more)");
    }

    #[test]
    fn lines_of_sql_stay_below_their_step() {
        let step = Step::new(StepKind::Finish, "x").sql("SELECT 1\nFROM t\n");
        let plan = Step { steps: vec![step], ..Step::new(StepKind::Scatter, "") };
        assert_eq!(plan.to_string(), "scatter\n  finish: x\n    sql: SELECT 1\n         FROM t\n");
    }
}
