//! The coordinator. Placeholder signatures.
#![allow(dead_code)]

mod settings;

mod sql;

mod catalog;

mod analyze;

mod plan;

pub use settings::{Limits, NodeAddress, PlacementPolicy, Settings};

use std::future::Future;

use tokio::net::TcpListener;

/// Why a coordinator does not start or stops.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// Serves a coordinator on `listener` until `shutdown` resolves.
pub async fn run(
    listener: TcpListener,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), StartError> {
    let _ = (listener, settings);
    shutdown.await;
    Ok(())
}
