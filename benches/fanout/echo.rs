//! What a call costs before anybody has worked: a bare tonic service over TCP on the loopback interface, which sends back what it
//! is sent.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use souk_proto::v1::QueryRequest;
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    body::Body,
    client,
    codegen::{BoxFuture, Service, http, http::uri::PathAndQuery},
    server::{self, NamedService, UnaryService},
    transport::{Channel, Endpoint, Server},
};
use tonic_prost::ProstCodec;

/// The service; it stops when this is dropped.
pub(crate) struct Echo {
    /// Of its own, as the coordinator has: as many threads as there are processors.
    _runtime: Runtime,
    address: String,
}

/// A connection to the service.
pub(crate) struct EchoClient(client::Grpc<Channel>);

/// The service as tonic sees it.
#[derive(Clone, Copy)]
struct Echoes;

/// Its one call.
struct Call;

impl Echo {
    /// Starts the service.
    pub(crate) fn start() -> anyhow::Result<Echo> {
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?.to_string();
        let server = Server::builder().tcp_nodelay(true).add_service(Echoes);
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        Ok(Echo { _runtime: runtime, address })
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl EchoClient {
    /// Connects.
    pub(crate) async fn connect(endpoint: &Endpoint) -> anyhow::Result<EchoClient> {
        Ok(EchoClient(client::Grpc::new(endpoint.connect().await?)))
    }

    /// Sends a message and takes it back.
    pub(crate) async fn ask(&self, message: QueryRequest) -> anyhow::Result<QueryRequest> {
        let mut client = self.0.clone();
        client.ready().await?;
        let path = PathAndQuery::from_static("/souk.bench.Echo/Echo");
        let codec = ProstCodec::<QueryRequest, QueryRequest>::default();
        Ok(client.unary(Request::new(message), path, codec).await?.into_inner())
    }
}

impl NamedService for Echoes {
    const NAME: &'static str = "souk.bench.Echo";
}

impl Service<http::Request<Body>> for Echoes {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let codec = ProstCodec::<QueryRequest, QueryRequest>::default();
        Box::pin(async move { Ok(server::Grpc::new(codec).unary(Call, request).await) })
    }
}

impl UnaryService<QueryRequest> for Call {
    type Response = QueryRequest;
    type Future = Ready<Result<Response<QueryRequest>, Status>>;

    fn call(&mut self, request: Request<QueryRequest>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}
