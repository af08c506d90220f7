//! Requests that compute for long take turns, so that they leave processors to the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests are answered at once, and how many wait.
#[derive(Clone, Copy, Debug)]
pub struct TurnOptions {
    /// How many are answered at once.
    pub at_once: usize,
    /// How many wait for it.
    pub waiting_max: usize,
    /// For how long.
    pub wait: Duration,
}

/// The turns of a node.
pub(super) struct Turns {
    options: TurnOptions,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    refused: metrics::Counter,
}

/// A turn. Dropping it lets the next one begin.
#[derive(Debug)]
pub struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// One that waits; it stops counting when it goes, whatever ends it.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    pub(super) fn new(options: TurnOptions) -> Self {
        Self {
            options,
            permits: Arc::new(Semaphore::new(options.at_once.max(1))),
            waiting: AtomicUsize::new(0),
            refused: metrics::counter!("throttle_turns_refused_total"),
        }
    }

    /// Waits for a turn; none where too many wait already, or it took too long.
    pub(super) async fn take(&self) -> Option<Turn> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Some(Turn { _permit: permit });
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.options.waiting_max {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.refused.increment(1);
            return None;
        }
        let _waiting = Waiting(&self.waiting);
        // The semaphore is never closed: what fails is the time.
        let turn = tokio::time::timeout(self.options.wait, self.permits.clone().acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).map(|permit| Turn { _permit: permit });
        if turn.is_none() {
            self.refused.increment(1);
        }
        turn
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{TurnOptions, Turns};

    #[tokio::test]
    async fn few_run_some_wait_and_the_rest_are_refused() {
        let turns = Turns::new(TurnOptions { at_once: 1, waiting_max: 1, wait: Duration::from_millis(20) });
        let first = turns.take().await.expect("the only turn");
        let (second, third) = tokio::join!(turns.take(), turns.take());
        assert!(second.is_none(), "it waited for as long as it may");
        assert!(third.is_none(), "there was no room to wait");
        let (next, ()) = tokio::join!(turns.take(), async { drop(first) });
        assert!(next.is_some());
    }
}
