//! A `souk` process that serves.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::Duration,
};

/// A running `souk node` or `souk coordinator`. Killed when it is dropped; it also ends when this process does, because its
/// stdin does.
pub(crate) struct Service {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) address: SocketAddr,
}

/// The command, with none of the settings of whoever runs the tests.
pub(crate) fn souk(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_souk"));
    command.args(arguments).env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOUK_")) {
        command.env_remove(name);
    }
    command
}

/// A command as the argument of another one, which comes with these options.
pub(crate) fn under(other: &str, options: &[&str], command: &Command) -> Command {
    let mut whole = Command::new(other);
    whole.args(options).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(name, value),
            None => whole.env_remove(name),
        };
    }
    whole
}

impl Service {
    /// Starts it and waits until it listens; the error is its exit code and what it wrote to stderr.
    pub(crate) fn start(arguments: &[&str]) -> Result<Service, (Option<i32>, String)> {
        Service::start_command(souk(arguments))
    }

    /// As [`Service::start`], with the whole command.
    pub(crate) fn start_command(mut command: Command) -> Result<Service, (Option<i32>, String)> {
        command.arg("--stop-with-stdin").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.env("RUST_LOG", "error").spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().rsplit_once(" listening on ").and_then(|(_, address)| address.parse().ok());
        match address {
            Some(address) => Ok(Service { stdin: child.stdin.take(), child, address }),
            None => Err(Service::ended(child)),
        }
    }

    fn ended(mut child: Child) -> (Option<i32>, String) {
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (child.wait().unwrap().code(), said)
    }

    /// Waits until it ends by itself, for at most a minute: its exit code and what it wrote to stderr.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        for _ in 0..600 {
            if self.child.try_wait().unwrap().is_some() {
                let mut said = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                return (self.child.wait().unwrap().code(), said);
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("`souk` at {} goes on", self.address);
    }

    /// Has it end in good order: its exit code and what it wrote to stderr.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        self.wait()
    }

    /// As [`Service::kill`], of the one process that runs under another command.
    pub(crate) fn kill_traced(mut self) {
        let number = self.child.id();
        let traced = std::fs::read_to_string(format!("/proc/{number}/task/{number}/children")).unwrap();
        assert!(Command::new("kill").args(["-9", traced.trim()]).status().unwrap().success());
        self.child.wait().unwrap();
    }

    /// SIGKILL: nothing is flushed, nobody is told.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
