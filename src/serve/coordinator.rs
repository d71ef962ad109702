//! `souk coordinator`.

use std::{path::PathBuf, sync::Arc};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use souk_coordinator::{PlacementPolicy, Settings};
use souk_marketplace::{BadSchedule, Market, Schedule, TestPayment};

use super::{address, file, limits::RawLimits, listen, shop};
use crate::{failure::Failure, stop::StopSignals};

/// Shards on the ring when nothing is said.
const RING_SHARDS_DEFAULT: u32 = 64;

/// Answers SQL over the nodes.
///
/// Each setting is taken from its flag, else from its environment variable, else from the configuration file, else from its default.
#[derive(Debug, Args)]
pub(crate) struct CoordinatorArguments {
    #[command(flatten)]
    raw: RawCoordinator,
    /// A TOML file with the same settings: `listen`, `data`, `nodes`, `placement`, `ring_shards`, and a table `[limits]`
    #[arg(long, env = "SOUK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serve the example shop as well, a page for browsers: for the demonstration
    #[arg(long, hide = true)]
    shop: bool,
    /// Stop when stdin ends: for a parent process
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

/// The configuration as typed.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCoordinator {
    /// Where to listen; port 0 lets the system pick one [default: 127.0.0.1:7070]
    #[arg(long, env = "SOUK_LISTEN", value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The folder that holds catalog and topology; made when it is missing
    #[arg(long, env = "SOUK_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// A node of the cluster; once for each, or several with commas between
    #[arg(long = "node", env = "SOUK_NODES", value_name = "ID=HOST:PORT", value_delimiter = ',')]
    nodes: Option<Vec<String>>,
    /// Where a key goes that has no shard yet: to a shard of its own, or to one of the ring's [default: own]
    #[arg(long, env = "SOUK_PLACEMENT", value_enum)]
    placement: Option<RawPlacement>,
    /// When the marketplace says of which products there is little: `every day at HH:MM` or a cron expression [default: every day at 06:00]
    #[arg(long, env = "SOUK_LOW_STOCK_CHECK", value_name = "TIMES")]
    low_stock_check: Option<String>,
    /// The zone of the marketplace's daily times, such as Europe/Berlin [default: UTC]
    #[arg(long, env = "SOUK_TIME_ZONE", value_name = "ZONE")]
    time_zone: Option<String>,
    /// Shards on the ring, with `--placement ring` [default: 64]
    #[arg(long, env = "SOUK_RING_SHARDS", value_name = "N")]
    ring_shards: Option<u32>,
    #[command(flatten)]
    #[serde(default)]
    limits: RawLimits,
}

/// The placement as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawPlacement {
    /// A shard for each vendor
    Own,
    /// A fixed number of shards that vendors share
    Ring,
}

impl RawCoordinator {
    /// These settings, and for what is left open those of `below`.
    fn over(self, below: RawCoordinator) -> RawCoordinator {
        RawCoordinator {
            listen: self.listen.or(below.listen),
            data: self.data.or(below.data),
            nodes: self.nodes.or(below.nodes),
            placement: self.placement.or(below.placement),
            low_stock_check: self.low_stock_check.or(below.low_stock_check),
            time_zone: self.time_zone.or(below.time_zone),
            ring_shards: self.ring_shards.or(below.ring_shards),
            limits: self.limits.over(below.limits),
        }
    }

    /// The configuration as meant: where to listen, the coordinator's settings, and the marketplace's.
    fn checked(self) -> Result<(String, Settings, souk_marketplace::Settings), Failure> {
        let zone = self.time_zone.as_deref().unwrap_or("UTC");
        let usage = |error: BadSchedule| Failure::Usage(error.to_string());
        let mut market = souk_marketplace::Settings::of_zone(zone).map_err(usage)?;
        if let Some(times) = &self.low_stock_check {
            market.low_stock_check = Schedule::read(times, zone).map_err(usage)?;
        }
        let data =
            self.data.ok_or_else(|| Failure::Usage("the coordinator has no folder: say --data DIR".to_owned()))?;
        let listen = address::checked_address(self.listen.as_deref().unwrap_or("127.0.0.1:7070"))?;
        let nodes = address::checked_nodes(&self.nodes.unwrap_or_default())?;
        let placement = placement(self.placement.unwrap_or(RawPlacement::Own), self.ring_shards)?;
        Ok((listen, Settings { data, nodes, placement, limits: self.limits.checked()? }, market))
    }
}

fn placement(raw: RawPlacement, ring_shards: Option<u32>) -> Result<PlacementPolicy, Failure> {
    match (raw, ring_shards) {
        (RawPlacement::Own, None) => Ok(PlacementPolicy::Own),
        (RawPlacement::Own, Some(_)) => {
            Err(Failure::Usage("`ring_shards` needs `placement` to be `ring`: say --placement ring".to_owned()))
        }
        (RawPlacement::Ring, Some(0)) => Err(Failure::Usage("`ring_shards` is 0: say at least 1".to_owned())),
        (RawPlacement::Ring, shards) => Ok(PlacementPolicy::Ring { shards: shards.unwrap_or(RING_SHARDS_DEFAULT) }),
    }
}

/// Serves a coordinator until a signal.
pub(crate) async fn run(arguments: CoordinatorArguments) -> Result<(), Failure> {
    let CoordinatorArguments { raw, config, shop, stop_with_stdin } = arguments;
    let (address, settings, market) = raw.over(file::read(config.as_deref())?).checked()?;
    listen::log();
    let signals = StopSignals::catch()?;
    let listener = listen::bind(&address).await?;
    let payments = settings.data.join("test-payments.jsonl");
    let opened = souk_coordinator::open(settings).map_err(|error| Failure::Failed(error.into()))?;
    // There is no other provider yet.
    let payment = TestPayment::open(&payments);
    let payment = payment.map_err(|error| Failure::failed(format!("{}: {error}", payments.display())))?;
    let market = Market::new(opened.database(), Arc::new(payment), market);
    listen::announce("coordinator", &listener)?;
    let behind = tokio::spawn(market.clone().run());
    let shutdown = listen::shutdown(signals, stop_with_stdin);
    let services = if shop { shop::beside(market.routes()) } else { market.routes() };
    let stopped = souk_coordinator::run(opened, services, listener, shutdown).await;
    behind.abort();
    stopped.map_err(|error| Failure::Failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(toml: &str) -> RawCoordinator {
        toml::from_str(toml).unwrap()
    }

    const LEAST: &str = "data = 'd'\nnodes = ['n1=127.0.0.1:7071']\n";

    #[test]
    fn what_is_typed_wins_over_the_file_limit_by_limit() {
        let typed = raw("placement = 'ring'\n[limits]\nqueries_max = 7");
        let file = raw("placement = 'own'\n[limits]\nqueries_max = 8\nresult_rows_max = 9");
        let merged = typed.over(file);
        assert_eq!(merged, raw("placement = 'ring'\n[limits]\nqueries_max = 7\nresult_rows_max = 9"));
    }

    #[test]
    fn an_unknown_key_is_refused_at_every_level() {
        for toml in ["node = []", "[limits]\nquery_max = 1", "config = 'x'", "placement = 'everywhere'"] {
            let error = toml::from_str::<RawCoordinator>(toml).unwrap_err().to_string();
            assert!(error.contains("unknown"), "{toml}: {error}");
        }
    }

    #[test]
    fn shards_of_the_ring_need_the_ring() {
        let check = |more: &str| raw(&format!("{LEAST}{more}")).checked().map(|(_, settings, _)| settings.placement);
        assert_eq!(check("").unwrap(), PlacementPolicy::Own);
        assert_eq!(check("placement = 'ring'").unwrap(), PlacementPolicy::Ring { shards: 64 });
        assert_eq!(check("placement = 'ring'\nring_shards = 3").unwrap(), PlacementPolicy::Ring { shards: 3 });
        assert!(check("ring_shards = 3").unwrap_err().text().unwrap().contains("--placement ring"));
        assert!(check("placement = 'ring'\nring_shards = 0").is_err());
    }
}
