//! Words that come late, twice, or for what is not there; vendors that are away for a day; and keys that come again after a year.

use std::{io, sync::Mutex, time::Duration};

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::v1;
use tokio::time::sleep;

use crate::cluster::{Cluster, order, quick};

/// Longer than rounds of the sweeper, of which something is waited for that is not to happen.
const SOME_ROUNDS: Duration = Duration::from_secs(1);

/// The one text that a SELECT gives.
fn one_text(rows: Vec<Vec<Value>>) -> String {
    match rows.as_slice() {
        [row] => match row.as_slice() {
            [Value::Text(text)] => String::from_utf8_lossy(text).into_owned(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.as_bytes().into())
}

impl Cluster {
    async fn run(&self, sql: &str, parameters: &[&str]) {
        let statement = Statement::new(sql, parameters.iter().map(|value| text(value)));
        let done = self.database.execute(statement).await.expect(sql);
        assert_eq!(done.rows_affected, 1, "{sql}");
    }

    /// How far an order is.
    async fn state_of(&self, id: &str) -> String {
        let asked = "SELECT state FROM purchases WHERE house = ?1 AND id = ?2";
        let asked = Statement::new(asked, [text(&house_of(id)), text(id)]);
        one_text(self.database.query(asked).await.expect("a state"))
    }

    async fn counts(&self) -> [i64; 3] {
        [
            self.number("SELECT sum(stock) FROM products").await,
            self.number("SELECT sum(reserved) FROM products").await,
            self.number("SELECT sum(sold) FROM products").await,
        ]
    }
}

/// Where a customer's record of an order is: its number says so.
fn house_of(id: &str) -> String {
    format!("house-{}", &id[..2])
}

/// Waits until an order has a state.
async fn wait_for(cluster: &Cluster, id: &str, state: &str) {
    while cluster.state_of(id).await != state {
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_ended_before_it_began_does_not_begin() {
    let mut cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1"], &["a"], 100, 5).await;
    let placing = {
        let mut orders = cluster.orders();
        tokio::spawn(async move { orders.place_order(order("late", "gate ok", &[("v1", "a", 2)])).await })
    };
    let id = cluster.at_gate.recv().await.unwrap();
    // Another coordinator found it too old, and ended it.
    let released = "INSERT INTO orders(vendor_id, id, customer, status, placed, total_cents, currency) VALUES ('v1', ?1, 'ada', 'released', '', 200, 'EUR')";
    cluster.run(released, &[&id]).await;
    cluster.gate.let_through();
    let refused = placing.await.unwrap().unwrap().into_inner().order.unwrap();
    assert_eq!((refused.state.as_str(), refused.refusals[0].reason.as_str()), ("refused", "TOO_LATE"));
    assert_eq!(cluster.counts().await, [5, 0, 0]);
    let charge = cluster.payment.charges().remove(&id).unwrap();
    assert!(charge.voided && !charge.captured, "{charge:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_twice_is_done_once_and_what_is_lost_is_not_made_up() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &["a"], 100, 5).await;
    let lines = [("v1", "a", 1), ("v2", "a", 1)];
    let placed = cluster.place(order("twice", "ok", &lines)).await.unwrap().order.unwrap();
    let before = (cluster.counts().await, cluster.events().await);
    // As if the last step had not been noted: vendors are told once more.
    cluster.run("UPDATE purchases SET state = 'committed' WHERE id = ?1", &[&placed.order_id]).await;
    wait_for(&cluster, &placed.order_id, "done").await;
    assert_eq!((cluster.counts().await, cluster.events().await), before);
    // A vendor that has lost its part: the order is not done, and nothing is sold for it.
    cluster.run("DELETE FROM orders WHERE vendor_id = 'v2' AND id = ?1", &[&placed.order_id]).await;
    cluster.run("UPDATE purchases SET state = 'committed' WHERE id = ?1", &[&placed.order_id]).await;
    sleep(SOME_ROUNDS).await;
    assert_eq!(cluster.state_of(&placed.order_id).await, "committed");
    assert_eq!((cluster.counts().await, cluster.events().await), before);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_known_for_as_long_as_its_order() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1"], &["a"], 100, 5).await;
    let placed = cluster.place(order("old", "ok", &[("v1", "a", 1)])).await.unwrap().order.unwrap();
    // A year ago; what is old is forgotten by then, orders are not.
    let aged = "UPDATE purchases SET created_ms = created_ms - 366 * 86400000, deadline_ms = deadline_ms - 366 * 86400000 WHERE id = ?1";
    cluster.run(aged, &[&placed.order_id]).await;
    sleep(SOME_ROUNDS).await;
    let again = cluster.place(order("old", "ok", &[("v1", "a", 1)])).await.unwrap();
    assert!(again.repeated);
    assert_eq!(again.order.unwrap().order_id, placed.order_id);
    let by_key = v1::GetOrderRequest { idempotency_key: "old".into(), customer: "ada".into(), ..Default::default() };
    assert_eq!(cluster.orders().get_order(by_key).await.unwrap().into_inner().order_id, placed.order_id);
    assert_eq!(cluster.counts().await, [4, 0, 1]);
    cluster.stop().await;
}

/// What is said loudly, by all tests.
static SAID: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Said;

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        SAID.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn was_said(words: &str) -> bool {
    String::from_utf8_lossy(&SAID.lock().unwrap()).contains(words)
}

async fn status_at(cluster: &Cluster, vendor: &str, id: &str) -> String {
    let sql = "SELECT status FROM orders WHERE vendor_id = ?1 AND id = ?2";
    one_text(cluster.database.query(Statement::new(sql, [text(vendor), text(id)])).await.expect("a status"))
}

/// The node of a vendor goes away for a day after it has promised its part. Its pieces stay kept back; everybody else has what is decided; it is said loudly; and when it is back
/// its part is done too, or given back.
#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_is_away_for_a_day_keeps_its_promise() {
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_ansi(false);
    log.with_writer(|| Said).init();
    for (token, decided, here, at_last) in
        [("gate ok", "committed", "placed", "placed"), ("gate decline", "aborted", "released", "released")]
    {
        let mut cluster = Cluster::start(quick()).await;
        let vendors = ["v1", "v2", "v3", "v4"];
        cluster.open_shops(&vendors, &["a"], 100, 5).await;
        cluster.place(order("first", "ok", &[("v1", "a", 1)])).await.unwrap();
        // Not that of the customer's own record.
        let home = cluster.node_with("purchases", "customer = 'ada'");
        let node_of = |vendor: &&&str| cluster.node_with("vendors", &format!("vendor_id = '{vendor}'"));
        let near = *vendors.iter().find(|vendor| node_of(vendor) == home).unwrap();
        let far = *vendors.iter().find(|vendor| node_of(vendor) != home).unwrap();
        let placing = {
            let mut orders = cluster.orders();
            let request = order("far", token, &[(near, "a", 1), (far, "a", 1)]);
            tokio::spawn(async move { orders.place_order(request).await })
        };
        let id = cluster.at_gate.recv().await.unwrap();
        cluster.stop_node(1 - home);
        cluster.gate.let_through();
        wait_for(&cluster, &id, decided).await;
        let aged = "UPDATE purchases SET created_ms = created_ms - 86400000, deadline_ms = deadline_ms - 86400000 WHERE house = ?1 AND id = ?2";
        cluster.run(aged, &[&house_of(&id), &id]).await;
        while status_at(&cluster, near, &id).await != here {
            sleep(Duration::from_millis(20)).await;
        }
        while !was_said(&format!("order {id} is")) {
            sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(cluster.state_of(&id).await, decided);
        cluster.start_node_again(1 - home).await;
        wait_for(&cluster, &id, if decided == "committed" { "done" } else { "refused" }).await;
        assert_eq!(status_at(&cluster, far, &id).await, at_last);
        let sold = if decided == "committed" { 3 } else { 1 };
        assert_eq!(cluster.counts().await, [20 - sold, 0, sold]);
        placing.abort();
        cluster.stop().await;
    }
}
