//! A cluster in this process, with the marketplace's services.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use souk_coordinator::{Database, Limits, PlacementPolicy, Statement};
use souk_marketplace::{Market, Money, Payment, PaymentError, Settings, TestPayment};
use souk_merge::Value;
use souk_proto::{
    Reason,
    v1::{self, catalog_service_client::CatalogServiceClient, order_service_client::OrderServiceClient},
};
use tempfile::TempDir;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
};
use tonic::{Status, transport::Channel};

use crate::node::{listen, start_node, stop_of};

/// The test provider, which for the token `gate` takes its time: until it is let through.
pub(crate) struct Gate {
    provider: Arc<TestPayment>,
    open: Semaphore,
    asked: mpsc::UnboundedSender<String>,
}

#[async_trait::async_trait]
impl Payment for Gate {
    async fn authorize(&self, key: &str, token: &str, amount: &Money) -> Result<(), PaymentError> {
        if token != "gate" {
            return self.provider.authorize(key, token, amount).await;
        }
        self.asked.send(key.to_owned()).expect("the test listens");
        self.open.acquire().await.expect("a gate").forget();
        self.provider.authorize(key, "ok", amount).await
    }

    async fn capture(&self, key: &str) -> Result<(), PaymentError> {
        self.provider.capture(key).await
    }

    async fn void(&self, key: &str) -> Result<(), PaymentError> {
        self.provider.void(key).await
    }

    async fn refund(&self, key: &str, refund: &str, amount: &Money) -> Result<(), PaymentError> {
        self.provider.refund(key, refund, amount).await
    }
}

impl Gate {
    /// Lets one through.
    pub(crate) fn let_through(&self) {
        self.open.add_permits(1);
    }
}

pub(crate) struct Cluster {
    pub(crate) database: Database,
    pub(crate) payment: Arc<TestPayment>,
    pub(crate) gate: Arc<Gate>,
    /// The orders that wait at the gate, as they come.
    pub(crate) at_gate: mpsc::UnboundedReceiver<String>,
    pub(crate) address: String,
    channel: Channel,
    /// Of a second marketplace over the same shards, with nothing in common but those and the provider.
    second: Channel,
    stop: watch::Sender<bool>,
    stop_nodes: Vec<watch::Sender<bool>>,
    tasks: Vec<JoinHandle<()>>,
    folder: TempDir,
}

async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

async fn until(stopped: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = stop_of(stopped) => {}
    }
}

impl Cluster {
    pub(crate) async fn start(settings: Settings) -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        let (stop, stopped) = watch::channel(false);
        let (mut nodes, mut tasks, mut stop_nodes) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..2 {
            let (stop_one, one_stopped) = watch::channel(false);
            let shutdown = either(stop_of(stopped.clone()), stop_of(one_stopped));
            let (address, task) =
                start_node(format!("n{index}"), folder.path(), souk_vendor_node::KEPT_BYTES_MAX, shutdown).await;
            nodes.push(address);
            tasks.push(task);
            stop_nodes.push(stop_one);
        }
        let data = folder.path().join("coordinator");
        let coordinator =
            souk_coordinator::Settings { data, nodes, placement: PlacementPolicy::Own, limits: Limits::default() };
        let opened = souk_coordinator::open(coordinator).expect("a coordinator");
        let (database, payment) = (opened.database(), Arc::new(TestPayment::default()));
        let (asked, at_gate) = mpsc::unbounded_channel();
        let gate = Arc::new(Gate { provider: Arc::clone(&payment), open: Semaphore::new(0), asked });
        let market = Market::new(database.clone(), Arc::<Gate>::clone(&gate), settings.clone());
        let second = Market::new(database.clone(), Arc::<Gate>::clone(&gate), settings);
        let (listener, second_address) = listen().await;
        let (routes, shutdown) = (second.routes(), stop_of(stopped.clone()));
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        tasks.push(tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_routes(routes);
            server.serve_with_incoming_shutdown(incoming, shutdown).await.expect("a second marketplace");
        }));
        tasks.push(tokio::spawn(until(stopped.clone(), second.run())));
        let (listener, address) = listen().await;
        let shutdown = stop_of(stopped.clone());
        let routes = market.routes();
        let run =
            async move { souk_coordinator::run(opened, routes, listener, shutdown).await.expect("a coordinator") };
        tasks.insert(0, tokio::spawn(run));
        tasks.push(tokio::spawn(until(stopped, market.run())));
        let channel =
            |address: &str| Channel::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
        let (channel, second) = (channel(&address), channel(&second_address));
        Cluster { database, payment, gate, at_gate, address, channel, second, stop, stop_nodes, tasks, folder }
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            task.await.expect("it stops");
        }
        drop(self.folder);
    }

    /// Has one of the two nodes stop.
    pub(crate) fn stop_node(&self, index: usize) {
        self.stop_nodes[index].send(true).expect("it runs");
    }

    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(crate) fn catalog(&self) -> CatalogServiceClient<Channel> {
        CatalogServiceClient::new(self.channel.clone())
    }

    pub(crate) fn orders(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.channel.clone())
    }

    /// Vendors, each with products of these skus.
    pub(crate) async fn open_shops(&self, vendors: &[&str], skus: &[&str], price: i64, stock: i64) {
        for vendor in vendors {
            let request = v1::CreateVendorRequest {
                vendor_id: (*vendor).into(),
                name: format!("Shop {vendor}"),
                ..Default::default()
            };
            self.catalog().create_vendor(request).await.expect("a vendor");
            for sku in skus {
                let request = v1::PutProductRequest {
                    vendor_id: (*vendor).into(),
                    sku: (*sku).into(),
                    name: format!("Lamp {sku}"),
                    category: "lighting".into(),
                    price,
                    stock,
                    low_stock: 2,
                    ..Default::default()
                };
                self.catalog().put_product(request).await.expect("a product");
            }
        }
    }

    pub(crate) async fn place(&self, request: v1::PlaceOrderRequest) -> Result<v1::PlaceOrderResponse, Status> {
        self.orders().place_order(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn product(&self, vendor: &str, sku: &str) -> v1::Product {
        let request = v1::GetProductRequest { vendor_id: vendor.into(), sku: sku.into() };
        self.catalog().get_product(request).await.expect("a product").into_inner().product.expect("a product")
    }

    /// Places an order at the second marketplace.
    pub(crate) async fn place_there(&self, request: v1::PlaceOrderRequest) -> Result<v1::PlaceOrderResponse, Status> {
        OrderServiceClient::new(self.second.clone()).place_order(request).await.map(tonic::Response::into_inner)
    }

    /// How many shards there are.
    pub(crate) async fn shards(&self) -> u64 {
        let status = v1::cluster_service_client::ClusterServiceClient::new(self.channel());
        status.clone().get_status(v1::GetStatusRequest {}).await.expect("a status").into_inner().shards.into()
    }

    /// The one integer that a SELECT gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        match self.database.query(Statement::new(sql, [])).await.expect(sql).as_slice() {
            [row] => match row.as_slice() {
                [Value::Integer(number)] => *number,
                other => panic!("{sql}: {other:?}"),
            },
            other => panic!("{sql}: {other:?}"),
        }
    }

    /// Kinds of events with how many there are.
    pub(crate) async fn events(&self) -> HashMap<String, i64> {
        let rows = self.database.query(Statement::new("SELECT kind, count(*) FROM events GROUP BY kind", [])).await;
        let event = |row: Vec<Value>| match row.as_slice() {
            [Value::Text(kind), Value::Integer(count)] => (String::from_utf8_lossy(kind).into_owned(), *count),
            other => panic!("{other:?}"),
        };
        rows.expect("events").into_iter().map(event).collect()
    }
}

/// An order of a customer, paid with a token.
pub(crate) fn order(key: &str, token: &str, lines: &[(&str, &str, i64)]) -> v1::PlaceOrderRequest {
    let line = |(vendor, sku, quantity): &(&str, &str, i64)| v1::OrderLine {
        vendor_id: (*vendor).into(),
        sku: (*sku).into(),
        quantity: *quantity,
        price: None,
    };
    v1::PlaceOrderRequest {
        idempotency_key: key.into(),
        customer: "ada".into(),
        lines: lines.iter().map(line).collect(),
        payment_token: token.into(),
        ..Default::default()
    }
}

pub(crate) fn reason(status: &Status) -> Reason {
    Reason::of(status).unwrap_or_else(|| panic!("no reason: {status:?}"))
}

pub(crate) fn quick() -> Settings {
    Settings {
        order_deadline: Duration::from_secs(20),
        sweep_every: Duration::from_millis(100),
        ..Settings::of_zone("UTC").expect("a zone")
    }
}
