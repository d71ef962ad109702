//! The server around a node: listens, serves, and stops in order.

use std::{future::Future, sync::Arc, time::Duration};

use souk_proto::v1::{self, shard_service_server::ShardServiceServer};
use tokio::{net::TcpListener, sync::oneshot, task::spawn_blocking, time::timeout};
use tonic::{
    Request,
    service::interceptor::InterceptedService,
    transport::{Server, server::TcpIncoming},
};

use crate::{NodeError, Settings, node::Node, rpc::Service};

/// The largest request: rows to insert, mostly.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// HTTP/2 windows: how much is under way before the other side says that it has read.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Streams of one connection at a time.
const STREAMS_MAX: u32 = 1024;

/// A connection that is silent so long is asked whether it lives, and closed when it does not say.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_WAIT: Duration = Duration::from_secs(5);

/// How long clients may take to read what ended calls still had to say.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// A node that has its folder and serves nobody yet.
pub struct Opened(Arc<Node>);

/// Takes a node's folder.
///
/// # Errors
///
/// [`NodeError`] when the folder cannot be taken or the threads cannot be started.
pub async fn open(settings: Settings) -> Result<Opened, NodeError> {
    let opening = spawn_blocking(move || Node::open(&settings).map(Arc::new));
    opening.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())).map(Opened)
}

/// Serves a node on `listener` until `shutdown` resolves: finishes nothing new, ends what runs, closes every file.
///
/// # Errors
///
/// [`NodeError`] when the server breaks down.
pub async fn run(
    Opened(node): Opened,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), NodeError> {
    let service = Service::new(Arc::clone(&node));
    let served = serve(listener, &node, service.clone(), shutdown).await;
    node.stop();
    service.ended().await;
    let closing = spawn_blocking(move || node.close());
    closing.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    served
}

async fn serve(
    listener: TcpListener,
    node: &Node,
    service: Service,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), NodeError> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<ShardServiceServer<Service>>().await;
    // Without it a small answer waits some 40 ms for the acknowledgement of what came before.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let shards = ShardServiceServer::new(service).max_decoding_message_size(REQUEST_BYTES_MAX);
    let identity = node.identity()?;
    let (close, closed) = oneshot::channel::<()>();
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_WAIT))
        .add_service(health)
        .add_service(reflection)
        .add_service(InterceptedService::new(shards, move |request: Request<()>| {
            identity.check(request.metadata()).map(|()| request)
        }))
        .serve_with_incoming_shutdown(incoming, async {
            // Dropped or sent: either way it is time.
            let _ = closed.await;
        });
    tokio::pin!(server);
    tokio::select! {
        served = &mut server => return Ok(served?),
        () = shutdown => {}
    }
    reporter.set_not_serving::<ShardServiceServer<Service>>().await;
    node.stop();
    let _ = close.send(());
    match timeout(GOODBYE_MAX, server).await {
        Ok(served) => Ok(served?),
        Err(_) => {
            tracing::info!("closed connections whose clients did not read");
            Ok(())
        }
    }
}
