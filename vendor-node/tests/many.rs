//! More shards than may be open.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{COLUMNS, SCHEMA, all, batch_of, fragment, inserts, products, serve, settings};
use souk_merge::{MergeSpec, StateKind, Value};
use souk_vendor_node::Settings;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_shards_are_served_with_four_open() {
    let data = TempDir::new().unwrap();
    let mut served = serve(Settings { open_shards_max: Some(4), ..settings(data.path()) }).await;
    served.create(1..=50, &[SCHEMA]).await;
    let sum = MergeSpec::Groups { keys: vec![], states: vec![StateKind::Count] };
    for round in 1..=3_i64 {
        let rows = |shard: u64| products(shard * 1000 + round as u64, 7);
        let written = (1..=50).map(|shard| inserts(shard, "products", &COLUMNS, &rows(shard))).collect();
        assert_eq!(served.insert(written).await.inserted, 350);
        let count = "SELECT COUNT(*) FROM products";
        assert_eq!(served.rows(fragment(1..=50, count, sum.clone())).await, [[Value::Integer(350 * round)]]);
        assert_eq!(served.rows(fragment(1..=50, count, all())).await, vec![vec![Value::Integer(7 * round)]; 50]);
        let open = served.describe().await.shards_open;
        assert!((1..=4).contains(&open), "{open} shards open");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_give_what_one_gives() {
    let data = TempDir::new().unwrap();
    let mut served = serve(Settings { open_shards_max: Some(8), ..settings(data.path()) }).await;
    served.create(1..=40, &[SCHEMA]).await;
    served.insert((1..=40).map(|shard| inserts(shard, "products", &COLUMNS, &products(shard, 20))).collect()).await;
    let sql = "SELECT * FROM products ORDER BY id";
    let wanted = served.rows(fragment(1..=40, sql, all())).await;
    assert_eq!(wanted.len(), 800);
    let mut calls = Vec::new();
    for _ in 0..16 {
        let mut client =
            souk_proto::v1::shard_service_client::ShardServiceClient::connect(served.address.clone()).await.unwrap();
        calls.push(tokio::spawn(async move {
            let mut rows = 0;
            let mut stream = client.run_fragment(fragment(1..=40, sql, all())).await.unwrap().into_inner();
            while let Some(mut part) = stream.message().await.unwrap() {
                if let Some(batch) = batch_of(&mut part) {
                    rows += batch.rows;
                }
            }
            rows
        }));
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), 800);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_who_it_is() {
    let data = TempDir::new().unwrap();
    let mut served = serve(settings(data.path())).await;
    served.create([300, 2, 1], &[SCHEMA]).await;
    let described = served.describe().await;
    assert_eq!((described.node.as_str(), described.schema_version), ("n1", 1));
    assert_eq!(described.shards, [1, 2, 300]);
    assert_eq!(described.sqlite_version, rusqlite::version());
    assert!(described.compile_options.is_sorted());
    assert!(described.compile_options.iter().any(|option| option == "ENABLE_STAT4"));
    assert!(!described.compile_options.iter().any(|option| option.starts_with("COMPILER")));
    assert_eq!(described.shards_open, 0);
    assert!(described.memory_bytes > 0);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_served() {
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let data = TempDir::new().unwrap();
    let served = serve(settings(data.path())).await;
    let channel = tonic::transport::Endpoint::new(served.address.clone()).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "souk.v1.ShardService"] {
        let asked = health.check(HealthCheckRequest { service: service.to_owned() }).await;
        assert_eq!(asked.unwrap().into_inner().status, 1, "`{service}`");
    }
    let mut reflection = ServerReflectionClient::new(channel);
    let list = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let mut answers = reflection.server_reflection_info(tokio_stream::once(list)).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(listed)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list of services");
    };
    assert!(listed.service.iter().any(|service| service.name == "souk.v1.ShardService"));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_make_no_sense_are_refused() {
    let data = TempDir::new().unwrap();
    let good = settings(data.path());
    for bad in [
        Settings { id: String::new(), ..good.clone() },
        Settings { threads: 0, ..good.clone() },
        Settings { open_shards_max: Some(0), ..good.clone() },
    ] {
        let refused = souk_vendor_node::open(bad).await.map(drop);
        assert!(matches!(refused, Err(souk_vendor_node::NodeError::Setting { .. })));
    }
}
