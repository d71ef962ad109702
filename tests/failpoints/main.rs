//! Every step of a transaction fails, by an error and by the end of its process, the first time, the second time and for good; then two
//! steps at once. Real processes, with the points of `points.rs` armed through the variable FAILPOINTS.
//!
//! In each run a client does one piece of work of each kind. When nothing fails any more, what was acknowledged is there, what was refused is
//! not, what is unknown is there as a whole or not at all, no shard waits, and every file is sound.
//!
//! - `SOUK_PAIRS=1000`: so many pairs; 100 else.
//! - `SOUK_SEED=7`: repeats the pairs and the work of a run.
//! - `SOUK_CASE=n1/intent-committed:crash:first`: this case alone, as a run prints it.
//! - `SOUK_LANES=8`: so many clusters at a time.
#![allow(missing_docs, clippy::unwrap_used)]

mod case;
mod check;
mod client;
mod cluster;
mod points;
mod process;
#[allow(dead_code, unreachable_pub)]
#[path = "../support/random.rs"]
mod random;
mod source;
mod status;
mod work;

use std::{
    any::Any,
    collections::BTreeSet,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Instant,
};

use case::Case;
use client::Told;
use cluster::Cluster;
use futures::FutureExt as _;
use random::Random;

/// Numbers of rows that a run may use.
const NUMBERS_A_RUN: i64 = 100;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// The cases that are left, and what came of the others.
#[derive(Default)]
struct Runs {
    left: Vec<Case>,
    done: usize,
    /// The points that failed in some run.
    hit: BTreeSet<&'static str>,
    broken: Vec<String>,
}

fn cases(seed: u64) -> Vec<Case> {
    if let Ok(text) = std::env::var("SOUK_CASE") {
        return vec![case::read(&text)];
    }
    let mut random = Random::new(seed);
    let pairs = (0..setting("SOUK_PAIRS", 100)).map(|_| case::pair(&mut random));
    case::singles().into_iter().chain(pairs).collect()
}

/// The chance of a run: the same for the same seed and case, whatever ran before.
fn chance(seed: u64, case: &Case) -> Random {
    let text = case.to_string();
    Random::new(text.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 16)]
async fn whatever_fails_nothing_is_half_done() {
    let (seed, start) = (setting("SOUK_SEED", 20_261_127), Instant::now());
    let mut left = cases(seed);
    let (count, is_whole) = (left.len(), left.len() > 1);
    println!("SOUK_SEED={seed}: {count} cases of {} points", points::POINTS.len());
    left.reverse();
    let runs = Arc::new(Mutex::new(Runs { left, ..Runs::default() }));
    let lanes = setting("SOUK_LANES", 8).min(count as u64);
    let lanes: Vec<_> = (0..lanes).map(|_| tokio::spawn(lane(Arc::clone(&runs), seed))).collect();
    for lane in lanes {
        lane.await.unwrap();
    }
    let runs = runs.lock().unwrap();
    println!("{} runs in {:.1} s", runs.done, start.elapsed().as_secs_f64());
    assert!(runs.broken.is_empty(), "SOUK_SEED={seed}\n{}", runs.broken.join("\n"));
    let idle: Vec<_> = points::POINTS.iter().filter(|point| !runs.hit.contains(point.name)).collect();
    assert!(!is_whole || idle.is_empty(), "never reached: {idle:?}");
}

/// Runs one case after the other in one cluster; in a new one when something was found.
async fn lane(runs: Arc<Mutex<Runs>>, seed: u64) {
    let mut cluster = Cluster::start().await;
    let mut first = 1;
    while let Some(case) = take(&runs) {
        let start = Instant::now();
        let ran = AssertUnwindSafe(run(&mut cluster, &case, first, &mut chance(seed, &case))).catch_unwind().await;
        let ran = ran.unwrap_or_else(|panic| Err(format!("it panicked: {}", words(panic.as_ref()))));
        let is_hit = cluster.has_hit(&case);
        if !is_hit {
            println!("{case}: {:.1} s, not all was reached", start.elapsed().as_secs_f64());
        }
        let is_sound = ran.is_ok();
        note(&runs, &case, is_hit, ran);
        first += NUMBERS_A_RUN;
        if !is_sound {
            cluster = Cluster::start().await;
        }
    }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("nothing that can be read")
}

fn note(runs: &Mutex<Runs>, case: &Case, is_hit: bool, ran: Result<(), String>) {
    let mut runs = runs.lock().unwrap();
    runs.done += 1;
    if is_hit {
        runs.hit.extend(case.0.iter().map(|armed| armed.point.name));
    }
    if let Err(what) = ran {
        println!("SOUK_CASE={case}: {what}");
        runs.broken.push(format!("SOUK_CASE={case}: {what}"));
    }
}

fn take(runs: &Mutex<Runs>) -> Option<Case> {
    runs.lock().unwrap().left.pop()
}

/// One run; what is wrong then. The numbers of its rows begin at `first`.
async fn run(cluster: &mut Cluster, case: &Case, first: i64, random: &mut Random) -> Result<(), String> {
    cluster.arm(case).await;
    let client = cluster.client.clone();
    let mut log = Vec::new();
    for work in work::plan(first, random) {
        let told = cluster.look_after(work::work(client.clone(), work.clone())).await;
        if told.iter().any(|told| matches!(told, Told::Unknown(_))) {
            cluster.answer().await;
        }
        log.push((work, told));
    }
    cluster.linger(case).await;
    cluster.settle().await?;
    let checked = cluster.look_after(check::rows(&client, first, &log)).await;
    cluster.stop();
    let told: Vec<String> = log.iter().map(|(work, told)| format!("  {work:?}: {told:?}")).collect();
    if std::env::var_os("SOUK_CASE").is_some() {
        println!("{}", told.join("\n"));
    }
    let checked = checked.and_then(|()| check::files(cluster));
    checked.map_err(|what| format!("{what}\n{}", told.join("\n")))
}
