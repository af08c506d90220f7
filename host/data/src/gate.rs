//! Whether a file may be written, and until when.
//!
//! Whoever writes by the right of a lease may commit only while that right lasts, on this machine's own clock. The gate is
//! asked when a transaction begins to write and once more before it commits: what outlives the right is rolled back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// No end.
const FOR_EVER: u64 = u64::MAX;

/// A gate before a file's writers. Copies are the same gate.
#[derive(Clone, Debug)]
pub struct WriteGate(Arc<State>);

#[derive(Debug)]
struct State {
    /// What moments are counted from.
    base: Instant,
    /// Milliseconds after the base until which it is open; 0 for closed.
    until_ms: AtomicU64,
}

impl Default for WriteGate {
    fn default() -> Self {
        Self(Arc::new(State { base: Instant::now(), until_ms: AtomicU64::new(FOR_EVER) }))
    }
}

impl WriteGate {
    /// Opens it until it is closed.
    pub fn open(&self) {
        self.0.until_ms.store(FOR_EVER, Ordering::Release);
    }

    /// Opens it until a moment, or moves that moment.
    pub fn open_until(&self, until: Instant) {
        let after = until.saturating_duration_since(self.0.base);
        // Rounded down: never longer than the right lasts.
        self.0.until_ms.store(millis(after), Ordering::Release);
    }

    /// Closes it.
    pub fn close(&self) {
        self.0.until_ms.store(0, Ordering::Release);
    }

    /// Whether one may write now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self.0.until_ms.load(Ordering::Acquire) {
            FOR_EVER => true,
            until => millis(self.0.base.elapsed()) < until,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(FOR_EVER - 1)
}

#[cfg(test)]
mod tests {
    use super::WriteGate;
    use std::time::{Duration, Instant};

    #[test]
    fn it_is_open_until_its_moment() {
        let gate = WriteGate::default();
        assert!(gate.is_open());
        let copy = gate.clone();
        copy.close();
        assert!(!gate.is_open());
        gate.open_until(Instant::now() + Duration::from_secs(60));
        assert!(gate.is_open());
        gate.open_until(Instant::now());
        assert!(!gate.is_open());
        gate.open();
        assert!(copy.is_open());
    }
}
