//! Listening: the socket, the line that says so, the log, and what ends it.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::{
    failure::Failure,
    stop::{self, StopSignals},
};

/// Listens on `address`; port 0 lets the system pick one.
pub(super) async fn bind(address: &str) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    Ok(listener.with_context(|| format!("cannot listen on `{address}`; choose another with --listen"))?)
}

/// Says on stdout, in one line, that `who` listens: a parent process reads it.
pub(super) fn announce(who: &str, listener: &TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the socket has no address")?;
    let mut out = io::stdout().lock();
    writeln!(out, "souk {who} listening on {address}").and_then(|()| out.flush()).context("cannot write to stdout")
}

/// Logs to stderr what `RUST_LOG` selects: by default what matters to an operator.
pub(super) fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
}

/// What ends the service: a signal, or the end of stdin when a parent asked for it.
pub(super) async fn shutdown(mut signals: StopSignals, with_stdin: bool) {
    if with_stdin {
        tokio::select! {
            () = signals.first() => {}
            () = stop::stdin_end() => {}
        }
    } else {
        signals.first().await;
    }
    tracing::info!("stopping");
}
