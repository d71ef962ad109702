//! What shards are to do for each statement of a transaction.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use souk_merge::{Value, ValueRef};
use souk_proto::{Expectation, Reason};
use tokio::time::Instant;

use super::{Columns, TransactStatement, numbered, unsupported};
use crate::cluster::Cluster;
use crate::commit::Part;
use crate::error::{Error, Result};
use crate::exec::ShardStatement;
use crate::session::{RowsAt, Session, order_parameters};
use crate::sql::{Change, WriteStatement, read_write};
use crate::write::Writing;
use crate::write::change::{Changing, Plan, Together};

/// A statement that is planned.
pub(super) struct Planned {
    pub(super) what: What,
    /// Run again, it does the same.
    pub(super) repeats: bool,
    pub(super) columns: Columns,
    pub(super) expectation: Option<Expectation>,
}

impl Planned {
    /// Whether every shard has a part in it.
    pub(super) fn is_everywhere(&self) -> bool {
        matches!(self.what, What::Everywhere(_))
    }
}

/// What shards are to do.
pub(super) enum What {
    /// There is no row.
    Nothing,
    Parts {
        parts: Vec<Part>,
        together: Together,
    },
    Everywhere(ShardStatement),
    /// A SELECT.
    Reads(Vec<Part>),
}

/// The tables that statements change, in lower case.
#[derive(Default)]
struct Touched {
    all: BTreeSet<String>,
    /// Those of which rows that were there are others now, or gone.
    rows: BTreeSet<String>,
}

/// Plans all statements, each knowing what those before it change.
pub(super) async fn plan_all(
    cluster: &Arc<Cluster>,
    writing: &Writing,
    statements: &[TransactStatement],
    deadline: Instant,
) -> Result<Vec<Planned>> {
    let mut planned = Vec::with_capacity(statements.len());
    let mut changed = Touched::default();
    for (number, statement) in (1..).zip(statements) {
        let one = plan(cluster, writing, statement, &mut changed, deadline).await;
        planned.push(one.map_err(|error| numbered(number, error))?);
    }
    refuse_same_rowids(&planned)?;
    Ok(planned)
}

/// Plans one statement; `changed` are the tables that those before it change.
async fn plan(
    cluster: &Arc<Cluster>,
    writing: &Writing,
    statement: &TransactStatement,
    changed: &mut Touched,
    deadline: Instant,
) -> Result<Planned> {
    let TransactStatement { sql, parameters, expectation } = statement;
    let (expectation, given) = (*expectation, parameters.clone());
    let (what, columns, repeats) = match read_write(sql, &cluster.bounds())? {
        WriteStatement::Change => {
            let (changing, change) = Changing::read(cluster, writing, sql, given, deadline).await?;
            changes(changing, &change, changed).await?
        }
        WriteStatement::Other(word) if word == "SELECT" || word == "VALUES" => {
            reads(cluster, sql, given, deadline).await?
        }
        WriteStatement::Schema(_) => {
            return Err(unsupported("a schema change beside other statements is not supported"));
        }
        WriteStatement::Other(word) => return Err(unsupported(format!("{word} is not supported in a transaction"))),
    };
    if let (What::Nothing, Some(expectation)) = (&what, expectation)
        && let Some(words) = expectation.unmet(0, false)
    {
        return Err(Error::new(Reason::Expectation, words));
    }
    Ok(Planned { what, repeats, columns, expectation })
}

/// Plans an INSERT, UPDATE or DELETE; what the coordinator reads for that must not be what statements before it change.
async fn changes(changing: Changing<'_>, change: &Change, changed: &mut Touched) -> Result<(What, Columns, bool)> {
    let name = change.table().to_ascii_lowercase();
    if let Change::Insert(insert) = change {
        if let Some(table) = changing.reads_of(insert).await?.intersection(&changed.all).next() {
            return Err(unsupported(format!(
                "inserting what is read from `{table}`, which a statement before changes, is not supported in a transaction"
            )));
        }
        let table = changing.table(&name)?;
        let asks_others = table.key().is_some() && table.rowid_alias.is_some() && changing.are_several();
        if asks_others && changed.rows.contains(&name) {
            // Which rowids other shards have would be looked up before the statements in front of it.
            return Err(unsupported(format!(
                "inserting into `{name}`, of which a statement before changes or deletes rows, is not supported in a transaction"
            )));
        }
    }
    let (what, repeats) = match changing.plan(change).await? {
        Plan::Nothing => (What::Nothing, true),
        Plan::Parts { parts, together, repeats } => (What::Parts { parts, together }, repeats),
        Plan::Everywhere { statement, repeats } => (What::Everywhere(statement), repeats),
        Plan::Whole => {
            return Err(unsupported(
                "a change that no shard can make alone is not supported beside others; run it by itself",
            ));
        }
    };
    if !matches!(change, Change::Insert(insert) if insert.upsert.is_none() && insert.or.is_none()) {
        changed.rows.insert(name.clone());
    }
    changed.all.insert(name);
    Ok((what, changing.columns, repeats))
}

/// Plans a SELECT, which its shards run between the other statements.
async fn reads(
    cluster: &Arc<Cluster>,
    sql: &str,
    given: Vec<(String, Value)>,
    deadline: Instant,
) -> Result<(What, Columns, bool)> {
    let snapshot = cluster.snapshot();
    let session = Session::new(Arc::clone(cluster));
    let prepared = cluster.prepared(&snapshot.catalog, sql, deadline).await?;
    let parameters = order_parameters(&prepared.parameters, given)?;
    let facts = session.facts(&snapshot, sql, &parameters, deadline).await?;
    let shards = match facts.rows_at {
        RowsAt::Shards(shards) if shards.len() > 1 && facts.is_merged => {
            return Err(unsupported(
                "a SELECT of several shards with an order is not supported between other statements",
            ));
        }
        RowsAt::Shards(shards) => shards,
        // What no shard has to be asked for, any can say.
        RowsAt::Nowhere => snapshot.topology.any_shard().into_iter().collect(),
        RowsAt::Apart => {
            return Err(unsupported(
                "a SELECT whose rows do not lie shard by shard is not supported between other statements; ask for them first",
            ));
        }
    };
    let statement = ShardStatement {
        sql: sql.to_owned(),
        rows: None,
        parameters,
        expectation: None,
        number: 0,
        defers_foreign_keys: false,
    };
    let part = |shard| Part { shard, statements: vec![statement.clone()] };
    Ok((What::Reads(shards.into_iter().map(part).collect()), prepared.columns.clone(), facts.repeats))
}

/// Shards know their own rowids, and those before them were asked for; two statements may yet give the same to two shards.
fn refuse_same_rowids(planned: &[Planned]) -> Result<()> {
    let mut shards: HashMap<(&str, i64), u64> = HashMap::new();
    for Planned { what, .. } in planned {
        let What::Parts { parts, together: Together::Sharded { rowids: Some((table, column)), .. } } = what else {
            continue;
        };
        for Part { shard, statements } in parts {
            for rows in statements.iter().filter_map(|statement| statement.rows.as_ref()) {
                let mut cursor = rows.cursor();
                while cursor.advance() {
                    let id = match cursor.value(*column) {
                        ValueRef::Integer(id) => id,
                        // As the column converts it.
                        ValueRef::Text(text) => match String::from_utf8_lossy(text).trim().parse() {
                            Ok(id) => id,
                            Err(_) => continue,
                        },
                        _ => continue,
                    };
                    if *shards.entry((table.as_str(), id)).or_insert(*shard) != *shard {
                        let message =
                            format!("UNIQUE constraint failed: the rowid {id} of {table} is given to two shards");
                        return Err(Error::new(Reason::Constraint, message));
                    }
                }
            }
        }
    }
    Ok(())
}
