//! Several statements that happen together or not at all, each seeing what those before it did.
//!
//! Shards run them: each shard its own part of every statement, in their order, in one local transaction. So a statement may be one that shards can run by
//! themselves, and what the coordinator reads to plan it must not be what statements before it change. Others are refused by name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use souk_merge::{Batch, Value, ValueRef};
use souk_proto::{Expectation, Reason};
use tokio::time::Instant;

use super::change::{Changing, Plan, RETURNED_BYTES_MAX, Together, alone, combined, release};
use super::{Executed, Writing, writing};
use crate::cluster::Cluster;
use crate::commit::{Ended, Judged, NamedRequest, Part, Work, commit};
use crate::error::{Error, Result};
use crate::exec::{Done, ShardStatement, WriteRequest};
use crate::session::{RowsAt, Session, order_parameters};
use crate::sql::{Change, WriteStatement, read_write};

/// Bytes of a request's name.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Bytes of an answer that is remembered with a request's name.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Statements of one transaction.
const STATEMENTS_MAX: usize = 1000;

/// A transaction as a client asks for it.
pub(crate) struct TransactRequest {
    /// Empty when it has no name.
    pub(crate) request_id: String,
    /// Of what it asks for.
    pub(crate) digest: [u8; 16],
    pub(crate) statements: Vec<TransactStatement>,
    pub(crate) deadline_ms: u32,
}

/// One of its statements.
pub(crate) struct TransactStatement {
    pub(crate) sql: String,
    pub(crate) parameters: Vec<(String, Value)>,
    pub(crate) expectation: Option<Expectation>,
}

/// An answer to a client, as it travels.
pub(crate) struct Answer {
    pub(crate) bytes: Vec<u8>,
    /// It was given before.
    pub(crate) repeated: bool,
}

/// Writes an answer as it travels.
pub(crate) type Encode = Arc<dyn Fn(Vec<Executed>) -> Vec<u8> + Send + Sync>;

/// Runs a transaction.
pub(crate) async fn transact(cluster: &Arc<Cluster>, request: TransactRequest, encode: Encode) -> Result<Answer> {
    check(&request)?;
    let TransactRequest { request_id, digest, statements, deadline_ms } = request;
    if let Some(answer) = answered(cluster, &request_id, digest).await? {
        return Ok(answer);
    }
    let deadline = Instant::now() + Session::new(Arc::clone(cluster)).deadline(deadline_ms);
    loop {
        match run(cluster, &request_id, digest, &statements, deadline, Arc::clone(&encode)).await {
            // The same request was sent twice, and the other was sooner.
            Err(error) if error.reason == Reason::RequestIdReused => {
                return answered(cluster, &request_id, digest).await?.ok_or(error);
            }
            Err(error) if error.reason == Reason::StaleTopology && Instant::now() < deadline => {}
            outcome => return outcome,
        }
    }
}

/// What became of a request; ends one that is not done. None when it is not done.
pub(crate) async fn get_transaction(cluster: &Cluster, request_id: &str) -> Result<Option<Vec<u8>>> {
    if request_id.is_empty() {
        return Err(Error::new(
            Reason::InvalidArgument,
            "the request has no `request_id`: name the one that is asked for",
        ));
    }
    Ok(match cluster.transactions.end(request_id).await? {
        Ended::Done { answer, .. } => Some(answer),
        Ended::NotDone => None,
    })
}

fn check(request: &TransactRequest) -> Result<()> {
    let invalid = |message: String| Err(Error::new(Reason::InvalidArgument, message));
    let (bytes, count) = (request.request_id.len(), request.statements.len());
    if bytes > REQUEST_ID_BYTES_MAX {
        return invalid(format!("`request_id` has {bytes} bytes, over {REQUEST_ID_BYTES_MAX}: use a UUID"));
    }
    match count {
        0 => invalid("the transaction has no statements".into()),
        count if count > STATEMENTS_MAX => {
            invalid(format!("the transaction has {count} statements, over {STATEMENTS_MAX}: use several"))
        }
        _ => Ok(()),
    }
}

/// What a request of this name was answered.
async fn answered(cluster: &Cluster, id: &str, digest: [u8; 16]) -> Result<Option<Answer>> {
    if id.is_empty() {
        return Ok(None);
    }
    match cluster.transactions.ended(id).await? {
        None => Ok(None),
        Some(Ended::Done { digest: known, answer }) if known == digest => {
            Ok(Some(Answer { bytes: answer, repeated: true }))
        }
        Some(Ended::Done { .. }) => {
            let message = format!("the request `{id}` was done before, with other statements: nothing was done now");
            Err(Error::new(Reason::RequestIdReused, message))
        }
        Some(Ended::NotDone) => {
            let message = format!("the request `{id}` was ended by asking about it: send it under another name");
            Err(Error::new(Reason::RequestIdReused, message))
        }
    }
}

/// A statement that is planned.
struct Planned {
    what: What,
    /// Run again, it does the same.
    repeats: bool,
    columns: Vec<(String, Option<String>)>,
    expectation: Option<Expectation>,
}

enum What {
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

async fn run(
    cluster: &Arc<Cluster>,
    request_id: &str,
    digest: [u8; 16],
    statements: &[TransactStatement],
    deadline: Instant,
    encode: Encode,
) -> Result<Answer> {
    let writing = writing(cluster, deadline).await?;
    let version = cluster.snapshot().catalog.version;
    let several_at_first = cluster.snapshot().topology.shard_count() > 1;
    let mut planned = Vec::with_capacity(statements.len());
    let mut changed = Touched::default();
    for (number, statement) in (1..).zip(statements) {
        let plan = plan(cluster, &writing, statement, &mut changed, deadline).await;
        planned.push(plan.map_err(|error| numbered(number, error))?);
    }
    refuse_same_rowids(&planned)?;
    // No key is given a shard any more.
    let alone = match planned.iter().any(|planned| matches!(planned.what, What::Everywhere(_))) {
        true => Some(alone(cluster, deadline).await?),
        false => None,
    };
    let shards = cluster.snapshot().topology.shards();
    if alone.is_some() && shards.len() > 1 && !several_at_first {
        // It was planned for one shard, which may do what several must not.
        return Err(Error::new(Reason::StaleTopology, "shards were made meanwhile; send it again"));
    }
    let unrepeated = planned.iter().position(|planned| !planned.repeats);
    let Laid { parts, shapes } = lay_out(planned, &shards);
    if let (Some(place), true) = (unrepeated, parts.len() > 1 || !request_id.is_empty()) {
        let message = "the clock or chance in a transaction that is run twice, of several shards or with a name, is not supported; bind a value";
        return Err(numbered(place as u32 + 1, unsupported(message)));
    }
    let bytes_max = cluster.limits.result_bytes_max.min(RETURNED_BYTES_MAX);
    let shapes = Arc::new(shapes);
    if let ([part], true) = (parts.as_slice(), request_id.is_empty()) {
        let topology = cluster.snapshot().topology;
        let node = topology.node_of(part.shard).ok_or_else(|| Error::internal("a shard has no node"))?.to_owned();
        let (shard, statements) = (part.shard, part.statements.clone());
        let request = WriteRequest { shard, schema_version: version, deadline, bytes_max, statements };
        let nodes = Arc::clone(&cluster.nodes);
        let written = tokio::spawn(async move {
            let written = nodes.write(&node, request).await;
            release((alone, writing), written.as_ref().err(), deadline);
            written
        });
        let done = written.await.map_err(|_| Error::broke_down())??;
        return Ok(Answer { bytes: encode(results(&shapes, &[done], version)?), repeated: false });
    }
    let id = request_id.to_owned();
    let judge = move |outcomes: &[Vec<Done>]| {
        let answer = encode(results(&shapes, outcomes, version)?);
        if !id.is_empty() && answer.len() > ANSWER_BYTES_MAX {
            let message = format!("the answer takes {} bytes, over {ANSWER_BYTES_MAX}: return less", answer.len());
            return Err(Error::new(Reason::TooLarge, message));
        }
        let request = (!id.is_empty()).then(|| NamedRequest { id: id.clone(), digest, answer: answer.clone() });
        Ok(Judged { answer, request })
    };
    let work = Work { parts, schema_version: version, deadline, bytes_max };
    let bytes = commit(cluster, work, judge, (alone, writing)).await?;
    Ok(Answer { bytes, repeated: false })
}

fn numbered(number: u32, error: Error) -> Error {
    Error { message: format!("statement {number}: {}", error.message), ..error }
}

fn unsupported(message: impl Into<String>) -> Error {
    Error::new(Reason::UnsupportedSql, message)
}

/// The tables that statements change, in lower case.
#[derive(Default)]
struct Touched {
    all: BTreeSet<String>,
    /// Those of which rows that were there are others now, or gone.
    rows: BTreeSet<String>,
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
            if let Change::Insert(insert) = &change
                && let Some(table) = changing.reads_of(insert).await?.intersection(&changed.all).next()
            {
                return Err(unsupported(format!(
                    "inserting what is read from `{table}`, which a statement before changes, is not supported in a transaction"
                )));
            }
            let name = change.table().to_ascii_lowercase();
            let table = changing.table(&name)?;
            if let Change::Insert(_) = &change
                && table.key().is_some()
                && table.rowid_alias.is_some()
                && changed.rows.contains(&name)
                && changing.are_several()
            {
                // Which rowids other shards have was looked up before the statements in front of it.
                return Err(unsupported(format!(
                    "inserting into `{name}`, of which a statement before changes or deletes rows, is not supported in a transaction"
                )));
            }
            let (what, repeats) = match changing.plan(&change).await? {
                Plan::Nothing => (What::Nothing, true),
                Plan::Parts { parts, together, repeats } => (What::Parts { parts, together }, repeats),
                Plan::Everywhere { statement, repeats } => (What::Everywhere(statement), repeats),
                Plan::Whole => {
                    return Err(unsupported(
                        "a change that no shard can make alone is not supported beside others; run it by itself",
                    ));
                }
            };
            if !matches!(&change, Change::Insert(insert) if insert.upsert.is_none() && insert.or.is_none()) {
                changed.rows.insert(name.clone());
            }
            changed.all.insert(name);
            (what, changing.columns, repeats)
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

type Columns = Vec<(String, Option<String>)>;

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

/// Every shard's part of all statements, and where what came of a statement is found.
struct Laid {
    parts: Vec<Part>,
    shapes: Vec<Shape>,
}

/// How what shards did becomes what a statement did.
struct Shape {
    columns: Columns,
    expectation: Option<Expectation>,
    together: Together,
    /// Its part of each shard: which shard's, and which statement of that.
    places: Vec<(usize, usize)>,
    is_read: bool,
}

fn lay_out(planned: Vec<Planned>, all: &[u64]) -> Laid {
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
fn results(shapes: &[Shape], outcomes: &[Vec<Done>], version: u64) -> Result<Vec<Executed>> {
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
