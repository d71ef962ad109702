//! Each shard's part of all statements of a transaction, and what the statements did by what the shards say.

use std::collections::{BTreeMap, HashMap};

use souk_merge::Batch;
use souk_proto::{Expectation, Reason};

use super::plan::{Planned, What};
use super::{Columns, numbered};
use crate::commit::Part;
use crate::error::{Error, Result};
use crate::exec::{Done, ShardStatement};
use crate::write::Executed;
use crate::write::change::{Together, combined};

/// Every shard's part of all statements, and where what came of a statement is found.
pub(super) struct Laid {
    pub(super) parts: Vec<Part>,
    pub(super) shapes: Vec<Shape>,
}

/// How what shards did becomes what a statement did.
pub(super) struct Shape {
    columns: Columns,
    expectation: Option<Expectation>,
    together: Together,
    /// Its part of each shard: which shard's, and which statement of that.
    places: Vec<(usize, usize)>,
    is_read: bool,
}

pub(super) fn lay_out(planned: Vec<Planned>, all: &[u64]) -> Laid {
    let mut by_shard: BTreeMap<u64, Vec<ShardStatement>> = BTreeMap::new();
    let mut shapes = Vec::with_capacity(planned.len());
    let mut places_of: Vec<Vec<(u64, usize)>> = Vec::with_capacity(planned.len());
    for (number, Planned { what, columns, expectation, .. }) in (1..).zip(planned) {
        let is_read = matches!(what, What::Reads(_));
        let (parts, together, everywhere) = match what {
            What::Nothing => (Vec::new(), Together::OF_ROWS, false),
            What::Parts { parts, together } => (parts, together, false),
            What::Reads(parts) => (parts, Together::OF_ROWS, false),
            What::Everywhere(statement) => {
                let part = |shard: &u64| Part { shard: *shard, statements: vec![statement.clone()] };
                (all.iter().map(part).collect(), Together::Replicated, true)
            }
        };
        // Of what several shards do, only the sum is expected.
        let own = expectation.filter(|_| everywhere || parts.len() == 1);
        let mut places = Vec::with_capacity(parts.len());
        for Part { shard, statements } in parts {
            let of_shard = by_shard.entry(shard).or_default();
            for statement in statements {
                places.push((shard, of_shard.len()));
                of_shard.push(ShardStatement { expectation: own, number, ..statement });
            }
        }
        places_of.push(places);
        shapes.push(Shape { columns, expectation, together, places: Vec::new(), is_read });
    }
    let position: HashMap<u64, usize> =
        by_shard.keys().enumerate().map(|(position, shard)| (*shard, position)).collect();
    for (shape, places) in shapes.iter_mut().zip(places_of) {
        shape.places = places.into_iter().map(|(shard, statement)| (position[&shard], statement)).collect();
    }
    let parts = by_shard.into_iter().map(|(shard, statements)| Part { shard, statements }).collect();
    Laid { parts, shapes }
}

/// What each statement did; an error when that is not what was expected.
pub(super) fn results(shapes: &[Shape], outcomes: &[Vec<Done>], version: u64) -> Result<Vec<Executed>> {
    let result = |(number, shape): (u32, &Shape)| {
        let find =
            |(shard, statement): &(usize, usize)| outcomes.get(*shard).and_then(|done| done.get(*statement)).cloned();
        let done = shape.places.iter().map(find).collect::<Option<Vec<Done>>>();
        let done = done.ok_or_else(|| Error::internal("a shard did not say what each statement did"))?;
        let result = shape.result(done, version).map_err(|error| numbered(number, error))?;
        let gives_rows = result.rows.as_ref().is_some_and(|rows| !rows.is_empty());
        let unmet = shape.expectation.and_then(|expected| expected.unmet(result.rows_affected, gives_rows));
        unmet.map_or(Ok(result), |words| Err(numbered(number, Error::new(Reason::Expectation, words))))
    };
    (1..).zip(shapes).map(result).collect()
}

impl Shape {
    fn result(&self, done: Vec<Done>, version: u64) -> Result<Executed> {
        let nothing = Executed { columns: self.columns.clone(), ..Executed::at(version) };
        if !self.is_read {
            return combined(nothing, done, self.together.clone());
        }
        let mut given = done.into_iter().filter_map(|done| done.rows);
        let rows = given.next().map(|mut rows: Batch| {
            given.for_each(|more| rows.append(&more));
            rows
        });
        Ok(Executed { rows, ..nothing })
    }
}
