//! A coordinator that is one SQLite database, and that breaks off or lies when it is asked to.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures::{Stream, stream};
use rusqlite::{Connection, ErrorCode, params_from_iter, types::Value as Stored};
use souk_merge::{Batch, Value};
use souk_proto::{
    Reason,
    v1::{
        self, Certificate, ExecuteRequest, ExecuteResponse, ExplainRequest, ExplainResponse, GetSchemaRequest,
        GetSchemaResponse, GetStatusRequest, GetStatusResponse, GetTransactionRequest, GetTransactionResponse, Header,
        LoadRequest, LoadResponse, NodeStatus, QueryRequest, QueryResponse, RejectedRow, ShardFailure, TransactRequest,
        TransactResponse,
        cluster_service_server::{ClusterService, ClusterServiceServer},
        query_response::Part,
        query_service_server::{QueryService, QueryServiceServer},
        write_service_server::{WriteService, WriteServiceServer},
    },
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming, async_trait, transport::Server};

type Parts<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A running fake; it ends when it is dropped.
pub(crate) struct Fake {
    /// `--addr` for the command.
    pub(crate) address: String,
    connection: Arc<Mutex<Connection>>,
    _runtime: Runtime,
}

/// Serves the database that `schema` makes. Every table with a `vendor_id` is sharded by it.
pub(crate) fn serve(schema: &str) -> Fake {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(schema).unwrap();
    let connection = Arc::new(Mutex::new(connection));
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = Service { connection: connection.clone() };
    let server = Server::builder()
        .add_service(QueryServiceServer::new(service.clone()))
        .add_service(WriteServiceServer::new(service.clone()))
        .add_service(ClusterServiceServer::new(service));
    runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Fake { address, connection, _runtime: runtime }
}

impl Fake {
    /// One text from the database.
    pub(crate) fn text(&self, sql: &str) -> String {
        let connection = self.connection.lock().unwrap();
        connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap()
    }
}

#[derive(Clone)]
struct Service {
    connection: Arc<Mutex<Connection>>,
}

fn refused(error: rusqlite::Error) -> Status {
    let message = error.to_string();
    let reason = if message.contains("no such") { Reason::NoSuchTable } else { Reason::SqlSyntax };
    reason.status(message)
}

fn domain(value: Stored) -> Value {
    match value {
        Stored::Null => Value::Null,
        Stored::Integer(integer) => Value::Integer(integer),
        Stored::Real(real) => Value::Real(real),
        Stored::Text(text) => Value::text(&text),
        Stored::Blob(blob) => Value::Blob(blob.into()),
    }
}

fn stored(value: Value) -> Stored {
    match value {
        Value::Null => Stored::Null,
        Value::Integer(integer) => Stored::Integer(integer),
        Value::Real(real) => Stored::Real(real),
        Value::Text(text) => Stored::Text(String::from_utf8(text.into()).unwrap()),
        Value::Blob(blob) => Stored::Blob(blob.into()),
    }
}

/// Rows in batches of two.
fn answer(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Part>> {
    let mut statement = connection.prepare(sql)?;
    let describe = |name: &str| v1::ColumnDescription { name: name.to_owned(), declared_type: String::new() };
    let columns: Vec<_> = statement.column_names().map(describe).collect();
    let width = columns.len();
    let mut parts = vec![Part::Header(Header { columns })];
    let mut rows = statement.query([])?;
    let mut batch = Batch::new(width);
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let values = (0..width).map(|column| row.get(column).map(domain)).collect::<rusqlite::Result<Vec<_>>>()?;
        batch.push_row(values.iter().map(Value::as_ref));
        count += 1;
        if batch.rows() == 2 {
            parts.push(Part::Batch(std::mem::replace(&mut batch, Batch::new(width)).into()));
        }
    }
    parts.push(Part::Batch(batch.into()));
    parts.push(Part::Certificate(certificate(count)));
    Ok(parts)
}

fn certificate(rows: u64) -> Certificate {
    Certificate { plan: "scatter".into(), asked: 3, answered: 3, pruned: 1, rows, ..Certificate::default() }
}

/// Breaks an answer in the way that a comment in its SQL asks for.
fn broken(mut parts: Vec<Part>, sql: &str, partial: bool) -> Vec<Part> {
    let Some(Part::Certificate(mut certificate)) = parts.pop() else { panic!("the certificate is last") };
    if sql.contains("/* no certificate */") {
        return parts;
    }
    if sql.contains("/* wrong count */") {
        certificate.rows += 1;
    }
    if sql.contains("/* silent shard */") || (partial && sql.contains("/* failed shard */")) {
        certificate.answered = 2;
    }
    if partial && sql.contains("/* failed shard */") {
        let (node, reason, message) = ("n2".into(), "SHARD_UNAVAILABLE".into(), "no answer".into());
        certificate.failed.push(ShardFailure { shard: 7, node, reason, message });
    }
    parts.push(Part::Certificate(certificate));
    parts
}

#[async_trait]
impl QueryService for Service {
    type QueryStream = Parts<QueryResponse>;

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<Self::QueryStream>, Status> {
        let QueryRequest { sql, shard_key, options, .. } = request.into_inner();
        let options = options.unwrap_or_default();
        let partial = options.failure_mode == v1::FailureMode::Partial as i32;
        if options.verify && sql.contains("/* wrong answer */") {
            return Err(Reason::VerifyFailed.status("the answer by `scatter` is not that of whole tables"));
        }
        let sql = match sql.strip_prefix("EXPLAIN ") {
            Some(explained) => format!("VALUES ('scatter'), ('  sql: {}\u{1b}')", explained.replace('\'', "''")),
            None => sql,
        };
        if !partial && sql.contains("/* failed shard */") {
            return Err(Reason::ShardUnavailable.status("shard 7 on node `n2` does not answer"));
        }
        let sql = match shard_key {
            Some(key) => sql.replace("$KEY", &format!("{:?}", Value::try_from(key).unwrap())),
            None => sql,
        };
        let parts = answer(&self.connection.lock().unwrap(), &sql).map_err(refused)?;
        let parts = broken(parts, &sql, partial);
        let end = sql.contains("/* late error */").then(|| Err(Reason::Deadline.status("time ran out")));
        let responses = parts.into_iter().map(|part| Ok(QueryResponse { part: Some(part) }));
        let responses: Vec<_> = match end {
            Some(error) => responses.take(2).chain([error]).collect(),
            None => responses.collect(),
        };
        Ok(Response::new(Box::pin(stream::iter(responses))))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let ExplainRequest { sql, analyze, .. } = request.into_inner();
        let root = v1::PlanStep { kind: v1::PlanStepKind::Scatter.into(), sql, ..v1::PlanStep::default() };
        let certificate = analyze.then(|| certificate(7));
        Ok(Response::new(ExplainResponse {
            plan: "scatter".into(),
            asked: 3,
            root: Some(root),
            certificate,
            ..ExplainResponse::default()
        }))
    }
}

#[async_trait]
impl WriteService for Service {
    type LoadStream = Parts<LoadResponse>;

    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<ExecuteResponse>, Status> {
        let sql = request.into_inner().sql;
        let rows = self.connection.lock().unwrap().execute(&sql, []).map_err(refused)?;
        let executed =
            ExecuteResponse { rows_affected: rows as u64, schema_version: 5, shards: 3, ..ExecuteResponse::default() };
        Ok(Response::new(executed))
    }

    async fn transact(&self, _: Request<TransactRequest>) -> Result<Response<TransactResponse>, Status> {
        Err(Status::unimplemented("no command calls it"))
    }

    async fn get_transaction(
        &self,
        _: Request<GetTransactionRequest>,
    ) -> Result<Response<GetTransactionResponse>, Status> {
        Err(Status::unimplemented("no command calls it"))
    }

    async fn load(&self, request: Request<Streaming<LoadRequest>>) -> Result<Response<Self::LoadStream>, Status> {
        let mut requests = request.into_inner();
        let mut responses = Vec::new();
        let mut loaded = 0;
        while let Some(request) = requests.message().await? {
            let connection = self.connection.lock().unwrap();
            let rejected = insert(&connection, request, &mut loaded)?;
            responses.push(Ok(LoadResponse { loaded, rejected }));
        }
        Ok(Response::new(Box::pin(stream::iter(responses))))
    }
}

fn insert(connection: &Connection, request: LoadRequest, loaded: &mut u64) -> Result<Vec<RejectedRow>, Status> {
    let marks = vec!["?"; request.columns.len()].join(",");
    let sql = format!("INSERT INTO {}({}) VALUES ({marks})", request.table, request.columns.join(","));
    let mut insert = connection.prepare(&sql).map_err(refused)?;
    let mut rejected = Vec::new();
    for (row, values) in (request.first_row..).zip(Batch::try_from(request.batch.unwrap()).unwrap().into_rows()) {
        match insert.execute(params_from_iter(values.into_iter().map(stored))) {
            Ok(_) => *loaded += 1,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                rejected.push(RejectedRow { row, reason: "CONSTRAINT".into(), message: error.to_string() });
            }
            Err(error) => return Err(refused(error)),
        }
    }
    Ok(rejected)
}

#[async_trait]
impl ClusterService for Service {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        let node = |node: &str, error: &str| NodeStatus {
            node: node.into(),
            address: "127.0.0.1:7071".into(),
            shards: 2,
            error: error.into(),
            memory_bytes: 3 << 20,
            ..NodeStatus::default()
        };
        let nodes = vec![node("n1", ""), node("n2", "connection refused")];
        Ok(Response::new(GetStatusResponse { nodes, shards: 4, schema_version: 5, ..GetStatusResponse::default() }))
    }

    async fn get_schema(&self, _: Request<GetSchemaRequest>) -> Result<Response<GetSchemaResponse>, Status> {
        let connection = self.connection.lock().unwrap();
        Ok(Response::new(GetSchemaResponse { schema_version: 5, tables: tables(&connection).map_err(refused)? }))
    }
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<v1::Table>> {
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table'")?;
    let named = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    named.map(|table| table.and_then(|(name, sql)| self::table(connection, name, sql))).collect()
}

fn table(connection: &Connection, name: String, sql: String) -> rusqlite::Result<v1::Table> {
    let mut statement = connection.prepare("SELECT name, type FROM pragma_table_info(?1)")?;
    let column = |row: &rusqlite::Row<'_>| {
        Ok(v1::TableColumn { name: row.get(0)?, declared_type: row.get(1)?, ..v1::TableColumn::default() })
    };
    let columns = statement.query_map([&name], column)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let sharded = columns.iter().any(|column| column.name == "vendor_id");
    let shard_key = if sharded { "vendor_id".to_owned() } else { String::new() };
    Ok(v1::Table { name, shard_key, sql, columns, indices: Vec::new() })
}
