//! Parts of a cluster in this process: nodes that serve until they are told to stop.

use std::future::Future;
use std::path::Path;

use souk_coordinator::NodeAddress;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A port of this machine that is free, and its address.
pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    (listener, address)
}

/// Waits for the word to stop.
pub(crate) async fn stop_of(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Starts a node, with its data in a folder of its name.
pub(crate) async fn start_node(
    id: String,
    folder: &Path,
    kept_bytes_max: u64,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> (NodeAddress, JoinHandle<()>) {
    let (listener, address) = listen().await;
    let node = NodeAddress { id, address };
    let task = serve_node(&node, folder, kept_bytes_max, listener, shutdown).await;
    (node, task)
}

/// As [`start_node`], where it is to listen.
pub(crate) async fn serve_node(
    NodeAddress { id, .. }: &NodeAddress,
    folder: &Path,
    kept_bytes_max: u64,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let data = folder.join(id);
    let settings =
        souk_vendor_node::Settings { id: id.clone(), data, threads: 2, open_shards_max: None, kept_bytes_max };
    let opened = souk_vendor_node::open(settings).await.expect("a node");
    tokio::spawn(async move { souk_vendor_node::run(opened, listener, shutdown).await.expect("a node") })
}
