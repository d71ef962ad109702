//! Words that come late, twice, or for what is not there; and keys that come again after a year.

use std::time::Duration;

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::v1;
use tokio::time::sleep;

use crate::cluster::{Cluster, order, quick};

/// Longer than rounds of the sweeper, of which something is waited for that is not to happen.
const SOME_ROUNDS: Duration = Duration::from_secs(1);

fn text(value: &str) -> Value {
    Value::Text(value.as_bytes().into())
}

impl Cluster {
    async fn run(&self, sql: &str, parameters: &[&str]) {
        let statement = Statement::new(sql, parameters.iter().map(|value| text(value)));
        let done = self.database.execute(statement).await.expect(sql);
        assert_eq!(done.rows_affected, 1, "{sql}");
    }

    async fn state_of(&self, id: &str) -> String {
        let asked = Statement::new("SELECT state FROM purchases WHERE id = ?1", [text(id)]);
        match self.database.query(asked).await.expect("a state").as_slice() {
            [row] => match row.as_slice() {
                [Value::Text(state)] => String::from_utf8_lossy(state).into_owned(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    async fn counts(&self) -> [i64; 3] {
        [
            self.number("SELECT sum(stock) FROM products").await,
            self.number("SELECT sum(reserved) FROM products").await,
            self.number("SELECT sum(sold) FROM products").await,
        ]
    }
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
        tokio::spawn(async move { orders.place_order(order("late", "gate", &[("v1", "a", 2)])).await })
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
