//! Stage 6: from facts to a plan, as plain data that prints itself.
//!
//! A [`Prepared`] is made once a text and kept; binding one of its templates to parameters and a topology gives a [`Plan`], which is
//! complete: the executor never looks at SQL, schema or topology again.
//!
//! - **Route**: all that the statement reads lies on one shard: the user's text goes there unchanged.
//! - **Scatter**: every shard runs fragments on its own rows, and the partials combine exactly.
//! - **Gather**: what the statement needs is fetched into a scratch, and SQLite answers there.
//!
//! In reading order: [`prepare`](prepare()) makes the templates; `scatter`, `rows` and `groups` make fragments whose partials combine;
//! `first` takes out subqueries that are answered before; `gather` takes the rest apart into pieces (`piece`, `joined`) and tables (`load`, with the
//! filters of `push` and `semi_join`); `bind` makes a plan of it, `explain` tells of it and of what was `measured`.

mod prepare;

mod clock;
mod first;
mod gather;
mod groups;
mod joined;
mod load;
mod piece;
mod push;
mod rows;
mod scatter;
mod semi_join;

mod bind;
mod explain;
mod measured;

use std::collections::BTreeSet;

use souk_merge::{Collation, Finish, MergeSpec, SortKey, StateKind, Value};

use crate::analyze::{Need, Pin};
use crate::catalog::Target;
use crate::sql::Affinity;

pub(crate) use crate::analyze::{Stored, Test};
pub(crate) use bind::{Asked, BindError, Bindings, SpreadBindings, bind};
pub(crate) use explain::{Explained, Ran, Step, StepKind, explain};
pub(crate) use load::stored_rows;
pub(crate) use measured::{Measured, Measurements, Place, SLOWEST_MAX, ShardTime};
pub(crate) use prepare::prepare;

/// What a text can become, before its parameters and the topology are known.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// Name and declared type of each result column.
    pub(crate) columns: Vec<(String, Option<String>)>,
    /// The name of each parameter; none for a positional one.
    pub(crate) parameters: Vec<Option<String>>,
    /// Why there is no tree of it that SQLite agrees with; none when there is one.
    pub(crate) opaque: Option<String>,
    /// A function with another value at every call.
    pub(crate) random: Option<&'static str>,
    /// Whether it gives the same rows as long as nothing is written: it calls neither the clock nor chance.
    pub(crate) repeats: bool,
    /// How it is answered.
    pub(crate) best: Template,
    /// The most naive way: whole tables and the user's own text. What `verify` compares with.
    pub(crate) whole: Template,
}

impl Prepared {
    /// Whether it reads the schema itself.
    pub(crate) fn reads_schema(&self) -> bool {
        self.whole.reads_schema
    }

    /// The tables that it reads, in lower case.
    pub(crate) fn tables(&self) -> BTreeSet<String> {
        match &self.whole.spread {
            Some(Spread { finish: FinishStep::Scratch { tables, .. }, .. }) => {
                tables.iter().map(|table| table.name.to_ascii_lowercase()).collect()
            }
            Some(_) | None => BTreeSet::new(),
        }
    }
}

/// A statement, and how to answer it.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) text: String,
    pub(crate) reads: ReadSet,
    /// Whether it reads the schema itself, of which shards know more than a client may.
    pub(crate) reads_schema: bool,
    /// For when its rows lie on several shards; none when it reads nothing.
    pub(crate) spread: Option<Spread>,
}

/// What kinds of tables a statement reads.
#[derive(Debug, Clone)]
pub(crate) enum ReadSet {
    /// None.
    Nothing,
    /// Replicated ones alone.
    Replicated,
    /// Sharded ones.
    Sharded {
        tables: Vec<ShardedTable>,
        /// Replicated ones too.
        replicated: bool,
        /// The keys that can matter.
        pin: Pin,
    },
}

/// A sharded table in a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShardedTable {
    pub(crate) name: String,
    pub(crate) key_column: String,
    pub(crate) affinity: Affinity,
}

/// Fragments and how their answers become one.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    pub(crate) kind: Kind,
    /// The keys that can matter to its parts.
    pub(crate) pin: Pin,
    /// Subqueries that are answered before; the rows of each are a parameter.
    pub(crate) first: Vec<First>,
    pub(crate) parts: Vec<Part>,
    pub(crate) finish: FinishStep,
    /// Values that the coordinator adds behind the user's parameters.
    pub(crate) extras: Vec<Extra>,
}

/// Why a statement is spread as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The partials combine exactly.
    Scatter,
    /// They would not, for this reason.
    Gather(String),
}

/// A subquery that is answered before the statement.
#[derive(Debug, Clone)]
pub(crate) struct First {
    pub(crate) template: Box<Template>,
    /// How many columns it gives.
    pub(crate) width: usize,
}

/// A fragment, and how its rows merge.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) sql: String,
    /// How many columns its rows have.
    pub(crate) width: usize,
    pub(crate) merge: PartMerge,
    pub(crate) runs_on: RunsOn,
    /// What a shard must hold to give any row.
    pub(crate) needs: Vec<Need>,
    /// The column that the first key of its order is.
    pub(crate) lead: Option<Stored>,
    /// When another part that is loaded before it gives few keys, only the rows with these are asked for.
    pub(crate) semi_join: Option<SemiJoin>,
}

/// A fragment that asks for the rows with some keys alone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SemiJoin {
    /// The fragment; the keys are the parameter behind all others.
    pub(crate) sql: String,
    /// The keys, asked of the scratch.
    pub(crate) keys: String,
}

/// Which shards run a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunsOn {
    /// Each that can hold a matching row.
    Shards,
    /// Any one: it reads replicated tables alone.
    AnyOne,
}

/// How a fragment's rows merge.
#[derive(Debug, Clone)]
pub(crate) enum PartMerge {
    /// As [`MergeSpec::Rows`].
    Rows { order: Vec<SortKey>, limit: PartLimit },
    /// As [`MergeSpec::Groups`].
    Groups { keys: Vec<Collation>, states: Vec<StateKind> },
}

/// How many rows of a part are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartLimit {
    /// All.
    None,
    /// The first: LIMIT plus OFFSET of the statement.
    Fetch,
    /// So many of the first.
    First(u64),
}

/// What the coordinator does with merged parts.
#[derive(Debug, Clone)]
pub(crate) enum FinishStep {
    /// The rows of the only part, without the hidden columns behind the first `visible`, from OFFSET to LIMIT.
    Stream { visible: usize, limit: Option<LimitTerms> },
    /// The parts are loaded into a scratch, one table each, and this query is run over them.
    Scratch { sql: String, tables: Vec<ScratchTable> },
}

/// LIMIT and OFFSET as SQL over the parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LimitTerms {
    pub(crate) limit: Option<String>,
    pub(crate) offset: Option<String>,
}

/// A table of a scratch: where the merged rows of a part go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScratchTable {
    pub(crate) name: String,
    pub(crate) fill: Fill,
}

/// How a table of a scratch is filled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fill {
    /// A table `c1, c2, ...` that is made for the part.
    Part {
        /// Loaded as they are.
        columns: Vec<ScratchColumn>,
        /// For groups: which state (from 0), its kind, and what becomes of it.
        finishes: Vec<(usize, StateKind, Finish)>,
    },
    /// A table of the schema: each column, and what it gets.
    Table(Vec<(String, Cell)>),
}

/// What a column of a schema's table gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// A column of the part, from 0.
    Fetched(usize),
    /// The number of the row: nobody reads it, but the table's constraints want something.
    RowNumber,
    /// Nobody reads it.
    Null,
}

/// A column of a scratch table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScratchColumn {
    pub(crate) affinity: Option<Affinity>,
    /// The affinity is NUMERIC because of a CAST: it converts what is compared with the column, and not what is stored in it.
    pub(crate) cast: bool,
    pub(crate) collation: Collation,
}

/// A value that the coordinator computes once and binds for all shards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Extra {
    /// LIMIT plus OFFSET.
    Fetch,
    /// The rows of a subquery that is answered first, by its place among them.
    First(usize),
    /// What CURRENT_TIMESTAMP, CURRENT_DATE or CURRENT_TIME gives.
    Current(&'static str),
    /// What `'now'` means, in a form that date functions read.
    Now,
    /// A parameter, with `'now'` replaced.
    NowOr(usize),
}

/// A plan, ready to run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Plan {
    /// Run by the coordinator on an empty database: nothing that it reads is anywhere.
    Local { sql: String, parameters: Vec<Value>, why: &'static str },
    /// The text unchanged, on one shard.
    Route { target: Target, sql: String, parameters: Vec<Value>, scope: Option<Scope>, why: &'static str },
    /// Fragments on shards.
    Spread(Box<BoundSpread>),
}

/// Fragments with their shards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoundSpread {
    pub(crate) kind: Kind,
    /// Each answered before the parts; its rows, encoded, are the parameter of this index.
    pub(crate) first: Vec<BoundFirst>,
    pub(crate) parts: Vec<BoundPart>,
    pub(crate) parameters: Vec<Value>,
    pub(crate) finish: BoundFinish,
    /// What is run instead when SQLite fails in a step before any row was given. A step may evaluate what the statement itself
    /// would not have come to: a subquery in a branch that is never taken, a condition behind one that is false.
    pub(crate) otherwise: Option<Box<Plan>>,
}

/// A subquery that is answered before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoundFirst {
    pub(crate) plan: Plan,
    pub(crate) width: usize,
    /// The index of the parameter that takes its rows.
    pub(crate) parameter: usize,
}

/// The rows that a scoped statement may see.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scope {
    pub(crate) key: Value,
    pub(crate) tables: Vec<ShardedTable>,
}

/// A fragment with its shards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoundPart {
    pub(crate) sql: String,
    /// How many columns its rows have.
    pub(crate) width: usize,
    pub(crate) merge: MergeSpec,
    pub(crate) targets: Vec<Target>,
    pub(crate) needs: Vec<BoundNeed>,
    pub(crate) lead: Option<Stored>,
    pub(crate) semi_join: Option<SemiJoin>,
}

/// What a shard must hold to give any row of a fragment: in this column, a value that passes the test.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BoundNeed {
    pub(crate) column: Stored,
    pub(crate) test: Test<Value>,
    /// The column that leads the order is of the same row.
    pub(crate) of_lead: bool,
}

/// The last step, with its numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BoundFinish {
    Stream { visible: usize, offset: u64, limit: Option<u64> },
    Scratch { sql: String, tables: Vec<ScratchTable> },
}

/// Where the rows of a SELECT lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowsAt {
    /// On no shard.
    Nowhere,
    /// Each on one of these, which needs no others to tell it.
    Shards(Vec<u64>),
    /// What they are depends on rows of several shards.
    Apart,
}

impl Plan {
    /// Where the rows of a statement that was given so many parameters lie.
    pub(crate) fn rows_at(&self, parameters: usize) -> RowsAt {
        match self {
            Plan::Local { .. } => RowsAt::Nowhere,
            Plan::Route { target, .. } => RowsAt::Shards(target.shards.to_vec()),
            Plan::Spread(spread) => spread.rows_at(parameters),
        }
    }

    /// Whether the rows of several shards are put in order.
    pub(crate) fn is_merged(&self) -> bool {
        let is_ordered = |part: &BoundPart| matches!(&part.merge, MergeSpec::Rows { order, .. } if !order.is_empty());
        matches!(self, Plan::Spread(spread) if spread.parts.iter().any(is_ordered))
    }

    /// `route`, `scatter` or `gather`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Plan::Local { .. } | Plan::Route { .. } => "route",
            Plan::Spread(spread) => match spread.kind {
                Kind::Scatter => "scatter",
                Kind::Gather(_) => "gather",
            },
        }
    }

    /// Whether its steps may evaluate what the statement itself would not have come to.
    pub(crate) fn runs_ahead(&self) -> bool {
        match self {
            Plan::Local { .. } | Plan::Route { .. } => false,
            Plan::Spread(spread) => !spread.first.is_empty() || matches!(spread.kind, Kind::Gather(_)),
        }
    }

    /// The same plan, with what is run when a step of it fails.
    pub(crate) fn or_else(self, otherwise: Plan) -> Plan {
        match self {
            Plan::Spread(spread) => {
                Plan::Spread(Box::new(BoundSpread { otherwise: Some(Box::new(otherwise)), ..*spread }))
            }
            plan => plan,
        }
    }

    /// How many shards it asks, of `all` that there are.
    pub(crate) fn shard_count(&self, all: usize) -> usize {
        if self.asks_all(all) {
            return all;
        }
        let mut shards = Vec::new();
        self.collect_shards(&mut shards);
        shards.sort_unstable();
        shards.dedup();
        shards.len()
    }

    /// Whether one of its steps asks as many shards as there are.
    fn asks_all(&self, all: usize) -> bool {
        let Plan::Spread(spread) = self else { return false };
        let count = |part: &BoundPart| part.targets.iter().map(|target| target.shards.len()).sum::<usize>();
        spread.parts.iter().any(|part| count(part) == all) || spread.first.iter().any(|first| first.plan.asks_all(all))
    }

    fn collect_shards(&self, shards: &mut Vec<u64>) {
        match self {
            Plan::Local { .. } => {}
            Plan::Route { target, .. } => shards.extend(target.shards.iter()),
            Plan::Spread(spread) => {
                spread.first.iter().for_each(|first| first.plan.collect_shards(shards));
                let targets = spread.parts.iter().flat_map(|part| &part.targets);
                targets.for_each(|target| shards.extend(target.shards.iter()));
            }
        }
    }
}

impl BoundSpread {
    fn rows_at(&self, given: usize) -> RowsAt {
        let BoundSpread { kind, first, parts, parameters, finish, otherwise: _ } = self;
        let all_rows = matches!(finish, BoundFinish::Stream { offset: 0, limit: None, .. });
        // What the coordinator adds is known to it alone.
        let is_own = *kind == Kind::Scatter && first.is_empty() && parameters.len() <= given;
        match parts.as_slice() {
            [part] if all_rows && is_own => {
                RowsAt::Shards(part.targets.iter().flat_map(|target| target.shards.iter().copied()).collect())
            }
            _ => RowsAt::Apart,
        }
    }
}
