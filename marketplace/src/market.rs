//! The marketplace: what all calls share, its services, and what runs behind them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use souk_coordinator::Database;
use tonic::service::Routes;

use crate::cart::Carts;
use crate::error;
use crate::events::Hub;
use crate::order::{Purchase, sweep};
use crate::payment::Payment;
use crate::schedule::{BadSchedule, Schedule, keep};
use crate::{http, rpc};

/// How the marketplace is set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an order may take until it is decided; then it is refused.
    pub order_deadline: Duration,
    /// How long a cart is kept that nobody uses.
    pub cart_kept_for: Duration,
    /// How often is looked for orders that nobody drives any more.
    pub sweep_every: Duration,
    /// When is told of which products there is little.
    pub low_stock_check: Schedule,
    /// When is looked for orders that hold pieces back for longer than they may.
    pub expiry: Schedule,
    /// How long events are kept, and when is looked for older ones.
    pub events_kept_for: Duration,
    /// See `events_kept_for`.
    pub forgetting: Schedule,
}

impl Settings {
    /// The settings that are usual, with times in a zone of the IANA database.
    ///
    /// # Errors
    ///
    /// [`BadSchedule`]: there is no such zone.
    pub fn of_zone(zone: &str) -> Result<Settings, BadSchedule> {
        Ok(Settings {
            order_deadline: Duration::from_secs(30),
            cart_kept_for: Duration::from_secs(24 * 3600),
            sweep_every: Duration::from_secs(1),
            low_stock_check: Schedule::read("every day at 06:00", zone)?,
            expiry: Schedule::read("every minute", zone)?,
            events_kept_for: Duration::from_secs(30 * 24 * 3600),
            forgetting: Schedule::read("every day at 03:00", zone)?,
        })
    }
}

/// An order that is being driven, for all who wait for it.
pub(crate) type Driven = Shared<BoxFuture<'static, error::Result<Purchase>>>;

/// A marketplace over a cluster. Cheap to clone.
#[derive(Clone)]
pub struct Market {
    pub(crate) database: Database,
    pub(crate) payment: Arc<dyn Payment>,
    /// Shared: schedules are large, and the market is cloned for each call.
    pub(crate) settings: Arc<Settings>,
    /// Orders that are driven here, by number: one at a time.
    pub(crate) driven: Arc<Mutex<HashMap<String, Driven>>>,
    pub(crate) hub: Hub,
    pub(crate) carts: Carts,
    /// Held while tables are made.
    pub(crate) making: Arc<tokio::sync::Mutex<()>>,
}

impl Market {
    /// A marketplace; nothing is asked yet.
    pub fn new(database: Database, payment: Arc<dyn Payment>, settings: Settings) -> Market {
        let hub = Hub::new(database.clone());
        Market {
            database,
            payment,
            settings: Arc::new(settings),
            driven: Arc::default(),
            hub,
            carts: Carts::default(),
            making: Arc::default(),
        }
    }

    /// Its services: gRPC, and the same as HTTP/JSON.
    pub fn routes(&self) -> Routes {
        Routes::from(rpc::routes(self).into_axum_router().merge(http::router(self)))
    }

    /// Goes on with what was left half way, for ever: to be run beside the services.
    pub async fn run(self) {
        futures::join!(sweep(&self), keep(&self));
    }
}
