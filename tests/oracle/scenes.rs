//! Generated schemas one after the other, on some threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const SCENES_AT_ONCE: usize = 2;
/// How often a long run says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(20);

/// So many cases, in schemas of a seed each.
pub(crate) struct Scenes {
    pub(crate) cases: u64,
    pub(crate) cases_per_scene: u64,
    pub(crate) first_seed: u64,
}

impl Scenes {
    /// Runs each schema with its seed and how many cases it has, until there are no more of them or it `is_enough`.
    pub(crate) fn run(
        &self,
        scene: impl Fn(u64, u64) + Sync,
        is_enough: impl Fn() -> bool + Sync,
        progress: impl Fn() -> String + Sync,
    ) {
        let begun = AtomicU64::new(0);
        let work = || {
            let mut said = Instant::now();
            loop {
                let index = begun.fetch_add(1, Ordering::Relaxed);
                let before = index * self.cases_per_scene;
                if before >= self.cases || is_enough() {
                    return;
                }
                scene(self.first_seed + index, self.cases_per_scene.min(self.cases - before));
                if said.elapsed() > PROGRESS_EVERY {
                    eprintln!("{}", progress());
                    said = Instant::now();
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..SCENES_AT_ONCE {
                scope.spawn(work);
            }
        });
    }
}
