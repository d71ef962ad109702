//! A `souk` process with armed points, that is started again when a point has ended it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::case::{Action, Armed, When};

/// How often a process comes back with what ends it for good.
const ARMED_RESTARTS: usize = 2;

/// How long a process may take to find its address free: one that listened there has just ended.
const START_MAX: Duration = Duration::from_secs(20);

/// A process and all that it needs to be started again.
pub(crate) struct Process {
    pub(crate) name: &'static str,
    /// With the address that it had first.
    arguments: Vec<String>,
    pub(crate) address: String,
    armed: Vec<Armed>,
    /// How often what ends it for good may still do so.
    lives: usize,
    /// The points that were reached and failed.
    pub(crate) hits: Vec<String>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    _stdin: ChildStdin,
    /// Reads what it writes to stderr.
    reader: JoinHandle<()>,
    said: std::sync::mpsc::Receiver<String>,
}

impl Process {
    /// Starts one; `arguments` name no address.
    pub(crate) fn start(name: &'static str, arguments: Vec<String>) -> Process {
        let mut process = Process {
            name,
            arguments,
            address: "127.0.0.1:0".to_owned(),
            armed: Vec::new(),
            lives: 0,
            hits: Vec::new(),
            running: None,
        };
        process.run();
        process
    }

    /// Ends it, and starts it again with these points.
    pub(crate) fn arm(&mut self, armed: Vec<Armed>) {
        self.kill();
        (self.armed, self.lives) = (armed, ARMED_RESTARTS);
        self.hits.clear();
        self.run();
    }

    /// Frees it of what fails for good; anything else fails once and is over.
    pub(crate) fn calm(&mut self) {
        if self.armed.iter().any(|armed| armed.when == When::Always) {
            self.kill();
            self.armed.retain(|armed| armed.when != When::Always);
            self.run();
        }
    }

    /// Notes what failed, and starts it again when that has ended it.
    pub(crate) fn look_after(&mut self) {
        let running = self.running.as_mut().expect("it runs");
        let ended = running.child.try_wait().expect("its state");
        self.hits.extend(running.said.try_iter().filter_map(hit));
        if ended.is_some() {
            self.note_end();
            self.run();
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(running) = &mut self.running {
            let _ = running.child.kill();
            self.note_end();
        }
    }

    fn note_end(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let status = running.child.wait().expect("it ended");
        running.reader.join().expect("stderr was read");
        self.note(running.said.try_iter().collect(), &status.to_string());
    }

    /// Notes the points among the last lines of a process that is over: what was to fail once does not fail again.
    fn note(&mut self, lines: Vec<String>, status: &str) {
        let last = lines.join("\n");
        self.hits.extend(lines.into_iter().filter_map(hit));
        let (hits, may_again) = (&self.hits, self.lives > 0);
        let has_hit = |armed: &Armed| hits.iter().any(|hit| hit == armed.point.name);
        if status.contains("signal: 6") {
            let known = self.armed.iter().any(|armed| armed.action == Action::Crash && has_hit(armed));
            assert!(known, "`{}` ended by itself: {status}\n{last}", self.name);
            self.lives = self.lives.saturating_sub(1);
        } else {
            assert!(status.contains("signal: 9"), "`{}` ended by itself: {status}\n{last}", self.name);
        }
        let stays = |armed: &Armed| match (armed.when, armed.action) {
            (When::Always, Action::Crash) => may_again,
            (When::Always, Action::Error) => true,
            (When::First | When::Second, _) => !has_hit(armed),
        };
        self.armed.retain(stays);
    }

    /// Starts it until it listens: it may be ended before that.
    fn run(&mut self) {
        let until = Instant::now() + START_MAX;
        while self.running.is_none() {
            assert!(Instant::now() < until, "`{}` does not start", self.name);
            self.try_run();
        }
    }

    fn try_run(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_souk"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOUK_")) {
            command.env_remove(name);
        }
        let settings: Vec<String> = self.armed.iter().map(Armed::setting).collect();
        command.args(&self.arguments).args(["--listen", &self.address, "--stop-with-stdin"]);
        command.env("RUST_LOG", "error").env("FAILPOINTS", settings.join(";"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let (sender, said) = std::sync::mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().expect("its stderr"));
        let reader = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its stdout")).read_line(&mut line).expect("a line");
        if let Some((_, address)) = line.trim_end().rsplit_once(" listening on ") {
            self.address = address.to_owned();
            let stdin = child.stdin.take().expect("its stdin");
            self.running = Some(Running { child, _stdin: stdin, reader, said });
            return;
        }
        let status = child.wait().expect("it ended").to_string();
        reader.join().expect("stderr was read");
        let lines: Vec<String> = said.try_iter().collect();
        if lines.iter().any(|line| line.contains("cannot listen on")) {
            thread::sleep(Duration::from_millis(50));
        } else {
            self.note(lines, &status);
        }
    }
}

fn hit(line: String) -> Option<String> {
    line.strip_prefix("failpoint ").map(str::to_owned)
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}
