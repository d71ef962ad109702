//! Starting and stopping a coordinator.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use souk_proto::{Reason, v1};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::catalog::{Store, StoreError};
use crate::cluster::Cluster;
use crate::commit::sweep;
use crate::exec::{GrpcNodes, Nodes};
use crate::library::Database;
use crate::locks::{Number, lock_now};
use crate::rpc::{ClusterRpc, QueryRpc, WriteRpc};
use crate::session::Session;
use crate::settings::Settings;
use crate::write::{first_shards, hand_schema};

/// A message from a client is at most this large, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// HTTP/2 windows: what a client may send ahead, in bytes.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long running queries may take once it is time to stop.
const GOODBYE_MAX: Duration = Duration::from_secs(5);
/// How long a new cluster waits for its nodes, and how often it tries.
const NODES_WAIT: Duration = Duration::from_secs(30);
const NODES_RETRY: Duration = Duration::from_millis(100);

/// Why a coordinator does not start or stops.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its folder cannot be made or read.
    #[error("cannot make or read the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its file cannot be used with these settings.
    #[error("{0}")]
    Store(String),
    /// The nodes, their addresses, or what they hold.
    #[error("{0}")]
    Nodes(String),
    /// The gRPC server.
    #[error("the server: {0}")]
    Server(#[from] tonic::transport::Error),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> StartError {
        StartError::Store(error.to_string())
    }
}

/// A coordinator that has its folder and serves nobody yet.
pub struct Opened {
    cluster: Arc<Cluster>,
    settings: Settings,
}

impl Opened {
    /// What an application in this process asks. Before it is served, its calls fail as they do while nodes are away.
    pub fn database(&self) -> Database {
        Database::new(Arc::clone(&self.cluster))
    }
}

/// Takes a coordinator's folder.
///
/// # Errors
///
/// [`StartError`] when the folder or what is in it cannot be used.
pub fn open(settings: Settings) -> Result<Opened, StartError> {
    Ok(Opened { cluster: Arc::new(cluster(&settings)?), settings })
}

/// Serves a coordinator on `listener` until `shutdown` resolves; queries that run then have five seconds to end.
///
/// `application` is served beside the coordinator's own services, on the same port; what is not gRPC may come by HTTP/1.
///
/// A new cluster waits for its nodes before it serves: its first shards are made on them.
pub async fn run(
    Opened { cluster, settings }: Opened,
    application: Routes,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), StartError> {
    tokio::pin!(shutdown);
    tokio::select! {
        ready = wait_for_nodes(&cluster, &settings) => ready?,
        () = &mut shutdown => return Ok(()),
    }
    // Aborted when it is dropped, at the end of serving.
    let mut behind = JoinSet::new();
    behind.spawn(sweep(Arc::clone(&cluster)));
    behind.spawn(hand_schema(Arc::clone(&cluster)));
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<v1::query_service_server::QueryServiceServer<QueryRpc>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|error| StartError::Nodes(error.to_string()))?;
    let query = QueryRpc { session: Session::new(Arc::clone(&cluster)) };
    let write = WriteRpc { cluster: Arc::clone(&cluster) };
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    let (close, closed) = oneshot::channel::<()>();
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .accept_http1(true)
        .add_routes(application)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(
            v1::query_service_server::QueryServiceServer::new(query).max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            v1::write_service_server::WriteServiceServer::new(write).max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(v1::cluster_service_server::ClusterServiceServer::new(ClusterRpc { cluster }))
        .serve_with_incoming_shutdown(incoming, async {
            // Dropped or sent: either way it is time.
            let _ = closed.await;
        });
    tokio::pin!(server);
    tokio::select! {
        served = &mut server => return Ok(served?),
        () = shutdown => {}
    }
    // A server that ended by itself needs no word.
    let _ = close.send(());
    // Whoever has not read its answer by then is left behind.
    timeout(GOODBYE_MAX, server).await.unwrap_or(Ok(()))?;
    Ok(())
}

fn cluster(settings: &Settings) -> Result<Cluster, StartError> {
    let folder = |source| StartError::Folder { path: settings.data.clone(), source };
    std::fs::create_dir_all(&settings.data).map_err(folder)?;
    // SQLite makes nobody wait while a file gets its journal.
    let _opening = lock_now(&settings.data.join("opening.lock")).map_err(folder)?;
    // A connection of a client takes one, and each write that runs up to three, for its locks.
    rlimit::increase_nofile_limit(u64::MAX).map_err(folder)?;
    let names: Vec<String> = settings.nodes.iter().map(|node| node.id.clone()).collect();
    let store = Store::open(&settings.data, settings.placement, &names)?;
    let number = Number::claim(&settings.data).map_err(folder)?;
    let number = number.ok_or_else(|| StoreError::TooMany(settings.data.clone()))?;
    let nodes: Arc<dyn Nodes> = Arc::new(GrpcNodes::new(&settings.nodes).map_err(StartError::Nodes)?);
    Cluster::new(store, number, nodes, settings).map_err(|error| StartError::Store(error.to_string()))
}

async fn wait_for_nodes(cluster: &Arc<Cluster>, settings: &Settings) -> Result<(), StartError> {
    let started = tokio::time::Instant::now();
    loop {
        match first_shards(cluster, settings.placement).await {
            Ok(()) => return Ok(()),
            Err(error) if error.reason == Reason::ShardUnavailable && started.elapsed() < NODES_WAIT => {
                tracing::info!("waiting for nodes: {error}");
                tokio::time::sleep(NODES_RETRY).await;
            }
            Err(error) => return Err(StartError::Nodes(error.to_string())),
        }
    }
}
