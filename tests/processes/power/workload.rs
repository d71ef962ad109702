//! Statements that leave a mark in each place that they touch, so that one that is half done shows.

use std::collections::BTreeMap;

use crate::transactions::Chance;

/// Vendors that are there from the beginning, from 1, each on a shard of its own. Others come with their first row.
const VENDORS: i64 = 6;

/// How often each kind of statement is sent.
const ROUNDS: i64 = 3;

/// What the tables are before the first cut.
pub(super) fn setup() -> Vec<String> {
    let balances: Vec<String> = (1..=VENDORS).map(|vendor| format!("({vendor}, 0, 0)")).collect();
    vec![
        "CREATE TABLE t(vendor_id INTEGER NOT NULL, id INTEGER NOT NULL, n INTEGER, pad BLOB, PRIMARY KEY (vendor_id, id)) \
         SHARD KEY (vendor_id)"
            .to_owned(),
        "CREATE TABLE u(id INTEGER PRIMARY KEY) REPLICATED".to_owned(),
        format!("INSERT INTO t(vendor_id, id, n) VALUES {}", balances.join(", ")),
    ]
}

/// What a statement leaves, by its number.
#[derive(Debug, Clone)]
pub(crate) enum Mark {
    /// A row with its number for each of these vendors, with this `n`.
    Rows(Vec<(i64, i64)>),
    /// So much more in each of these vendors' rows 0: multiples of a power of four that is this statement's own.
    Moved { power: u32, times: Vec<(i64, i64)> },
    /// A row on every shard.
    Everywhere,
    /// An index on every shard.
    Index,
}

#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) number: i64,
    pub(crate) mark: Mark,
    pub(crate) sql: String,
}

pub(super) enum Step {
    /// Sent at once.
    Send(Vec<Statement>),
    /// Closing a shard moves its log into its file.
    RestartNode,
    KillCoordinator,
}

pub(super) fn steps(seed: u64) -> Vec<Step> {
    let mut writer = Writer { chance: Chance(seed | 1), number: 0, power: 0, vendors: VENDORS };
    let mut steps = Vec::new();
    for round in 0..ROUNDS {
        steps.extend(writer.round());
        steps.push(match round {
            0 => Step::RestartNode,
            1 => Step::KillCoordinator,
            _ => Step::Send(vec![writer.schema_change()]),
        });
    }
    // Then a log is so long that it is moved into the file, and begins anew.
    for _ in 0..2 {
        steps.push(Step::Send(vec![writer.long_row()]));
    }
    for _ in 0..2 {
        steps.push(Step::Send(vec![writer.rows_of(vec![1])]));
        steps.push(Step::Send(vec![writer.moved(vec![2, 1])]));
    }
    steps
}

struct Writer {
    chance: Chance,
    number: i64,
    power: u32,
    vendors: i64,
}

impl Writer {
    fn round(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for count in 1..=3 {
            steps.push(Step::Send(vec![self.rows(count)]));
        }
        steps.push(Step::Send(vec![self.everywhere()]));
        for count in 2..=3 {
            let vendors = self.some_vendors(count);
            steps.push(Step::Send(vec![self.moved(vendors)]));
        }
        self.vendors += 1;
        steps.push(Step::Send(vec![self.rows_of(vec![self.vendors])]));
        let vendors = self.some_vendors(2);
        steps.push(Step::Send(vec![self.rows(1), self.rows(2), self.moved(vendors), self.everywhere()]));
        steps
    }

    fn next(&mut self, mark: Mark, sql: impl FnOnce(i64) -> String) -> Statement {
        self.number += 1;
        Statement { number: self.number, mark, sql: sql(self.number) }
    }

    /// Of those that have a balance.
    fn some_vendors(&mut self, count: usize) -> Vec<i64> {
        let mut all: Vec<i64> = (1..=VENDORS).collect();
        (0..count).map(|_| all.remove(self.chance.below(all.len() as u64) as usize)).collect()
    }

    fn rows(&mut self, count: usize) -> Statement {
        let vendors = self.some_vendors(count);
        self.rows_of(vendors)
    }

    /// The first has less by what the others have more.
    fn rows_of(&mut self, vendors: Vec<i64>) -> Statement {
        let less = 1 - vendors.len() as i64;
        let rows: Vec<(i64, i64)> =
            vendors.iter().enumerate().map(|(place, vendor)| (*vendor, if place == 0 { less } else { 1 })).collect();
        self.next(Mark::Rows(rows.clone()), |number| {
            let rows: Vec<String> = rows.iter().map(|(vendor, n)| format!("({vendor}, {number}, {n})")).collect();
            format!("INSERT INTO t(vendor_id, id, n) VALUES {}", rows.join(", "))
        })
    }

    fn moved(&mut self, vendors: Vec<i64>) -> Statement {
        let power = self.power;
        self.power += 1;
        let less = 1 - vendors.len() as i64;
        let times: Vec<(i64, i64)> =
            vendors.iter().enumerate().map(|(place, vendor)| (*vendor, if place == 0 { less } else { 1 })).collect();
        self.next(Mark::Moved { power, times: times.clone() }, |_| {
            let unit = 4_i64.pow(power);
            let cases: String =
                times.iter().map(|(vendor, times)| format!("WHEN {vendor} THEN {} ", times * unit)).collect();
            let names: Vec<String> = times.iter().map(|(vendor, _)| vendor.to_string()).collect();
            let names = names.join(", ");
            format!("UPDATE t SET n = n + CASE vendor_id {cases}END WHERE id = 0 AND vendor_id IN ({names})")
        })
    }

    fn everywhere(&mut self) -> Statement {
        self.next(Mark::Everywhere, |number| format!("INSERT INTO u VALUES ({number})"))
    }

    fn schema_change(&mut self) -> Statement {
        self.next(Mark::Index, |_| "CREATE INDEX t_n ON t(n)".to_owned())
    }

    /// More than half of the pages after which a shard moves its log.
    fn long_row(&mut self) -> Statement {
        self.next(Mark::Rows(vec![(1, 0)]), |number| {
            format!("INSERT INTO t(vendor_id, id, n, pad) VALUES (1, {number}, 0, zeroblob(2200000))")
        })
    }
}

impl Mark {
    /// In how many places it shows.
    pub(crate) fn places(&self, shards: usize) -> usize {
        match self {
            Mark::Rows(rows) => rows.len(),
            Mark::Moved { times, .. } => times.len(),
            Mark::Everywhere | Mark::Index => shards,
        }
    }

    /// Whether one shard does it by itself.
    pub(crate) fn is_of_one_shard(&self) -> bool {
        matches!(self, Mark::Rows(rows) if rows.len() == 1)
    }
}

/// Rows of `t`: vendor, id, n.
pub(crate) type Rows = Vec<(i64, i64, i64)>;

/// In how many places each statement shows; the error is of rows that no statement leaves.
pub(crate) fn shown<'s>(
    statements: impl Iterator<Item = &'s Statement> + Clone,
    rows: &Rows,
) -> Result<BTreeMap<i64, usize>, String> {
    let mut shown = BTreeMap::new();
    let mut unknown = Vec::new();
    for row in rows {
        let seen = match row {
            (vendor, 0, balance) => moves(statements.clone(), *vendor, *balance),
            (vendor, id, n) => statements.clone().find(|statement| statement.number == *id).and_then(|statement| {
                let is_whole = matches!(&statement.mark, Mark::Rows(rows) if rows.contains(&(*vendor, *n)));
                is_whole.then(|| vec![*id])
            }),
        };
        match seen {
            Some(numbers) => numbers.into_iter().for_each(|number| *shown.entry(number).or_default() += 1),
            None => unknown.push(row),
        }
    }
    if unknown.is_empty() { Ok(shown) } else { Err(format!("rows that no statement leaves: {unknown:?}")) }
}

/// The statements that made a balance what it is; none when they cannot have.
fn moves<'s>(statements: impl Iterator<Item = &'s Statement>, vendor: i64, mut balance: i64) -> Option<Vec<i64>> {
    let mut found = Vec::new();
    // Their powers grow in this order.
    for Statement { number, mark, .. } in statements {
        let Mark::Moved { power, times } = mark else { continue };
        let (unit, times) = (4_i64.pow(*power), times.iter().find(|(of, _)| of == &vendor));
        if balance.rem_euclid(unit * 4) != 0 {
            found.push(*number);
            balance -= times?.1 * unit;
            if balance.rem_euclid(unit * 4) != 0 {
                return None;
            }
        }
    }
    (balance == 0).then_some(found)
}
