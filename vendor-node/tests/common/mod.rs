//! A node under test, served as it is in life, and short ways to ask it.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::{collections::BTreeMap, path::Path, path::PathBuf};

use rusqlite::Connection;
use souk_merge::{Batch, MergeSpec, Value};
use souk_proto::{
    Reason,
    v1::{self, run_fragment_response::Part, shard_service_client::ShardServiceClient},
};
use souk_vendor_node::{NodeError, Settings};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tonic::{Status, Streaming, transport::Channel};

pub const SCHEMA: &str = "CREATE TABLE products(
    vendor_id INTEGER, id INTEGER, category TEXT, price INTEGER, rating REAL, name TEXT COLLATE NOCASE,
    PRIMARY KEY (vendor_id, id));
  CREATE INDEX products_by_category ON products(category, rating DESC)";

pub struct Served {
    pub client: ShardServiceClient<Channel>,
    pub address: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), NodeError>>,
}

pub fn settings(data: &Path) -> Settings {
    Settings {
        id: "n1".to_owned(),
        data: data.to_owned(),
        threads: 2,
        open_shards_max: None,
        kept_bytes_max: souk_vendor_node::KEPT_BYTES_MAX,
    }
}

pub async fn serve(settings: Settings) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let opened = souk_vendor_node::open(settings).await.unwrap();
    let task = tokio::spawn(souk_vendor_node::run(opened, listener, async {
        let _ = stopped.await;
    }));
    let client = ShardServiceClient::connect(address.clone()).await.unwrap().max_decoding_message_size(usize::MAX);
    Served { client, address, stop: Some(stop), task }
}

impl Served {
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    pub async fn create(&mut self, shards: impl IntoIterator<Item = u64>, schema: &[&str]) -> u32 {
        self.try_create(shards, schema).await.unwrap()
    }

    pub async fn try_create(&mut self, shards: impl IntoIterator<Item = u64>, schema: &[&str]) -> Result<u32, Status> {
        let request = v1::CreateShardsRequest { shards: shards.into_iter().collect(), schema: log(schema) };
        Ok(self.client.create_shards(request).await?.into_inner().created)
    }

    pub async fn apply(&mut self, schema: &[&str]) -> Result<v1::ApplySchemaResponse, Status> {
        Ok(self.client.apply_schema(v1::ApplySchemaRequest { schema: log(schema), trial: false }).await?.into_inner())
    }

    pub async fn describe(&mut self) -> v1::DescribeResponse {
        self.client.describe(v1::DescribeRequest {}).await.unwrap().into_inner()
    }

    pub async fn insert(&mut self, shards: Vec<v1::ShardInserts>) -> v1::InsertRowsResponse {
        self.try_insert(shards, 1, false).await.unwrap()
    }

    pub async fn try_insert(
        &mut self,
        shards: Vec<v1::ShardInserts>,
        schema_version: u64,
        keep_going: bool,
    ) -> Result<v1::InsertRowsResponse, Status> {
        let request = v1::InsertRowsRequest { shards, schema_version, keep_going };
        Ok(self.client.insert_rows(request).await?.into_inner())
    }

    pub async fn stream(&mut self, ask: v1::RunFragmentRequest) -> Streaming<v1::RunFragmentResponse> {
        self.client.run_fragment(ask).await.unwrap().into_inner()
    }

    pub async fn ask(&mut self, ask: v1::RunFragmentRequest) -> Result<Answer, Status> {
        let mut stream = self.client.run_fragment(ask).await?.into_inner();
        let mut answer = Answer::default();
        while let Some(mut part) = stream.message().await? {
            let batch = batch_of(&mut part);
            if let Some(Part::Summary(summary)) = part.part {
                answer.summary = Some(summary);
            }
            if let Some(batch) = batch {
                let batch = Batch::try_from(batch).unwrap();
                answer.batches.push((batch.rows(), batch.byte_size()));
                answer.rows.extend(batch.into_rows());
            }
        }
        Ok(answer)
    }

    /// The rows of an answer in which every shard answered.
    pub async fn rows(&mut self, ask: v1::RunFragmentRequest) -> Vec<Vec<Value>> {
        let asked = ask.shards.len() as u32;
        let answer = self.ask(ask).await.unwrap();
        let summary = answer.summary.expect("an answer ends with a summary");
        assert_eq!((summary.answered, summary.failed), (asked, vec![]));
        answer.rows
    }

    /// The reason and the words of a call that fails.
    pub async fn refusal(&mut self, ask: v1::RunFragmentRequest) -> (Reason, String) {
        refusal(self.ask(ask).await.unwrap_err())
    }
}

/// Takes the rows of a message: the last ones come with the summary.
pub fn batch_of(response: &mut v1::RunFragmentResponse) -> Option<v1::Batch> {
    match response.part.as_mut().unwrap() {
        Part::Batch(batch) => Some(std::mem::take(batch)),
        Part::Summary(summary) => summary.last.take(),
    }
}

#[derive(Debug, Default)]
pub struct Answer {
    pub rows: Vec<Vec<Value>>,
    pub batches: Vec<(usize, usize)>,
    pub summary: Option<v1::FragmentSummary>,
}

pub fn refusal(status: Status) -> (Reason, String) {
    (Reason::of(&status).unwrap_or_else(|| panic!("no reason in {status:?}")), status.message().to_owned())
}

pub fn log(schema: &[&str]) -> Vec<v1::SchemaChange> {
    (1..).zip(schema).map(|(version, sql)| v1::SchemaChange { version, sql: sql.to_string() }).collect()
}

/// A request with generous bounds, for shards at schema 1.
pub fn fragment(shards: impl IntoIterator<Item = u64>, sql: &str, merge: MergeSpec) -> v1::RunFragmentRequest {
    v1::RunFragmentRequest {
        shards: shards.into_iter().collect(),
        sql: sql.to_owned(),
        merge: Some((&merge).into()),
        schema_version: 1,
        deadline_ms: 60_000,
        bytes_max: 1 << 30,
        ..Default::default()
    }
}

/// Rows, concatenated.
pub fn all() -> MergeSpec {
    MergeSpec::Rows { order: vec![], limit: None }
}

pub fn inserts(shard: u64, table: &str, columns: &[&str], rows: &[Vec<Value>]) -> v1::ShardInserts {
    v1::ShardInserts { shard, tables: vec![table_inserts(table, columns, rows)] }
}

pub fn table_inserts(table: &str, columns: &[&str], rows: &[Vec<Value>]) -> v1::TableInserts {
    let mut batch = Batch::new(columns.len());
    rows.iter().for_each(|row| batch.push_row(row.iter().map(Value::as_ref)));
    let columns = columns.iter().map(|column| column.to_string()).collect();
    v1::TableInserts { table: table.to_owned(), columns, batch: Some(batch.into()) }
}

pub const COLUMNS: [&str; 6] = ["vendor_id", "id", "category", "price", "rating", "name"];

/// Rows of `products` for one vendor: repeatable, with NULLs, ties, mixed case and numbers of both kinds.
pub fn products(vendor: u64, count: i64) -> Vec<Vec<Value>> {
    let mut state = vendor.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    (0..count)
        .map(|id| {
            let category = ["spices", "Fabrics", "lamps", "pots"][next(4) as usize];
            let rating = match next(9) {
                0 => Value::Null,
                rating => Value::Real(rating as f64 / 2.0 + 0.1),
            };
            let name = ["Apple", "apple", "PEAR", "pear ", "fig", "Fig"][next(6) as usize];
            vec![
                Value::Integer(vendor as i64),
                Value::Integer(id),
                if next(20) == 0 { Value::Null } else { Value::text(category) },
                Value::Integer(next(1_000_000) as i64 - 1000),
                rating,
                Value::text(name),
            ]
        })
        .collect()
}

/// One plain SQLite that holds all rows: what every answer is compared with.
pub struct Oracle(pub Connection);

impl Oracle {
    pub fn new(schema: &str) -> Oracle {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(schema).unwrap();
        Oracle(connection)
    }

    pub fn insert(&self, table: &str, columns: &[&str], rows: &[Vec<Value>]) {
        let places = vec!["?"; columns.len()].join(",");
        let sql = format!("INSERT INTO {table}({}) VALUES ({places})", columns.join(","));
        let mut statement = self.0.prepare(&sql).unwrap();
        for row in rows {
            for (index, value) in row.iter().enumerate() {
                statement.raw_bind_parameter(index + 1, to_sqlite(value)).unwrap();
            }
            statement.raw_execute().unwrap();
        }
    }

    pub fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        let mut statement = self.0.prepare(sql).unwrap();
        let width = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..width).map(|column| row.get_ref(column).map(from_sqlite)).collect::<rusqlite::Result<Vec<Value>>>()
        });
        rows.unwrap().map(Result::unwrap).collect()
    }
}

fn to_sqlite(value: &Value) -> rusqlite::types::ToSqlOutput<'_> {
    use rusqlite::types::ValueRef;
    rusqlite::types::ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Integer(integer) => ValueRef::Integer(*integer),
        Value::Real(real) => ValueRef::Real(*real),
        Value::Text(bytes) => ValueRef::Text(bytes),
        Value::Blob(bytes) => ValueRef::Blob(bytes),
    })
}

fn from_sqlite(value: rusqlite::types::ValueRef<'_>) -> Value {
    use rusqlite::types::ValueRef;
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(bytes) => Value::Text(bytes.into()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.into()),
    }
}

/// A node with `shards` shards of `rows` products each, and the oracle beside it.
pub async fn market(data: &TempDir, shards: u64, rows: i64) -> (Served, Oracle) {
    let mut served = serve(settings(data.path())).await;
    let oracle = Oracle::new(SCHEMA);
    served.create(1..=shards, &[SCHEMA]).await;
    let mut all = Vec::new();
    for shard in 1..=shards {
        let rows = products(shard, rows);
        oracle.insert("products", &COLUMNS, &rows);
        all.push(inserts(shard, "products", &COLUMNS, &rows));
    }
    let inserted = served.insert(all).await;
    assert_eq!(inserted.inserted, shards * rows as u64);
    assert_eq!((inserted.rejected, inserted.failed), (vec![], vec![]));
    (served, oracle)
}

pub fn shard_file(data: &Path, shard: u64) -> PathBuf {
    data.join("shards").join(format!("{:02x}", shard & 0xff)).join(format!("{shard}.db"))
}

/// Every file below a folder with its bytes.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, bytes)| (path.join(below), bytes)));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found.into_iter().map(|(path, bytes)| (path.strip_prefix(folder).unwrap_or(&path).to_owned(), bytes)).collect()
}
