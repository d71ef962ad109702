//! Queries as peers take them.

use souk_merge::Value;

use crate::queries::Query;

/// What every query ends with: nobody shall answer from what was kept.
const ALWAYS: [&str; 2] = [" AND ? >= 0", " WHERE ? >= 0"];

/// A query without the condition that always holds, and without its parameter. Peers keep no answers; to them the condition would
/// only be a hindrance: PostgreSQL puts a node above each partition for it, and then joins no two partitions remotely.
pub(crate) fn without_serial<'a>(query: &Query, parameters: &'a [Value]) -> (String, &'a [Value]) {
    let sql = ALWAYS.iter().fold(query.sql.to_owned(), |sql, condition| sql.replace(condition, ""));
    (sql, parameters.split_last().map_or(parameters, |(_, others)| others))
}
