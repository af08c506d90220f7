//! How many instances a component has: few.
//!
//! `ProxyHandler` starts an instance for each request that comes while all others compute, and hands requests to them in turn. A
//! start takes a while, in which more requests come: a burst makes many, and then each request meets a memory that the
//! processors' caches have lost. So while there are more instances than can compute at once, one ends every now and then.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a number of instances stays before one of them ends. Where it was needed, this costs a start each time: milliseconds
/// for the request that has to wait for it, so not as often as one request in a hundred.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// The instances of one component that answer requests of one kind.
pub(crate) struct Population {
    live: AtomicUsize,
    started: AtomicU64,
    changed_at: Mutex<Instant>,
    /// So many instances stay: one for each processor, and one that is free meanwhile.
    kept: usize,
}

impl Default for Population {
    fn default() -> Self {
        Self::keeping(std::thread::available_parallelism().map_or(1, NonZero::get) + 1)
    }
}

impl Population {
    fn keeping(kept: usize) -> Self {
        Self {
            live: AtomicUsize::new(0),
            started: AtomicU64::new(0),
            changed_at: Mutex::new(Instant::now()),
            kept,
        }
    }

    /// Instances that live now.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Instances that were started so far.
    pub(crate) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// An instance has started.
    pub(crate) fn add(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
        self.started.fetch_add(1, Ordering::Relaxed);
        *self.changed_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// An instance has ended.
    pub(crate) fn remove(&self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether an instance that has nothing to do is to end: there are enough others, and none started or ended lately. Who is
    /// told so ends.
    pub(crate) fn may_spare_one(&self) -> bool {
        if self.live() <= self.kept {
            return false;
        }
        let Ok(mut changed_at) = self.changed_at.try_lock() else { return false };
        let now = Instant::now();
        let settled = now.duration_since(*changed_at) >= SETTLED_AFTER;
        if settled {
            *changed_at = now;
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Population, SETTLED_AFTER};

    fn aged(population: &Population) {
        let long_ago = Instant::now().checked_sub(SETTLED_AFTER).expect("the machine is up for that long");
        *population.changed_at.lock().expect("nobody panicked") = long_ago;
    }

    #[test]
    fn one_at_a_time_is_spared_and_enough_stay() {
        let population = Population::keeping(2);
        population.add();
        population.add();
        aged(&population);
        assert!(!population.may_spare_one(), "two stay");
        population.add();
        assert!(!population.may_spare_one(), "it was needed just now");
        population.add();
        aged(&population);
        assert!(population.may_spare_one());
        assert!(!population.may_spare_one(), "another ends already");
        population.remove();
        assert_eq!((population.live(), population.started()), (3, 4));
    }
}
