//! The Python example against real processes.
//!
//! `SOUK_TEST_PYTHON` names a Python that has `examples/python/requirements.txt`; without it `python3` is tried.

use std::{env, process::Command};

use crate::{cluster::Cluster, loud::say};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python/example.py");

/// The Python to use; or why there is none.
fn python() -> Result<String, String> {
    let named = env::var("SOUK_TEST_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let tried = Command::new(&python).args(["-c", "import grpc, grpc_tools, grpc_status"]).output();
    let why = match tried {
        Ok(output) if output.status.success() => return Ok(python),
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    // Who names a Python wants the test to run.
    assert!(named.is_none(), "`SOUK_TEST_PYTHON={python}` cannot run the example: {why}");
    Err(why)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_example_runs() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skipped(&why),
    };
    let cluster = Cluster::start(2);
    for run in ["with a new table", "with the table of the run before"] {
        let output = Command::new(&python)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .args([EXAMPLE, &cluster.coordinator.address])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{run}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
        for expected in [
            "-9223372036854775808 | 0.1 | 'text — ü' | b'\\x00\\x01' | None",
            "3 | 9223372036854775807 | 'the largest integer' | None | b'SQLite'",
            "route: asked 1, answered 1, pruned 3, failed 0, rows 2",
            "  2 | 0.1\n",
            "SQL_SYNTAX: ",
            "NO_SUCH_TABLE: ",
            "CONSTRAINT: ",
            "rows changed: [1, 1]\n  rows changed: [1, 1]\n",
            "EXPECTATION: statement 2: the statement changes 0 rows, expected were 1",
            "SQL_RUNTIME: integer overflow",
        ] {
            assert!(said.contains(expected), "{run}: `{expected}` is missing:\n{said}");
        }
    }
}

fn skipped(why: &str) {
    say(&format!("SKIPPED the_python_example_runs: no Python with examples/python/requirements.txt ({why})"));
}
