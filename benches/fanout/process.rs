//! The cluster: nodes and a coordinator, each a process, which never outlive this one.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};

/// Time to stop by itself before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A running cluster; stopped when it is dropped, the coordinator first.
pub(crate) struct Cluster {
    coordinator: Process,
    nodes: Vec<Process>,
}

/// What the services are beside where they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// What is run as souk.
    pub(crate) program: &'a Path,
    /// More flags of each node.
    pub(crate) node: &'a [&'a str],
    /// More flags of the coordinator.
    pub(crate) coordinator: &'a [&'a str],
}

impl Setup<'_> {
    /// Souk as it is, with its own settings.
    pub(crate) fn own() -> Setup<'static> {
        Setup { program: Path::new(env!("CARGO_BIN_EXE_souk")), node: &[], coordinator: &[] }
    }
}

impl Cluster {
    /// Starts the nodes and a coordinator with their data in `folder`.
    pub(crate) fn start(folder: &Path, nodes: u32) -> anyhow::Result<Cluster> {
        Cluster::start_as(folder, nodes, &Setup::own())
    }

    /// The same, set up otherwise.
    pub(crate) fn start_as(folder: &Path, nodes: u32, setup: &Setup<'_>) -> anyhow::Result<Cluster> {
        let node = |number| {
            let id = format!("n{number}");
            let data = path(folder, &id);
            let arguments = ["node", "--id", &id, "--listen", "127.0.0.1:0", "--data", &data];
            Process::start(setup.program, &[&arguments, setup.node].concat(), &folder.join(&id))
        };
        let nodes = (1..=nodes).map(node).collect::<anyhow::Result<Vec<Process>>>()?;
        let data = path(folder, "coordinator");
        let addresses = (1..).zip(&nodes).map(|(number, node)| format!("n{number}={}", node.address));
        let addresses = addresses.collect::<Vec<_>>().join(",");
        let arguments =
            ["coordinator", "--listen", "127.0.0.1:0", "--data", &data, "--placement", "own", "--node", &addresses];
        let coordinator =
            Process::start(setup.program, &[&arguments, setup.coordinator].concat(), &folder.join("coordinator"))?;
        Ok(Cluster { coordinator, nodes })
    }

    /// `host:port` of the coordinator.
    pub(crate) fn address(&self) -> &str {
        &self.coordinator.address
    }

    /// `host:port` of each node.
    pub(crate) fn node_addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.address.clone()).collect()
    }

    /// The process of the coordinator.
    pub(crate) fn coordinator(&self) -> u32 {
        self.coordinator.child.id()
    }

    /// The processes of the nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = u32> + '_ {
        self.nodes.iter().map(|node| node.child.id())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // All at once: each is then waited for as it is dropped.
        self.coordinator.stdin = None;
        self.nodes.iter_mut().for_each(|node| node.stdin = None);
    }
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// A service, which stops when its stdin ends: when this is dropped, or this process dies.
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    address: String,
}

impl Process {
    /// Starts `PROGRAM ARGUMENTS` and waits until it listens; its log goes to `LOG.log`.
    fn start(program: &Path, arguments: &[&str], log: &Path) -> anyhow::Result<Process> {
        let log = log.with_extension("log");
        let mut command = Command::new(program);
        command.args(arguments).arg("--stop-with-stdin").stdin(Stdio::piped()).stdout(Stdio::piped());
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOUK_")) {
            command.env_remove(name);
        }
        command.stderr(File::create(&log).with_context(|| format!("cannot write `{}`", log.display()))?);
        let mut child = command.spawn().with_context(|| format!("cannot start `{}`", program.display()))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("its stdout is a pipe")?;
        let mut process = Process { child, stdin, address: String::new() };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        process.address = match line.trim_end().rsplit_once(" listening on ") {
            Some((_, address)) => address.to_owned(),
            None => {
                let text = fs::read_to_string(&log).unwrap_or_default();
                return Err(anyhow!("souk {} did not start: {}", arguments[0], text.trim_end()));
            }
        };
        Ok(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        end(&mut self.child, STOP_TIMEOUT);
    }
}

/// Waits for a process that was told to stop, and kills it when it does not.
pub(crate) fn end(child: &mut Child, patience: Duration) {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    // It is gone already, or goes now.
    let _ = child.kill();
    let _ = child.wait();
}
