//! Why queries were gathered, and over which tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::report::{Note, cut, kind_of};
use crate::support::split;

/// Queries that were gathered, by the plan's reason.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    reasons: BTreeMap<String, Reason>,
}

#[derive(Debug, Default)]
struct Reason {
    /// One sharded table stood alone in FROM.
    alone: Vec<Note>,
    others: Vec<Note>,
}

impl Reason {
    fn count(&self) -> usize {
        self.alone.len() + self.others.len()
    }
}

impl Gathered {
    pub(crate) fn note(&mut self, reason: &str, alone: bool, note: Note) {
        let reason = self.reasons.entry(kind_of(reason)).or_default();
        if alone { reason.alone.push(note) } else { reason.others.push(note) }
    }

    pub(crate) fn add(&mut self, other: Gathered) {
        for (name, Reason { alone, others }) in other.reasons {
            let reason = self.reasons.entry(name).or_default();
            reason.alone.extend(alone);
            reason.others.extend(others);
        }
    }

    pub(crate) fn sort(&mut self) {
        for Reason { alone, others } in self.reasons.values_mut() {
            alone.sort();
            others.sort();
        }
    }

    /// A line for each reason, the commonest first, with at most so many examples of those that have one table and of the others.
    pub(crate) fn show(&self, text: &mut String, examples: usize) -> std::fmt::Result {
        if self.reasons.is_empty() {
            return Ok(());
        }
        let mut reasons: Vec<_> = self.reasons.iter().collect();
        reasons.sort_by_key(|(_, reason)| std::cmp::Reverse(reason.count()));
        writeln!(text, "  gathered, and with one sharded table alone in FROM, because of")?;
        for (name, reason) in reasons {
            writeln!(text, "    {:>7} {:>7}  {name}", reason.count(), reason.alone.len())?;
            for Note { place, sql } in reason.alone.iter().take(examples).chain(reason.others.iter().take(examples)) {
                writeln!(text, "      {place} {}", cut(&sql.split_whitespace().collect::<Vec<_>>().join(" "), 300))?;
            }
        }
        let alone: usize = self.reasons.values().map(|reason| reason.alone.len()).sum();
        writeln!(text, "    {:>7} {alone:>7}  in all", self.reasons.values().map(Reason::count).sum::<usize>())
    }
}

/// The name that stands alone in the FROM of a SELECT that is no compound, whatever its subqueries read.
pub(crate) fn alone_in_from(sql: &str) -> Option<String> {
    let split = split(sql);
    let mut words = split.base.get(split.outputs_end..)?.split_whitespace();
    let name = words.next().filter(|word| word.eq_ignore_ascii_case("from")).and_then(|_| words.next())?;
    let is_name = !split.is_compound && name.chars().all(|char| char.is_alphanumeric() || char == '_');
    let rest: Vec<String> = words.map(str::to_ascii_uppercase).collect();
    let ends = |word: &String| ["WHERE", "GROUP", "HAVING", "WINDOW", "NOT", "INDEXED"].contains(&word.as_str());
    let alias = match rest.iter().position(ends).map_or(rest.as_slice(), |end| &rest[..end]) {
        [first, alias @ ..] if first == "AS" => alias,
        alias => alias,
    };
    let is_alone = alias.len() <= 1 && alias.iter().all(|word| !word.contains([',', '(']));
    (is_name && is_alone).then(|| name.to_owned())
}
