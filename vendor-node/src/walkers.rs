//! The threads that walk shards: that of the call itself, and helpers while cores are idle.
//!
//! A call never waits for a thread that another holds: its own thread walks from the first shard on, and helpers take part
//! only while fewer threads walk than there are cores. When more calls run than cores, the system gives each its turn, so that a statement that
//! runs long on one shard holds up nobody else.

use std::{
    iter, mem,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use rayon::{Scope, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Fewest shards that are worth a helper: to wake one costs as much as reading some.
const SHARDS_PER_HELPER_MIN: usize = 4;

/// Threads for walking shards, as many as there are cores to be used.
pub(crate) struct Walkers {
    cores: usize,
    /// Threads that walk now, those of calls among them: more than cores when more calls run.
    walking: AtomicUsize,
    /// As many threads as cores. None ever waits behind another: a helper starts only where a core is idle.
    helpers: ThreadPool,
}

/// A thread that walks, for as long as this lives.
pub(crate) struct Walking<'a>(&'a Walkers);

impl Drop for Walking<'_> {
    fn drop(&mut self) {
        self.0.walking.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is done at each place of a walk, and how what came of neighbours is put together.
pub(crate) trait Walk: Sync {
    /// What came of some consecutive places.
    type Part: Send;
    type Error: Send;
    /// What comes of none.
    fn start(&self) -> Self::Part;
    /// Goes on to the next place.
    fn take(&self, part: Self::Part, place: usize) -> Result<Self::Part, Self::Error>;
    /// Puts what came of later places behind what came of earlier ones.
    fn merge(&self, part: Self::Part, later: Self::Part) -> Result<Self::Part, Self::Error>;
}

impl Walkers {
    pub(crate) fn new(cores: usize) -> Result<Walkers, ThreadPoolBuildError> {
        let helpers = ThreadPoolBuilder::new().num_threads(cores).thread_name(|n| format!("read-{n}")).build()?;
        Ok(Walkers { cores, walking: AtomicUsize::new(0), helpers })
    }

    /// How many threads walk at a time when only one call runs.
    pub(crate) fn cores(&self) -> usize {
        self.cores
    }

    /// The thread of a call walks, whoever else does.
    pub(crate) fn enter(&self) -> Walking<'_> {
        self.walking.fetch_add(1, Ordering::Relaxed);
        Walking(self)
    }

    /// A helper may walk, when a core is idle.
    fn spare(&self) -> Option<Walking<'_>> {
        let more = |walking| (walking < self.cores).then_some(walking + 1);
        self.walking.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Walking(self))
    }

    /// Runs `call`, which may start helpers in the scope, and waits for those that it started.
    pub(crate) fn scope<'s, T>(&self, call: impl FnOnce(&Scope<'s>) -> T) -> T {
        self.helpers.in_place_scope(call)
    }

    /// Has a helper do `job`, when a core is idle; else it is not done.
    pub(crate) fn help<'s>(&'s self, scope: &Scope<'s>, job: impl FnOnce(&Scope<'s>) + Send + 's) {
        if let Some(walking) = self.spare() {
            scope.spawn(move |scope| {
                job(scope);
                drop(walking);
            });
        }
    }

    /// Walks the places below `count`, each of them once; gives what came of all in their order, or one of the errors.
    pub(crate) fn walk<W: Walk>(&self, count: usize, walk: &W) -> Result<W::Part, W::Error> {
        let course = Course { left: Mutex::new(iter::once(0..count).collect()), done: Mutex::default(), walk };
        let walking = self.enter();
        self.scope(|scope| {
            course.go(self, scope, 0);
            // It only waits from here on: another may have the core.
            drop(walking);
        });
        let mut parts = course.done.into_inner();
        parts.sort_unstable_by_key(|(first, _)| *first);
        let mut parts = parts.into_iter().map(|(_, part)| part);
        let Some(first) = parts.next() else { return Ok(walk.start()) };
        parts.try_fold(first?, |all, part| walk.merge(all, part?))
    }

    /// What `read` gives at each place below `count`, in their order, or one of the errors.
    pub(crate) fn map<T: Send, E: Send>(
        &self,
        count: usize,
        read: impl Fn(usize) -> Result<T, E> + Sync,
    ) -> Result<Vec<T>, E> {
        self.walk(count, &Each(read))
    }
}

/// A walk that is going on.
struct Course<'w, W: Walk> {
    /// What each walker has left: neighbours, so that little is to be merged.
    left: Mutex<Vec<Range<usize>>>,
    /// What came of consecutive places, by the first of them.
    done: Mutex<Vec<Stretch<W>>>,
    walk: &'w W,
}

/// Its first place, and what came of it.
type Stretch<W> = (usize, Result<<W as Walk>::Part, <W as Walk>::Error>);

impl<W: Walk> Course<'_, W> {
    /// Walks until nobody has anything left.
    fn go<'s>(&'s self, walkers: &'s Walkers, scope: &Scope<'s>, walker: usize) {
        while self.has_more(walker) {
            let Some(first) = self.next(walker) else { continue };
            let place = first.place;
            let part = self.stretch(walkers, scope, walker, first);
            if part.is_err() {
                self.left.lock().fill(0..0);
            }
            self.done.lock().push((place, part));
        }
    }

    /// Walks on from `next` as long as the walker has neighbours left.
    fn stretch<'s>(
        &'s self,
        walkers: &'s Walkers,
        scope: &Scope<'s>,
        walker: usize,
        next: Next,
    ) -> Result<W::Part, W::Error> {
        let mut part = self.walk.start();
        let mut next = Some(next);
        while let Some(Next { place, rest }) = next {
            if rest >= SHARDS_PER_HELPER_MIN {
                walkers.help(scope, |scope| self.go(walkers, scope, self.join()));
            }
            part = self.walk.take(part, place)?;
            next = self.next(walker);
        }
        Ok(part)
    }

    /// One walker more, which has nothing yet.
    fn join(&self) -> usize {
        let mut left = self.left.lock();
        left.push(0..0);
        left.len() - 1
    }

    /// Whether a walker has anything left, if need be the upper half of what another has.
    fn has_more(&self, walker: usize) -> bool {
        let mut left = self.left.lock();
        if left[walker].is_empty() {
            let Some(most) = left.iter_mut().max_by_key(|range| range.len()) else { return false };
            let middle = most.start + most.len() / 2;
            let upper = middle..mem::replace(&mut most.end, middle);
            left[walker] = upper;
        }
        !left[walker].is_empty()
    }

    fn next(&self, walker: usize) -> Option<Next> {
        let range = &mut self.left.lock()[walker];
        range.next().map(|place| Next { place, rest: range.len() })
    }
}

/// Where a walker goes next.
struct Next {
    place: usize,
    /// How many places it has left behind that.
    rest: usize,
}

/// What is read at each place by itself.
struct Each<F>(F);

impl<T: Send, E: Send, F: Fn(usize) -> Result<T, E> + Sync> Walk for Each<F> {
    type Part = Vec<T>;
    type Error = E;

    fn start(&self) -> Vec<T> {
        Vec::new()
    }

    fn take(&self, mut part: Vec<T>, place: usize) -> Result<Vec<T>, E> {
        part.push((self.0)(place)?);
        Ok(part)
    }

    fn merge(&self, mut part: Vec<T>, mut later: Vec<T>) -> Result<Vec<T>, E> {
        part.append(&mut later);
        Ok(part)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Barrier};

    use super::*;

    #[test]
    fn every_place_is_walked_once_and_parts_keep_their_order() {
        let walkers = Walkers::new(4).unwrap();
        for count in [0, 1, 3, 4, 5, 64, 1000] {
            let places = walkers.map(count, Ok::<_, ()>).unwrap();
            assert_eq!(places, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_ends_the_walk() {
        let walkers = Walkers::new(2).unwrap();
        let taken = AtomicUsize::new(0);
        let outcome = walkers.map(100_000, |place| {
            taken.fetch_add(1, Ordering::Relaxed);
            if place == 10 { Err(place) } else { Ok(()) }
        });
        assert_eq!(outcome.unwrap_err(), 10);
        assert!(taken.into_inner() < 100_000);
    }

    #[test]
    fn helpers_take_part_and_calls_wait_for_no_thread_of_others() {
        let walkers = Arc::new(Walkers::new(2).unwrap());
        // Two threads at the same time, or neither goes on.
        let both = Barrier::new(2);
        let first = |place: usize| {
            if place == 0 || place == 50 {
                both.wait();
            }
            Ok::<_, ()>(())
        };
        assert_eq!(walkers.map(100, first).unwrap().len(), 100);
        // Calls that hold more threads than there are cores, until another call is done.
        let done = Arc::new(Barrier::new(5));
        let started = Arc::new(Barrier::new(5));
        let long = || {
            let (walkers, started, done) = (Arc::clone(&walkers), Arc::clone(&started), Arc::clone(&done));
            std::thread::spawn(move || {
                let read = |place: usize| {
                    if place == 0 {
                        started.wait();
                        done.wait();
                    }
                    Ok::<_, ()>(place)
                };
                walkers.map(1, read).unwrap().len()
            })
        };
        let calls: Vec<_> = (0..4).map(|_| long()).collect();
        started.wait();
        assert_eq!(walkers.map(1000, Ok::<_, ()>).unwrap().len(), 1000);
        done.wait();
        assert!(calls.into_iter().all(|call| call.join().unwrap() == 1));
    }
}
