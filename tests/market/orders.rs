//! Orders: whole or not at all, once for each key, and the stock always adds up.

use futures::future::join_all;
use souk_proto::{Reason, v1};

use crate::cluster::{Cluster, order, quick, reason};

/// What there was of a product at first is what there is, what is kept back and what was sold.
async fn adds_up(cluster: &Cluster, initial: i64) {
    let sql = format!("SELECT count(*) FROM products WHERE stock + reserved + sold <> {initial}");
    assert_eq!(cluster.number(&sql).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_over_vendors_is_placed_at_each() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2", "v3"], &["a", "b"], 250, 10).await;
    let placed = cluster.place(order("k1", "ok", &[("v1", "a", 2), ("v2", "b", 1), ("v1", "b", 3)])).await.unwrap();
    let order_ = placed.order.unwrap();
    assert_eq!((order_.state.as_str(), order_.total, placed.repeated), ("placed", 6 * 250, false));
    let vendors: Vec<(&str, usize)> =
        order_.parts.iter().map(|part| (part.vendor_id.as_str(), part.items.len())).collect();
    assert_eq!(vendors, [("v1", 2), ("v2", 1)]);
    let product = cluster.product("v1", "b").await;
    assert_eq!((product.stock, product.reserved, product.sold), (7, 0, 3));
    // A vendor's part holds only that vendor's lines.
    assert_eq!(cluster.number("SELECT count(*) FROM order_items WHERE vendor_id = 'v2'").await, 1);
    assert_eq!(cluster.events().await["order.placed"], 2);
    let charge = &cluster.payment.charges()[&order_.order_id];
    assert!(charge.captured && charge.amount == 1500);
    adds_up(&cluster, 10).await;

    let found = v1::GetOrderRequest { idempotency_key: "k1".into(), customer: "ada".into(), ..Default::default() };
    assert_eq!(cluster.orders().get_order(found).await.unwrap().into_inner(), order_);
    let foreign = v1::GetOrderRequest { order_id: order_.order_id, customer: "bob".into(), ..Default::default() };
    assert_eq!(reason(&cluster.orders().get_order(foreign).await.unwrap_err()), Reason::NotFound);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_vendor_refuses_no_vendor_has() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &["a", "b"], 100, 5).await;
    for (key, lines) in
        [("several", &[("v1", "a", 5), ("v2", "a", 6)][..]), ("one", &[("v2", "b", 1), ("v2", "a", 6)][..])]
    {
        let refused = cluster.place(order(key, "ok", lines)).await.unwrap().order.unwrap();
        assert_eq!(refused.state, "refused");
        let [refusal] = refused.refusals.as_slice() else { panic!("{refused:?}") };
        let v1::Refusal { reason, vendor_id, sku, stock, price, .. } = refusal;
        assert_eq!(
            (reason.as_str(), vendor_id.as_str(), sku.as_str(), *stock, *price),
            ("OUT_OF_STOCK", "v2", "a", 5, 100)
        );
        // Asked again, it is answered as it was.
        let again = cluster.place(order(key, "ok", lines)).await.unwrap();
        assert_eq!((again.order.unwrap(), again.repeated), (refused.clone(), true));
        assert!(!cluster.payment.charges()[&refused.order_id].authorized);
    }
    let mut changed = order("price", "ok", &[("v1", "a", 1), ("v2", "a", 1)]);
    changed.lines[1].price = Some(99);
    let refused = cluster.place(changed).await.unwrap().order.unwrap();
    assert_eq!((refused.refusals[0].reason.as_str(), refused.refusals[0].price), ("PRICE_CHANGED", 100));
    let none = cluster.place(order("none", "ok", &[("v1", "zzz", 1)])).await.unwrap_err();
    assert_eq!(reason(&none), Reason::NotFound);
    adds_up(&cluster, 5).await;
    assert_eq!(cluster.number("SELECT sum(reserved) + sum(sold) FROM products").await, 0);
    assert!(!cluster.events().await.contains_key("order.placed"));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_ten_times_at_once_is_one_order() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &["a"], 100, 50).await;
    for (key, lines) in [("one", &[("v1", "a", 1)][..]), ("two", &[("v1", "a", 1), ("v2", "a", 1)][..])] {
        let here = join_all((0..5).map(|_| cluster.place(order(key, "ok", lines))));
        let there = join_all((0..5).map(|_| cluster.place_there(order(key, "ok", lines))));
        let (mut all, there) = tokio::join!(here, there);
        all.extend(there);
        let all: Vec<v1::PlaceOrderResponse> = all.into_iter().collect::<Result<_, _>>().unwrap();
        assert!(all.iter().all(|one| one.order == all[0].order), "{all:?}");
        assert_eq!(all.iter().filter(|one| !one.repeated).count(), 1);
    }
    assert_eq!(cluster.payment.charges().len(), 2);
    assert_eq!(cluster.product("v1", "a").await.sold, 2);
    let other = cluster.place(order("one", "ok", &[("v1", "a", 2)])).await.unwrap_err();
    assert_eq!(reason(&other), Reason::AlreadyExists);
    // It is found when nothing of it is sold any more, too.
    let one = cluster.place(order("one", "ok", &[("v1", "a", 1)])).await.unwrap();
    let delete = souk_coordinator::Statement::new("DELETE FROM products WHERE vendor_id = 'v2'", []);
    cluster.database.execute(delete).await.unwrap();
    let two = cluster.place(order("two", "ok", &[("v1", "a", 1), ("v2", "a", 1)])).await.unwrap();
    assert!(one.repeated && two.repeated && two.order.unwrap().state == "placed");
    let of_vendor = v1::ListOrdersRequest { vendor_id: "v2".into(), ..Default::default() };
    let listed = cluster.orders().list_orders(of_vendor).await.unwrap().into_inner().orders;
    assert_eq!((listed.len(), listed[0].parts[0].items[0].quantity), (1, 1), "no line is left out");
    // Another customer's key is another key.
    let bob = v1::PlaceOrderRequest { customer: "bob".into(), ..order("one", "ok", &[("v1", "a", 2)]) };
    assert_eq!(cluster.place(bob).await.unwrap().order.unwrap().state, "placed");
    adds_up(&cluster, 50).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_declines_or_does_not_answer() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &["a"], 100, 5).await;
    for (number, lines) in [&[("v1", "a", 1)][..], &[("v1", "a", 1), ("v2", "a", 1)][..]].into_iter().enumerate() {
        let place = async |token: &str| {
            cluster.place(order(&format!("{token} {number}"), token, lines)).await.unwrap().order.unwrap()
        };
        let declined = place("decline").await;
        assert_eq!((declined.state.as_str(), declined.refusals[0].reason.as_str()), ("refused", "PAYMENT_DECLINED"));
        for token in ["timeout", "lost"] {
            let placed = place(token).await;
            assert_eq!(placed.state, "placed");
            let charge = &cluster.payment.charges()[&placed.order_id];
            assert!(charge.captured && charge.amount == placed.total);
        }
    }
    assert_eq!(cluster.product("v1", "a").await.stock, 1);
    adds_up(&cluster, 5).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_shipped_cancelled_and_refunded() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &["a"], 100, 5).await;
    let placed = cluster.place(order("k", "ok", &[("v1", "a", 2), ("v2", "a", 1)])).await.unwrap().order.unwrap();
    let id = placed.order_id;
    let of = |vendor: &str| v1::ChangeOrderRequest { order_id: id.clone(), vendor_id: vendor.into() };
    let mut orders = cluster.orders();
    let whole = async || {
        let request = v1::GetOrderRequest { order_id: id.clone(), customer: "ada".into(), ..Default::default() };
        cluster.orders().get_order(request).await.unwrap().into_inner()
    };
    let shipped = orders.ship_order(of("v1")).await.unwrap().into_inner();
    assert_eq!((shipped.state.as_str(), shipped.parts.len(), shipped.total), ("shipped", 1, 200), "its own part");
    assert_eq!(whole().await.state, "placed", "the other part is not sent yet");
    assert_eq!(orders.ship_order(of("v1")).await.unwrap().into_inner(), shipped, "sent twice");
    for vendor in ["v1", ""] {
        assert_eq!(reason(&orders.cancel_order(of(vendor)).await.unwrap_err()), Reason::WrongState);
    }
    assert_eq!(whole().await.parts[1].state, "placed", "what cannot be cancelled as a whole is not in part");
    assert_eq!(orders.cancel_order(of("v2")).await.unwrap().into_inner().state, "cancelled");
    assert_eq!(whole().await.state, "shipped");
    assert_eq!(cluster.product("v2", "a").await.stock, 5);
    assert_eq!(orders.deliver_order(of("")).await.unwrap().into_inner().state, "delivered");
    assert_eq!(orders.refund_order(of("")).await.unwrap().into_inner().state, "refunded");
    let refunds = &cluster.payment.charges()[&id].refunds;
    assert_eq!((refunds["v1"], refunds["v2"]), (200, 100));
    assert_eq!(cluster.number("SELECT count(*) FROM orders WHERE refund = 'paid'").await, 2);
    let events = cluster.events().await;
    for (kind, count) in [
        ("order.placed", 2),
        ("order.shipped", 1),
        ("order.cancelled", 1),
        ("order.delivered", 1),
        ("order.refunded", 1),
    ] {
        assert_eq!(events[kind], count, "{kind}");
    }
    // Numbers of a vendor's events have no gaps.
    let gaps = "SELECT count(*) FROM (SELECT vendor_id, count(*) AS n, max(seq) AS last, min(seq) AS first FROM events GROUP BY vendor_id)
                WHERE first <> 1 OR last <> n";
    assert_eq!(cluster.number(gaps).await, 0);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_page_by_page() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2", "v3"], &["a"], 100, 500).await;
    let mut placed = Vec::new();
    for number in 0..7 {
        let vendor = ["v1", "v2"][number % 2];
        placed.push(cluster.place(order(&number.to_string(), "ok", &[(vendor, "a", 1)])).await.unwrap().order.unwrap());
    }
    let list = async |customer: &str, vendor: &str| {
        let (mut cursor, mut all) = (String::new(), Vec::new());
        loop {
            let request = v1::ListOrdersRequest {
                customer: customer.into(),
                vendor_id: vendor.into(),
                page_size: 2,
                cursor: cursor.clone(),
            };
            let page = cluster.orders().list_orders(request).await.unwrap().into_inner();
            assert!(page.orders.len() <= 2);
            all.extend(page.orders);
            cursor = page.next_cursor;
            if cursor.is_empty() {
                return all;
            }
        }
    };
    let all = list("ada", "").await;
    assert_eq!(all, placed.iter().rev().cloned().collect::<Vec<_>>());
    assert!(list("bob", "").await.is_empty());
    let of_vendor = list("", "v1").await;
    assert_eq!(of_vendor.len(), 4);
    assert!(of_vendor.iter().all(|order| order.parts[0].items[0].sku == "a" && order.customer == "ada"));
    assert!(list("", "v3").await.is_empty());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_marketplaces_sell_what_is_scarce_once() {
    let cluster = Cluster::start(quick()).await;
    let vendors = ["v1", "v2", "v3", "v4"];
    cluster.open_shops(&vendors, &["a", "b"], 100, 10).await;
    // Each is sent to both at once, twice.
    let place = |number: usize| {
        let cluster = &cluster;
        async move {
            let one = (vendors[number % 4], "a", 1 + number as i64 % 3);
            let other = (vendors[(number / 4) % 4], if number.is_multiple_of(5) { "a" } else { "b" }, 1);
            let lines = if one.0 == other.0 && one.1 == other.1 { vec![one] } else { vec![one, other] };
            let token = ["ok", "ok", "lost", "decline"][number % 4 * usize::from(number.is_multiple_of(3))];
            let request = order(&number.to_string(), token, &lines);
            let (here, there) = tokio::join!(
                join_all([cluster.place(request.clone()), cluster.place(request.clone())]),
                join_all([cluster.place_there(request.clone()), cluster.place_there(request.clone())]),
            );
            let all: Vec<v1::Order> = here.into_iter().chain(there).map(|one| one.unwrap().order.unwrap()).collect();
            assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
            all[0].clone()
        }
    };
    let all = join_all((0..60).map(place)).await;
    adds_up(&cluster, 10).await;
    let placed: Vec<&v1::Order> = all.iter().filter(|order| order.state == "placed").collect();
    let sold: i64 =
        placed.iter().flat_map(|order| &order.parts).flat_map(|part| &part.items).map(|item| item.quantity).sum();
    assert_eq!(cluster.number("SELECT sum(sold) FROM products").await, sold);
    assert_eq!(cluster.number("SELECT sum(reserved) FROM products").await, 0);
    assert!(sold > 40 && placed.len() < 60, "{} of 60, {sold} pieces", placed.len());
    let charges = cluster.payment.charges();
    for order in &all {
        let is_taken = charges.get(&order.order_id).is_some_and(|charge| charge.captured);
        assert_eq!(is_taken, order.state == "placed", "{order:?}");
    }
    let parts: usize = placed.iter().map(|order| order.parts.len()).sum();
    assert_eq!(cluster.events().await["order.placed"], parts as i64);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_orders_are_listed_without_asking_all_shards() {
    let cluster = Cluster::start(quick()).await;
    let vendors: Vec<String> = (1..=6).map(|number| format!("v{number}")).collect();
    let names: Vec<&str> = vendors.iter().map(String::as_str).collect();
    cluster.open_shops(&names, &["a"], 100, 50).await;
    let customers: Vec<String> = (0..24).map(|number| format!("customer {number}")).collect();
    for (customer, vendor) in customers.iter().zip(names.iter().cycle()) {
        let request = v1::PlaceOrderRequest { customer: customer.clone(), ..order("k", "ok", &[(*vendor, "a", 1)]) };
        assert_eq!(cluster.place(request).await.unwrap().order.unwrap().state, "placed");
    }
    // With half of the shards away, who asks all of them is told nothing. A customer whose house and vendor are on the other half is not among those.
    cluster.stop_node(1);
    let all = souk_coordinator::Statement::new("SELECT count(*) FROM orders", []);
    let refused = loop {
        match cluster.database.query(all.clone()).await {
            Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.reason, Reason::ShardUnavailable);
    let mut listed = 0;
    for customer in &customers {
        let request = v1::ListOrdersRequest { customer: customer.clone(), ..Default::default() };
        match cluster.orders().list_orders(request).await {
            Ok(page) => {
                assert_eq!(page.into_inner().orders.len(), 1);
                listed += 1;
            }
            Err(status) => assert_eq!(reason(&status), Reason::ShardUnavailable),
        }
    }
    assert!(listed > 0 && listed < customers.len(), "{listed} of {}", customers.len());
    cluster.stop().await;
}
