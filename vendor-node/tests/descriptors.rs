//! A process with few descriptors serves many shards. Alone in its process, since the limit is the process's.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{COLUMNS, SCHEMA, fragment, inserts, products, serve, settings};
use souk_merge::{MergeSpec, StateKind, Value};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_shards_fit_into_a_thousand_and_twenty_four_descriptors() {
    rlimit::setrlimit(rlimit::Resource::NOFILE, 1024, 1024).unwrap();
    let data = TempDir::new().unwrap();
    let mut served = serve(settings(data.path())).await;
    assert_eq!(served.create(1..=1000, &[SCHEMA]).await, 1000);
    let written = (1..=1000).map(|shard| inserts(shard, "products", &COLUMNS, &products(shard, 2))).collect();
    assert_eq!(served.insert(written).await.inserted, 2000);
    let count = MergeSpec::Groups { keys: vec![], states: vec![StateKind::Count] };
    for _ in 0..3 {
        let ask = fragment(1..=1000, "SELECT COUNT(*) FROM products", count.clone());
        assert_eq!(served.rows(ask).await, [[Value::Integer(2000)]]);
    }
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(open < 1024, "{open} descriptors");
    let shards_open = served.describe().await.shards_open;
    assert!((200..=390).contains(&shards_open), "{shards_open} shards open");

    // Something else in the process takes nearly all that is left: shards are closed, and the call goes on.
    let mut taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    assert!(taken.len() > 100, "{} taken", taken.len());
    taken.truncate(taken.len() - 4);
    let ask = fragment(1..=1000, "SELECT COUNT(*) FROM products", count);
    assert_eq!(served.rows(ask).await, [[Value::Integer(2000)]]);
    drop(taken);
    served.stop().await;
}
