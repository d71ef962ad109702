//! The marketplace through gRPC: as many connections as buyers, all of them one thread.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use souk_proto::v1::{
    self, cart_service_client::CartServiceClient, catalog_service_client::CatalogServiceClient,
    event_service_client::EventServiceClient, order_service_client::OrderServiceClient,
    query_service_client::QueryServiceClient,
};
use tokio::runtime::Runtime;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};

use crate::measure::{median, repeat};

/// Subscriptions of one connection.
const SUBSCRIPTIONS_A_CONNECTION: usize = 200;

/// Calls at a time where nothing is measured.
const AT_ONCE: usize = 32;

pub(crate) struct Souk {
    runtime: Runtime,
    address: String,
    channels: Vec<Channel>,
    vendors: u32,
    /// The next order's number.
    next: Cell<u64>,
    placed: Cell<u64>,
    pieces: Cell<u64>,
}

fn vendor(number: u64) -> String {
    format!("v{number:04}")
}

impl Souk {
    pub(crate) fn connect(address: &str, buyers: u32, vendors: u32) -> anyhow::Result<Souk> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        let channels = runtime.block_on(try_join_all((0..buyers).map(|_| endpoint.connect())))?;
        let [next, placed, pieces] = [(); 3].map(|()| Cell::new(0));
        Ok(Souk { runtime, address: address.to_owned(), channels, vendors, next, placed, pieces })
    }

    /// Makes vendors with one product each.
    pub(crate) fn open_shops(&self) -> anyhow::Result<()> {
        let open = |number: u32| {
            let mut catalog = CatalogServiceClient::new(self.channels[number as usize % self.channels.len()].clone());
            async move {
                let vendor_id = vendor(number.into());
                let request =
                    v1::CreateVendorRequest { vendor_id: vendor_id.clone(), name: "Shop".into(), ..Default::default() };
                catalog.create_vendor(request).await?;
                let request = v1::PutProductRequest {
                    vendor_id,
                    sku: "a".into(),
                    name: "Lamp".into(),
                    category: "lighting".into(),
                    price: 100,
                    stock: 1_000_000_000,
                    ..Default::default()
                };
                catalog.put_product(request).await?;
                anyhow::Ok(())
            }
        };
        self.runtime.block_on(async {
            // The first makes the tables.
            open(0).await?;
            stream::iter((1..self.vendors).map(open)).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
            Ok(())
        })
    }

    async fn order(&self, buyer: usize, vendors: u64) -> anyhow::Result<()> {
        let number = self.next.replace(self.next.get() + 1);
        let line = |place: u64| v1::OrderLine {
            vendor_id: vendor((number * 7 + place * 331) % u64::from(self.vendors)),
            sku: "a".into(),
            quantity: 1,
            price: Some(100),
        };
        let request = v1::PlaceOrderRequest {
            idempotency_key: number.to_string(),
            customer: format!("buyer {buyer}"),
            lines: (0..vendors).map(line).collect(),
            payment_token: "ok".into(),
            ..Default::default()
        };
        let placed = OrderServiceClient::new(self.channels[buyer].clone()).place_order(request).await?.into_inner();
        let state = placed.order.map(|order| order.state).unwrap_or_default();
        ensure!(state == "placed", "an order is {state}");
        self.placed.set(self.placed.get() + 1);
        self.pieces.set(self.pieces.get() + vendors);
        Ok(())
    }

    /// Orders a second, by all buyers.
    pub(crate) fn orders(&self, vendors: u64, turn: Duration) -> anyhow::Result<f64> {
        let (started, before) = (Instant::now(), self.placed.get());
        let buyer = |buyer: usize| async move {
            while started.elapsed() < turn {
                self.order(buyer, vendors).await?;
            }
            anyhow::Ok(())
        };
        self.runtime.block_on(try_join_all((0..self.channels.len()).map(buyer)))?;
        Ok((self.placed.get() - before) as f64 / started.elapsed().as_secs_f64())
    }

    /// What an order takes that one buyer places: the middle.
    pub(crate) fn order_ms(&self, vendors: u64, turn: Duration) -> anyhow::Result<f64> {
        let (_, ms) = repeat(turn, || self.runtime.block_on(self.order(0, vendors)))?;
        Ok(ms)
    }

    /// Everything that was answered is there.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let sql = "SELECT (SELECT sum(sold) FROM products), (SELECT count(*) FROM events WHERE kind = 'order.placed')";
        let request = v1::QueryRequest {
            sql: sql.to_owned(),
            options: Some(v1::QueryOptions { row_format: v1::RowFormat::Rows.into(), ..Default::default() }),
            ..Default::default()
        };
        let rows = self.runtime.block_on(async {
            let mut parts = QueryServiceClient::new(self.channels[0].clone()).query(request).await?.into_inner();
            while let Some(response) = parts.message().await? {
                if let Some(v1::query_response::Part::Rows(rows)) = response.part {
                    return anyhow::Ok(rows);
                }
            }
            bail!("no rows")
        })?;
        let counted = format!("{:?}", rows.rows);
        let expected = self.pieces.get().to_string();
        ensure!(counted.matches(&expected).count() == 2, "{expected} pieces were ordered, there are {counted}");
        Ok(())
    }

    /// Live subscriptions to everything, each told that it is.
    pub(crate) fn subscribe(&self, count: u32) -> anyhow::Result<Vec<Streaming<v1::SubscribeResponse>>> {
        self.runtime.block_on(async {
            let endpoint = Endpoint::from_shared(format!("http://{}", self.address))?.tcp_nodelay(true);
            let mut all = Vec::with_capacity(count as usize);
            while all.len() < count as usize {
                let channel = endpoint.connect().await?;
                let more = SUBSCRIPTIONS_A_CONNECTION.min(count as usize - all.len());
                let one = || async {
                    let request = v1::SubscribeRequest { vendor_id: vendor(0), ..Default::default() };
                    let mut stream = EventServiceClient::new(channel.clone()).subscribe(request).await?.into_inner();
                    stream.message().await?;
                    anyhow::Ok(stream)
                };
                all.extend(try_join_all((0..more).map(|_| one())).await?);
            }
            Ok(all)
        })
    }

    /// Has something happen, several times; until the last subscriber was told, in ms from its commit's answer: the middle.
    pub(crate) fn tell(&self, mut listening: Vec<Streaming<v1::SubscribeResponse>>, times: u32) -> anyhow::Result<f64> {
        let mut all = Vec::new();
        for number in 0..times {
            let request = v1::PublishRequest {
                vendor_id: vendor(0),
                id: format!("told {number}"),
                kind: "app.told".into(),
                data: "{}".into(),
                ..Default::default()
            };
            let ms = self.runtime.block_on(async {
                let publish = EventServiceClient::new(self.channels[0].clone()).publish(request).await;
                publish?;
                let committed = Instant::now();
                try_join_all(listening.iter_mut().map(|stream| async move {
                    while let Some(response) = stream.message().await? {
                        if response.event.is_some() {
                            return anyhow::Ok(());
                        }
                    }
                    bail!("a subscription ended")
                }))
                .await?;
                anyhow::Ok(committed.elapsed().as_secs_f64() * 1e3)
            })?;
            all.push(ms);
        }
        Ok(median(all))
    }

    /// Fills so many carts; what adding and showing take, one after the other: the middles in ms.
    pub(crate) fn carts(&self, count: u32) -> anyhow::Result<[f64; 2]> {
        let add = |number: u32| {
            let mut carts = CartServiceClient::new(self.channels[number as usize % self.channels.len()].clone());
            let request = v1::AddToCartRequest {
                customer: format!("customer {number}"),
                vendor_id: vendor(u64::from(number) % u64::from(self.vendors)),
                sku: "a".into(),
                quantity: 1,
            };
            async move {
                carts.add_to_cart(request).await?;
                anyhow::Ok(())
            }
        };
        self.runtime.block_on(async {
            stream::iter((0..count).map(add)).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
            let [mut adding, mut showing] = [(); 2].map(|()| Vec::new());
            for number in 0..count.min(2000) {
                let began = Instant::now();
                add(number).await?;
                adding.push(began.elapsed().as_secs_f64() * 1e3);
                let began = Instant::now();
                let request = v1::GetCartRequest { customer: format!("customer {number}") };
                CartServiceClient::new(self.channels[0].clone()).get_cart(request).await?;
                showing.push(began.elapsed().as_secs_f64() * 1e3);
            }
            Ok([median(adding), median(showing)])
        })
    }
}
