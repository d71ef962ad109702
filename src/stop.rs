//! What asks a process to stop.

use std::io;

use anyhow::Context as _;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// SIGINT and SIGTERM, caught from the moment this is made.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Catches the signals: from now on they do not end the process by themselves.
    pub(crate) fn catch() -> anyhow::Result<StopSignals> {
        let catch = |kind| signal(kind).context("cannot catch signals");
        Ok(StopSignals { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())? })
    }

    /// Resolves at the first of them.
    pub(crate) async fn first(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Resolves at SIGTERM alone: at a prompt, SIGINT belongs to the line or the query.
    pub(crate) async fn terminate(&mut self) {
        self.terminate.recv().await;
    }
}

/// Resolves when stdin ends: the parent closed it or died.
pub(crate) async fn stdin_end() {
    let (ended, end) = oneshot::channel();
    // A thread of its own: a blocking read would hold up the end of the runtime.
    std::thread::spawn(move || {
        // An unreadable stdin counts as ended.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = ended.send(());
    });
    let _ = end.await;
}
