//! How many requests a component begins at once: as many as can compute, and one more.
//!
//! `ProxyHandler` starts an instance for each request that comes while all others compute. Requests that begin together make many,
//! and each of them then meets a memory that the processors' caches have lost. So a request waits until one of the few before it
//! is answered. One that takes long waits for something itself, most likely, and no longer counts; nor does anybody wait for
//! long here.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// How long a request counts as one that computes, and how long another waits for it at most.
const YOUNG_FOR: Duration = Duration::from_millis(2);

/// Lets requests begin, a few at once.
pub(crate) struct Turnstile {
    places: usize,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// Those that began lately, the oldest first.
    begun: VecDeque<Begun>,
    /// Those that wait, the oldest first; some may have given up.
    waiting: VecDeque<oneshot::Sender<Pass>>,
    next: u64,
}

struct Begun {
    number: u64,
    at: Instant,
}

/// A request that has begun. Dropping it lets the next one begin.
pub(crate) struct Pass {
    /// None once it no longer counts.
    turnstile: Option<Arc<Turnstile>>,
    number: u64,
}

impl Books {
    fn begin(&mut self, at: Instant) -> u64 {
        let number = self.next;
        self.next += 1;
        self.begun.push_back(Begun { number, at });
        number
    }
}

impl Turnstile {
    /// One for a component: a place for each processor, and one for what begins meanwhile.
    pub(crate) fn for_processors() -> Arc<Self> {
        Self::with_places(std::thread::available_parallelism().map_or(1, NonZero::get) + 1)
    }

    fn with_places(places: usize) -> Arc<Self> {
        Arc::new(Self { places, books: Mutex::default() })
    }

    /// Waits for a place, and not for long.
    pub(crate) async fn pass(self: &Arc<Self>) -> Pass {
        let turn = {
            let mut books = self.books();
            let now = Instant::now();
            let is_old = |begun: &Begun| now.duration_since(begun.at) >= YOUNG_FOR;
            if books.begun.len() >= self.places && books.begun.front().is_some_and(is_old) {
                books.begun.pop_front();
            }
            if books.begun.len() < self.places {
                let number = books.begin(now);
                return Pass { turnstile: Some(self.clone()), number };
            }
            let (sender, turn) = oneshot::channel();
            books.waiting.push_back(sender);
            turn
        };
        // Whoever gives up after it was handed a place drops that with the channel.
        match tokio::time::timeout(YOUNG_FOR, turn).await {
            Ok(Ok(pass)) => pass,
            _ => Pass { turnstile: None, number: 0 },
        }
    }

    /// Gives a place to the oldest that waits.
    fn leave(self: Arc<Self>, number: u64) {
        let mut left = number;
        loop {
            let (next, number) = {
                let mut books = self.books();
                let Some(place) = books.begun.iter().position(|begun| begun.number == left) else { return };
                books.begun.remove(place);
                let Some(next) = books.waiting.pop_front() else { return };
                (next, books.begin(Instant::now()))
            };
            let Err(mut given_back) = next.send(Pass { turnstile: Some(self.clone()), number }) else {
                return;
            };
            given_back.turnstile = None;
            left = number;
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if let Some(turnstile) = self.turnstile.take() {
            turnstile.leave(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Instant;

    use super::{Turnstile, YOUNG_FOR};

    #[tokio::test]
    async fn a_request_waits_for_one_of_those_before_it() {
        let turnstile = Turnstile::with_places(2);
        let (first, second) = (turnstile.pass().await, turnstile.pass().await);
        let (third, ()) = tokio::join!(turnstile.pass(), async { drop(first) });
        assert!(third.turnstile.is_some(), "it was handed the place of the first");
        drop((second, third));
        assert!(turnstile.books().begun.is_empty());
    }

    #[tokio::test]
    async fn nobody_waits_for_long() {
        let turnstile = Turnstile::with_places(1);
        let first = turnstile.pass().await;
        let begun = Instant::now();
        let second = turnstile.pass().await;
        assert!(second.turnstile.is_none() && begun.elapsed() >= YOUNG_FOR);
        let third = turnstile.pass().await;
        assert!(third.turnstile.is_some(), "the first no longer counts");
        drop((first, second));
        assert_eq!(turnstile.books().begun.len(), 1, "what no longer counts leaves nobody's place");
        drop(third);
        assert!(turnstile.books().begun.is_empty());
    }

    #[tokio::test]
    async fn who_gives_up_takes_no_place() {
        let turnstile = Turnstile::with_places(1);
        let first = turnstile.pass().await;
        {
            let mut given_up = pin!(turnstile.pass());
            assert!(poll_once(given_up.as_mut()).await.is_pending());
        }
        drop(first);
        let books = turnstile.books();
        assert!(books.begun.is_empty() && books.waiting.is_empty());
    }

    async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
        std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx))).await
    }
}
