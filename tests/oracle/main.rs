//! Every answer is compared with that of one plain SQLite that holds the same rows.
//!
//! - `fixture`: the tables that most tests share; `changes`: how a change is compared.
//! - `shapes`: what must be answered, whatever the number of shards.
//! - `scatter`: each condition under which a SELECT may be scattered, with rows that would show it broken.
//! - `keys`: routing, and what counts as the same key.
//! - `scope`: requests that name a shard key.
//! - `kept`: answers that are kept are never out of date.
//! - `pruned`: shards that are left out by statistics hold nothing that matters.
//! - `values`: borders of the five storage classes.
//! - `writes`: statements that change rows leave every table as one SQLite would have it.
//! - `whole_writes`: those among them that no shard can do alone.
//! - `triggers`: what triggers do, on whatever shards.
//! - `transactions`: several statements are done as one SQLite would do them between BEGIN and COMMIT, or not at all.
//! - `schema`: schema changes are taken by all shards or by none.
//! - `refusals`: errors, bounds and what a client may not do.
//! - `invariance`: generated schemas, rows and queries; `tally` counts what became of them, and
//!   `scenes` goes from schema to schema.
//! - `generated_writes`: generated statements that change rows.
//! - `partitions`: generated queries whose parts make the whole.

#[path = "../support/mod.rs"]
mod support;

mod changes;
mod fixture;
mod gather;
mod generated_writes;
mod invariance;
mod kept;
mod keys;
mod partitions;
mod pruned;
mod refusals;
mod scatter;
mod scenes;
mod schema;
mod scope;
mod setting;
mod shapes;
mod tally;
mod transactions;
mod triggers;
mod values;
mod whole_writes;
mod writes;
