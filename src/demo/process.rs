//! A service in a process of its own, which never outlives this one.

use std::{
    env,
    fs::{self, File},
    io::{self, BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};

/// Time to stop by itself before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A running service. Its stdin is a pipe from here, and it stops when that ends: when this is dropped, and also when this
/// process dies in whatever way.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Where it listens.
    pub(super) address: String,
}

impl Process {
    /// Starts `souk ARGUMENTS --stop-with-stdin` and waits until it listens. What it logs goes to the file `log`.
    pub(super) fn start(arguments: &[String], log: &Path) -> anyhow::Result<Process> {
        let program = env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.args(arguments).arg("--stop-with-stdin");
        // What the user set for services of their own is not meant for these.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOUK_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(File::create(log).with_context(|| format!("cannot write `{}`", log.display()))?);
        // A group of its own: Ctrl-C on the terminal is for this process alone.
        command.process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start souk {}", arguments[0]))?;
        let stdin = child.stdin.take();
        let mut process = Process { child, stdin, address: String::new() };
        process.address = process.ready().with_context(|| failed_start(arguments, log))?;
        Ok(process)
    }

    /// Waits for the line that says where it listens.
    fn ready(&mut self) -> anyhow::Result<String> {
        let stdout = self.child.stdout.take().context("its stdout is a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().rsplit_once(" listening on ").map(|(_, address)| address.to_owned());
        address.ok_or_else(|| anyhow!("it does not listen"))
    }

    /// Asks it to stop, without waiting.
    pub(super) fn ask_to_stop(&mut self) {
        self.stdin = None;
    }

    fn wait(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                self.child.kill()?;
                self.child.wait()?;
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.ask_to_stop();
        if let Err(error) = self.wait() {
            eprintln!("warning: process {} could not be stopped: {error}", self.child.id());
        }
    }
}

/// Where and why a start failed: the end of what it logged.
fn failed_start(arguments: &[String], log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    match text.lines().last() {
        Some(line) => format!("souk {} did not start: {line}", arguments[0]),
        None => format!("souk {} did not start; see `{}`", arguments[0], log.display()),
    }
}
