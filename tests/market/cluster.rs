//! A cluster in this process, with the marketplace's services.

use std::{
    collections::HashMap,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use souk_coordinator::{Database, Limits, NodeAddress, PlacementPolicy, Statement};
use souk_marketplace::{Market, Money, Payment, PaymentError, Settings, TestPayment};
use souk_merge::Value;
use souk_proto::{
    Reason,
    v1::{self, catalog_service_client::CatalogServiceClient, order_service_client::OrderServiceClient},
};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
};
use tonic::{Status, transport::Channel};

use crate::node::{listen, serve_node, start_node, stop_of};

struct Node {
    address: NodeAddress,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The test provider, which takes its time for tokens with `gate ` before them: until it is let through.
pub(crate) struct Gate {
    provider: Arc<TestPayment>,
    open: Semaphore,
    asked: mpsc::UnboundedSender<String>,
}

#[async_trait::async_trait]
impl Payment for Gate {
    async fn authorize(&self, key: &str, token: &str, amount: &Money) -> Result<(), PaymentError> {
        let Some(token) = token.strip_prefix("gate ") else {
            return self.provider.authorize(key, token, amount).await;
        };
        self.asked.send(key.to_owned()).expect("the test listens");
        self.open.acquire().await.expect("a gate").forget();
        self.provider.authorize(key, token, amount).await
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
    nodes: Vec<Node>,
    tasks: Vec<JoinHandle<()>>,
    folder: TempDir,
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
        let (mut nodes, mut tasks) = (Vec::new(), Vec::new());
        for index in 0..2 {
            let (stop, stopped) = watch::channel(false);
            let kept = souk_vendor_node::KEPT_BYTES_MAX;
            let (address, task) = start_node(format!("n{index}"), folder.path(), kept, stop_of(stopped)).await;
            nodes.push(Node { address, stop, task });
        }
        let addresses = nodes.iter().map(|node| node.address.clone()).collect();
        let data = folder.path().join("coordinator");
        let coordinator = souk_coordinator::Settings {
            data,
            nodes: addresses,
            placement: PlacementPolicy::Own,
            limits: Limits::default(),
        };
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
        Cluster { database, payment, gate, at_gate, address, channel, second, stop, nodes, tasks, folder }
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            task.await.expect("it stops");
        }
        for node in self.nodes {
            let _ = node.stop.send(true);
            node.task.await.expect("it stops");
        }
        drop(self.folder);
    }

    /// Has one of the two nodes stop.
    pub(crate) fn stop_node(&self, index: usize) {
        self.nodes[index].stop.send(true).expect("it runs");
    }

    /// The node that has a row of a table; read in the files, which are not changed.
    pub(crate) fn node_with(&self, table: &str, condition: &str) -> usize {
        let sql = format!("SELECT count(*) FROM {table} WHERE {condition}");
        let has = |file: &Path| {
            let file = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("a shard");
            file.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a count") > 0
        };
        let has = |node: &Node| shard_files(&self.folder.path().join(&node.address.id)).iter().any(|file| has(file));
        self.nodes.iter().position(has).expect("some node has it")
    }

    /// Has a node that is told to stop end, and starts it again where it was.
    pub(crate) async fn start_node_again(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        (&mut node.task).await.expect("it stops");
        let listener = TcpListener::bind(&node.address.address).await.expect("where it was");
        let (stop, stopped) = watch::channel(false);
        let kept = souk_vendor_node::KEPT_BYTES_MAX;
        node.task = serve_node(&node.address, self.folder.path(), kept, listener, stop_of(stopped)).await;
        node.stop = stop;
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

/// The files of a node's shards.
fn shard_files(node: &Path) -> Vec<PathBuf> {
    let folders =
        std::fs::read_dir(node.join("shards")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
    let files = files.map(|entry| entry.expect("an entry").path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "db")).collect()
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
