//! Stage 5: facts about a statement, without choices.
//!
//! - [`aggregates`]: which calls aggregate.
//! - [`unchecked`]: what SQLite finds wrong only when it compiles it.
//! - [`types`]: collation and affinity of expressions, as SQLite derives them.
//! - [`shape`]: the sources of a SELECT and what filters them.
//! - [`pins`]: which shard keys the predicates pin.
//! - [`needs`]: what must be stored for any row to come.
//! - [`place`]: whether rows lie shard by shard, and which columns tell the shard.

mod aggregates;
mod needs;
mod pins;
mod place;
mod shape;
mod types;
mod unchecked;

use std::collections::HashMap;

use crate::sql::{Cte, Node, Query, Schema, Source, SourceId, SourceKind, TableInfo, walk_query};

pub(crate) use aggregates::{aggregates_outside, is_aggregate, is_aggregated, own_windows};
pub(crate) use needs::{Lead, Need, Stored, Test, lead, needs};
pub(crate) use pins::{Constant, Pin, pins};
pub(crate) use place::{Place, place_of_body, rows_lie_by_shard};
pub(crate) use types::{affinity_of, collation_of, explicit_collation, is_cast, is_typed};
pub(crate) use unchecked::unchecked;

/// A statement with what its names lead to.
pub(crate) struct Context<'a> {
    pub(crate) schema: &'a Schema,
    sources: HashMap<SourceId, &'a Source>,
    ctes: HashMap<&'a str, &'a Cte>,
    /// Whether each WITH table reaches a sharded table.
    sharded: HashMap<&'a str, bool>,
}

impl<'a> Context<'a> {
    /// Looks every source and every WITH table up once.
    pub(crate) fn new(query: &'a Query, schema: &'a Schema) -> Context<'a> {
        let mut sources = HashMap::new();
        let mut ctes = HashMap::new();
        walk_query(query, &mut |node| match node {
            Node::Source(source) => {
                sources.insert(source.id, source);
            }
            Node::Query(query) => ctes.extend(query.ctes.iter().map(|cte| (cte.name.as_str(), cte))),
            Node::Expr(_) | Node::Using(_) => {}
        });
        let mut context = Context { schema, sources, ctes, sharded: HashMap::new() };
        let names: Vec<&str> = context.ctes.keys().copied().collect();
        names.into_iter().for_each(|name| context.look_into(name));
        context
    }

    /// Looks into each WITH table once: one that is mentioned twice by one that is mentioned twice ... would be walked ever more often.
    fn look_into(&mut self, name: &'a str) {
        let Some(cte) = self.cte(name) else { return };
        if self.sharded.contains_key(name) {
            return;
        }
        // A recursive one meets itself.
        self.sharded.insert(name, false);
        let mut mentioned = Vec::new();
        walk_query(&cte.query, &mut |node| match node {
            Node::Source(Source { kind: SourceKind::Cte(other), .. }) => mentioned.push(other.as_str()),
            Node::Source(_) | Node::Query(_) | Node::Expr(_) | Node::Using(_) => {}
        });
        mentioned.into_iter().for_each(|other| self.look_into(other));
        self.sharded.insert(name, self.reaches_sharded(&cte.query));
    }

    /// The catalog's table behind a source, if it is one.
    pub(crate) fn table(&self, source: &Source) -> Option<&'a TableInfo> {
        match &source.kind {
            SourceKind::Table(name) => self.schema.table(name),
            SourceKind::Cte(_) | SourceKind::Derived(_) | SourceKind::Function { .. } => None,
        }
    }

    pub(crate) fn source(&self, id: SourceId) -> Option<&'a Source> {
        self.sources.get(&id).copied()
    }

    pub(crate) fn cte(&self, name: &str) -> Option<&'a Cte> {
        self.ctes.get(name).copied()
    }

    /// Whether a query reaches a sharded table, through WITH tables too.
    pub(crate) fn reaches_sharded(&self, query: &Query) -> bool {
        let mut found = false;
        walk_query(query, &mut |node| found |= self.is_sharded(&node));
        found
    }

    fn is_sharded(&self, node: &Node<'_>) -> bool {
        let Node::Source(source) = node else { return false };
        match &source.kind {
            SourceKind::Table(_) => self.table(source).is_some_and(|table| table.key().is_some()),
            SourceKind::Cte(name) => self.sharded.get(name.as_str()).copied().unwrap_or(false),
            SourceKind::Derived(_) | SourceKind::Function { .. } => false,
        }
    }
}
