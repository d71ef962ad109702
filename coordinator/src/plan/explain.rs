//! A plan as a tree of steps, for people and for programs.

mod step;
mod words;

use std::time::Duration;

use souk_merge::MergeSpec;

use super::{BoundFinish, BoundPart, BoundSpread, Kind, Measured, Measurements, Place, Plan, ScratchTable};
use step::Ms;
pub(crate) use step::{Step, StepKind};
use words::{Columns, Merge, condition, filled};

/// What a plan is explained from.
pub(crate) struct Explained<'a> {
    pub(crate) plan: &'a Plan,
    /// Name and declared type of each result column.
    pub(crate) columns: &'a [(String, Option<String>)],
    /// Why the text has no tree that is believed.
    pub(crate) opaque: Option<&'a str>,
    /// How many shards there are.
    pub(crate) shards: usize,
    /// When it was run.
    pub(crate) ran: Option<Ran<'a>>,
}

/// What a run took.
pub(crate) struct Ran<'a> {
    pub(crate) planning: Duration,
    pub(crate) measurements: &'a Measurements,
}

/// The plan as a tree.
pub(crate) fn explain(explained: &Explained<'_>) -> Step {
    let Explained { plan, columns, opaque, shards, ran } = explained;
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let measurements = ran.as_ref().map(|ran| ran.measurements);
    let mut root = Steps { names: &names, path: &mut Vec::new(), measurements }.plan(plan);
    let asked = plan.shard_count(*shards);
    root.notes.insert(0, format!("shards: {asked} asked, {} pruned", shards - asked));
    // What is gathered says so itself.
    let opaque = opaque.filter(|_| root.kind != StepKind::Gather);
    root.notes.extend(opaque.map(|reason| format!("opaque: {}", one_line(reason))));
    root.notes.extend(ran.as_ref().map(|ran| format!("planning: {}", Ms(ran.planning))));
    root
}

/// Walks a plan, and knows where it is.
struct Steps<'a, 'p> {
    /// Of the result columns; empty where they have none.
    names: &'a [&'a str],
    path: &'p mut Vec<Place>,
    measurements: Option<&'a Measurements>,
}

impl Steps<'_, '_> {
    fn plan(&mut self, plan: &Plan) -> Step {
        let step = match plan {
            Plan::Local { sql, why, .. } => Step::new(StepKind::Local, *why).sql(sql),
            Plan::Route { target, sql, why, .. } => {
                let step = Step::new(StepKind::Route, *why).sql(sql).on(std::slice::from_ref(target));
                return step.measured(self.at(Place::Part(0)));
            }
            Plan::Spread(spread) => self.spread(spread),
        };
        let measured = self.measurements.and_then(|all| all.get(self.path));
        step.measured(measured)
    }

    fn at(&mut self, place: Place) -> Option<&Measured> {
        self.path.push(place);
        let measured = self.measurements.and_then(|all| all.get(self.path));
        self.path.pop();
        measured
    }

    fn spread(&mut self, spread: &BoundSpread) -> Step {
        let mut step = match &spread.kind {
            Kind::Scatter => Step::new(StepKind::Scatter, scattered(spread)),
            Kind::Gather(reason) => Step::new(StepKind::Gather, one_line(reason)),
        };
        for (index, first) in spread.first.iter().enumerate() {
            let plan = self.below(Place::First(index), &first.plan);
            let title = format!("a subquery, whose rows become parameter ?{}", first.parameter + 1);
            step.steps.push(Step { steps: vec![plan], ..Step::new(StepKind::First, title) });
        }
        let tables = match &spread.finish {
            BoundFinish::Stream { .. } => [].as_slice(),
            BoundFinish::Scratch { tables, .. } => tables,
        };
        for (index, part) in spread.parts.iter().enumerate() {
            let fragment = self.fragment(index, part, tables.get(index), &spread.finish);
            step.steps.push(fragment);
        }
        let finish = finish(&spread.finish, &spread.parts).measured(self.at(Place::Finish));
        step.steps.push(finish);
        if let Some(otherwise) = &spread.otherwise {
            step.notes.push("should a step fail: the text over whole tables".to_owned());
            step.steps.extend(self.otherwise(otherwise));
        }
        step
    }

    /// What was run because a step had failed.
    fn otherwise(&mut self, otherwise: &Plan) -> Option<Step> {
        self.at(Place::Otherwise)?;
        let plan = self.below(Place::Otherwise, otherwise);
        Some(Step { steps: vec![plan], ..Step::new(StepKind::Otherwise, "a step failed") })
    }

    /// A plan inside of this one. Its columns have no names.
    fn below(&mut self, place: Place, plan: &Plan) -> Step {
        self.path.push(place);
        let step = Steps { names: &[], path: self.path, measurements: self.measurements }.plan(plan);
        self.path.pop();
        step
    }

    fn fragment(&mut self, index: usize, part: &BoundPart, table: Option<&ScratchTable>, finish: &BoundFinish) -> Step {
        let mut step = Step::new(StepKind::Fragment, "").sql(&part.sql).on(&part.targets);
        if part.targets.is_empty() {
            step.title = "on no shard".to_owned();
        }
        if let Some(semi_join) = &part.semi_join {
            step.notes.push(format!("semi-join keys: {}", semi_join.keys));
            step.notes.push(format!("sql with few keys: {}", semi_join.sql));
        }
        let known = known_columns(part);
        if !known.is_empty() {
            step.notes.push(format!("skips shards by what is known of: {}", known.join(", ")));
        }
        let names = match finish {
            BoundFinish::Stream { visible, .. } if *visible <= self.names.len() => &self.names[..*visible],
            _ => &[],
        };
        step.steps.push(Step::new(StepKind::Merge, Merge { spec: &part.merge, names }.to_string()));
        if let Some(table) = table {
            let mut load = Step::new(StepKind::Load, Columns(table).to_string());
            load.notes
                .extend(condition(&part.sql).filter(|_| filled(table)).map(|sql| format!("only rows with: {sql}")));
            step.steps.push(load.measured(self.at(Place::Load(index))));
        }
        step.measured(self.at(Place::Part(index)))
    }
}

/// The columns by whose statistics a node may leave shards out.
fn known_columns(part: &BoundPart) -> Vec<String> {
    let limited = matches!(part.merge, MergeSpec::Rows { limit: Some(_), .. });
    let columns = part.needs.iter().map(|need| &need.column).chain(part.lead.iter().filter(|_| limited));
    let mut names: Vec<String> = columns.map(|column| format!("{}.{}", column.table, column.column)).collect();
    names.sort();
    names.dedup();
    names
}

/// What a scatter consists of.
fn scattered(spread: &BoundSpread) -> &'static str {
    let grouped = spread.parts.iter().any(|part| matches!(part.merge, MergeSpec::Groups { .. }));
    match (&spread.finish, grouped) {
        (BoundFinish::Stream { .. }, _) => "shards give rows of the answer",
        (BoundFinish::Scratch { .. }, true) => "shards give partial groups, which combine exactly",
        (BoundFinish::Scratch { .. }, false) => "shards give the rows of each part, which SQLite combines",
    }
}

fn finish(finish: &BoundFinish, parts: &[BoundPart]) -> Step {
    match finish {
        BoundFinish::Scratch { sql, .. } => Step::new(StepKind::Finish, "SQLite over the scratch").sql(sql),
        BoundFinish::Stream { visible, offset, limit } => {
            let hidden = parts.first().map_or(0, |part| part.width.saturating_sub(*visible));
            let words = [
                Some("the merged rows".to_owned()),
                (*offset > 0).then(|| format!("without the first {offset}")),
                limit.map(|limit| format!("at most {limit}")),
                match hidden {
                    0 => None,
                    1 => Some("without a column that only sorts".to_owned()),
                    count => Some(format!("without {count} columns that only sort")),
                },
            ];
            Step::new(StepKind::Finish, words.into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
