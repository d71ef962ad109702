//! `souk node`.

use std::{path::PathBuf, thread};

use clap::Args;
use serde::Deserialize;
use souk_vendor_node::{KEPT_BYTES_MAX, Settings};

use super::{address, file, listen};
use crate::{failure::Failure, stop::StopSignals};

/// Serves vendor shards.
///
/// Each setting is taken from its flag, else from its environment variable, else from the configuration file, else from its default.
#[derive(Debug, Args)]
pub(crate) struct NodeArguments {
    #[command(flatten)]
    raw: RawNode,
    /// A TOML file with the same settings: `id`, `listen`, `data`, `threads`, `open_shards_max`, `kept_bytes_max`
    #[arg(long, env = "SOUK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Stop when stdin ends: for a parent process
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

/// The configuration as typed.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNode {
    /// The node's name, unique in its cluster
    #[arg(long, env = "SOUK_ID")]
    id: Option<String>,
    /// Where to listen; port 0 lets the system pick one [default: 127.0.0.1:7071]
    #[arg(long, env = "SOUK_LISTEN", value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The folder that holds the shards; made when it is missing
    #[arg(long, env = "SOUK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Threads that walk shards [default: one a core]
    #[arg(long, env = "SOUK_THREADS", value_name = "N")]
    threads: Option<usize>,
    /// Most shards held open at a time [default: what the descriptor limit allows]
    #[arg(long, env = "SOUK_OPEN_SHARDS_MAX", value_name = "N")]
    open_shards_max: Option<usize>,
    /// Most bytes of answers kept to be given again while their shards stand still; 0 keeps none [default: 33554432]
    #[arg(long, env = "SOUK_KEPT_BYTES_MAX", value_name = "BYTES")]
    kept_bytes_max: Option<u64>,
}

impl RawNode {
    /// These settings, and for what is left open those of `below`.
    fn over(self, below: RawNode) -> RawNode {
        RawNode {
            id: self.id.or(below.id),
            listen: self.listen.or(below.listen),
            data: self.data.or(below.data),
            threads: self.threads.or(below.threads),
            open_shards_max: self.open_shards_max.or(below.open_shards_max),
            kept_bytes_max: self.kept_bytes_max.or(below.kept_bytes_max),
        }
    }

    /// The configuration as meant: where to listen, and the node's settings.
    fn checked(self) -> Result<(String, Settings), Failure> {
        let id = self.id.ok_or_else(|| Failure::Usage("the node has no name: say --id ID".to_owned()))?;
        let data = self.data.ok_or_else(|| Failure::Usage("the node has no folder: say --data DIR".to_owned()))?;
        let listen = address::checked_address(self.listen.as_deref().unwrap_or("127.0.0.1:7071"))?;
        let threads = at_least_one("threads", self.threads)?.unwrap_or_else(cores);
        let open_shards_max = at_least_one("open_shards_max", self.open_shards_max)?;
        let kept_bytes_max = self.kept_bytes_max.unwrap_or(KEPT_BYTES_MAX);
        Ok((listen, Settings { id: address::checked_id(id)?, data, threads, open_shards_max, kept_bytes_max }))
    }
}

fn at_least_one(name: &str, typed: Option<usize>) -> Result<Option<usize>, Failure> {
    match typed {
        Some(0) => Err(Failure::Usage(format!("`{name}` is 0: say at least 1, or leave it out"))),
        other => Ok(other),
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Serves a node until a signal.
pub(crate) async fn run(arguments: NodeArguments) -> Result<(), Failure> {
    let NodeArguments { raw, config, stop_with_stdin } = arguments;
    let (address, settings) = raw.over(file::read(config.as_deref())?).checked()?;
    listen::log();
    let signals = StopSignals::catch()?;
    let listener = listen::bind(&address).await?;
    let name = format!("node {}", settings.id);
    let opened = souk_vendor_node::open(settings).await.map_err(|error| Failure::Failed(error.into()))?;
    listen::announce(&name, &listener)?;
    let stopped = souk_vendor_node::run(opened, listener, listen::shutdown(signals, stop_with_stdin)).await;
    stopped.map_err(|error| Failure::Failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(toml: &str) -> RawNode {
        toml::from_str(toml).unwrap()
    }

    #[test]
    fn what_is_typed_wins_over_the_file() {
        let merged = raw("id = 'flag'\nthreads = 2").over(raw("id = 'file'\ndata = '/file'"));
        assert_eq!(merged, raw("id = 'flag'\nthreads = 2\ndata = '/file'"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = toml::from_str::<RawNode>("id = 'n1'\nthread = 2").unwrap_err().to_string();
        assert!(error.contains("unknown field `thread`"), "{error}");
        assert!(error.contains("threads"), "{error}");
    }

    #[test]
    fn what_has_no_default_must_be_said() {
        let check = |toml| raw(toml).checked().unwrap_err().text().unwrap();
        assert!(check("data = 'd'").contains("--id"));
        assert!(check("id = 'n1'").contains("--data"));
        assert!(check("id = 'n1'\ndata = 'd'\nthreads = 0").contains("threads"));
    }

    #[test]
    fn defaults_fill_the_rest() {
        let (listen, settings) = raw("id = 'n1'\ndata = 'd'").checked().unwrap();
        assert_eq!(listen, "127.0.0.1:7071");
        assert!(settings.threads >= 1);
        assert_eq!(settings.open_shards_max, None);
    }
}
