//! The HTTP calls against schemathesis, which makes requests of the OpenAPI document, good ones and bad ones, and holds the answers against it.
//!
//! `SOUK_TEST_SCHEMATHESIS` names the command of `tests/processes/schemathesis/requirements.txt`; without it `schemathesis` is tried. `SOUK_SEED` is what the requests
//! are made of: the same gives the same.

use std::{env, io::Write as _, process::Command, time::Duration};

use souk_proto::v1::{self, catalog_service_client::CatalogServiceClient, order_service_client::OrderServiceClient};
use tokio::time::timeout;
use tonic::transport::Endpoint;

use crate::cluster::Cluster;

/// The folder of `schemathesis.toml`, which says what is asked and what is checked.
const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/processes/schemathesis");

/// How long a run may take: on two idle cores it is half a minute.
const RUN_MAX: Duration = Duration::from_secs(300);

/// As many as `schemathesis.toml` knows.
const ORDERS: usize = 4;

/// The command to use; or why there is none.
fn schemathesis() -> Result<String, String> {
    let named = env::var("SOUK_TEST_SCHEMATHESIS").ok();
    let command = named.clone().unwrap_or_else(|| "schemathesis".to_owned());
    let why = match Command::new(&command).arg("--version").output() {
        Ok(output) if output.status.success() => return Ok(command),
        Ok(output) => String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned(),
        Err(error) => error.to_string(),
    };
    // Who names one wants the test to run.
    assert!(named.is_none(), "`SOUK_TEST_SCHEMATHESIS={command}` does not run: {why}");
    Err(why)
}

/// The shops that `schemathesis.toml` knows, and orders at them: their numbers.
async fn fill(address: &str) -> Vec<String> {
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    let (mut catalog, mut orders) = (CatalogServiceClient::new(channel.clone()), OrderServiceClient::new(channel));
    for vendor_id in ["v1", "v2"] {
        let name = format!("Shop {vendor_id}");
        let vendor = v1::CreateVendorRequest { vendor_id: vendor_id.to_owned(), name, ..Default::default() };
        catalog.create_vendor(vendor).await.unwrap();
        for sku in ["a", "b"] {
            let product = v1::PutProductRequest {
                vendor_id: vendor_id.to_owned(),
                sku: sku.to_owned(),
                name: format!("Lamp {sku}"),
                category: "lighting".to_owned(),
                price: 100,
                stock: 1_000_000_000,
                ..Default::default()
            };
            catalog.put_product(product).await.unwrap();
        }
    }
    let mut numbers = Vec::new();
    for number in 0..ORDERS {
        let line = |vendor: &str| v1::OrderLine {
            vendor_id: vendor.to_owned(),
            sku: "a".to_owned(),
            quantity: 1,
            price: None,
        };
        let order = v1::PlaceOrderRequest {
            idempotency_key: number.to_string(),
            customer: "ada".to_owned(),
            lines: vec![line("v1"), line("v2")],
            payment_token: "ok".to_owned(),
            ..Default::default()
        };
        numbers.push(orders.place_order(order).await.unwrap().into_inner().order.unwrap().order_id);
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_answers_as_its_document_says() {
    let schemathesis = match schemathesis() {
        Ok(schemathesis) => schemathesis,
        Err(why) => return skipped(&why),
    };
    let seed = env::var("SOUK_SEED").unwrap_or_else(|_| "20261128".to_owned());
    let cluster = Cluster::start(2);
    let address = &cluster.coordinator.address;
    let orders = (0..).zip(fill(address).await).map(|(at, order): (usize, _)| (format!("SOUK_ORDER_{at}"), order));
    let folder = tempfile::tempdir().unwrap();
    let run = tokio::process::Command::new(schemathesis)
        .current_dir(CONFIGURATION)
        .envs(orders)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HYPOTHESIS_STORAGE_DIRECTORY", folder.path())
        .args(["--no-color", "run", &format!("http://{address}/api/v1/openapi.json"), "--seed", &seed])
        .kill_on_drop(true)
        .output();
    let output =
        timeout(RUN_MAX, run).await.unwrap_or_else(|_| panic!("SOUK_SEED={seed} takes over {RUN_MAX:?}")).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "SOUK_SEED={seed} replays this:\n{said}\n{complaints}");
    println!("SOUK_SEED={seed} replays this:\n{said}");
}

/// Says so whatever the test runner captures: a test that did not run must not look like one that passed.
fn skipped(why: &str) {
    let line = format!("SKIPPED every_call_answers_as_its_document_says: no schemathesis ({why})\n");
    let _ =
        std::fs::OpenOptions::new().write(true).open("/dev/stderr").and_then(|mut err| err.write_all(line.as_bytes()));
}
