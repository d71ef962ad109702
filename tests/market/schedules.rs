//! What is done at certain times has its effect once for each time.

use std::time::Duration;

use souk_coordinator::Statement;
use souk_marketplace::{Schedule, Settings};
use souk_proto::v1;
use tokio::time::sleep;

use crate::cluster::{Cluster, order, quick};

fn every_second() -> Schedule {
    Schedule::read("* * * * * *", "UTC").unwrap()
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if holds().await {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("it never holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn little_stock_is_told_once_for_each_time() {
    // Both marketplaces of the cluster look.
    let cluster = Cluster::start(Settings { low_stock_check: every_second(), ..quick() }).await;
    cluster.open_shops(&["v1"], &["a", "b"], 100, 2).await;
    cluster.open_shops(&["v2"], &["a"], 100, 2).await;
    let many = v1::PutProductRequest {
        vendor_id: "v2".into(),
        sku: "b".into(),
        name: "Lamp b".into(),
        category: "lighting".into(),
        price: 100,
        stock: 100,
        low_stock: 2,
        ..Default::default()
    };
    cluster.catalog().put_product(many).await.unwrap();
    let told = async || cluster.events().await.get("inventory.low").copied().unwrap_or(0);
    until(async || told().await >= 9).await;
    let twice = "SELECT count(*) FROM (SELECT vendor_id, id FROM events WHERE kind = 'inventory.low' GROUP BY 1, 2 HAVING count(*) > 1)";
    assert_eq!(cluster.number(twice).await, 0);
    // Each time tells of all three: no time is told of in part.
    let times = "SELECT count(*) FROM (SELECT substr(id, 1, 30) AS time, count(*) AS n FROM events WHERE kind = 'inventory.low' GROUP BY 1) WHERE n > 3";
    assert_eq!(cluster.number(times).await, 0);
    let gaps = "SELECT count(*) FROM (SELECT vendor_id, count(*) AS n, max(seq) AS last FROM events GROUP BY vendor_id) WHERE last <> n";
    assert_eq!(cluster.number(gaps).await, 0);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_too_long_is_given_back() {
    let settings = Settings { expiry: every_second(), sweep_every: Duration::from_secs(3600), ..quick() };
    let cluster = Cluster::start(settings).await;
    cluster.open_shops(&["v1", "v2"], &["a"], 100, 5).await;
    let placed = cluster.place(order("k", "ok", &[("v1", "a", 2), ("v2", "a", 1)])).await.unwrap().order.unwrap();
    // As a process left it that ended before it decided, long ago.
    let execute = async |sql: String| cluster.database.execute(Statement::new(sql, [])).await.unwrap().rows_affected;
    let id = &placed.order_id;
    execute(format!(
        "UPDATE purchases SET state = 'accepted', created_ms = 1, deadline_ms = 2, id = 'x' || id WHERE id = '{id}'"
    ))
    .await;
    execute(format!("UPDATE purchases SET id = substr(id, 2) WHERE id = 'x{id}'")).await;
    execute(format!("UPDATE orders SET status = 'reserved', expires_ms = 2 WHERE id = '{id}'")).await;
    execute("UPDATE products SET reserved = sold, sold = 0".to_owned()).await;
    execute("DELETE FROM audit".to_owned()).await;
    until(async || cluster.number("SELECT sum(stock) FROM products").await == 10).await;
    assert_eq!(cluster.number("SELECT sum(reserved) FROM products").await, 0);
    let states = "SELECT count(*) FROM orders WHERE status = 'released'";
    assert_eq!(cluster.number(states).await, 2);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_events_are_forgotten_but_for_the_last() {
    let settings = Settings { forgetting: every_second(), events_kept_for: Duration::from_secs(3600), ..quick() };
    let cluster = Cluster::start(settings).await;
    cluster.open_shops(&["v1", "v2"], &["a"], 100, 50).await;
    for number in 0..3 {
        cluster.place(order(&number.to_string(), "ok", &[("v1", "a", 1)])).await.unwrap();
    }
    cluster.database.execute(Statement::new("UPDATE events SET at_ms = 1 WHERE seq < 4", [])).await.unwrap();
    until(async || cluster.number("SELECT count(*) FROM events").await == 2).await;
    assert_eq!(cluster.number("SELECT seq FROM events WHERE vendor_id = 'v1'").await, 4);
    assert_eq!(cluster.number("SELECT seq FROM events WHERE vendor_id = 'v2'").await, 1);
    cluster.place(order("next", "ok", &[("v1", "a", 1)])).await.unwrap();
    assert_eq!(cluster.number("SELECT max(seq) FROM events WHERE vendor_id = 'v1'").await, 5);
    cluster.stop().await;
}
