//! Buyers order what is scarce through two coordinators, while these and the nodes are killed: every order is whole, or is not; nobody is charged without an order or the other way round;
//! the stock adds up; and everything is told, once it is counted by its id.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value as Json;
use souk_proto::v1::{
    self, catalog_service_client::CatalogServiceClient, event_service_client::EventServiceClient,
    order_service_client::OrderServiceClient,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tonic::transport::{Channel, Endpoint};

use crate::{client::integers, cluster::Cluster, transactions::Chance};

const VENDORS: u64 = 50;
const PRODUCTS: u64 = 4;
/// Of each product, for 2,000 orders; scarce, for so many and for more.
const STOCK: i64 = 25;
const BUYERS: usize = 200;

/// How long a buyer waits for one answer, and how often the same is asked.
const PATIENCE: Duration = Duration::from_secs(20);
const TRIES_MAX: usize = 200;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// How long orders may take to be done when nothing is killed any more.
const SETTLE_MAX: Duration = Duration::from_secs(90);

/// Orders in all: `SOUK_ORDERS`, else 2,000.
fn orders() -> usize {
    std::env::var("SOUK_ORDERS").ok().map_or(2000, |orders| orders.parse().expect("SOUK_ORDERS is a number"))
}

/// Pieces of each product.
fn stock() -> i64 {
    STOCK * (orders() as i64 / 2000).max(1)
}

pub(crate) fn vendor(number: u64) -> String {
    format!("v{number:02}")
}

/// Vendors with products `p0`, `p1` and so on, [`stock`] pieces of each; three or fewer are little.
pub(crate) async fn open_shops(channel: &Channel, vendors: u64, products: u64) {
    let mut catalog = CatalogServiceClient::new(channel.clone());
    for vendor_id in (0..vendors).map(vendor) {
        let request =
            v1::CreateVendorRequest { vendor_id: vendor_id.clone(), name: "Shop".into(), ..Default::default() };
        catalog.create_vendor(request).await.unwrap();
        for product in 0..products {
            let request = v1::PutProductRequest {
                vendor_id: vendor_id.clone(),
                sku: format!("p{product}"),
                name: "Lamp".into(),
                category: "lighting".into(),
                price: 100 + product as i64,
                stock: stock(),
                low_stock: 3,
                ..Default::default()
            };
            catalog.put_product(request).await.unwrap();
        }
    }
}

/// What a buyer was told in the end.
#[derive(Debug)]
struct Told {
    order: v1::Order,
    lines: Vec<v1::OrderLine>,
    is_cancelled: bool,
}

/// To the coordinators.
type Channels = [Channel; 2];

struct Buyer {
    channels: Channels,
    number: usize,
    chance: Chance,
}

impl Buyer {
    fn request(&mut self, number: usize) -> v1::PlaceOrderRequest {
        let mut lines: BTreeMap<(String, String), i64> = BTreeMap::new();
        for _ in 0..1 + self.chance.below(3) {
            let key = (vendor(self.chance.below(VENDORS)), format!("p{}", self.chance.below(PRODUCTS)));
            lines.insert(key, 1 + self.chance.below(3) as i64);
        }
        let token = match self.chance.below(20) {
            0 => "decline",
            1 => "timeout",
            2 => "lost",
            _ => "ok",
        };
        let line = |((vendor_id, sku), quantity)| v1::OrderLine { vendor_id, sku, quantity, price: None };
        v1::PlaceOrderRequest {
            idempotency_key: format!("order {number}"),
            customer: format!("buyer {}", self.number),
            lines: lines.into_iter().map(line).collect(),
            payment_token: token.into(),
            ..Default::default()
        }
    }

    /// Either coordinator.
    fn orders(&mut self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.channels[self.chance.below(2) as usize].clone())
    }

    /// Asks until it is answered with an order that is decided, whichever coordinator, now and then twice at once.
    async fn place(&mut self, request: &v1::PlaceOrderRequest) -> v1::Order {
        let mut last = String::new();
        for _ in 0..TRIES_MAX {
            let (mut one, mut other) = (self.orders(), self.orders());
            let answer = if self.chance.below(7) == 0 {
                let one = timeout(PATIENCE, one.place_order(request.clone()));
                let (one, other) = tokio::join!(one, timeout(PATIENCE, other.place_order(request.clone())));
                if matches!(one, Ok(Ok(_))) { one } else { other }
            } else {
                timeout(PATIENCE, one.place_order(request.clone())).await
            };
            match answer {
                Ok(Ok(response)) => {
                    let order = response.into_inner().order.unwrap();
                    if order.state != "pending" {
                        return order;
                    }
                }
                Ok(Err(status)) => last = format!("{status:?}"),
                Err(_) => last = "no answer".to_owned(),
            }
            sleep(TRY_AGAIN_AFTER).await;
        }
        panic!("{request:?} is not answered: {last}");
    }

    async fn cancel(&mut self, order: &v1::Order) {
        let mut last = String::new();
        for _ in 0..TRIES_MAX {
            let request = v1::ChangeOrderRequest { order_id: order.order_id.clone(), vendor_id: String::new() };
            match timeout(PATIENCE, self.orders().cancel_order(request)).await {
                Ok(Ok(_)) => return,
                Ok(Err(status)) => last = format!("{status:?}"),
                Err(_) => last = "no answer".to_owned(),
            }
            sleep(TRY_AGAIN_AFTER).await;
        }
        panic!("{} is not cancelled: {last}", order.order_id);
    }
}

async fn buy(mut buyer: Buyer, next: Arc<AtomicUsize>) -> Vec<Told> {
    let mut told = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= orders() {
            return told;
        }
        let request = buyer.request(number);
        let order = buyer.place(&request).await;
        let is_cancelled = order.state == "placed" && buyer.chance.below(10) == 0;
        if is_cancelled {
            buyer.cancel(&order).await;
        }
        told.push(Told { order, lines: request.lines, is_cancelled });
    }
}

/// Reads events over all kills, and holds that those of a vendor come without a gap.
async fn listen(channels: Channels, begun: Arc<Notify>, stop: Arc<AtomicBool>) -> BTreeMap<(String, i64), String> {
    let mut all = BTreeMap::new();
    let (mut cursor, mut quiet) = (String::new(), 0);
    // Each goes on where the other was.
    for channel in channels.iter().cycle() {
        // Nothing more comes when it was silent for a while after the end.
        if stop.load(Ordering::Relaxed) && quiet >= 3 {
            break;
        }
        let request = v1::SubscribeRequest { cursor: cursor.clone(), ..v1::SubscribeRequest::default() };
        let Ok(Ok(stream)) = timeout(PATIENCE, EventServiceClient::new(channel.clone()).subscribe(request)).await
        else {
            sleep(TRY_AGAIN_AFTER).await;
            continue;
        };
        let mut stream = stream.into_inner();
        let mut last: HashMap<String, i64> = HashMap::new();
        loop {
            let response = match timeout(Duration::from_secs(1), stream.message()).await {
                Ok(Ok(Some(response))) => response,
                Ok(Ok(None) | Err(_)) => break,
                Err(_) if stop.load(Ordering::Relaxed) => {
                    quiet += 1;
                    break;
                }
                Err(_) => continue,
            };
            if !response.cursor.is_empty() {
                cursor = response.cursor;
                begun.notify_one();
            }
            let Some(event) = response.event else { continue };
            quiet = 0;
            if let Some(last) = last.insert(event.vendor_id.clone(), event.seq) {
                assert_eq!(event.seq, last + 1, "a gap: {event:?}");
            }
            all.insert((event.vendor_id, event.seq), event.id);
        }
    }
    all
}

/// Starts a second coordinator.
fn channels(cluster: &mut Cluster) -> Channels {
    cluster.start_second();
    let second = cluster.second.as_ref().unwrap();
    [&cluster.coordinator, second]
        .map(|member| Endpoint::from_shared(format!("http://{}", member.address)).unwrap().connect_lazy())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_order_is_placed_once_whichever_coordinator_is_asked() {
    let mut cluster = Cluster::start(2);
    let channels = channels(&mut cluster);
    open_shops(&channels[0], 2, 1).await;
    for round in 0..5 {
        let line =
            |number, quantity| v1::OrderLine { vendor_id: vendor(number), sku: "p0".into(), quantity, price: None };
        let request = v1::PlaceOrderRequest {
            idempotency_key: format!("order {round}"),
            customer: "buyer".into(),
            lines: vec![line(0, 2), line(1, 1)],
            payment_token: "ok".into(),
            ..Default::default()
        };
        let place = |number: usize| {
            let (mut orders, request) = (OrderServiceClient::new(channels[number % 2].clone()), request.clone());
            async move { orders.place_order(request).await.unwrap().into_inner().order.unwrap() }
        };
        let orders = futures::future::join_all((0..10).map(place)).await;
        let ids: BTreeSet<&str> = orders.iter().map(|order| order.order_id.as_str()).collect();
        assert_eq!(ids.len(), 1, "one order: {orders:?}");
        let mut reads = channels.clone().map(OrderServiceClient::new);
        for orders_of in &mut reads {
            let request = v1::GetOrderRequest {
                order_id: orders[0].order_id.clone(),
                customer: "buyer".into(),
                ..Default::default()
            };
            let order = orders_of.get_order(request).await.unwrap().into_inner();
            assert_eq!((order.state.as_str(), order.total), ("placed", orders[0].total));
        }
    }
    settle(&cluster).await;
    let sold = texts(&cluster, "SELECT sold, stock FROM products WHERE sku = 'p0' ORDER BY vendor_id").await;
    assert_eq!(sold, [[10, stock() - 10], [5, stock() - 5]].map(|row| row.map(|number| number.to_string()).to_vec()));
    assert_eq!(charges(&cluster).len(), 5, "a charge for each order");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_leave_no_order_half_done() {
    let seed = std::env::var("SOUK_SEED").ok().map_or(20_261_128, |seed| seed.parse().expect("SOUK_SEED is a number"));
    println!("SOUK_SEED={seed} SOUK_ORDERS={}", orders());
    let mut cluster = Cluster::start(2);
    let channels = channels(&mut cluster);
    open_shops(&channels[0], VENDORS, PRODUCTS).await;
    let (begun, stop) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let listener = tokio::spawn(listen(channels.clone(), Arc::clone(&begun), Arc::clone(&stop)));
    begun.notified().await;
    let next = Arc::new(AtomicUsize::new(0));
    let buyers: Vec<_> = (0..BUYERS)
        .map(|number| {
            let chance = Chance(seed * BUYERS as u64 + number as u64 + 1);
            tokio::spawn(buy(Buyer { channels: channels.clone(), number, chance }, Arc::clone(&next)))
        })
        .collect();
    let (mut chance, mut kills) = (Chance(seed), 0);
    while next.load(Ordering::Relaxed) < orders() {
        sleep(Duration::from_millis(300 + chance.below(1200))).await;
        cluster.kill_one(&mut chance);
        kills += 1;
    }
    let mut told = Vec::new();
    for buyer in buyers {
        told.extend(buyer.await.unwrap());
    }
    println!(
        "{kills} kills, {} orders, {} placed",
        told.len(),
        told.iter().filter(|told| told.order.state == "placed").count()
    );
    settle(&cluster).await;
    stop.store(true, Ordering::Relaxed);
    let heard = listener.await.unwrap();
    check(&cluster, &told, &heard).await;
}

/// Waits until every order is done or refused, and all money that is due is back.
async fn settle(cluster: &Cluster) {
    let until = Instant::now() + SETTLE_MAX;
    let open = "SELECT (SELECT count(*) FROM purchases WHERE state NOT IN ('done', 'refused')), (SELECT count(*) FROM orders WHERE refund = 'due')";
    loop {
        match cluster.client.query(open).await {
            Ok(answer) if integers(&answer.rows[0]) == [0, 0] => return,
            other => assert!(Instant::now() < until, "orders are not done: {other:?}"),
        }
        sleep(TRY_AGAIN_AFTER).await;
    }
}

async fn number(cluster: &Cluster, sql: &str) -> i64 {
    integers(&cluster.client.query(sql).await.unwrap().rows[0])[0]
}

async fn texts(cluster: &Cluster, sql: &str) -> Vec<Vec<String>> {
    let text = |value: &souk_merge::Value| match value {
        souk_merge::Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        souk_merge::Value::Integer(integer) => integer.to_string(),
        other => panic!("{other:?}"),
    };
    let rows = cluster.client.query(sql).await.unwrap().rows;
    rows.iter().map(|row| row.iter().map(text).collect()).collect()
}

async fn check(cluster: &Cluster, told: &[Told], heard: &BTreeMap<(String, i64), String>) {
    // Stock.
    assert_eq!(
        number(cluster, &format!("SELECT count(*) FROM products WHERE stock + reserved + sold <> {}", stock())).await,
        0
    );
    assert_eq!(number(cluster, "SELECT sum(reserved) FROM products").await, 0);
    let sold = "SELECT count(*) FROM products AS p WHERE p.sold <> (SELECT coalesce(sum(i.quantity), 0) FROM order_items AS i \
                JOIN orders AS o ON o.vendor_id = i.vendor_id AND o.id = i.order_id \
                WHERE i.vendor_id = p.vendor_id AND i.product_id = p.id AND o.status = 'placed')";
    assert_eq!(number(cluster, sold).await, 0, "what is sold is what was ordered");
    // Orders: each with all its parts, and nothing else.
    let mut parts: BTreeSet<(String, String, String)> = BTreeSet::new();
    for row in texts(cluster, "SELECT id, vendor_id, status FROM orders WHERE status <> 'released'").await {
        let [id, vendor, status] = row.try_into().unwrap();
        parts.insert((id, vendor, status));
    }
    let charges = charges(cluster);
    let mut expected = BTreeSet::new();
    let mut placed = BTreeSet::new();
    for Told { order, lines, is_cancelled } in told {
        let charge = charges.get(&order.order_id);
        if order.state == "refused" {
            let is_free = charge.is_none_or(|charge| charge["captured"] == false && charge["authorized"] == false);
            assert!(is_free, "{order:?}: {charge:?}");
            continue;
        }
        assert_eq!(order.state, "placed");
        assert!(placed.insert(order.order_id.clone()), "two orders are one");
        let vendors: BTreeSet<&String> = lines.iter().map(|line| &line.vendor_id).collect();
        for vendor in &vendors {
            let status = if *is_cancelled { "cancelled" } else { "placed" };
            expected.insert((order.order_id.clone(), (*vendor).clone(), status.to_owned()));
        }
        let charge = charge.unwrap_or_else(|| panic!("{order:?} is not paid"));
        assert!(charge["captured"] == true && charge["amount"] == order.total, "{order:?}: {charge}");
        let refunds: i64 = charge["refunds"].as_object().unwrap().values().map(|amount| amount.as_i64().unwrap()).sum();
        assert_eq!(refunds, if *is_cancelled { order.total } else { 0 }, "{order:?}: {charge}");
    }
    assert_eq!(parts, expected);
    for (id, charge) in &charges {
        assert!(charge["captured"] == false || placed.contains(id), "a charge without an order: {id}: {charge}");
    }
    // Events: one of each kind for each part, numbered without a gap, all of them heard.
    let placed_events = texts(cluster, "SELECT id FROM events WHERE kind = 'order.placed'").await;
    assert_eq!(placed_events.len(), expected.len());
    let cancelled = expected.iter().filter(|(_, _, status)| status == "cancelled").count();
    assert_eq!(number(cluster, "SELECT count(*) FROM events WHERE kind = 'order.cancelled'").await, cancelled as i64);
    let gaps = "SELECT count(*) FROM (SELECT vendor_id, count(*) AS n, min(seq) AS first, max(seq) AS last FROM events GROUP BY vendor_id) \
                WHERE first <> 1 OR last <> n";
    assert_eq!(number(cluster, gaps).await, 0);
    let mut missing = Vec::new();
    for row in texts(cluster, "SELECT vendor_id, seq, id FROM events WHERE kind <> 'vendor.created'").await {
        let [vendor, seq, id] = row.try_into().unwrap();
        if heard.get(&(vendor.clone(), seq.parse().unwrap())) != Some(&id) {
            missing.push((vendor, seq, id));
        }
    }
    assert!(missing.is_empty(), "{} of {} events were not heard: {:?}", missing.len(), heard.len(), missing.first());
}

/// What the test provider did, by order.
fn charges(cluster: &Cluster) -> HashMap<String, Json> {
    let text = std::fs::read_to_string(cluster.coordinator.data.join("test-payments.jsonl")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.filter_map(|line| serde_json::from_str::<(String, Json)>(line).ok()).collect()
}
