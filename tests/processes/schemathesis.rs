//! The HTTP calls against schemathesis, which makes requests of the OpenAPI document, good ones and bad ones, and holds the answers against it.
//!
//! `SOUK_TEST_SCHEMATHESIS` names the command of `tests/processes/schemathesis/requirements.txt`; without it `schemathesis` is tried. `SOUK_SEED` is what the requests
//! are made of: the same gives the same.

use std::{env, io::Write as _, process::Command};

use souk_proto::v1::{self, catalog_service_client::CatalogServiceClient};
use tonic::transport::Endpoint;

use crate::cluster::Cluster;

const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/processes/schemathesis/schemathesis.toml");

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

/// The shops that `schemathesis.toml` knows.
async fn open_shops(address: &str) {
    let mut catalog =
        CatalogServiceClient::new(Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy());
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
    open_shops(address).await;
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(schemathesis)
        .current_dir(folder.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args([
            "--config-file",
            CONFIGURATION,
            "run",
            &format!("http://{address}/api/v1/openapi.json"),
            "--seed",
            &seed,
        ])
        .output()
        .unwrap();
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
