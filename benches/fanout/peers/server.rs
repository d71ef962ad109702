//! A peer's process, which never outlives this one.

use std::{
    ffi::OsStr,
    fs::{self, File},
    net::TcpListener,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use souk_merge::{Batch, Value};

use super::Client;
use crate::{process::end, queries::Query};

/// Time to begin to listen.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Time to stop by itself before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Who a peer's programs are and run as.
pub(crate) struct Programs {
    /// Debian's package.
    pub(crate) package: &'static str,
    /// The user that the package makes: neither peer runs as root.
    pub(crate) user: &'static str,
    /// The signal that ends its server without waiting for clients.
    pub(crate) stop: &'static str,
}

/// A running server; stopped when it is dropped.
pub(crate) struct Server {
    child: Child,
    stop: &'static str,
    pub(crate) port: u16,
}

/// A server and a connection to it, which ends first.
pub(crate) struct Served<C> {
    connection: C,
    _server: Server,
}

impl<C: Client> Served<C> {
    pub(crate) fn new(connection: C, server: Server) -> Served<C> {
        Served { connection, _server: server }
    }
}

impl<C: Client> Client for Served<C> {
    fn ask(&self, query: &Query, parameters: &[Value]) -> anyhow::Result<Batch> {
        self.connection.ask(query, parameters)
    }
}

impl Programs {
    /// Sees that files of the package are there.
    pub(crate) fn ensure_installed(&self, files: &[&str]) -> anyhow::Result<()> {
        let missing = files.iter().find(|file| !Path::new(file).exists());
        missing.map_or(Ok(()), |file| bail!("`{file}` is not there: install Debian's package `{}`", self.package))
    }

    /// Runs a program to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> anyhow::Result<()> {
        run("setpriv", |setpriv| self.become_user(setpriv).arg(program).args(arguments))
    }

    /// Starts a server and waits until `connect` finds it; gives it and the connection. Its log goes to a file.
    pub(crate) fn serve<C>(
        &self,
        program: &str,
        arguments: impl FnOnce(u16) -> Vec<String>,
        log: &Path,
        connect: impl Fn(u16) -> anyhow::Result<C>,
    ) -> anyhow::Result<(Server, C)> {
        // Free now; that somebody takes it before the server does is seen as a server that does not start.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut command = Command::new("setpriv");
        self.become_user(&mut command).arg(program).args(arguments(port));
        let file = File::create(log).with_context(|| format!("cannot write `{}`", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut server = Server { child: command.spawn().context("cannot run setpriv")?, stop: self.stop, port };
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match connect(port) {
                Ok(connection) => return Ok((server, connection)),
                Err(_) if server.child.try_wait()?.is_none() && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(50));
                }
                Err(error) => {
                    let text = fs::read_to_string(log).unwrap_or_default();
                    return Err(error.context(format!("`{program}` did not start: {}", text.trim_end())));
                }
            }
        }
    }

    /// As the user, and stopped when this process dies.
    fn become_user<'a>(&self, setpriv: &'a mut Command) -> &'a mut Command {
        setpriv.args(["--pdeathsig", self.stop]);
        if is_root().unwrap_or(false) {
            setpriv.args(["--reuid", self.user, "--regid", self.user, "--clear-groups"]);
        }
        setpriv.arg("--")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let signal = format!("kill -{} {}", self.stop, self.child.id());
        // It is gone already when this fails.
        let _ = Command::new("sh").args(["-c", &signal]).status();
        end(&mut self.child, STOP_TIMEOUT);
    }
}

/// Whether this process may become another user.
pub(crate) fn is_root() -> anyhow::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

/// Runs a program to its end; what it wrote is told when it fails.
pub(crate) fn run(program: &str, add: impl FnOnce(&mut Command) -> &mut Command) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    add(&mut command);
    let output = command.output().with_context(|| format!("cannot run `{program}`"))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&said).trim_end());
    }
    Ok(())
}
