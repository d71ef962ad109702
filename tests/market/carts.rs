//! Carts: what one customer asks for is done one after the other.

use std::time::Duration;

use futures::future::join_all;
use souk_marketplace::Settings;
use souk_proto::{
    Reason,
    v1::{self, cart_service_client::CartServiceClient},
};
use tonic::{Status, transport::Channel};

use crate::cluster::{Cluster, quick, reason};

impl Cluster {
    fn carts(&self) -> CartServiceClient<Channel> {
        CartServiceClient::new(self.channel())
    }

    async fn add(&self, customer: &str, vendor: &str, sku: &str, quantity: i64) -> Result<v1::Cart, Status> {
        let request =
            v1::AddToCartRequest { customer: customer.into(), vendor_id: vendor.into(), sku: sku.into(), quantity };
        self.carts().add_to_cart(request).await.map(tonic::Response::into_inner)
    }

    async fn change(&self, customer: &str, vendor: &str, sku: &str, quantity: i64) -> Result<v1::Cart, Status> {
        let request =
            v1::ChangeCartRequest { customer: customer.into(), vendor_id: vendor.into(), sku: sku.into(), quantity };
        self.carts().change_cart(request).await.map(tonic::Response::into_inner)
    }

    async fn cart(&self, customer: &str) -> v1::Cart {
        self.carts().get_cart(v1::GetCartRequest { customer: customer.into() }).await.unwrap().into_inner()
    }

    async fn checkout(&self, customer: &str, key: &str) -> Result<v1::PlaceOrderResponse, Status> {
        let request =
            v1::CheckoutRequest { customer: customer.into(), idempotency_key: key.into(), payment_token: "ok".into() };
        self.carts().checkout(request).await.map(tonic::Response::into_inner)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_is_filled_changed_and_ordered() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &["a", "b"], 100, 5).await;
    for (vendor, sku, quantity) in [("v2", "a", 1), ("v1", "b", 2), ("v1", "a", 1), ("v1", "b", 1)] {
        cluster.add("ada", vendor, sku, quantity).await.unwrap();
    }
    let cart = cluster.change("ada", "v1", "a", 0).await.unwrap();
    assert_eq!(cart.total, 400);
    let vendors: Vec<_> = cart.vendors.iter().map(|vendor| (vendor.vendor_id.as_str(), vendor.total)).collect();
    assert_eq!(vendors, [("v1", 300), ("v2", 100)]);
    assert_eq!(cart, cluster.cart("ada").await);
    assert_eq!(cluster.cart("bob").await.total, 0);
    let placed = cluster.checkout("ada", "k").await.unwrap();
    let order = placed.order.clone().unwrap();
    assert_eq!((order.state.as_str(), order.total, order.parts.len()), ("placed", 400, 2));
    assert_eq!(cluster.cart("ada").await.total, 0);
    // The answer was lost, and it is sent again.
    let again = cluster.checkout("ada", "k").await.unwrap();
    assert_eq!((again.order, again.repeated), (placed.order, true));
    assert_eq!(reason(&cluster.checkout("ada", "l").await.unwrap_err()), Reason::WrongState, "it is empty");
    for (vendor, sku, quantity, why) in [
        ("v1", "zzz", 1, Reason::NotFound),
        ("v9", "a", 1, Reason::NotFound),
        ("v1", "a", 0, Reason::InvalidArgument),
        ("v1", "a", -1, Reason::InvalidArgument),
        ("v1", "a", i64::MAX, Reason::InvalidArgument),
    ] {
        assert_eq!(
            reason(&cluster.add("ada", vendor, sku, quantity).await.unwrap_err()),
            why,
            "{vendor} {sku} {quantity}"
        );
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_checkout_leaves_the_cart_with_the_prices_of_now() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &["a"], 100, 5).await;
    cluster.add("ada", "v1", "a", 1).await.unwrap();
    cluster.add("ada", "v2", "a", 6).await.unwrap();
    let dearer = v1::PutProductRequest {
        vendor_id: "v1".into(),
        sku: "a".into(),
        name: "Lamp".into(),
        category: "lighting".into(),
        price: 120,
        ..Default::default()
    };
    cluster.catalog().put_product(dearer).await.unwrap();
    let refused = cluster.checkout("ada", "k").await.unwrap().order.unwrap();
    let reasons: Vec<&str> = refused.refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
    assert_eq!((refused.state.as_str(), reasons), ("refused", vec!["PRICE_CHANGED", "OUT_OF_STOCK"]));
    assert_eq!(cluster.cart("ada").await.total, 720, "at the price of now");
    cluster.change("ada", "v2", "a", 5).await.unwrap();
    assert_eq!(
        reason(&cluster.checkout("ada", "k").await.unwrap_err()),
        Reason::AlreadyExists,
        "another order by then"
    );
    assert_eq!(cluster.checkout("ada", "l").await.unwrap().order.unwrap().total, 620);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_of_what_comes_at_once() {
    let settings = Settings { cart_kept_for: Duration::from_millis(20), ..quick() };
    let cluster = Cluster::start(settings).await;
    cluster.open_shops(&["v1"], &["a"], 100, 1000).await;
    join_all((0..50).map(|_| cluster.add("ada", "v1", "a", 1))).await.into_iter().for_each(|cart| drop(cart.unwrap()));
    // It may have been let go between two of them by then: what is there is less, but every answer was one of a whole cart.
    let total = cluster.cart("ada").await.total;
    assert!(total % 100 == 0 && total <= 5000, "{total}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(cluster.cart("ada").await.total, 0, "nobody has used it");
    // Ordered while pieces are put in: each is in the order, or in the cart afterwards.
    cluster.stop().await;
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1"], &["a"], 100, 1000).await;
    cluster.add("ada", "v1", "a", 1).await.unwrap();
    let adds = join_all((0..50).map(|_| cluster.add("ada", "v1", "a", 1)));
    let checkouts = join_all((0..5).map(|number| {
        let cluster = &cluster;
        async move { cluster.checkout("ada", &number.to_string()).await }
    }));
    let (adds, checkouts) = tokio::join!(adds, checkouts);
    assert!(adds.iter().all(Result::is_ok));
    let ordered: i64 = checkouts.into_iter().filter_map(Result::ok).map(|placed| placed.order.unwrap().total).sum();
    assert_eq!(ordered + cluster.cart("ada").await.total, 5100);
    assert_eq!(cluster.product("v1", "a").await.sold * 100, ordered);
    cluster.stop().await;
}
