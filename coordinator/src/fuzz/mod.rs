//! Texts that no client would send on purpose: parse, judge and plan them, and nothing falls over.
//!
//! - `shared`: the generator of the end-to-end tests.
//! - `tokens`, `words`, `mutate`: a statement with a few tokens changed.
//! - `nested`: deep and wide statements.
//! - `world`: a schema, and one text through the stages.
//!
//! `SOUK_FUZZ` says how many texts, `SOUK_SEED` where to begin: a failure prints what repeats it.

mod mutate;
mod nested;
mod shared;
mod tokens;
mod words;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use shared::random::Random;
use world::{Outcome, World};

use crate::cluster::PLANNER_STACK_BYTES;

const TEXTS: u64 = 2_000;
/// Schemas; a text's seed picks one.
const WORLDS: u64 = 8;
/// In a run that was asked for, a text that takes longer is a failure.
const SLOW: Duration = Duration::from_secs(1);
/// How often a run says how far it is.
const PROGRESS_EVERY: u64 = 250_000;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// What this thread has used of a processor so far: other work of the machine does not count. Linux says so; elsewhere it is none.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// What all threads share.
#[derive(Default)]
struct Run {
    next: AtomicU64,
    /// Texts by what became of them.
    judged: AtomicU64,
    opaque: AtomicU64,
    refused: AtomicU64,
    slowest: Mutex<(Duration, u64)>,
    failures: Mutex<Vec<String>>,
}

impl Run {
    fn work(&self, first: u64, count: u64) {
        let worlds: Vec<World> = (0..WORLDS).map(World::new).collect();
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= count || self.failures.lock().len() >= 5 {
                return;
            }
            if index > 0 && index.is_multiple_of(PROGRESS_EVERY) {
                eprintln!("{index} texts");
            }
            let seed = first + index;
            self.check(seed, &worlds[(seed % WORLDS) as usize]);
        }
    }

    fn check(&self, seed: u64, world: &World) {
        let text = mutate::text(&mut Random::new(seed), &world.scene);
        let started = processor_time();
        let outcome = catch_unwind(AssertUnwindSafe(|| world.check(&text)));
        let took = processor_time().saturating_sub(started);
        let mut slowest = self.slowest.lock();
        if took > slowest.0 {
            *slowest = (took, seed);
        }
        drop(slowest);
        if took > SLOW {
            eprintln!("SOUK_SEED={seed} took {took:?}: {text}");
        }
        let counted = match outcome {
            Ok(Ok(Outcome::Judged)) => &self.judged,
            Ok(Ok(Outcome::Opaque)) => &self.opaque,
            Ok(Ok(Outcome::Refused)) => &self.refused,
            Ok(Err(what)) => return self.fail(seed, &text, &what),
            Err(_) => return self.fail(seed, &text, "a panic"),
        };
        counted.fetch_add(1, Ordering::Relaxed);
    }

    fn fail(&self, seed: u64, text: &str, what: &str) {
        self.failures.lock().push(format!("SOUK_SEED={seed} SOUK_FUZZ=1: {what}\n{text}"));
    }
}

#[test]
fn no_text_falls_over() {
    let asked = setting("SOUK_FUZZ");
    let (first, count) = (setting("SOUK_SEED").unwrap_or(1), asked.unwrap_or(TEXTS));
    let run = Run::default();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            let work = || run.work(first, count);
            thread::Builder::new().stack_size(PLANNER_STACK_BYTES).spawn_scoped(scope, work).expect("a thread");
        }
    });
    let (slowest, seed) = *run.slowest.lock();
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "{} judged, {} opaque, {} refused; the slowest took {slowest:?} (SOUK_SEED={seed} SOUK_FUZZ=1)",
        of(&run.judged),
        of(&run.opaque),
        of(&run.refused)
    );
    let failures = run.failures.lock();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(asked.is_none() || slowest < SLOW, "a text took {slowest:?}: SOUK_SEED={seed} SOUK_FUZZ=1");
    assert!(asked.is_some() || of(&run.judged) * 10 > TEXTS, "too few texts are statements");
}
