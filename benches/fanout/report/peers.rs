//! Other systems beside souk.

use serde_json::{Map, Value, json};

use super::{
    json::times,
    table::{Table, number, percentiles},
};
use crate::{
    peers::About,
    rounds::{Figures, PEER_RUNS},
    times::Times,
};

/// A table, and how each peer is set up; nothing without peers.
pub(crate) fn markdown(abouts: &[About], all: &[Figures]) -> String {
    if abouts.is_empty() {
        return String::new();
    }
    let heads = abouts.iter().map(|about| about.kind.name());
    let times = heads.clone().map(|name| format!(" | {name} best | p50 | p95"));
    let ratios = heads.map(|name| format!(" | {name} best / souk p50"));
    let mut table = Table::new(&format!("peers | souk p50{}", times.chain(ratios).collect::<String>()));
    for Figures { query, souk, peers, .. } in all {
        let times =
            peers.iter().flat_map(|times| [number(times.best_ms())].into_iter().chain(percentiles(times, [50, 95])));
        let ratios = peers.iter().map(|times| number(best_to_souk(times, souk)));
        let head = [query.name.to_owned(), number(souk.percentile_ms(50))];
        table.row(head.into_iter().chain(times).chain(ratios));
    }
    let setups = abouts.iter().map(setup).collect::<String>();
    format!(
        "{table}\nMilliseconds until the last row was there; the best run of a peer beside the median of souk, in the same rounds. \
         Of a query of all vendors a peer has {PEER_RUNS} runs a round at most. Peers are asked without `? >= 0`, which would only hinder \
         them: they keep no answers.\n\n{setups}"
    )
}

fn setup(about: &About) -> String {
    let groups = about.setup.iter().map(|group| format!("  - {group}\n"));
    format!("- {}: {}\n{}", about.kind.name(), about.version, groups.collect::<String>())
}

/// How each peer is set up.
pub(crate) fn abouts(abouts: &[About]) -> Value {
    let about =
        |about: &About| (about.kind.name().to_owned(), json!({ "version": about.version, "setup": about.setup }));
    Value::Object(abouts.iter().map(about).collect())
}

/// What each peer took of a query.
pub(crate) fn of_query(abouts: &[About], figures: &Figures) -> Value {
    let peers = abouts.iter().zip(&figures.peers).map(|(about, of_peer)| {
        let mut object = times(of_peer);
        object["best_to_souk_p50"] = json!(best_to_souk(of_peer, &figures.souk));
        (about.kind.name().to_owned(), object)
    });
    Value::Object(peers.collect::<Map<_, _>>())
}

fn best_to_souk(peer: &Times, souk: &Times) -> f64 {
    peer.best_ms() / souk.percentile_ms(50)
}
