//! The example services `delivery` and `notifier` as processes: what they are told, over their own deaths and those of the marketplace.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use souk_proto::v1::{self, event_service_client::EventServiceClient, order_service_client::OrderServiceClient};
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use crate::{
    cluster::Cluster,
    orders::{open_shops, vendor},
};

/// How long is waited for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An example's program. Cargo builds them beside the tests whenever it builds all tests.
fn program(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).expect("tests are in a folder of the build's");
    let program = folder.join("examples").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    let sources = [format!("{name}.rs"), "subscriber/mod.rs".to_owned()];
    let sources = sources.map(|file| Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(file));
    let is_new = changed(&program).is_ok_and(|built| sources.iter().all(|source| changed(source).unwrap() <= built));
    assert!(is_new, "{} is missing or older than its source: cargo build --examples", program.display());
    program
}

/// One of the services, and what it prints.
struct Listener {
    name: &'static str,
    cursor: PathBuf,
    running: Option<(Child, Receiver<String>)>,
}

impl Listener {
    fn new(name: &'static str, folder: &TempDir) -> Listener {
        Listener { name, cursor: folder.path().join(format!("{name}.cursor")), running: None }
    }

    fn start(&mut self, address: &str) {
        let mut command = Command::new(program(self.name));
        command.arg(format!("http://{address}")).arg(&self.cursor);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        self.running = Some((child, lines));
    }

    /// The next so many lines, sorted.
    fn lines(&self, count: usize) -> Vec<String> {
        let (_, lines) = self.running.as_ref().expect("it runs");
        let next = |_| lines.recv_timeout(PATIENCE);
        let mut told: Vec<String> = (0..count).map(next).collect::<Result<_, _>>().unwrap_or_else(|_| {
            panic!("{} says no more", self.name);
        });
        told.sort();
        told
    }

    fn cursor(&self) -> String {
        fs::read_to_string(&self.cursor).unwrap_or_default()
    }

    /// SIGKILL; what it had printed and nobody has read.
    fn kill(&mut self) -> Vec<String> {
        let (mut child, lines) = self.running.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
        lines.iter().collect()
    }

    /// Waits until it ends by itself, without a line: what it said to stderr.
    fn ended(&mut self) -> String {
        let (_, lines) = self.running.as_ref().expect("it runs");
        assert_eq!(lines.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "{} goes on", self.name);
        let (mut child, _) = self.running.take().expect("it runs");
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
        said
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.kill();
        }
    }
}

/// The services, and the marketplace that they listen to.
struct Scene {
    cluster: Cluster,
    channel: Channel,
    delivery: Listener,
    notifier: Listener,
    _folder: TempDir,
}

impl Scene {
    /// Two shops, and both services listening.
    async fn start() -> Scene {
        let cluster = Cluster::start(2);
        let channel = Endpoint::from_shared(format!("http://{}", cluster.coordinator.address)).unwrap().connect_lazy();
        open_shops(&channel, 2, 1).await;
        let folder = tempfile::tempdir().unwrap();
        let (delivery, notifier) = (Listener::new("delivery", &folder), Listener::new("notifier", &folder));
        let mut scene = Scene { cluster, channel, delivery, notifier, _folder: folder };
        scene.start_listeners();
        // From when there is a cursor on nothing is missed.
        scene.wait("both listen", |scene| scene.cursors().iter().all(|cursor| !cursor.is_empty())).await;
        scene
    }

    fn start_listeners(&mut self) {
        for listener in [&mut self.delivery, &mut self.notifier] {
            listener.start(&self.cluster.coordinator.address);
        }
    }

    fn kill_listeners(&mut self) {
        for listener in [&mut self.delivery, &mut self.notifier] {
            assert_eq!(listener.kill(), [""; 0], "{} was told more", listener.name);
        }
    }

    fn cursors(&self) -> [String; 2] {
        [self.delivery.cursor(), self.notifier.cursor()]
    }

    async fn wait(&self, what: &str, is_so: impl Fn(&Scene) -> bool) {
        let waiting = async {
            while !is_so(self) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("it did not come to it that {what}"));
    }

    /// Waits until both have written down that they have read everything.
    async fn settle(&self) {
        let request = v1::SubscribeRequest::default();
        let mut fresh = EventServiceClient::new(self.channel.clone()).subscribe(request).await.unwrap().into_inner();
        let now = fresh.message().await.unwrap().expect("a cursor").cursor;
        self.wait("their cursors are those of now", |scene| scene.cursors().iter().all(|cursor| *cursor == now)).await;
    }

    /// Places an order of so many pieces at each vendor; its number.
    async fn order(&self, customer: &str, key: &str, quantities: &[i64]) -> String {
        let line = |(number, quantity): (u64, &i64)| v1::OrderLine {
            vendor_id: vendor(number),
            sku: "p0".to_owned(),
            quantity: *quantity,
            price: None,
        };
        let request = v1::PlaceOrderRequest {
            idempotency_key: key.to_owned(),
            customer: customer.to_owned(),
            lines: (0..).zip(quantities).map(line).collect(),
            payment_token: "ok".to_owned(),
            ..Default::default()
        };
        let placed = OrderServiceClient::new(self.channel.clone()).place_order(request).await.unwrap();
        let order = placed.into_inner().order.unwrap();
        assert_eq!(order.state, "placed", "{order:?}");
        order.order_id
    }

    /// The number of an order that was placed before.
    async fn order_of(&self, customer: &str, key: &str) -> String {
        let request = v1::GetOrderRequest {
            idempotency_key: key.to_owned(),
            customer: customer.to_owned(),
            ..Default::default()
        };
        OrderServiceClient::new(self.channel.clone()).get_order(request).await.unwrap().into_inner().order_id
    }

    async fn ship(&self, order: &str, number: u64) {
        let request = v1::ChangeOrderRequest { order_id: order.to_owned(), vendor_id: vendor(number) };
        OrderServiceClient::new(self.channel.clone()).ship_order(request).await.unwrap();
    }

    async fn cancel(&self, order: &str, number: u64) {
        let request = v1::ChangeOrderRequest { order_id: order.to_owned(), vendor_id: vendor(number) };
        OrderServiceClient::new(self.channel.clone()).cancel_order(request).await.unwrap();
    }

    /// Holds that each service is told exactly this, and then of an order at both vendors that is placed now: a vendor's events come in order, so nothing
    /// else was told.
    async fn check_told(&self, key: &str, delivery: &[String], notifier: &[String]) {
        assert_eq!(self.delivery.lines(delivery.len()), sorted(delivery));
        assert_eq!(self.notifier.lines(notifier.len()), sorted(notifier));
        let order = self.order("eve", key, &[1, 1]).await;
        assert_eq!(self.delivery.lines(2), [0, 1].map(|number| fetch(1, number, "eve", &order)));
        assert_eq!(self.notifier.lines(2), [0, 1].map(|number| become_of("eve", number, "placed")));
    }
}

fn sorted(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.sort();
    lines
}

/// What `delivery` says of an order.
fn fetch(pieces: i64, number: u64, customer: &str, order: &str) -> String {
    format!("fetch {pieces} pieces from {} for {customer} (order {order})", vendor(number))
}

/// What `notifier` says of a part.
fn become_of(customer: &str, number: u64, state: &str) -> String {
    format!("to {customer}: your order from {} is {state}", vendor(number))
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_told_what_happened_while_they_were_dead() {
    let mut scene = Scene::start().await;
    let first = scene.order("ada", "first", &[2, 1]).await;
    let placed = [0, 1].map(|number| become_of("ada", number, "placed"));
    scene.check_told("1", &[fetch(2, 0, "ada", &first), fetch(1, 1, "ada", &first)], &placed).await;
    scene.settle().await;
    let before = scene.cursors();

    // What happens while nobody listens is told to who comes back, and nothing else is.
    scene.kill_listeners();
    scene.ship(&first, 0).await;
    scene.cancel(&first, 1).await;
    let second = scene.order("bob", "second", &[19]).await;
    let leave = format!("leave what {} has for ada (order {first})", vendor(1));
    let delivery = [leave, fetch(19, 0, "bob", &second)];
    let little = format!("to {}: there is little left: {{\"sku\":\"p0\",\"stock\":3,\"low_stock\":3}}", vendor(0));
    let notifier =
        [become_of("ada", 0, "shipped"), become_of("ada", 1, "cancelled"), become_of("bob", 0, "placed"), little];
    scene.start_listeners();
    scene.check_told("2", &delivery, &notifier).await;
    scene.settle().await;

    // Who dies before the cursor is written is told again, and misses nothing.
    scene.kill_listeners();
    for (listener, cursor) in [&scene.delivery, &scene.notifier].into_iter().zip(&before) {
        fs::write(&listener.cursor, cursor).unwrap();
    }
    scene.start_listeners();
    let eve = &scene.order_of("eve", "2").await;
    let again = [&delivery[..], &[fetch(1, 0, "eve", eve), fetch(1, 1, "eve", eve)]].concat();
    let said = [&notifier[..], &[become_of("eve", 0, "placed"), become_of("eve", 1, "placed")]].concat();
    scene.check_told("3", &again, &said).await;

    // The marketplace dies: they wait for it, and go on where they were.
    scene.settle().await;
    scene.cluster.coordinator.kill();
    scene.cluster.nodes.iter_mut().for_each(|node| node.kill());
    (0..2).for_each(|index| scene.cluster.restart_node(index));
    scene.cluster.restart_coordinator();
    scene.ship(eve, 1).await;
    scene.check_told("4", &[], &[become_of("eve", 1, "shipped")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_end_when_what_they_missed_is_forgotten() {
    let mut scene = Scene::start().await;
    scene.order("ada", "first", &[1, 1]).await;
    scene.delivery.lines(2);
    scene.notifier.lines(2);
    scene.settle().await;
    scene.kill_listeners();
    let before = scene.cursors();
    scene.order("ada", "second", &[1, 1]).await;
    scene.order("ada", "third", &[1, 1]).await;
    let deleted = scene.cluster.client.execute("DELETE FROM events WHERE kind = 'order.placed' AND seq = 3").await;
    assert_eq!(deleted.unwrap().rows_affected, 2);
    scene.start_listeners();
    for listener in [&mut scene.delivery, &mut scene.notifier] {
        let said = listener.ended();
        assert!(said.contains("do not meet any more"), "{said}");
    }
    assert_eq!(scene.cursors(), before, "somebody has to look: it is not as if nothing had been missed");
}
