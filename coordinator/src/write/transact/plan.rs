//! What shards are to do for each statement of a transaction.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use souk_merge::{Value, ValueRef};
use souk_proto::{Expectation, Reason};
use tokio::time::Instant;

use super::{Columns, TransactStatement};
use crate::cluster::Cluster;
use crate::commit::Part;
use crate::error::{Error, Result};
use crate::exec::ShardStatement;
use crate::session::{RowsAt, Session, order_parameters};
use crate::sql::{Change, Touched, WriteStatement};
use crate::write::change::{AllHanded, Changing, Plan, Together};
use crate::write::whole;
use crate::write::{Writing, kind, numbered, unsupported};

/// A statement that is planned.
pub(super) struct Planned {
    pub(super) what: What,
    /// Run again, it does the same.
    pub(super) repeats: bool,
    pub(super) columns: Columns,
    pub(super) expectation: Option<Expectation>,
    pub(super) handed: AllHanded,
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
struct Changed {
    all: BTreeSet<String>,
    /// Those of which rows that were there are others now, or gone.
    rows: BTreeSet<String>,
}

/// A statement, with what is given for it.
enum Read<'c> {
    Change(Box<Changing<'c>>),
    Select(Select<'c>),
}

/// A SELECT.
struct Select<'c> {
    sql: &'c str,
    parameters: Vec<Value>,
    columns: Columns,
    touched: Touched,
}

/// Reads a statement of a transaction.
async fn read<'c>(
    cluster: &'c Arc<Cluster>,
    writing: &Writing,
    statement: &'c TransactStatement,
    deadline: Instant,
) -> Result<Read<'c>> {
    let TransactStatement { sql, parameters, .. } = statement;
    let given = parameters.clone();
    match kind(cluster, sql)? {
        WriteStatement::Change => {
            Ok(Read::Change(Box::new(Changing::read(cluster, writing, sql, given, deadline).await?)))
        }
        WriteStatement::Other(word) if word == "SELECT" || word == "VALUES" => {
            let prepared = cluster.prepared(&cluster.snapshot().catalog, sql, deadline).await?;
            let parameters = order_parameters(&prepared.parameters, given)?;
            let (tables, reads_schema) = (prepared.tables(), prepared.reads_schema());
            let touched = Touched { tables, reads_schema, ..Touched::default() };
            Ok(Read::Select(Select { sql, parameters, columns: prepared.columns.clone(), touched }))
        }
        WriteStatement::Schema(_) => Err(unsupported("a schema change beside other statements is not supported")),
        WriteStatement::Other(word) => Err(unsupported(format!("{word} is not supported in a transaction"))),
    }
}

/// The statements as they are run over whole tables.
pub(super) async fn read_all(
    cluster: &Arc<Cluster>,
    writing: &Writing,
    statements: &[TransactStatement],
    deadline: Instant,
) -> Result<Vec<whole::Statement>> {
    let mut all = Vec::with_capacity(statements.len());
    for (number, statement) in (1..).zip(statements) {
        let read = read(cluster, writing, statement, deadline).await.map_err(|error| numbered(number, error))?;
        let whole = match read {
            Read::Change(changing) => changing.into_whole(),
            Read::Select(Select { sql, parameters, columns, touched }) => {
                let text = sql.to_owned();
                whole::Statement { text, parameters, columns, touched, is_read: true, expectation: None }
            }
        };
        all.push(whole::Statement { expectation: statement.expectation, ..whole });
    }
    Ok(all)
}

/// Plans all statements, each knowing what those before it change; none when shards cannot run them by themselves.
pub(super) async fn plan_all(
    cluster: &Arc<Cluster>,
    writing: &Writing,
    statements: &[TransactStatement],
    deadline: Instant,
) -> Result<Option<Vec<Planned>>> {
    let mut planned = Vec::with_capacity(statements.len());
    let mut changed = Changed::default();
    for (number, statement) in (1..).zip(statements) {
        let one = plan(cluster, writing, statement, &mut changed, deadline).await;
        match one.map_err(|error| numbered(number, error))? {
            Some(one) => planned.push(one),
            None => return Ok(None),
        }
    }
    Ok(if gives_twice(&planned) { None } else { Some(planned) })
}

/// Plans one statement; `changed` is what those before it change.
async fn plan(
    cluster: &Arc<Cluster>,
    writing: &Writing,
    statement: &TransactStatement,
    changed: &mut Changed,
    deadline: Instant,
) -> Result<Option<Planned>> {
    let expectation = statement.expectation;
    let planned = match read(cluster, writing, statement, deadline).await? {
        Read::Change(changing) => changes(*changing, changed).await?,
        Read::Select(select) => reads(cluster, select, deadline).await?,
    };
    let Some(planned) = planned else { return Ok(None) };
    if let (What::Nothing, Some(expectation)) = (&planned.what, expectation)
        && let Some(words) = expectation.unmet(0, false)
    {
        return Err(Error::new(Reason::Expectation, words));
    }
    Ok(Some(Planned { expectation, ..planned }))
}

/// Plans an INSERT, UPDATE or DELETE; what the coordinator reads for that must not be what statements before it change.
async fn changes(changing: Changing<'_>, changed: &mut Changed) -> Result<Option<Planned>> {
    let change = &changing.statement.change;
    let name = change.table().to_ascii_lowercase();
    if let Change::Insert(insert) = change {
        let reads_changed = !changing.reads_of(insert).await?.is_disjoint(&changed.all);
        if reads_changed && !changing.reads_in_place(insert).await? {
            return Ok(None);
        }
        // Which rowids other shards have would be looked up before the statements in front of it.
        if changing.asks_others(&name) && changed.rows.contains(&name) {
            return Ok(None);
        }
    }
    let (what, repeats) = match changing.plan().await? {
        Plan::Nothing => (What::Nothing, true),
        Plan::Parts { parts, together, repeats } => (What::Parts { parts, together }, repeats),
        Plan::Everywhere { statement, repeats } => (What::Everywhere(statement), repeats),
        Plan::Whole => return Ok(None),
    };
    if !matches!(change, Change::Insert(insert) if insert.upsert.is_none() && insert.or.is_none()) {
        changed.rows.extend(changing.written());
    }
    changed.all.extend(changing.written());
    let Changing { statement, handed, .. } = changing;
    Ok(Some(Planned { what, repeats, columns: statement.columns.clone(), expectation: None, handed }))
}

/// Plans a SELECT, which its shards run between the other statements.
async fn reads(cluster: &Arc<Cluster>, select: Select<'_>, deadline: Instant) -> Result<Option<Planned>> {
    let Select { sql, parameters, columns, .. } = select;
    let snapshot = cluster.snapshot();
    let facts = Session::new(Arc::clone(cluster)).facts(&snapshot, sql, &parameters, deadline).await?;
    let shards = match facts.rows_at {
        RowsAt::Shards(shards) if shards.len() > 1 && facts.is_merged => return Ok(None),
        RowsAt::Shards(shards) => shards,
        // What no shard has to be asked for, any can say.
        RowsAt::Nowhere => snapshot.topology.any_shard().into_iter().collect(),
        RowsAt::Apart => return Ok(None),
    };
    let statement = ShardStatement::once(sql.to_owned(), parameters);
    let part = |shard| Part { shard, statements: vec![statement.clone()] };
    let what = What::Reads(shards.into_iter().map(part).collect());
    Ok(Some(Planned { what, repeats: facts.repeats, columns, expectation: None, handed: AllHanded::default() }))
}

/// Whether two statements may give a rowid to two shards: each knows its own, and of the others those were asked for that were there before.
fn gives_twice(planned: &[Planned]) -> bool {
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
                        return true;
                    }
                }
            }
        }
    }
    false
}
