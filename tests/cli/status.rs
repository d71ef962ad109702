//! `souk status`.

use super::{fake, souk};

#[test]
fn a_node_that_does_not_answer_is_a_failure() {
    let fake = fake::serve("");
    let ran = souk(&["status", "--addr", &fake.address], "");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("3.0 MiB") && ran.stdout.contains("4 shards"), "{ran:?}");
    assert_eq!(ran.stderr, "error: nodes that do not answer: n2\n");
}

#[test]
fn programs_get_an_object() {
    let fake = fake::serve("");
    let ran = souk(&["status", "--addr", &fake.address, "--format", "json"], "");
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["nodes"][1]["error"], "connection refused");
    assert_eq!(json["schema_version"], 5);
}
