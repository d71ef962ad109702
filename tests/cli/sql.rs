//! `souk sql`: statements, formats, exit codes.

use super::{Ran, fake, souk};

const SCHEMA: &str = "CREATE TABLE t(vendor_id TEXT, n INTEGER); INSERT INTO t VALUES ('a', 1), ('b', 2), ('c', NULL)";

fn sql(more: &[&str], stdin: &str) -> Ran {
    let fake = fake::serve(SCHEMA);
    let arguments = [&["sql", "--addr", &fake.address], more].concat();
    souk(&arguments, stdin)
}

fn check(more: &[&str], stdin: &str, stdout: &str) {
    let ran = sql(more, stdin);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), stdout), "{ran:?}");
}

fn check_failure(statement: &str, stderr: &str) {
    let ran = sql(&["--format", "jsonl", "-c", statement], "");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains(stderr), "{ran:?}");
}

#[test]
fn rows_go_to_stdout_and_the_certificate_line_beside_them() {
    let ran = sql(&["--format", "csv", "-c", "SELECT n FROM t ORDER BY vendor_id"], "");
    assert_eq!(ran.stdout, "n\r\n1\r\n2\r\n\"\"\r\n");
    assert!(ran.stderr.starts_with("3 rows in "), "{ran:?}");
    assert!(ran.stderr.ends_with(" ms · scatter · asked 3, answered 3, pruned 1\n"), "{ran:?}");
}

#[test]
fn a_table_has_its_line_below() {
    let ran = sql(&["-c", "SELECT vendor_id FROM t WHERE n = 1;"], "");
    assert!(ran.stdout.contains("vendor_id") && ran.stdout.contains("│ a"), "{ran:?}");
    assert!(ran.stdout.contains("1 row in "), "{ran:?}");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn statements_come_from_a_pipe_until_its_end() {
    let script = "-- a script\nINSERT INTO t VALUES ('d', 4); SELECT count(*) AS\n rows FROM t;SELECT 'a;b' AS x";
    check(&["--format", "jsonl"], script, "{\"rows\":4}\n{\"x\":\"a;b\"}\n");
}

#[test]
fn statements_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.sql");
    std::fs::write(&file, "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t WHERE n = 1; END;\nINSERT INTO t VALUES ('d', 4);\nSELECT count(*) AS c FROM t;").unwrap();
    check(&["--format", "json", "-f", file.to_str().unwrap()], "", "[\n{\"c\":3}\n]\n");
}

#[test]
fn the_first_failure_ends_a_script() {
    let ran = sql(&["--format", "jsonl"], "SELECT 1 AS a; SELECT * FROM nowhere; SELECT 2 AS a;");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "{\"a\":1}\n"));
    assert!(ran.stderr.contains("error: NO_SUCH_TABLE: no such table: nowhere"), "{ran:?}");
}

#[test]
fn writes_say_what_they_did() {
    let ran = sql(&[], "INSERT INTO t VALUES ('d', 4), ('e', 5); CREATE TABLE u(x);");
    let lines: Vec<&str> = ran.stdout.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines[0].starts_with("2 rows written in ") && lines[0].ends_with("· 3 shards"), "{ran:?}");
    assert!(lines[1].starts_with("done in ") && lines[1].ends_with("· schema 5 on 3 shards"), "{ran:?}");
}

#[test]
fn an_answer_without_a_certificate_is_no_answer() {
    check_failure("SELECT 1 /* no certificate */", "ended without a certificate");
    check_failure("SELECT 1 /* wrong count */", "1 rows came, the certificate says 2");
    check_failure("SELECT 1 /* silent shard */", "does not account for every shard");
    check_failure("SELECT 1 /* failed shard */", "SHARD_UNAVAILABLE: shard 7 on node `n2`");
    check_failure("SELECT n FROM t /* late error */", "DEADLINE: time ran out");
}

#[test]
fn an_array_that_broke_off_stays_open() {
    let ran = sql(&["--format", "json", "-c", "SELECT n FROM t /* late error */"], "");
    assert!(ran.stdout.starts_with("[\n{") && !ran.stdout.contains(']'), "{ran:?}");
}

#[test]
fn partial_answers_name_what_is_missing() {
    let ran = sql(&["--partial", "--format", "jsonl", "-c", "SELECT 1 AS a /* failed shard */"], "");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "{\"a\":1}\n"));
    assert!(ran.stderr.contains("answered 2, pruned 1, failed 1"), "{ran:?}");
    assert!(ran.stderr.contains("missing: shard 7 on node n2: SHARD_UNAVAILABLE: no answer"), "{ran:?}");
}

#[test]
fn a_key_is_a_scope_for_reading_only() {
    check(&["--key", "a", "--format", "jsonl", "-c", "SELECT '$KEY' AS key"], "", "{\"key\":\"Text([97])\"}\n");
    let ran = sql(&["--key", "a", "-c", "DELETE FROM t"], "");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--key is a scope for reading"), "{ran:?}");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    use std::{io::Read as _, process::Stdio};
    let fake = fake::serve(SCHEMA);
    let numbers = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT i FROM n";
    let arguments = ["sql", "--addr", &fake.address, "--format", "csv", "-c", numbers];
    let mut child = super::command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn nobody_there_is_told_with_the_way_out() {
    let ran = souk(&["sql", "--addr", "127.0.0.1:1", "-c", "SELECT 1"], "");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("cannot reach a coordinator at `http://127.0.0.1:1`"), "{ran:?}");
    assert!(ran.stderr.contains("--addr"), "{ran:?}");
}

#[test]
fn plans_are_plain_lines_and_objects_for_programs() {
    check(&["-c", "explain  SELECT n FROM t"], "", "scatter\n  sql:   SELECT n FROM t\\u{1b}\n");
    check(&["--explain", "-c", "SELECT n FROM t"], "", "scatter\n  sql: SELECT n FROM t\\u{1b}\n");
    check(&["--explain=analyze", "-c", "SELECT 1"], "", "scatter\n  sql: ANALYZE SELECT 1\\u{1b}\n");
    check(&["--format", "csv", "-c", "EXPLAIN SELECT 1"], "", "column1\r\nscatter\r\n  sql:  SELECT 1\u{1b}\r\n");
    let ran = sql(&["--format", "jsonl", "-c", "EXPLAIN ANALYZE SELECT 1"], "");
    assert!(
        ran.stdout.starts_with("{\"plan\":\"scatter\",\"asked\":3,\"pruned\":0,\"opaque\":null,\"root\":"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("\"sql\":\" SELECT 1\"") && ran.stdout.contains("\"rows\":7"), "{ran:?}");
    let ran = sql(&["--format", "json", "--explain", "-c", "SELECT 1"], "");
    assert!(ran.stdout.starts_with("{\n  \"plan\": \"scatter\"") && ran.stdout.ends_with("\n}\n"), "{ran:?}");
}

#[test]
fn only_what_reads_is_explained() {
    let ran = sql(&["--explain", "-c", "DELETE FROM t"], "");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--explain is for statements that read"), "{ran:?}");
}

#[test]
fn answers_are_verified_when_that_is_asked_for() {
    check(&["--format", "jsonl", "-c", "SELECT 1 AS a /* wrong answer */"], "", "{\"a\":1}\n");
    let ran = sql(&["--verify", "-c", "SELECT 1 AS a /* wrong answer */"], "");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    assert!(ran.stderr.contains("VERIFY_FAILED: the answer by `scatter`"), "{ran:?}");
    let ran = sql(&["--verify", "--key", "a", "-c", "SELECT 1"], "");
    assert_eq!(ran.code, Some(2));
}
