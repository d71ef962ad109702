//! The command as its users meet it: the real binary, against a coordinator that is one plain SQLite database.
#![allow(missing_docs, clippy::unwrap_used)]

#[cfg(target_os = "linux")]
#[path = "cli/browser.rs"]
mod browser;
#[cfg(target_os = "linux")]
#[path = "cli/demo.rs"]
mod demo;
#[path = "cli/fake.rs"]
mod fake;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/import.rs"]
mod import;
#[cfg(target_os = "linux")]
#[path = "support/loud.rs"]
mod loud;
#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/sql.rs"]
mod sql;
#[path = "cli/status.rs"]
mod status;

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// What a run of the command left behind.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// The command, with none of the settings of whoever runs the tests.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_souk"));
    command.args(arguments).env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOUK_")) {
        command.env_remove(name);
    }
    command
}

/// Runs the command to its end, with `stdin` piped in.
fn souk(arguments: &[&str], stdin: &str) -> Ran {
    let mut command = command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that fails early does not read it all.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
