//! Measures a node: `cargo run --release -p souk-vendor-node --example measure [SHARDS] [ROWS] [THREADS]`.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use souk_merge::{Batch, Collation, MergeSpec, SortKey, StateKind, ValueRef};
use souk_proto::v1::{self, shard_service_client::ShardServiceClient};
use souk_vendor_node::Settings;
use tokio::net::TcpListener;
use tonic::transport::Channel;

const SCHEMA: &str = "CREATE TABLE products(vendor_id INTEGER, id INTEGER, category TEXT, price INTEGER, rating REAL,
    name TEXT, description TEXT, PRIMARY KEY (vendor_id, id));
  CREATE INDEX by_category ON products(category, rating DESC)";

const CALLS: u32 = 300;

type Client = ShardServiceClient<Channel>;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap());
    let shards: u64 = arguments.next().unwrap_or(250);
    let rows = arguments.next().unwrap_or(200);
    let threads = arguments.next().unwrap_or(2) as usize;
    let data = tempfile::tempdir().unwrap();
    let settings = Settings {
        id: "n".into(),
        data: data.path().into(),
        threads,
        open_shards_max: None,
        kept_bytes_max: souk_vendor_node::KEPT_BYTES_MAX,
    };

    let served = serve(settings.clone()).await;
    let mut client = served.client.clone();
    let started = Instant::now();
    let schema = vec![v1::SchemaChange { version: 1, sql: SCHEMA.into() }];
    client.create_shards(v1::CreateShardsRequest { shards: (1..=shards).collect(), schema }).await.unwrap();
    println!("create {shards} shards: {:?}", started.elapsed());
    let started = Instant::now();
    let inserts = (1..=shards).map(|shard| inserts(shard, rows)).collect();
    let request = v1::InsertRowsRequest { shards: inserts, schema_version: 1, keep_going: false };
    let inserted = client.insert_rows(request).await.unwrap().into_inner().inserted;
    println!("insert {inserted} rows, one transaction a shard: {:?}", started.elapsed());
    served.stop().await;

    let served = serve(settings).await;
    let mut client = served.client.clone();
    let key = |column, descending| SortKey { column, descending, nulls_last: descending, collation: Collation::Binary };
    let top = MergeSpec::Rows { order: vec![key(4, true)], limit: Some(10) };
    let top_sql = "SELECT * FROM products WHERE category = ?1 ORDER BY rating DESC LIMIT 10";
    let sums = MergeSpec::Groups { keys: vec![], states: vec![StateKind::Count, StateKind::Sum, StateKind::Sum] };
    let sums_sql = "SELECT COUNT(*), souk_sum(price), souk_sum(rating) FROM products";
    let groups = MergeSpec::Groups { keys: vec![Collation::Binary], states: vec![StateKind::Count, StateKind::Sum] };
    let groups_sql = "SELECT category, COUNT(*), souk_sum(rating) FROM products GROUP BY category";
    let all = MergeSpec::Rows { order: vec![], limit: None };
    let first = MergeSpec::Rows { order: vec![], limit: Some(10) };
    let none = MergeSpec::Rows { order: vec![], limit: Some(10) };

    let before = memory(&mut client).await;
    let started = Instant::now();
    call(&mut client, shards, top_sql, &top).await;
    println!("first top-10, opening every shard: {:?}", started.elapsed());
    let after = memory(&mut client).await;
    println!("memory per open shard: {} bytes", (after - before) / shards);
    for (name, sql, merge) in [
        ("top-10 of a category", top_sql, &top),
        ("COUNT/SUM/AVG", sums_sql, &sums),
        ("GROUP BY category", groups_sql, &groups),
        ("all rows, streamed", "SELECT * FROM products", &all),
        ("LIMIT 10", "SELECT * FROM products WHERE category = ?1 LIMIT 10", &first),
        ("LIMIT 10 of nothing", "SELECT * FROM products WHERE category = 'x' LIMIT 10", &none),
    ] {
        call(&mut client, shards, sql, merge).await;
        let (started, cpu) = (Instant::now(), cpu_ms());
        let mut received = 0;
        for _ in 0..CALLS {
            received = call(&mut client, shards, sql, merge).await;
        }
        let wall = started.elapsed().as_secs_f64() * 1e3 / f64::from(CALLS);
        let cpu = (cpu_ms() - cpu) / f64::from(CALLS);
        println!("{name}: {wall:.3} ms a call, {cpu:.3} ms of both sides' CPU, {received} rows");
    }
    println!("memory per open shard at the end: {} bytes", (memory(&mut client).await - before) / shards);
    served.stop().await;
}

/// Time that the process has spent computing, node and client: the wall's clock also counts who else runs here.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    10.0 * (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap())
}

struct Served {
    client: Client,
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), souk_vendor_node::NodeError>>,
}

impl Served {
    async fn stop(self) {
        drop(self.client);
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

async fn serve(settings: Settings) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let opened = souk_vendor_node::open(settings).await.unwrap();
    let task = tokio::spawn(souk_vendor_node::run(opened, listener, async {
        let _ = stopped.await;
    }));
    let channel = Channel::from_shared(address).unwrap();
    let channel = channel.initial_stream_window_size(4 << 20).initial_connection_window_size(16 << 20);
    let client = ShardServiceClient::new(channel.connect().await.unwrap()).max_decoding_message_size(usize::MAX);
    Served { client, stop, task }
}

async fn memory(client: &mut Client) -> u64 {
    client.describe(v1::DescribeRequest {}).await.unwrap().into_inner().memory_bytes
}

async fn call(client: &mut Client, shards: u64, sql: &str, merge: &MergeSpec) -> u64 {
    let request = v1::RunFragmentRequest {
        shards: (1..=shards).collect(),
        sql: sql.into(),
        parameters: vec![ValueRef::Text(b"spices").into()],
        merge: Some(merge.into()),
        schema_version: 1,
        deadline_ms: 60_000,
        bytes_max: 1 << 30,
        ..Default::default()
    };
    let mut stream = client.run_fragment(request).await.unwrap().into_inner();
    let mut rows = 0;
    while let Some(part) = stream.message().await.unwrap() {
        if let Some(v1::run_fragment_response::Part::Batch(batch)) = part.part {
            rows += u64::from(batch.rows);
        }
    }
    rows
}

fn inserts(shard: u64, rows: u64) -> v1::ShardInserts {
    let mut batch = Batch::new(7);
    for id in 0..rows {
        let mixed = (shard * 1_000_003 + id).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let category = ["spices", "fabrics", "lamps", "pots", "rugs"][(mixed % 5) as usize];
        batch.push_row([
            ValueRef::Integer(shard as i64),
            ValueRef::Integer(id as i64),
            ValueRef::Text(category.as_bytes()),
            ValueRef::Integer((mixed % 10_000) as i64),
            ValueRef::Real((mixed % 50) as f64 / 10.0),
            ValueRef::Text(format!("product {id} of vendor {shard}").as_bytes()),
            ValueRef::Text(b"a thing of some beauty and no small use, made by hand in a small street of the old town"),
        ]);
    }
    let columns = ["vendor_id", "id", "category", "price", "rating", "name", "description"].map(String::from).to_vec();
    v1::ShardInserts {
        shard,
        tables: vec![v1::TableInserts { table: "products".into(), columns, batch: Some(batch.into()) }],
    }
}
