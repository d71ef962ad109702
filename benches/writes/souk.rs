//! souk through gRPC: as many connections as clients, all of them one thread.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::ensure;
use futures::future::try_join_all;
use souk_merge::{Batch, Value};
use souk_proto::v1::{
    ExecuteRequest, LoadRequest, Parameter, TransactRequest, TransactStatement, transact_statement::Expectation,
    write_service_client::WriteServiceClient,
};
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

use crate::{
    measure::median,
    plain::{INSERT, NOTE, TABLE},
};

/// Rows of a message of a bulk load.
const ROWS_AT_ONCE: u32 = 5000;

type Client = WriteServiceClient<Channel>;

/// Connections to a coordinator.
pub(crate) struct Souk {
    runtime: Runtime,
    clients: Vec<Client>,
    /// The next row's id.
    next: Cell<i64>,
    /// Rows that were acknowledged.
    acknowledged: Cell<u64>,
}

fn parameters(values: &[Value]) -> Vec<Parameter> {
    values.iter().map(|value| Parameter { name: String::new(), value: Some(value.into()) }).collect()
}

impl Souk {
    /// Connects.
    pub(crate) fn connect(address: &str, clients: u32) -> anyhow::Result<Souk> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        let connect = || async { anyhow::Ok(WriteServiceClient::new(endpoint.connect().await?)) };
        let clients = runtime.block_on(try_join_all((0..clients).map(|_| connect())))?;
        Ok(Souk { runtime, clients, next: Cell::new(0), acknowledged: Cell::new(0) })
    }

    fn row(&self, vendor: i64) -> [Value; 4] {
        let id = self.next.replace(self.next.get() + 1);
        [Value::Integer(vendor), Value::Integer(id), Value::Integer(id % 1000), Value::text(NOTE)]
    }

    fn acknowledge(&self, rows: u64) {
        self.acknowledged.set(self.acknowledged.get() + rows);
    }

    /// Makes the table and a shard for each vendor.
    pub(crate) fn make_vendors(&self, vendors: u32) -> anyhow::Result<()> {
        let sql = format!("{TABLE} SHARD KEY (vendor_id)");
        let mut client = self.clients[0].clone();
        self.runtime.block_on(client.execute(ExecuteRequest { sql, ..ExecuteRequest::default() }))?;
        let rows = (0..i64::from(vendors)).map(|vendor| self.row(vendor)).collect();
        self.load(vec![rows]).map(drop)
    }

    /// Rows a second by all clients, one a call, into the first `vendors` in turn.
    pub(crate) fn insert(&self, vendors: u32, turn: Duration) -> anyhow::Result<f64> {
        let started = Instant::now();
        let of_client = async |client: &Client, first: i64| {
            let (mut client, mut vendor) = (client.clone(), first);
            while started.elapsed() < turn {
                vendor = (vendor + 1) % i64::from(vendors);
                let request = ExecuteRequest {
                    sql: INSERT.to_owned(),
                    parameters: parameters(&self.row(vendor)),
                    ..ExecuteRequest::default()
                };
                client.execute(request).await?;
                self.acknowledge(1);
            }
            anyhow::Ok(())
        };
        let before = self.acknowledged.get();
        let step = i64::from(vendors) / self.clients.len() as i64;
        let all = (0..).zip(&self.clients).map(|(number, client)| of_client(client, number * step));
        self.runtime.block_on(try_join_all(all))?;
        Ok((self.acknowledged.get() - before) as f64 / started.elapsed().as_secs_f64())
    }

    /// What a transaction of one row on each of two shards takes, one after the other: the middle.
    pub(crate) fn transfer_ms(&self, vendors: u32, turn: Duration) -> anyhow::Result<f64> {
        let (started, mut times) = (Instant::now(), Vec::new());
        let mut client = self.clients[0].clone();
        let mut vendor = 0;
        while started.elapsed() < turn {
            let statement = |vendor: i64| TransactStatement {
                sql: INSERT.to_owned(),
                parameters: parameters(&self.row(vendor)),
                expectation: Some(Expectation::Changes(1)),
            };
            vendor = (vendor + 2) % i64::from(vendors - 1);
            let statements = vec![statement(vendor), statement(vendor + 1)];
            let began = Instant::now();
            self.runtime.block_on(client.transact(TransactRequest { statements, ..TransactRequest::default() }))?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
            self.acknowledge(2);
        }
        Ok(median(times))
    }

    /// Rows a second of a bulk load into the first vendors, as many for each.
    pub(crate) fn bulk(&self, vendors: u32, rows: u32) -> anyhow::Result<f64> {
        let batches: Vec<Vec<[Value; 4]>> = (0..rows / ROWS_AT_ONCE)
            .map(|_| (0..ROWS_AT_ONCE).map(|row| self.row(i64::from(row % vendors))).collect())
            .collect();
        let started = Instant::now();
        let loaded = self.load(batches)?;
        Ok(loaded as f64 / started.elapsed().as_secs_f64())
    }

    fn load(&self, batches: Vec<Vec<[Value; 4]>>) -> anyhow::Result<u64> {
        let request = |rows: Vec<[Value; 4]>| {
            let mut batch = Batch::new(4);
            rows.iter().for_each(|row| batch.push_row(row.iter().map(Value::as_ref)));
            let columns = ["vendor_id", "id", "total", "note"].map(str::to_owned).to_vec();
            LoadRequest { table: "orders".to_owned(), columns, batch: Some(batch.into()), first_row: 0 }
        };
        let requests: Vec<LoadRequest> = batches.into_iter().map(request).collect();
        let mut client = self.clients[0].clone();
        let loaded = self.runtime.block_on(async {
            let mut responses = client.load(tokio_stream::iter(requests)).await?.into_inner();
            let mut loaded = 0;
            while let Some(response) = responses.message().await? {
                ensure!(response.rejected.is_empty(), "rejected: {:?}", response.rejected.first());
                loaded = response.loaded;
            }
            Ok(loaded)
        })?;
        self.acknowledge(loaded);
        Ok(loaded)
    }

    /// Every row that was acknowledged is there.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let sql = "UPDATE orders SET total = total WHERE total >= 0".to_owned();
        let mut client = self.clients[0].clone();
        let request = ExecuteRequest { sql, deadline_ms: 600_000, ..ExecuteRequest::default() };
        let there = self.runtime.block_on(client.execute(request))?.into_inner().rows_affected;
        ensure!(
            there == self.acknowledged.get(),
            "{there} rows are there, {} were acknowledged",
            self.acknowledged.get()
        );
        Ok(())
    }
}
