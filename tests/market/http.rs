//! The same calls as HTTP/JSON.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::cluster::{Cluster, quick};

/// Status and body of one request.
async fn ask(cluster: &Cluster, method: &str, path: &str, body: &str) -> (u16, Value) {
    let (status, said) = ask_text(cluster, method, &format!("/{path}"), body).await;
    (status, serde_json::from_str(&said).unwrap_or_else(|error| panic!("{path}: {error}: {said}")))
}

/// As [`ask`], of anything.
async fn ask_text(cluster: &Cluster, method: &str, path: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let mut stream = TcpStream::connect(&cluster.address).await.unwrap();
    let request = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nhost: souk\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {response}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_is_opened_browsed_and_bought_from() {
    let cluster = Cluster::start(quick()).await;
    let (status, early) = ask(&cluster, "GET", "products", "").await;
    assert_eq!((status, &early["reason"]), (409, &json!("WRONG_STATE")), "{early}");
    let vendor = json!({ "vendor_id": "v1", "name": "Lamps" }).to_string();
    assert_eq!(ask(&cluster, "POST", "vendors", &vendor).await.0, 200);
    for (sku, price) in [("a", 300), ("b", 100), ("c", 200)] {
        let product = json!({
            "vendor_id": "v1", "sku": sku, "name": format!("Lamp 100%_{sku}"), "category": "lighting", "price": price, "stock": 3
        });
        assert_eq!(ask(&cluster, "POST", "products", &product.to_string()).await.0, 200);
    }
    assert_eq!(ask(&cluster, "GET", "vendor?vendor_id=v1", "").await.1["name"], "Lamps");
    let (status, known) = ask(&cluster, "GET", "categories", "").await;
    assert_eq!((status, known), (200, json!({ "categories": [{ "name": "lighting", "products": 3 }] })));
    let (status, page) =
        ask(&cluster, "GET", "products?category=lighting&text=100%25_&sort=price&page_size=2", "").await;
    let skus = |page: &Value| page["products"].as_array().unwrap().iter().map(|p| p["sku"].clone()).collect::<Vec<_>>();
    assert_eq!((status, skus(&page)), (200, vec![json!("b"), json!("c")]));
    let cursor: String = page["next_cursor"].as_str().unwrap().bytes().map(|byte| format!("%{byte:02x}")).collect();
    let (_, page) =
        ask(&cluster, "GET", &format!("products?text=100%25_&sort=price&page_size=2&cursor={cursor}"), "").await;
    assert_eq!((skus(&page), &page["next_cursor"]), (vec![json!("a")], &json!("")));

    let order = |key: &str, quantity: i64| {
        json!({
            "idempotency_key": key, "customer": "ada", "payment_token": "ok",
            "lines": [{ "vendor_id": "v1", "sku": "a", "quantity": quantity as f64, "price": null }]
        })
        .to_string()
    };
    let (status, placed) = ask(&cluster, "POST", "orders", &order("k", 2)).await;
    assert_eq!((status, &placed["order"]["state"], &placed["order"]["total"]), (200, &json!("placed"), &json!(600)));
    let (status, refused) = ask(&cluster, "POST", "orders", &order("l", 2)).await;
    assert_eq!((status, &refused["order"]["refusals"][0]["stock"]), (409, &json!(1)));
    let (status, found) = ask(&cluster, "GET", "orders?customer=ada", "").await;
    assert_eq!((status, found["orders"].as_array().unwrap().len()), (200, 2));
    let change = json!({ "order_id": placed["order"]["order_id"] }).to_string();
    assert_eq!(ask(&cluster, "POST", "order/ship", &change).await.1["state"], "shipped");

    let review = json!({ "vendor_id": "v1", "sku": "a", "customer": "ada", "stars": 4, "body": "bright" }).to_string();
    assert_eq!(ask(&cluster, "POST", "reviews", &review).await.0, 200);
    assert_eq!(ask(&cluster, "POST", "reviews", &review).await.0, 409, "once for each customer");
    let (_, product) = ask(&cluster, "GET", "product?vendor_id=v1&sku=a", "").await;
    assert_eq!(product["product"]["rating_sum"], 4);
    assert_eq!(product["reviews"][0]["body"], "bright");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_sent_to_browsers() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1"], &["a"], 100, 3).await;
    let publish = async |id: &str, kind: &str| {
        let event = json!({ "vendor_id": "v1", "id": id, "kind": kind, "data": "{}" }).to_string();
        assert_eq!(ask(&cluster, "POST", "events", &event).await.0, 200);
    };
    let mut last_id: Option<String> = None;
    for round in ["first", "second"] {
        let mut stream = TcpStream::connect(&cluster.address).await.unwrap();
        let since = last_id.as_ref().map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let request = format!("GET /api/v1/events?patterns=app.*,order.placed HTTP/1.1\r\nhost: souk\r\n{since}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut all = String::new();
        // Until something stands there, and a cursor behind it.
        let mut read = async |what: &str| {
            let cursor_behind = |all: &str| {
                // With data: without, a browser does not tell its page of it.
                let behind = all.split_once(what)?.1.rsplit_once("\ndata: {}\n\n")?.0.rsplit_once("id: ")?.1;
                Some(behind.to_owned())
            };
            loop {
                if let Some(cursor) = cursor_behind(&all) {
                    return (cursor, all.clone());
                }
                let mut bytes = [0; 4096];
                let count = timeout(Duration::from_secs(20), stream.read(&mut bytes)).await;
                let count = count.unwrap_or_else(|_| panic!("no {what} in {all}")).unwrap();
                all.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
        };
        let (_, head) = read("event: cursor").await;
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        if last_id.is_some() {
            read("event: app.missed").await;
        }
        publish(round, "app.note").await;
        let (cursor, told) = read("event: app.note").await;
        assert!(told.contains("\"seq\":"), "{told}");
        last_id = Some(cursor);
        drop(stream);
        publish(&format!("missed {round}"), "app.missed").await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_can_be_called() {
    let cluster = Cluster::start(quick()).await;
    let (status, document) = ask(&cluster, "GET", "openapi.json", "").await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    let ours = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/marketplace.md")).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        assert!(ours.contains(path.as_str()), "docs/marketplace.md has no `{path}`");
        for (method, call) in methods.as_object().unwrap() {
            let (status, answer) = ask_text(&cluster, "PATCH", path, "").await;
            assert_eq!(status, 405, "{path} is not there: {answer}");
            assert!(call["responses"]["200"].is_object(), "{method} {path}");
        }
    }
    let order = &document["components"]["schemas"]["PlaceOrderRequest"];
    assert_eq!(order["required"], json!(["idempotency_key", "customer", "lines", "payment_token"]));
    assert_eq!(order["properties"]["idempotency_key"]["maxLength"], 128);
    for root in ["", "/"] {
        let (status, page) = ask_text(&cluster, "GET", root, "").await;
        assert_eq!(status, 200);
        assert!(page.contains("/api/v1/cart/checkout") && page.contains("id=\"PlaceOrderRequest\""), "{page}");
        assert!(!page.contains("http://") && !page.contains("https://"), "it needs nothing of other hosts");
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_in_json() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1"], &["a"], 100, 3).await;
    for (method, path, body, expected, reason) in [
        ("POST", "orders", "{", 400, "INVALID_ARGUMENT"),
        ("POST", "orders", "{\"colour\": 1}", 400, "INVALID_ARGUMENT"),
        ("POST", "orders", "{}", 400, "INVALID_ARGUMENT"),
        ("POST", "orders", "{\"lines\": [{\"quantity\": 1.5}]}", 400, "INVALID_ARGUMENT"),
        ("POST", "orders", "{\"lines\": [{\"quantity\": 9223372036854775808}]}", 400, "INVALID_ARGUMENT"),
        ("POST", "stock", "{\"vendor_id\": \"v1\", \"sku\": \"a\", \"by\": -4}", 409, "WRONG_STATE"),
        (
            "POST",
            "products",
            "{\"vendor_id\": \"v9\", \"sku\": \"a\", \"name\": \"x\", \"category\": \"x\"}",
            404,
            "NOT_FOUND",
        ),
        (
            "POST",
            "products",
            "{\"vendor_id\": \"a/b\", \"sku\": \"a\", \"name\": \"x\", \"category\": \"x\"}",
            400,
            "INVALID_ARGUMENT",
        ),
        ("POST", "orders", "{\"payment_token\": 4111111111111111}", 400, "INVALID_ARGUMENT"),
        ("GET", "products?sort=colour", "", 400, "INVALID_ARGUMENT"),
        ("GET", "products?cursor=zzz", "", 400, "INVALID_ARGUMENT"),
        ("GET", "products?page_size=-1", "", 400, "INVALID_ARGUMENT"),
        ("GET", "product?vendor_id=v1&sku=zzz", "", 404, "NOT_FOUND"),
        ("GET", "vendor?vendor_id=v9", "", 404, "NOT_FOUND"),
        ("GET", "vendor?vendor_id=v9&colour=1", "", 400, "INVALID_ARGUMENT"),
        ("GET", "order?order_id=99-x&customer=ada", "", 404, "NOT_FOUND"),
        ("GET", "nothing", "", 404, "NOT_FOUND"),
        ("DELETE", "orders", "", 405, "INVALID_ARGUMENT"),
        ("TRACE", "", "", 405, "INVALID_ARGUMENT"),
        ("GET", "orders", "", 400, "INVALID_ARGUMENT"),
        ("POST", "order/ship", "{}", 400, "INVALID_ARGUMENT"),
        ("POST", "order/ship", "{\"order_id\": \"x\"}", 404, "NOT_FOUND"),
    ] {
        let (status, answer) = ask(&cluster, method, path, body).await;
        assert_eq!(
            (status, answer["reason"].as_str().unwrap()),
            (expected, reason),
            "{method} {path} {body}: {answer}"
        );
    }
    // One byte too many: all that is sent is read.
    let (status, answer) = ask(&cluster, "POST", "vendors", &" ".repeat((2 << 20) + 1)).await;
    assert_eq!((status, &answer["reason"]), (413, &json!("TOO_LARGE")), "{answer}");
    // Characters are counted, not bytes.
    for (length, expected) in [(4097, 400), (4096, 200)] {
        let vendor = json!({ "vendor_id": "v2", "name": "Lamps", "city": "ü".repeat(length) }).to_string();
        let (status, answer) = ask(&cluster, "POST", "vendors", &vendor).await;
        assert_eq!(status, expected, "{length}: {answer}");
    }
    let checkout = json!({ "customer": "ada", "idempotency_key": "k", "payment_token": "ok" });
    let (status, answer) = ask(&cluster, "POST", "cart/checkout", &checkout.to_string()).await;
    assert_eq!((status, &answer["reason"]), (409, &json!("WRONG_STATE")), "the cart is empty: {answer}");
    assert_eq!(cluster.product("v1", "a").await.stock, 3);
    // What is not there has no shard made for it: there are the cluster's first, the two vendors', and perhaps the house's where schedules are.
    assert!(cluster.shards().await <= 4);
    cluster.stop().await;
}
