//! What became of generated queries.

use std::collections::BTreeMap;

use crate::support::{Expected, Verdict};

/// Counts, and what is wrong.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) queries: u64,
    /// Those that give rows at all: a test of empty answers would prove little.
    pub(crate) with_rows: u64,
    /// Exact answers by plan.
    by_plan: BTreeMap<String, u64>,
    pub(crate) refused: u64,
    /// Those that SQLite itself does not end in time.
    pub(crate) too_long: u64,
    refusals: Examples,
    /// Errors that both sides give, in SQLite's words.
    errors: Examples,
    pub(crate) failures: Vec<String>,
}

/// What was said, how often, and the shortest statement that it was said of.
pub(crate) type Examples = BTreeMap<String, (u64, String)>;

/// Characters of an example that are shown.
const SHOWN_MAX: usize = 300;

pub(crate) fn note(examples: &mut Examples, said: &str, sql: &str) {
    // Places in a text and the end that all refusals have say nothing about the reason.
    let reason = said.split(" at Line:").next().unwrap_or(said).split("; name one shard key").next().unwrap_or(said);
    let (count, example) = examples.entry(reason.to_owned()).or_insert_with(|| (0, sql.to_owned()));
    *count += 1;
    if sql.len() < example.len() {
        *example = sql.to_owned();
    }
}

pub(crate) fn show(examples: &Examples, lines: &mut Vec<String>) {
    let mut all: Vec<_> = examples.iter().collect();
    all.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    for (said, (count, example)) in all {
        let shown: String = example.chars().take(SHOWN_MAX).collect();
        lines.push(format!("{count:15} {said}\n{:16}{shown}", ""));
    }
}

impl Tally {
    /// Counts one query; how its answer differs when it does.
    pub(crate) fn count(
        &mut self,
        sql: &str,
        expected: &Expected,
        verdict: Verdict,
        plan: Option<String>,
    ) -> Option<String> {
        self.queries += 1;
        self.with_rows += u64::from(expected.answer.as_ref().is_ok_and(|answer| !answer.rows.is_empty()));
        match (verdict, &expected.answer) {
            (Verdict::Same, Ok(_)) => *self.by_plan.entry(plan.unwrap_or_default()).or_default() += 1,
            (Verdict::Same, Err(error)) => note(&mut self.errors, error, sql),
            (Verdict::Refused(reason), _) => {
                self.refused += 1;
                note(&mut self.refusals, &reason, sql);
            }
            (Verdict::Different(what), _) => return Some(what),
        }
        None
    }

    pub(crate) fn progress(&self) -> String {
        format!("{} queries, {} refused, {} different", self.queries, self.refused, self.failures.len())
    }

    pub(crate) fn report(&self) -> String {
        let mut lines = vec![format!("{:7} queries, {} with rows", self.queries, self.with_rows)];
        lines.extend(self.by_plan.iter().map(|(plan, count)| format!("{count:7} {plan}")));
        lines.push(format!("{:7} errors on both sides", self.errors.values().map(|(count, _)| count).sum::<u64>()));
        show(&self.errors, &mut lines);
        lines.push(format!("{:7} too long for SQLite, not asked", self.too_long));
        lines.push(format!("{:7} refused", self.refused));
        show(&self.refusals, &mut lines);
        lines.push(format!("{:7} different", self.failures.len()));
        lines.join("\n")
    }
}
