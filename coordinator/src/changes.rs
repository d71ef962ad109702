//! Who wants to know of every write is told when there was one: each node is asked, by a call that it answers when some shard has committed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::exec::{Moment, Nodes};

/// How long is waited before a node is asked again that does not answer.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Told when shards of a cluster have committed something.
pub struct Changes {
    receiver: watch::Receiver<u64>,
    _pulse: Arc<Pulse>,
}

impl Changes {
    /// Waits until there was a write since the last time, or since this was made; several are told as one. Also told when a node went away, or came back, of
    /// which nobody knows what it did.
    pub async fn next(&mut self) {
        if self.receiver.changed().await.is_err() {
            // Nodes are asked for as long as this is there.
            std::future::pending::<()>().await;
        }
    }
}

/// One for all who listen; over when nobody does.
#[derive(Default)]
pub(crate) struct Pulses(Mutex<Weak<Pulse>>);

struct Pulse {
    receiver: watch::Receiver<u64>,
    /// Aborted when it is dropped.
    _listeners: JoinSet<()>,
}

impl Pulses {
    pub(crate) fn listen(&self, nodes: &Arc<dyn Nodes>, ids: Vec<String>) -> Changes {
        let mut kept = self.0.lock();
        let pulse = kept.upgrade().unwrap_or_else(|| {
            let (sender, receiver) = watch::channel(0);
            let sender = Arc::new(sender);
            let mut listeners = JoinSet::new();
            for id in ids {
                listeners.spawn(listen(Arc::clone(nodes), id, Arc::clone(&sender)));
            }
            Arc::new(Pulse { receiver, _listeners: listeners })
        });
        *kept = Arc::downgrade(&pulse);
        let mut receiver = pulse.receiver.clone();
        receiver.mark_unchanged();
        Changes { receiver, _pulse: pulse }
    }
}

async fn listen(nodes: Arc<dyn Nodes>, id: String, sender: Arc<watch::Sender<u64>>) {
    let mut known: Option<Moment> = None;
    loop {
        match nodes.await_commits(&id, known.unwrap_or_default()).await {
            Ok(moment) if known == Some(moment) => {}
            Ok(moment) => {
                known = Some(moment);
                sender.send_modify(|count| *count += 1);
            }
            Err(error) => {
                tracing::debug!("node `{id}` is not heard: {error}");
                if known.take().is_some() {
                    sender.send_modify(|count| *count += 1);
                }
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
            }
        }
    }
}
