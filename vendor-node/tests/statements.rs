//! Statements that write, on one shard: all of a request or nothing, many requests in one commit, and nothing beyond rows.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{Served, fragment, market, refusal};
use souk_merge::{Batch, MergeSpec, Value};
use souk_proto::{Reason, v1};
use tempfile::TempDir;
use tonic::Status;

const MINUTE_MS: u32 = 60_000;

fn statement(sql: &str, parameters: &[Value]) -> v1::ShardStatement {
    let parameters = parameters.iter().map(v1::Value::from).collect();
    v1::ShardStatement {
        sql: sql.into(),
        rows: None,
        parameters,
        expectation: None,
        number: 0,
        defers_foreign_keys: false,
        foreign_keys_checked: Vec::new(),
    }
}

fn request(shard: u64, statements: Vec<v1::ShardStatement>) -> v1::WriteRequest {
    v1::WriteRequest { shard, schema_version: 1, deadline_ms: MINUTE_MS, bytes_max: 1 << 20, statements }
}

async fn write(served: &Served, request: v1::WriteRequest) -> Result<Vec<v1::StatementOutcome>, Status> {
    Ok(served.client.clone().write(request).await?.into_inner().outcomes)
}

fn rows(outcome: &v1::StatementOutcome) -> Vec<Vec<Value>> {
    outcome.rows.clone().map_or_else(Vec::new, |batch| Batch::try_from(batch).unwrap().into_rows())
}

async fn ask(served: &mut Served, shard: u64, sql: &str) -> Vec<Vec<Value>> {
    served.rows(fragment([shard], sql, MergeSpec::Rows { order: vec![], limit: None })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_says_what_each_statement_did() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 2, 3).await;
    let one = [Value::Integer(1)];
    let mut several =
        statement("INSERT INTO products(vendor_id, id, price) VALUES (?1, ?2, ?3) RETURNING id", &[Value::Integer(50)]);
    let mut batch = Batch::new(2);
    for id in [100, 101] {
        batch.push_row([Value::Integer(1).as_ref(), Value::Integer(id).as_ref()]);
    }
    several.rows = Some(batch.into());
    let outcomes = write(
        &served,
        request(
            1,
            vec![
                several,
                statement("UPDATE products SET price = price + ?1 WHERE id >= 100", &one),
                statement("SELECT price FROM products WHERE id = 101", &[]),
                statement("DELETE FROM products WHERE id = 100 RETURNING id, price", &[]),
                statement("UPDATE products SET price = 0 WHERE id = -1", &[]),
            ],
        ),
    )
    .await
    .unwrap();
    let affected: Vec<u64> = outcomes.iter().map(|outcome| outcome.rows_affected).collect();
    assert_eq!(affected, [2, 2, 0, 1, 0]);
    let integers = |values: &[i64]| values.iter().copied().map(Value::Integer).collect::<Vec<_>>();
    assert_eq!(rows(&outcomes[0]), [integers(&[100]), integers(&[101])]);
    assert_eq!(rows(&outcomes[2]), [integers(&[51])]);
    assert_eq!(rows(&outcomes[3]), [integers(&[100, 51])]);
    let inserted: Vec<bool> = outcomes.iter().map(|outcome| outcome.last_insert_rowid.is_some()).collect();
    assert_eq!(inserted, [true, false, false, false, false]);
    let sql = "SELECT id, price FROM products WHERE id >= 100";
    assert_eq!(ask(&mut served, 1, sql).await, [integers(&[101, 51])]);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_statement_that_fails_undoes_the_request() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 1, 3).await;
    let insert = || statement("INSERT INTO products(vendor_id, id) VALUES (1, 500)", &[]);
    let failing = [
        (vec![insert(), insert()], Reason::Constraint),
        (vec![insert(), statement("SELECT abs(-9223372036854775807 - 1)", &[])], Reason::SqlRuntime),
        (vec![insert(), statement("UPDATE products SET nope = 1", &[])], Reason::NoSuchTable),
        (vec![insert(), statement("SELECT randomblob(2000000)", &[])], Reason::TooLarge),
        (vec![insert(), statement("UPDATE products SET price = ?1", &[])], Reason::InvalidArgument),
    ];
    for (statements, reason) in failing {
        let (found, words) = refusal(write(&served, request(1, statements)).await.unwrap_err());
        assert_eq!(found, reason, "{words}");
    }
    let other = v1::WriteRequest { schema_version: 7, ..request(1, vec![insert()]) };
    assert_eq!(refusal(write(&served, other).await.unwrap_err()).0, Reason::SchemaMismatch);
    let late = v1::WriteRequest { deadline_ms: 0, ..request(1, vec![insert()]) };
    assert_eq!(refusal(write(&served, late).await.unwrap_err()).0, Reason::Deadline);
    let none: [Vec<Value>; 0] = [];
    assert_eq!(ask(&mut served, 1, "SELECT id FROM products WHERE id = 500").await, none);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_rows_of_tables_are_changed() {
    let data = TempDir::new().unwrap();
    let (served, _) = market(&data, 1, 3).await;
    for sql in [
        "CREATE TABLE t(a)",
        "DROP TABLE products",
        "ATTACH 'x.db' AS x",
        "PRAGMA user_version = 7",
        "PRAGMA user_version",
        "UPDATE _souk_shard SET schema_version = 9",
        "DELETE FROM sqlite_schema",
        "SELECT * FROM _souk_shard",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT request",
        "RELEASE request",
        "ROLLBACK TO request",
        "VACUUM",
        "REINDEX",
        "EXPLAIN DELETE FROM products",
        "SELECT last_insert_rowid()",
        "UPDATE products SET price = 1; DELETE FROM products",
    ] {
        let refused = write(&served, request(1, vec![statement(sql, &[])])).await.expect_err(sql);
        let (reason, words) = refusal(refused);
        // VACUUM is no question to the authorizer, and impossible in a transaction.
        let reasons = [Reason::UnsupportedSql, Reason::InvalidArgument, Reason::SqlRuntime, Reason::SqlSyntax];
        assert!(reasons.contains(&reason), "{sql}: {reason} {words}");
    }
    let count = write(&served, request(1, vec![statement("SELECT count(*) FROM products", &[])])).await.unwrap();
    assert_eq!(rows(&count[0]), [[Value::Integer(3)]]);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_share_commits_and_fail_alone() {
    const CALLS: i64 = 200;
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 1, 3).await;
    let calls = (0..CALLS).map(|call| {
        // Every tenth breaks a constraint behind an insert that is fine.
        let again = if call % 10 == 0 { 1 } else { 10_000 + call };
        let insert = |id: i64| {
            let id = [Value::Integer(id)];
            statement("INSERT INTO products(vendor_id, id, price) VALUES (1, ?1, 7)", &id)
        };
        let mut client = served.client.clone();
        let request = request(1, vec![insert(1000 + call), insert(again)]);
        tokio::spawn(async move { (call, client.write(request).await.is_ok()) })
    });
    // All of them before the first is waited for.
    for running in calls.collect::<Vec<_>>() {
        let (call, done) = running.await.unwrap();
        assert_eq!(done, call % 10 != 0, "call {call}");
    }
    let counted = ask(&mut served, 1, "SELECT count(*) FROM products WHERE price = 7 AND id >= 1000").await;
    assert_eq!(counted, [[Value::Integer(2 * (CALLS - CALLS / 10))]]);
    served.stop().await;
}

fn part(shard: u64, sql: &str) -> v1::WriteRequest {
    request(shard, vec![statement(sql, &[])])
}

async fn prepare(served: &Served, name: &str, shards: Vec<v1::WriteRequest>) -> Vec<v1::vote::Kind> {
    let request = v1::PrepareRequest { transaction: name.into(), shards, deadline_ms: MINUTE_MS };
    let votes = served.client.clone().prepare(request).await.unwrap().into_inner().votes;
    votes.into_iter().map(|vote| vote.kind.unwrap()).collect()
}

async fn resolve(served: &Served, name: &str, commit: bool, shards: &[u64]) -> Vec<v1::ShardFailure> {
    let request = v1::ResolveRequest { transaction: name.into(), commit, shards: shards.to_vec() };
    served.client.clone().resolve(request).await.unwrap().into_inner().failed
}

async fn fenced(served: &Served) -> Vec<u64> {
    let fences = served.client.clone().list_fences(v1::ListFencesRequest {}).await.unwrap().into_inner().fences;
    fences.into_iter().map(|fence| fence.shard).collect()
}

const DEAR: &str = "UPDATE products SET price = 1000000 WHERE id = 1 RETURNING id";
const COUNT_DEAR: &str = "SELECT count(*) FROM products WHERE price = 1000000";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_prepared_is_done_when_told_and_nothing_else_is_written_before() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 3, 3).await;
    let none = "DELETE FROM products WHERE id = -1";
    let votes = prepare(&served, "one", vec![part(1, DEAR), part(2, none), part(3, DEAR)]).await;
    assert!(
        matches!(&votes[0], v1::vote::Kind::Prepared(outcomes) if rows(&outcomes.outcomes[0]) == [[Value::Integer(1)]])
    );
    assert!(matches!(&votes[1], v1::vote::Kind::Nothing(_)), "{:?}", votes[1]);
    assert_eq!(fenced(&served).await, [3, 1]);
    let counts = |count: i64| [[Value::Integer(count)]];
    assert_eq!(ask(&mut served, 1, COUNT_DEAR).await, counts(0), "readers see what was");
    // Another transaction is refused, a statement waits, and is late.
    assert!(matches!(&prepare(&served, "two", vec![part(1, DEAR)]).await[0], v1::vote::Kind::Refused(_)));
    let late = v1::WriteRequest { deadline_ms: 50, ..part(1, "DELETE FROM products") };
    assert_eq!(refusal(write(&served, late).await.unwrap_err()).0, Reason::Overloaded);
    let waiting = {
        let mut client = served.client.clone();
        tokio::spawn(async move { client.write(part(1, "DELETE FROM products WHERE price = 1000000")).await })
    };
    for _ in 0..2 {
        assert_eq!(resolve(&served, "one", true, &[1, 3]).await, [], "as often as it is told");
    }
    assert_eq!(waiting.await.unwrap().unwrap().into_inner().outcomes[0].rows_affected, 1, "it saw what was promised");
    assert_eq!(ask(&mut served, 3, COUNT_DEAR).await, counts(1));
    assert!(fenced(&served).await.is_empty());
    // Late messages change nothing.
    assert!(matches!(&prepare(&served, "one", vec![part(3, DEAR)]).await[0], v1::vote::Kind::Refused(_)));
    assert_eq!(resolve(&served, "one", false, &[1, 3]).await, []);
    assert_eq!(resolve(&served, "unknown", false, &[1]).await, []);
    assert_eq!(resolve(&served, "unknown", true, &[1]).await.len(), 1, "nobody prepared that");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promise_outlives_the_process() {
    let data = TempDir::new().unwrap();
    let (served, _) = market(&data, 2, 3).await;
    prepare(&served, "kept", vec![part(1, DEAR)]).await;
    prepare(&served, "dropped", vec![part(2, DEAR)]).await;
    served.stop().await;
    let mut served = common::serve(common::settings(data.path())).await;
    let late = |shard| v1::WriteRequest { deadline_ms: 50, ..part(shard, "DELETE FROM products") };
    for shard in [1, 2] {
        assert_eq!(refusal(write(&served, late(shard)).await.unwrap_err()).0, Reason::Overloaded);
    }
    assert_eq!(fenced(&served).await.len(), 2);
    assert_eq!(resolve(&served, "kept", true, &[1]).await, []);
    assert_eq!(resolve(&served, "dropped", false, &[2]).await, []);
    for (shard, count) in [(1, 1), (2, 0)] {
        assert_eq!(ask(&mut served, shard, COUNT_DEAR).await, [[Value::Integer(count)]]);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_constraint_refuses_is_not_promised() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 1, 3).await;
    let schema = [
        common::SCHEMA,
        "CREATE TABLE parent(id INTEGER PRIMARY KEY);
         CREATE TABLE child(id INTEGER PRIMARY KEY, parent REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    ];
    served.apply(&schema).await.unwrap();
    let of = |sql: &str| v1::WriteRequest { schema_version: 2, ..part(1, sql) };
    for sql in ["INSERT INTO child VALUES (1, 7)", "INSERT INTO products(vendor_id, id) VALUES (1, 1)"] {
        match &prepare(&served, "t", vec![of(sql)]).await[0] {
            v1::vote::Kind::Refused(failure) => assert_eq!(failure.reason, "CONSTRAINT", "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert!(fenced(&served).await.is_empty());
    // A row may name one that comes behind it, and not one that never comes; another request at the same time is not told of it.
    let rows = |rows: &[[i64; 2]]| {
        let mut batch = Batch::new(2);
        rows.iter().for_each(|row| batch.push_row(row.map(Value::Integer).iter().map(Value::as_ref)));
        let tree = v1::ShardStatement {
            rows: Some(batch.into()),
            defers_foreign_keys: true,
            foreign_keys_checked: Vec::new(),
            ..statement("INSERT INTO tree VALUES (?1, ?2)", &[])
        };
        v1::WriteRequest { schema_version: 3, ..request(1, vec![tree]) }
    };
    let more = ["CREATE TABLE tree(id INTEGER PRIMARY KEY, above REFERENCES tree)"];
    served.apply(&[&schema[..], &more].concat()).await.unwrap();
    let (whole, broken) = (rows(&[[1, 2], [2, 2]]), rows(&[[3, 4]]));
    let (mut first, mut second) = (served.client.clone(), served.client.clone());
    let (whole, broken) = tokio::join!(first.write(whole), second.write(broken));
    assert_eq!(whole.unwrap().into_inner().outcomes[0].rows_affected, 2);
    assert_eq!(refusal(broken.unwrap_err()).0, Reason::Constraint);
    // A statement behind one that waits forgives nothing.
    let mut broken = rows(&[[5, 6], [7, 8]]);
    broken.statements.push(statement("UPDATE products SET price = 0", &[]));
    assert_eq!(refusal(served.client.write(broken).await.unwrap_err()).0, Reason::Constraint);
    // Nor does the trial of a schema change.
    let drop = ["DROP TABLE tree"];
    let log = common::log(&[&schema[..], &more, &drop].concat());
    let orphan = v1::WriteRequest { schema_version: 3, ..part(1, "INSERT INTO parent VALUES (1)") };
    served.client.write(orphan).await.unwrap();
    let child = v1::WriteRequest { schema_version: 3, ..part(1, "INSERT INTO child VALUES (1, 1)") };
    served.client.write(child).await.unwrap();
    let trial = |schema| v1::ApplySchemaRequest { schema, trial: true };
    assert_eq!(served.client.apply_schema(trial(log)).await.unwrap().into_inner().failed, []);
    let log = common::log(&[&schema[..], &more, &["DROP TABLE parent"]].concat());
    let failed = served.client.apply_schema(trial(log)).await.unwrap().into_inner().failed;
    assert!(failed.len() == 1 && failed[0].reason == "CONSTRAINT", "{failed:?}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_wait_for_a_word_keep_neither_readers_nor_the_word_out() {
    let data = TempDir::new().unwrap();
    let (mut served, _) = market(&data, 1, 3).await;
    prepare(&served, "held", vec![part(1, DEAR)]).await;
    let writes: Vec<_> = (0..400)
        .map(|_| {
            let mut client = served.client.clone();
            tokio::spawn(
                async move { client.write(part(1, "UPDATE products SET price = price + 1 WHERE id = 2")).await },
            )
        })
        .collect();
    // Those beyond the bound come back at once.
    while writes.iter().filter(|write| write.is_finished()).count() < 200 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(ask(&mut served, 1, COUNT_DEAR).await, [[Value::Integer(0)]]);
    assert_eq!(resolve(&served, "held", true, &[1]).await, []);
    let mut done = 0;
    for write in writes {
        match write.await.unwrap() {
            Ok(_) => done += 1,
            Err(status) => assert_eq!(refusal(status).0, Reason::Overloaded),
        }
    }
    assert!(done >= 100, "only {done} of those that waited were done");
    served.stop().await;
}
