//! A plan as a tree, for people.

use std::fmt::{self, Display, Formatter};

use souk_merge::{MergeSpec, SortKey};

use super::{BoundFinish, BoundPart, Kind, Plan};
use crate::catalog::Target;

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Plan::Local { sql, .. } => write!(f, "route to no shard: nothing that it reads is stored\n  sql: {sql}"),
            Plan::Route { target, sql, scope, .. } => {
                write!(f, "route {}", Targets(std::slice::from_ref(target)))?;
                if scope.is_some() {
                    f.write_str("\n  scope: the rows of one key")?;
                }
                write!(f, "\n  sql: {sql}")
            }
            Plan::Spread(spread) => {
                match &spread.kind {
                    Kind::Scatter => f.write_str("scatter")?,
                    Kind::Gather(reason) => write!(f, "gather: {reason}")?,
                }
                spread.parts.iter().try_for_each(|part| write!(f, "\n{part}"))?;
                write!(f, "\n{}", spread.finish)
            }
        }
    }
}

impl Display for BoundPart {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "  fragment {}", Targets(&self.targets))?;
        writeln!(f, "    sql: {}", self.sql)?;
        match &self.merge {
            MergeSpec::Rows { order, limit } => {
                f.write_str("    merge: ")?;
                f.write_str(if order.is_empty() { "concatenate" } else { "ordered by " })?;
                for (index, key) in order.iter().enumerate() {
                    write!(f, "{}{}", if index > 0 { ", " } else { "" }, Key(key))?;
                }
                limit.map_or(Ok(()), |limit| write!(f, ", first {limit} rows"))
            }
            MergeSpec::Groups { keys, states } => {
                write!(f, "    merge: groups by {} keys, states {states:?}", keys.len())
            }
        }
    }
}

impl Display for BoundFinish {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            BoundFinish::Stream { offset: 0, limit: None, .. } => f.write_str("  finish: stream"),
            BoundFinish::Stream { offset, limit, .. } => {
                write!(
                    f,
                    "  finish: stream, skip {offset}, limit {}",
                    limit.map_or("none".into(), |limit| limit.to_string())
                )
            }
            BoundFinish::Scratch { sql, .. } => write!(f, "  finish: {sql}"),
        }
    }
}

struct Targets<'a>(&'a [Target]);

impl Display for Targets<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let [Target { node, shards }] = self.0
            && let [shard] = shards.as_slice()
        {
            return write!(f, "on shard {shard} of node {node}");
        }
        let shards: usize = self.0.iter().map(|target| target.shards.len()).sum();
        write!(f, "on {shards} shards of {} nodes", self.0.len())
    }
}

struct Key<'a>(&'a SortKey);

impl Display for Key<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let SortKey { column, descending, nulls_last, collation } = self.0;
        write!(f, "column {}", column + 1)?;
        if *descending {
            f.write_str(" desc")?;
        }
        if nulls_last != descending {
            f.write_str(if *nulls_last { " nulls last" } else { " nulls first" })?;
        }
        match collation {
            souk_merge::Collation::Binary => Ok(()),
            other => write!(f, " {other:?}"),
        }
    }
}
