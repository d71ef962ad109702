//! Queries over rows that a predicate parts in three: where it is true, where it is false, where it is NULL.

use super::super::expression::{Node, form, leaf, list};
use super::super::random::Random;
use super::{Scene, Writer};

/// A query over all rows and the same over each part.
pub struct Partition {
    pub whole: Node,
    pub parts: [Node; 3],
    pub kind: Recombined,
}

/// How the parts make the whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Recombined {
    /// All rows, as often as they come.
    Rows,
    /// All rows, each once.
    Distinct,
    /// By this aggregate for each column; an empty one is what groups.
    Aggregates(Vec<&'static str>),
}

/// A query and its parts over the scene.
pub fn partition(random: &mut Random, scene: &Scene) -> Partition {
    let mut writer = Writer::new(random, scene);
    let depth = usize::from(writer.random.percent(60));
    let from = writer.from(depth);
    let (verb, outputs, group, kind) = writer.outputs_to_recombine();
    let test = writer.predicate(3);
    let pins = from.pins;
    let (first, next) = if pins.is_empty() { ("", " WHERE ") } else { (" WHERE ", " AND ") };
    let pins = list(first, " AND ", pins.len(), pins);
    let head = form("{} FROM {}{}", vec![list(verb, ", ", 1, outputs), from.node, pins]);
    let part =
        |condition: &str| form(format!("{{}}{next}{condition}{{}}"), vec![head.clone(), test.clone(), group.clone()]);
    Partition {
        whole: form("{}{}", vec![head.clone(), group.clone()]),
        parts: [part("({})"), part("NOT ({})"), part("({}) IS NULL")],
        kind,
    }
}

impl Writer<'_> {
    /// The verb, the outputs, the GROUP BY, and how parts of them make the whole.
    fn outputs_to_recombine(&mut self) -> (&'static str, Vec<Node>, Node, Recombined) {
        let nothing = list("", "", 0, vec![]);
        match self.random.below(10) {
            0..4 => {
                let outputs = (0..1 + self.random.below(3)).map(|_| self.value(2)).collect();
                ("SELECT ", outputs, nothing, Recombined::Rows)
            }
            4 | 5 => {
                let outputs = (0..1 + self.random.below(2)).map(|_| self.clean()).collect();
                ("SELECT DISTINCT ", outputs, nothing, Recombined::Distinct)
            }
            grouped => {
                let keys: Vec<Node> = (0..grouped.saturating_sub(7)).map(|_| leaf(self.any_clean_column())).collect();
                let mut outputs = keys.clone();
                let mut folds = vec![""; keys.len()];
                for _ in 0..1 + self.random.below(3) {
                    let (output, fold) = match self.random.below(5) {
                        0 => (leaf("count(*)"), "sum"),
                        1 => (form("count({})", vec![self.only_own(|writer| writer.value(1))]), "sum"),
                        2 => (form("sum({})", vec![self.summed(|writer| writer.number(1))]), "sum"),
                        3 => (form("min({})", vec![self.only_own(Writer::clean)]), "min"),
                        _ => (form("max({})", vec![self.only_own(Writer::clean)]), "max"),
                    };
                    outputs.push(output);
                    folds.push(fold);
                }
                ("SELECT ", outputs, list(" GROUP BY ", ", ", 0, keys), Recombined::Aggregates(folds))
            }
        }
    }
}
